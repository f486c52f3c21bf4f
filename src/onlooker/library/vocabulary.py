"""The words of a library, for part-words, typing errors and reading errors.

A query word that stands nowhere is not widened by rules of some language but by what the library
really holds: its own words that contain it, or that a slip of the finger or of a text reader turns
into it. The words are held in memory in a compact form (about 100 bytes each).

References:
    Distances: restricted Damerau-Levenshtein ("optimal string alignment") by rapidfuzz; then
    Kernighan, Church and Gale, "A Spelling Correction Program Based on a Noisy Channel Model",
    COLING 1990, for the idea to weigh edits by how likely they are.
"""

from __future__ import annotations

import re
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import OSA

from onlooker.library.store import Store

MAX_WORD = 40
"""Longer "words" (addresses, hashes) are found exactly and as parts, never by a slip."""

_ALIKE = 0.2
_SIMILAR = 0.5
# Signs that readers take for each other, since they look alike in many typefaces: the pairs that
# head published confusion tables (e.g. Rice, Jenkins and Nartker, UNLV/ISRI 1995), and those seen
# in the errors of text readers on scenes.
_SINGLE = {
    _ALIKE: "0o 1l 1i il 5s 8b 2z 6g 9g 9q",
    _SIMILAR: "ce co eo uv nh nu bh vy fl ij lt it 1t ft rt gq ao mn 3b 7t 4a 6b 0d 0q",
}
_SINGLE_COST = {
    pair: cost
    for cost, pairs in _SINGLE.items()
    for both in pairs.split()
    for pair in ((both[0], both[1]), (both[1], both[0]))
}
# Two signs that together look like one; and vowels that have a second spelling.
_DOUBLE_COST = {
    ("rn", "m"): 0.2,
    ("nn", "m"): 0.5,
    ("ni", "m"): 0.5,
    ("in", "m"): 0.5,
    ("vv", "w"): 0.2,
    ("cl", "d"): 0.2,
    ("ci", "a"): 0.5,
    ("li", "h"): 0.5,
    ("ii", "u"): 0.4,
    ("ll", "u"): 0.5,
    ("lo", "b"): 0.5,
    ("ri", "n"): 0.5,
    ("ti", "n"): 0.5,
    ("fi", "h"): 0.5,
    ("ae", "a"): 0.2,
    ("oe", "o"): 0.2,
    ("ue", "u"): 0.2,
    ("ss", "s"): 0.5,
}
_TWICE = 0.6  # a doubled letter more or less: the commonest error of spelling
_SWAP = 0.8
_VOWELS = frozenset("aeiouy")
_VOWEL = 0.9
_FIRST = (
    0.3  # people and readers seldom get the first letter wrong (Yannakoudakis and Fawthrop 1983)
)

CONFUSION = 0.6
"""Up to this cost a word is most likely the same word misread; above, mistyped or another word."""

# Words that look the same to a reader share a skeleton. Order matters: pairs after single signs.
_SKELETON = str.maketrans("01i5829", "ollsbzg")
_SKELETON_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))

