"""How likely a text is, whatever the picture shows: a model of words, numbers and codes.

A text is cut into cores (letters and figures) and the marks between them. A core is a word or a
code, and its probability is the weighted sum of both:

- a *word*: an n-gram model with back-off over its letters, case disregarded, times the probability
  of how it is cased: all small, first letter capital, all capital, or (rarely) anything else;
- a *code*: an n-gram model over its shape (capital, small letter, figure), times one over the
  number of such characters. Numbers, plates, product names: any is as likely as another.

So a word that the lists know is preferred to one that looks like none, while among names and codes
that no list knows the picture decides.

References:
    Katz 1987 (back-off); Chen and Goodman 1999 (interpolated absolute discounting).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onlooker.errors import WeightsError
from onlooker.hub import Weights, resolve

Floats = npt.NDArray[np.float64]

#: Symbols of the n-grams: beginning (which is the end, too), and the letters of the word lists.
LETTERS = "abcdefghijklmnopqrstuvwxyzàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿßœ"
EDGE = 0
BITS = 6
#: Natural logarithms are stored as bytes, in steps of this.
STEP = 0.1
#: Share of cores that are words; the rest are codes. As in what signs and slides are drawn from.
WORD_SHARE = 0.8
#: How words are cased; a lone letter is "small" or "capital". The rest is shared by all others.
CASES = {"small": 0.44, "title": 0.27, "capital": 0.27}
#: Log probability of another casing, and more for each change between small and capital.
_MIXED = -5.0
_MIXED_CHANGE = -2.0
#: Log probability of a space: lines have one in six characters, and the counts are of words.
_SPACE = -1.8
#: What cannot be at all (a letter of no list within a word).
_NEVER = -60.0

_CORES = re.compile(r"[^\W_]+")
_SYMBOL = {letter: number for number, letter in enumerate(LETTERS, start=1)}


def pack(symbols: Iterable[int]) -> int:
    """Pack symbols into one number, the last lowest."""
    key = 0
    for symbol in symbols:
        key = key << BITS | symbol
    return key


def shape_of(core: str) -> str:
    """Describe the characters of a core: ``U``, ``l``, ``0``, ``x`` (other letters).

    Example:
        >>> shape_of("B12x")
        'U00l'
    """
    return "".join(
        "0"
        if c.isascii() and c.isdigit()
        else ("U" if c.isupper() else "l")
        if c.isascii()
        else "x"
        for c in core
    )


#: Characters of each shape, over which codes are spread evenly.
SHAPE_SIZES = {"0": 10, "U": 26, "l": 26, "x": 120}


def casing(core: str) -> float:
    """Return the log probability of how a core is cased, given its letters.

    Example:
        >>> casing("Street") > casing("StReet")
        True
    """
    if core.islower():
        return float(np.log(CASES["small"]))
    if core.isupper():
        # "A" is a capital letter and a title at once.
        both = CASES["capital"] + (CASES["title"] if len(core) == 1 else 0.0)
        return float(np.log(both))
    if core[0].isupper() and core[1:].islower():
        return float(np.log(CASES["title"]))
    changes = sum(a.islower() != b.islower() for a, b in pairwise(core))
    return _MIXED + _MIXED_CHANGE * changes


class LanguageModel:
    """Log probabilities of texts; see the module.

    Args:
        arrays: What the file holds: for each order ``k`` from 1, ``keys{k}`` (sorted, packed
            n-grams of k symbols, as differences), ``log{k}`` and ``back{k}`` (bytes, in steps of
            −`STEP`); ``shapes`` (5, 5, 5): log probabilities of a shape after two others;
            ``marks`` and ``mark_logs``: characters between cores.
    """

    def __init__(self, arrays: Any) -> None:
        self.order = sum(1 for name in arrays if name.startswith("keys"))
        self._keys = [
            np.cumsum(arrays[f"keys{k}"], dtype=np.uint64) for k in range(1, self.order + 1)
        ]
        self._logs = [-STEP * arrays[f"log{k}"].astype(np.float32) for k in self._orders()]
        self._backs = [-STEP * arrays[f"back{k}"].astype(np.float32) for k in self._orders()]
        self._shapes = arrays["shapes"].astype(np.float64)
        self._marks = dict(
            zip(str(arrays["marks"]), arrays["mark_logs"].astype(float).tolist(), strict=True)
        )
        self._rare_mark = min(self._marks.values()) - 1.0
        self._marks[" "] = _SPACE
        self._known: dict[str, float] = {}

    def _orders(self) -> range:
        return range(1, self.order + 1)

    @classmethod
    def load(cls, weights: Weights) -> LanguageModel:
        """Load a model.

        Raises:
            WeightsError: The file is missing or damaged.
        """
        return cls.open(resolve(weights))

    @classmethod
    def open(cls, path: Path) -> LanguageModel:
        """Load the model of a file.

        Raises:
            WeightsError: The file holds something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls({name: file[name] for name in file.files})
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise WeightsError(
                f"{path} is no language model ({error}); build it with "
                "recipes/text.recognition/words/build.py"
            ) from error

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Compute the log probability of each text."""
        cores = [_CORES.findall(text) for text in texts]
        self._learn({core for some in cores for core in some})
        return np.array(
            [
                sum(self._known[core] for core in some)
                + sum(self._marks.get(c, self._rare_mark) for c in _CORES.sub("", text))
                for text, some in zip(texts, cores, strict=True)
            ]
        )

    def _learn(self, cores: set[str]) -> None:
        """Compute what is not known yet; many cores at once, for they share their cost."""
        new = sorted(cores - self._known.keys())
        if len(self._known) > 20_000:  # some 3 MB
            self._known.clear()
            new = sorted(cores)
        words = self._words([core.lower() for core in new])
        for core, word in zip(new, words.tolist(), strict=True):
            as_word = np.log(WORD_SHARE) + word + casing(core) if word > _NEVER else _NEVER
            as_code = np.log(1 - WORD_SHARE) + self._code(core)
            self._known[core] = float(np.logaddexp(as_word, as_code))

    def _code(self, core: str) -> float:
        shape = shape_of(core)
        places = [4, 4, *("0Ulx".index(c) for c in shape), 4]
        total = sum(
            float(self._shapes[a, b, c])
            for a, b, c in zip(places, places[1:], places[2:], strict=False)
        )
        return total - sum(float(np.log(SHAPE_SIZES[c])) for c in shape)

    def _words(self, words: Sequence[str]) -> Floats:
        """Compute log probabilities by the n-grams; `_NEVER` where a letter is in no list."""
        totals = np.zeros(len(words))
        histories: list[list[int]] = []
        owners: list[int] = []
        for index, word in enumerate(words):
            if not all(c in _SYMBOL for c in word):
                totals[index] = _NEVER
                continue
            symbols = [EDGE, *(_SYMBOL[c] for c in word), EDGE]
            for end in range(2, len(symbols) + 1):
                histories.append(symbols[max(0, end - self.order) : end])
                owners.append(index)
        if not histories:
            return totals
        lengths = np.array([len(h) for h in histories])
        values = np.zeros(len(histories))
        pending = np.ones(len(histories), bool)
        for k in range(self.order, 0, -1):
            here = np.flatnonzero(pending & (lengths >= k))
            if not here.size:
                continue
            keys = np.array([pack(histories[i][-k:]) for i in here], np.uint64)
            at, found = self._find(k, keys)
            hits = here[found]
            values[hits] += self._logs[k - 1][at[found]]
            pending[hits] = False
            misses = here[~found]
            if k > 1 and misses.size:
                contexts = np.array([pack(histories[i][-k:-1]) for i in misses], np.uint64)
                at, known = self._find(k - 1, contexts)
                values[misses[known]] += self._backs[k - 2][at[known]]
        np.add.at(totals, owners, values)
        return totals

    def _find(
        self, k: int, keys: npt.NDArray[np.uint64]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        table = self._keys[k - 1]
        at = np.minimum(np.searchsorted(table, keys), len(table) - 1)
        return at, table[at] == keys