_POPCOUNT = np.array([bin(number).count("1") for number in range(1 << 16)], dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A word of the library near another one.

    Attributes:
        word: The word, folded.
        cost: Weighted distance; 0 is the word itself, 1 about one arbitrary wrong letter.
        count: In how many moments it stands.
    """

    word: str
    cost: float
    count: int


class Vocabulary:
    """All words of a library at one time."""

    def __init__(self, words: Sequence[str], counts: npt.NDArray[np.int64]) -> None:
        self._words = list(words)
        self._counts = counts
        self._text = "\n" + "\n".join(self._words) + "\n"
        codes = np.frombuffer(self._text.encode("utf-32-le"), dtype=np.uint32)
        breaks = np.flatnonzero(codes == 10)
        self._starts = breaks[:-1] + 1
        self._lengths = np.diff(breaks) - 1
        self._skeletons = _skeleton(self._text)
        self._skeleton_breaks: npt.NDArray[np.int64] | None = None
        self._letters = np.zeros(0, np.uint32)
        if self._words:
            bits = np.left_shift(np.uint32(1), (codes & 31).astype(np.uint32))
            bits[breaks] = 0
            self._letters = np.bitwise_or.reduceat(bits, self._starts)

    def __len__(self) -> int:
        return len(self._words)

    def containing(self, part: str, limit: int) -> list[Neighbour]:
        """Return words with ``part`` inside, most likely meant first.

        Words that begin with it come before others, words it makes up most of before longer ones,
        frequent before rare. The cost is the share of the word that is not ``part``.
        """
        if not self._words or not part or "\n" in part:
            return []
        hits = [match.start() for match in re.finditer(re.escape(part), self._text)]
        if not hits:
            return []
        places = np.array(hits, dtype=np.int64)
        numbers = np.searchsorted(self._starts, places, side="right") - 1
        begins = places == self._starts[numbers]
        # A word may contain it twice: the first place counts.
        numbers, first = np.unique(numbers, return_index=True)
        begins = begins[first]
        lengths = self._lengths[numbers]
        cost = 1.0 - len(part) / lengths
        order = np.lexsort((-self._counts[numbers], np.round(cost + ~begins, 1)))
        keep = [n for n in order.tolist() if lengths[n] > len(part)][:limit]
        return [
            Neighbour(
                self._words[numbers[n]],
                float(cost[n]) + (0.0 if begins[n] else 1.0),
                int(self._counts[numbers[n]]),
            )
            for n in keep
        ]

    def near(self, word: str, limit: int, max_cost: float | None = None) -> list[Neighbour]:
        """Return words that a slip turns into ``word``, or ``word`` into them, nearest first.

        Args:
            word: A folded word.
            limit: How many.
            max_cost: Greatest cost; by default what a word of this length can stand: one confusion
                of signs up to three letters, one edit up to five, then up to two.
        """
        if not self._words or not 2 <= len(word) <= MAX_WORD:
            return []
        allowed = _allowed(len(word)) if max_cost is None else max_cost
        numbers = self._same_skeleton(word)
        numbers += self._within(word, 1 if allowed <= CONFUSION else 2)
        found: list[Neighbour] = []
        for number in dict.fromkeys(numbers):
            other = self._words[number]
            cost = slip_cost(word, other)
            if 0 < cost <= allowed:
                found.append(Neighbour(other, cost, int(self._counts[number])))
        found.sort(key=lambda n: (round(n.cost, 2), -n.count, n.word))
        return found[:limit]

    @property
    def most(self) -> int:
        """In how many moments the commonest word stands."""
        return int(self._counts.max()) if self._words else 0

    def _within(self, word: str, distance: int, most: int = 160) -> list[int]:
        """Return numbers of words within an edit distance, nearest and most frequent first."""
        codes = np.frombuffer(word.encode("utf-32-le"), dtype=np.uint32)
        letters = np.bitwise_or.reduce(np.left_shift(np.uint32(1), codes & 31))
        # An edit changes one letter into another: two letters of the set at most.
        different = self._letters ^ letters
        apart = _POPCOUNT[different & 0xFFFF] + _POPCOUNT[different >> 16]
        mask = (apart <= 2 * distance) & (np.abs(self._lengths - len(word)) <= distance)
        numbers = np.flatnonzero(mask)
        if not len(numbers):
            return []
        candidates = [self._words[number] for number in numbers.tolist()]
        distances = process.cdist(
            [word], candidates, scorer=OSA.distance, score_cutoff=distance, dtype=np.uint8
        )[0]
        close = np.flatnonzero(distances <= distance)
        order = np.lexsort((-self._counts[numbers[close]], distances[close]))
        nearest: list[int] = numbers[close[order[:most]]].tolist()
        return nearest

    def _same_skeleton(self, word: str) -> list[int]:
        """Return numbers of words that look the same to a reader, whatever their distance."""
        sought = f"\n{_skeleton(word)}\n"
        at = self._skeletons.find(sought)
        if at < 0:
            return []
        if self._skeleton_breaks is None:
            codes = np.frombuffer(self._skeletons.encode("utf-32-le"), dtype=np.uint32)
            self._skeleton_breaks = np.flatnonzero(codes == 10)
        found: list[int] = []
        while at >= 0 and len(found) < 50:
            found.append(int(np.searchsorted(self._skeleton_breaks, at)))
            at = self._skeletons.find(sought, at + 1)
        return found


def _skeleton(text: str) -> str:
    text = text.translate(_SKELETON)
    for pair, single in _SKELETON_PAIRS:
        text = text.replace(pair, single)
    return text


def _allowed(length: int) -> float:
    if length <= 3:
        return CONFUSION
    if length <= 5:
        return 1.0
    return 1.6 if length <= 8 else 2.0


def slip_cost(one: str, other: str) -> float:
    """Return the weighted distance between two words.

    An arbitrary letter more, less or other costs 1; signs that look alike, pairs that look like one
    sign, swapped and doubled letters cost less; a wrong first letter costs more.

    Example:
        >>> slip_cost("gradlent", "gradient"), slip_cost("leaming", "learning")
        (0.2, 0.2)
    """
    rows, columns = len(one), len(other)
    far = float(rows + columns + 1)
    table = [[far] * (columns + 1) for _ in range(rows + 1)]
    table[0][0] = 0.0
    for i in range(rows + 1):
        for j in range(columns + 1):
            best = table[i][j]
            if i:
                step = _TWICE if i > 1 and one[i - 1] == one[i - 2] else 1.0
                best = min(best, table[i - 1][j] + step + (_FIRST if i == 1 and j == 0 else 0.0))
            if j:
                step = _TWICE if j > 1 and other[j - 1] == other[j - 2] else 1.0
                best = min(best, table[i][j - 1] + step + (_FIRST if j == 1 and i == 0 else 0.0))
            if i and j:
                a, b = one[i - 1], other[j - 1]
                if a == b:
                    best = min(best, table[i - 1][j - 1])
                else:
                    step = _SINGLE_COST.get((a, b), 0.0)
                    if not step:
                        step = _VOWEL if a in _VOWELS and b in _VOWELS else 1.0
                        step += _FIRST if i == 1 and j == 1 else 0.0
                    best = min(best, table[i - 1][j - 1] + step)
                if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                    best = min(best, table[i - 2][j - 2] + _SWAP)
                if i > 1:
                    pair = _DOUBLE_COST.get((one[i - 2 : i], b))
                    if pair is not None:
                        best = min(best, table[i - 2][j - 1] + pair)
                if j > 1:
                    pair = _DOUBLE_COST.get((other[j - 2 : j], a))
                    if pair is not None:
                        best = min(best, table[i - 1][j - 2] + pair)
            table[i][j] = best
    return round(table[rows][columns], 3)


_VOCABULARIES: weakref.WeakKeyDictionary[Store, tuple[int, float, float, Vocabulary]] = (
    weakref.WeakKeyDictionary()
)


def vocabulary_of(store: Store) -> Vocabulary:
    """Return the words of a library, loaded when first needed and again when it has grown.

    While a library is being filled it would change with every file: it is loaded again when twenty
    times the time that loading takes has gone by. Words that are missing until then are found
    exactly all the same.
    """
    now = time.monotonic()
    generation = store.generation()
    known = _VOCABULARIES.get(store)
    if known is not None:
        loaded_generation, loaded_at, cost, vocabulary = known
        if loaded_generation == generation or now - loaded_at < 20 * cost:
            return vocabulary
    vocabulary = Vocabulary(*store.vocabulary())
    _VOCABULARIES[store] = (generation, now, time.monotonic() - now, vocabulary)
    return vocabulary
