"""From a query to ranked moments.

Levels, each below the one before, and each asked only while the page is not full:

1. **exact**: moments that match the query as it stands, all its words in one moment; ``begin*``
   counts as ``prefix``.
2. **neighbours**: the words of an AND stand in moments beside each other: on one page, photo or
   stretch of video, or within 30 s of the same recording, as a title and its bullet or two
   successive subtitles.
3. **prefix and part**: words of the library that begin with, or contain, a word of the query.
4. **part**: the letters of the query in a row, where a reader or a code has set other spaces.
5. **near**: words of the library that a typing or reading error turns into a word of the query.

Words in quotes are taken as they are: they have no part and near words. A query that finds nothing
better than near words also gets a suggestion: the nearest spelling in the library.

Ranking is BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009; k1 = 1.2,
b = 0.75, mean length 10 words) times the weight of the evidence. Candidates come from an index
that is ordered by evidence and length (see ``store_sqlite/schema.py``): for a word that stands in
half a million moments, the first 100 of each class of evidence are taken, and the first 100 of all
are scored by their text; they are the best ones by everything but how often the word stands in
them. Moments where the words of an AND stand side by side are taken first.
"""

from __future__ import annotations

import math
import time
import unicodedata
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from onlooker.library.folding import fold, fold_spelled, fold_with_places, squeeze
from onlooker.library.query import And, Node, Not, Or, Term, parse, terms_of
from onlooker.library.store import Filters, Line, Matches, MediaRow, MomentRow, Store
from onlooker.library.vocabulary import CONFUSION, Vocabulary

Match = Literal["exact", "prefix", "part", "near"]

CANDIDATES = 100
SCORED = 100
"""Moments of each class of evidence that one level takes from the index, and those among all of
them that are scored by their text. Deeper pages take more, in blocks of as many, each ranked below
the one before, so that pages fit together."""
DEEPEST = 5_000
"""Hits beyond this number are counted, not shown."""
PART_WORDS = 64
NEAR_WORDS = 24
"""Words of the library that one word of the query may stand for."""
ANCHORS = 100
REACH = 16
"""Neighbours: so many moments with the rarest word are taken, and so many before and after each
looked at; a slide has some 10 lines, 30 s of subtitles some 10 cues."""
GAP_S = 30.0
"""Neighbours in time: what is said in half a minute belongs together, about one slide's worth."""

_K1, _B, _MEAN_LENGTH = 1.2, 0.75, 10.0
_SHORTEST = 4
"""Lines of fewer words count as of four: below, length says nothing about what a line is about."""

_WEIGHTS: dict[str, float] = {
    "person": 1.5,
    "title": 1.4,
    "screen": 1.0,
    "speech": 0.85,
    "name": 0.7,
}
"""What evidence is worth. People write titles and keywords to say what a medium is about, and a
slide's title says it of the slide; what is shown was chosen with more care than what is said in
passing; a file's name is most often a number or a date."""

_BANDS: dict[str, tuple[float, float]] = {
    "exact": (0.75, 1.0),
    "neighbours": (0.62, 0.75),
    "prefix": (0.5, 0.62),
    "part": (0.3, 0.5),
    "near": (0.05, 0.3),
}
"""Scores by level: no hit of a later level comes before one of an earlier."""
_LEVELS = ("exact", "prefix", "part", "near")

_SNIPPET = 240  # characters: three lines of a terminal
_LONG = (
    2_000  # longer texts (a whole description, a transcript without times) are looked at in parts
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """The text that matched.

    Attributes:
        text: As it stands in the moment (normal form C), shortened with ``…`` where it is long;
            moments that match together are joined by `` … ``.
        marks: Begin and end of each stretch that matched, in order, apart from each other.
    """

    text: str
    marks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A moment that was found.

    Attributes:
        moment: The moment; of several that match together, the one that says most.
        media: Its medium.
        snippet: The text with its marks.
        score: In (0, 1]; comparable within one result.
        match: How its weakest word matches.
        why: One phrase for a person.
    """

    moment: MomentRow
    media: MediaRow
    snippet: Snippet
    score: float
    match: Match
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search found.

    Attributes:
        hits: The page that was asked for, best first.
        total: Number of hits, or what is known of it.
        total_exact: ``total`` is exact, not a lower bound.
        took_s: Time in seconds.
        suggestion: Where nothing better than near words was found: the query in the nearest
            spelling of the library, if there is one; else "".
    """

    hits: tuple[Hit, ...] = ()
    total: int = 0
    total_exact: bool = True
    took_s: float = 0.0
    suggestion: str = ""


def search(
    store: Store, text: str, filters: Filters | None = None, *, limit: int = 20, offset: int = 0
) -> SearchResult:
    """Find the moments that match a query.

    Args:
        store: Where to search.
        text: The query, see `onlooker.library.query`.
        filters: Hard limits.
        limit: At most so many hits.
        offset: Leave out the first so many.

    Raises:
        QueryError: The text is no query.
        StoreError: The library cannot be read.
    """
    began = time.perf_counter()
    run = _Run(store, text, filters or Filters(), wanted=min(max(0, offset) + limit, DEEPEST))
    run.go()
    found = run.ranked()
    hits = tuple(run.hits(found[max(0, offset) : max(0, offset) + limit])) if limit > 0 else ()
    total = run.total()
    return SearchResult(
        hits=hits,
        total=total,
        total_exact=not run.more,
        took_s=time.perf_counter() - began,
        suggestion=run.suggestion(),
    )


@dataclass(slots=True)
class _Pattern:
    """A term with everything it may stand for: word → (level, cost)."""

    term: Term
    ways: dict[str, tuple[Match, float]] = field(default_factory=dict)
    weight: float = 1.0  # inverse document frequency

    def node(self) -> Node:
        """Return the tree that finds it."""
        known = {words[0] for words in self.term.variants if len(words) == 1}
        others = [Term((word,)) for word in self.ways if word not in known]
        if self.term.prefix or not others:
            return self.term
        return Or((self.term, *others))

    def find(self, words: Sequence[str], spelled: Sequence[str]) -> Iterator[_Place]:
        """Iterate over its places among the words of a text, given in both spellings."""
        length = len(self.term.words)
        if length == 1:
            for at, word in enumerate(words):
                way = self.ways.get(word) or (self.ways.get(spelled[at]) if spelled else None)
                if way is not None:
                    yield _Place(at, at + 1, *way)
            return
        first = {variant[0] for variant in self.term.variants}
        for text in (words, spelled) if spelled else (words,):
            for at in range(len(text) - length + 1):
                if text[at] in first and self._goes_on(text[at : at + length]):
                    yield _Place(at, at + length, "exact", 0.0)

    def _goes_on(self, words: Sequence[str]) -> bool:
        for variant in self.term.variants:
            if tuple(words[:-1]) == variant[:-1]:
                last = words[-1]
                if last == variant[-1] or (self.term.prefix and last.startswith(variant[-1])):
                    return True
        return False


@dataclass(frozen=True, slots=True)
class _Place:
    start: int
    end: int
    level: Match
    cost: float


@dataclass(slots=True)
class _Found:
    """A hit before its moment is fetched; ``ids`` are the moments it stands on, the best first."""

    ids: tuple[int, ...]
    score: float
    match: Match
    band: str
    squeezed: str = ""
    order: tuple[int, int, int] = (0, 0, 0)  # level, band and block, before the score


class _Run:
    """One search."""

    def __init__(self, store: Store, text: str, filters: Filters, *, wanted: int) -> None:
        self._store = store
        self._text = text
        self._node = parse(text)
        self._filters = filters
        self._wanted = wanted
        self._blocks = max(1, math.ceil(wanted / SCORED))
        self._depth = self._blocks * CANDIDATES
        self._level = 0
        self._unscored = 0
        self._found: list[_Found] = []
        self._seen: set[int] = set()
        self.more = False
        self.least = 0
        self._patterns: dict[Term, _Pattern] = {
            term: _Pattern(term) for term in terms_of(self._node)
        }
        self._counts = store.word_counts(
            word for term in self._patterns for words in term.variants for word in words
        )
        for pattern in self._patterns.values():
            term = pattern.term
            pattern.weight = self._weight(term)
            for words in term.variants:
                if len(words) != 1:
                    continue
                if term.prefix:
                    for word in store.beginnings(words[0]):
                        cost = 1 - len(words[0]) / len(word)
                        pattern.ways.setdefault(word, ("prefix", cost))
                pattern.ways[words[0]] = ("exact", 0.0)

    def _count(self, term: Term) -> int:
        """Return in how many moments a term can stand at most."""
        return sum(min(self._counts.get(word, 0) for word in words) for words in term.variants)

    def _weight(self, term: Term) -> float:
        # As in a library of a million moments: only how words compare to each other matters.
        count = self._count(term)
        return math.log(1.0 + 1e6 / (count + 0.5))

    def go(self) -> None:
        """Run the levels until there is enough."""
        self._exact()
        levels = (self._neighbours, self._parts, self._squeezed, self._near)
        for level in levels:
            if len(self._found) >= self._wanted:
                self.more = True
                return
            self._level += 1
            level()

    # -- levels ------------------------------------------------------------------------------------
    def _exact(self) -> None:
        if any(isinstance(part, Or) for part in _parts(self._node)):
            # Moments that have all alternatives first: the index doesn't know how many matched.
            strict = self._store.match(_strict(self._node), self._filters, limit=CANDIDATES)
            self._take(strict)
        terms = _sequence(self._node)
        if len(terms) > 1 and all(len(term.words) == 1 for term in terms):
            beside = Term(
                words=tuple(term.words[0] for term in terms),
                spelled=tuple((term.spelled or term.words)[0] for term in terms),
            )
            self._take(self._store.match(beside, self._filters, limit=CANDIDATES))
        matches = self._store.match(self._node, self._filters, limit=self._depth)
        self._take(matches)
        if isinstance(self._node, Term) and self._filters == Filters():
            term = self._node
            if len(term.words) == 1 and not term.prefix:
                self.least = max(self._counts.get(words[0], 0) for words in term.variants)

    def _neighbours(self) -> None:
        groups = _groups(self._node)
        if groups is None or len(groups) < 2:
            return
        wanted = [[self._patterns[term] for term in group] for group in groups]
        rarest = max(wanted, key=lambda group: max(pattern.weight for pattern in group))
        if any(self._nowhere(group) for group in wanted):
            return
        nodes = [pattern.node() for pattern in rarest]
        node = nodes[0] if len(nodes) == 1 else Or(tuple(nodes))
        matches = self._store.match(node, self._filters, limit=ANCHORS)
        self.more |= matches.more
        anchors = sorted(
            zip(matches.ranks, matches.ids, strict=True), key=lambda pair: -_prior(pair[0])
        )[:ANCHORS]
        unwanted = [
            _Pattern(term, dict.fromkeys(_single(term), ("exact", 0.0)))
            for term in _left_out(self._node)
        ]
        around = self._store.around([moment_id for _, moment_id in anchors], REACH)
        # A line is folded once, however many windows it stands in.
        folded: dict[int, tuple[list[str], list[str]]] = {}
        used: set[int] = set(self._seen)
        for _, anchor_id in anchors:
            if anchor_id in used:
                continue
            cover = self._cover(anchor_id, around.get(anchor_id, []), wanted, unwanted, folded)
            if cover is not None and not used.intersection(cover.ids):
                used.update(cover.ids)
                self._add(cover)

    def _cover(
        self,
        anchor_id: int,
        lines: list[Line],
        wanted: list[list[_Pattern]],
        unwanted: list[_Pattern],
        folded: dict[int, tuple[list[str], list[str]]],
    ) -> _Found | None:
        """Return the moments around an anchor that have all the words together, None if none do."""
        anchor = next((line for line in lines if line.id == anchor_id), None)
        if anchor is None:
            return None
        near = [line for line in lines if _together(anchor, line)]
        near = [line for line in near if self._allows(line)]
        near.sort(key=lambda line: abs(line.id - anchor_id))
        chosen: dict[int, Line] = {}
        quality = 0.0
        level: Match = "exact"
        for group in wanted:
            best: tuple[float, Line, _Place] | None = None
            for line in near:
                words = folded.get(line.id)
                if words is None:
                    words = folded[line.id] = _fold_words(line.text)
                for pattern in group:
                    place = min(pattern.find(*words), key=lambda p: p.cost, default=None)
                    if place is None:
                        continue
                    worth = pattern.weight * math.exp(-place.cost) * _weight(line.rank)
                    worth /= 1.0 + 0.1 * abs(line.id - anchor_id)
                    if best is None or worth > best[0]:
                        best = (worth, line, place)
                if best is not None and abs(line.id - anchor_id) > abs(best[1].id - anchor_id):
                    break
            if best is None:
                return None
            chosen[best[1].id] = best[1]
            quality += best[0]
            level = max(level, best[2].level, key=_LEVELS.index)
        for line in chosen.values():
            words = folded[line.id]
            if any(True for pattern in unwanted for _ in pattern.find(*words)):
                return None
        total = sum(max(pattern.weight for pattern in group) for group in wanted)
        # A window says less the more moments it needs.
        score = quality / total / len(chosen)
        order = sorted(chosen, key=lambda i: (-_weight(chosen[i].rank), i))
        band = "neighbours" if level == "exact" else level
        return _Found(tuple(order), _banded(band, score), level, band)

    def _nowhere(self, group: list[_Pattern]) -> bool:
        """Return whether the library holds none of a group's words."""
        return not any(
            pattern.term.prefix
            or self._count(pattern.term)
            or len(pattern.ways) > len(pattern.term.variants)
            for pattern in group
        )

    def _allows(self, line: Line) -> bool:
        return not self._filters.kinds or _kind(line.rank) in self._filters.kinds

    def _parts(self) -> None:
        widened = False
        vocabulary = _vocabulary(self._store)
        for pattern in self._patterns.values():
            term = pattern.term
            if len(term.words) != 1 or term.quoted or term.prefix:
                continue
            for word in _single(term):
                for other in vocabulary.containing(word, PART_WORDS):
                    begins = other.cost < 1.0
                    if not begins and len(word) < 3 and word.isascii():
                        continue
                    way: tuple[Match, float] = (
                        ("prefix", other.cost) if begins else ("part", other.cost - 1.0)
                    )
                    widened |= other.word not in pattern.ways
                    pattern.ways.setdefault(other.word, way)
        if widened:
            self._take(
                self._store.match(self._widened(self._node), self._filters, limit=self._depth)
            )

    def _squeezed(self) -> None:
        """Look for the letters of the whole query in a row, whatever the spaces."""
        terms = _sequence(self._node)
        if not terms:
            return
        sought = "".join(word for term in terms for word in term.words)
        # Short runs of letters stand across the borders of words everywhere; and who puts words in
        # quotes wants them so, if they are there.
        if self._found and (len(sought) < 5 or any(term.quoted for term in terms)):
            return
        matches = self._store.match_part(sought, self._filters, limit=self._depth)
        self.more |= matches.more
        fresh = [p for p in zip(matches.ids, matches.ranks, strict=True) if p[0] not in self._seen]
        for number, (moment_id, rank) in enumerate(fresh):
            score = _banded("part", 0.5 * _prior(rank))
            found = _Found((moment_id,), score, "part", "part", squeezed=sought)
            self._add(found, number // SCORED)

    def _near(self) -> None:
        vocabulary = _vocabulary(self._store)
        widened = False
        nothing = not self._found
        for pattern in self._patterns.values():
            term = pattern.term
            if len(term.words) != 1 or term.quoted or term.prefix:
                continue
            count = self._count(term)
            # A word the library knows well is meant as it is; only its misread twins are wanted.
            known = count > 2 or (count > 0 and not nothing)
            for word in _single(term):
                if known or not nothing:
                    others = vocabulary.near(word, NEAR_WORDS, CONFUSION)
                else:
                    others = vocabulary.near(word, NEAR_WORDS)
                for other in others:
                    widened |= other.word not in pattern.ways
                    pattern.ways.setdefault(other.word, ("near", other.cost))
        if not widened:
            return
        self._take(self._store.match(self._widened(self._node), self._filters, limit=self._depth))
        if not self._found:
            self._neighbours()

    def _widened(self, node: Node) -> Node:
        """Return the tree with every term replaced by all it may stand for."""
        if isinstance(node, Term):
            return self._patterns[node].node()
        if isinstance(node, And):
            return And(tuple(c if isinstance(c, Not) else self._widened(c) for c in node.children))
        if isinstance(node, Or):
            return Or(tuple(self._widened(child) for child in node.children))
        return node

    # -- scoring -----------------------------------------------------------------------------------
    def _take(self, matches: Matches) -> None:
        """Score what the index found."""
        self.more |= matches.more
        fresh = [
            (rank, moment_id)
            for rank, moment_id in zip(matches.ranks, matches.ids, strict=True)
            if moment_id not in self._seen
        ]
        fresh.sort(key=lambda pair: -_prior(pair[0]))  # stable: in order of the index
        ids = [moment_id for _, moment_id in fresh]
        scored = self._blocks * SCORED
        lines = self._store.lines_of(ids[:scored])
        for number, moment_id in enumerate(ids[:scored]):
            # A writer may have replaced it since the index was asked.
            if moment_id in lines:
                self._add(self._scored(lines[moment_id]), number // SCORED)
        self._seen.update(ids[scored:])
        self._unscored += len(ids[scored:])

    def _scored(self, line: Line) -> _Found:
        words, spelled = _fold_words(line.text)
        norm = _K1 * (1 - _B + _B * max(_SHORTEST, len(words)) / _MEAN_LENGTH)
        quality = total = 0.0
        level: Match = "exact"
        firsts: list[int] = []
        for pattern in self._patterns.values():
            total += pattern.weight
            best: dict[int, _Place] = {}
            for place in pattern.find(words, spelled):
                best.setdefault(place.start, place)
            if not best:
                continue
            nearest = min(best.values(), key=lambda p: (_LEVELS.index(p.level), p.cost))
            level = max(level, nearest.level, key=_LEVELS.index)
            often = sum(math.exp(-place.cost) for place in best.values())
            worth = pattern.weight * often * (_K1 + 1) / (often + norm)
            if nearest.cost == 0 and len(pattern.term.raw) > 1 and pattern.term.raw in line.text:
                worth *= 1.05  # written the same: "Go" before "go", "C++" before "C"
            quality += worth * math.exp(-nearest.cost)
            firsts.append(min(best))
        if len(firsts) > 1:
            # Words that stand side by side in the order of the query belong together.
            beside = sum(b - a == 1 for a, b in pairwise(firsts))
            quality *= 1.0 + 0.3 * beside / (len(firsts) - 1)
        score = quality / total * _weight(line.rank) if total else 0.0
        return _Found((line.id,), _banded(level, score), level, level)

    def _add(self, found: _Found, block: int = 0) -> None:
        found.order = (self._level, tuple(_BANDS).index(found.band), block)
        self._seen.update(found.ids)
        self._found.append(found)

    def total(self) -> int:
        """Return how many there are, as far as is known."""
        return max(len(self._found) + self._unscored, self.least)

    def ranked(self) -> list[_Found]:
        """Return everything that was scored, best first."""
        found = sorted(self._found, key=lambda one: (one.order, -one.score))
        lowest = 1.0
        for one in found:
            lowest = one.score = min(one.score, lowest)
        return found

    # -- for people --------------------------------------------------------------------------------
    def hits(self, found: Sequence[_Found]) -> Iterator[Hit]:
        """Fetch moments and media, and cut snippets."""
        moments = self._store.moments_of(i for f in found for i in f.ids)
        media = self._store.media_of(row.media_id for row in moments.values())
        for one in found:
            rows = [moments[i] for i in one.ids if i in moments]
            # A writer may have replaced them since the index was asked.
            if not rows or rows[0].media_id not in media:
                continue
            in_order = sorted(rows, key=lambda row: row.id)
            snippet, ways = self._snippet([row.moment.text for row in in_order], one)
            yield Hit(
                moment=rows[0],
                media=media[rows[0].media_id],
                snippet=snippet,
                score=one.score,
                match=one.match,
                why=_why(one, ways, rows[0]),
            )

    def _snippet(self, texts: Sequence[str], found: _Found) -> tuple[Snippet, dict[str, str]]:
        """Mark what matches; return the words that stand for others too: word found → meant."""
        pieces: list[str] = []
        marks: list[tuple[int, int]] = []
        ways: dict[str, str] = {}
        at = 0
        room = max(40, _SNIPPET // max(1, len(texts)))
        for raw in texts:
            text = unicodedata.normalize("NFC", raw)
            if len(text) > _LONG:
                text = self._passage(text, found)
            spans = self._marks(text, ways) if not found.squeezed else _run_of(text, found.squeezed)
            text, spans = _shortened(text, spans, room)
            marks += [(at + start, at + end) for start, end in spans]
            pieces.append(text)
            at += len(text) + 3
        return Snippet(" … ".join(pieces), tuple(marks)), ways

    def _passage(self, text: str, found: _Found) -> str:
        """Return the stretch of a very long text where most of the query stands."""
        best, most = text[:_LONG], 0
        # Half over each other, so that what stands together is together in one of them.
        for start in range(0, len(text), _LONG // 2):
            piece = text[start : start + _LONG]
            if found.squeezed:
                count = int(found.squeezed in squeeze(piece))
            else:
                words, spelled = _fold_words(piece)
                count = sum(
                    any(True for _ in pattern.find(words, spelled))
                    for pattern in self._patterns.values()
                )
            if count > most:
                best, most = piece, count
                if start:  # whole words only
                    best = best.partition(" ")[2] or best
            if most == len(self._patterns):
                break
        return best

    def _marks(self, text: str, ways: dict[str, str]) -> list[tuple[int, int]]:
        folded, places = fold_with_places(text)
        words: list[str] = []
        spelled: list[str] = []
        starts: list[int] = []
        at = 0
        for word in folded.split():
            at = folded.index(word, at)
            starts.append(at)
            begin, end = places[at], places[at + len(word) - 1] + 1
            words.append(word)
            spelled.append(fold_spelled(text[begin:end]).strip() or word)
            at += len(word)
        spans: list[tuple[int, int]] = []
        for pattern in self._patterns.values():
            for place in pattern.find(words, spelled if spelled != words else ()):
                first = starts[place.start]
                last = starts[place.end - 1] + len(words[place.end - 1])
                if place.level == "part":
                    inside = words[place.start].find(pattern.term.words[0])
                    if inside >= 0:
                        first += inside
                        last = first + len(pattern.term.words[0])
                if place.level != "exact":
                    ways.setdefault(
                        text[places[starts[place.start]] : places[last - 1] + 1]
                        if place.level != "part"
                        else _word_at(text, places[first]),
                        pattern.term.raw.rstrip("*"),
                    )
                spans.append((places[first], places[last - 1] + 1))
        return _merged(spans)

    def suggestion(self) -> str:
        """Return the query in the nearest spelling of the library."""
        if any(found.band != "near" for found in self._found):
            return ""
        text = self._text
        changed = False
        for term in self._patterns:
            if self._count(term) or term.prefix:
                continue
            for raw in term.raw.split():
                words = fold(raw).split()
                if len(words) != 1 or self._counts.get(words[0]):
                    continue
                nearest = _vocabulary(self._store).nearest(words[0])
                if nearest is not None and raw in text:
                    text = text.replace(raw, nearest, 1)
                    changed = True
        return text.strip() if changed else ""


# -- small parts -----------------------------------------------------------------------------------
_VOCABULARIES: weakref.WeakKeyDictionary[Store, tuple[int, float, float, Vocabulary]] = (
    weakref.WeakKeyDictionary()
)


def _vocabulary(store: Store) -> Vocabulary:
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


def _fold_words(text: str) -> tuple[list[str], list[str]]:
    return fold(text).split(), fold_spelled(text).split()


def _single(term: Term) -> list[str]:
    return [words[0] for words in term.variants if len(words) == 1]


def _parts(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, And | Or):
        for child in node.children:
            yield from _parts(child)


def _strict(node: Node) -> Node:
    """Return the tree with every OR turned into an AND."""
    if isinstance(node, Or):
        return And(tuple(_strict(child) for child in node.children))
    if isinstance(node, And):
        return And(tuple(c if isinstance(c, Not) else _strict(c) for c in node.children))
    return node


def _groups(node: Node) -> list[list[Term]] | None:
    """Return what an AND of terms asks for, each a list of alternatives; None for other trees."""
    if not isinstance(node, And):
        return None
    groups: list[list[Term]] = []
    for child in node.children:
        if isinstance(child, Not):
            if not isinstance(child.child, Term):
                return None
        elif isinstance(child, Term):
            groups.append([child])
        elif isinstance(child, Or) and all(isinstance(c, Term) for c in child.children):
            groups.append([c for c in child.children if isinstance(c, Term)])
        else:
            return None
    return groups


def _left_out(node: Node) -> Iterator[Term]:
    if isinstance(node, And):
        for child in node.children:
            if isinstance(child, Not) and isinstance(child.child, Term):
                yield child.child


def _sequence(node: Node) -> list[Term]:
    """Return the terms of a plain query in order; none for one with operators."""
    if isinstance(node, Term):
        return [] if node.prefix else [node]
    if isinstance(node, And) and all(isinstance(c, Term) and not c.prefix for c in node.children):
        return [c for c in node.children if isinstance(c, Term)]
    return []


def _together(one: Line, other: Line) -> bool:
    """Return whether two moments of one medium stand at one place."""
    if one.id == other.id:
        return True
    if _kind(one.rank) != _kind(other.rank):
        return False
    if one.start_s is not None and other.start_s is not None:
        gap = max(one.start_s, other.start_s) - min(
            one.start_s if one.end_s is None else one.end_s,
            other.start_s if other.end_s is None else other.end_s,
        )
        if gap <= GAP_S:
            return True
    if one.page is not None or other.page is not None:
        return one.page == other.page
    if one.view is not None or other.view is not None:
        return one.view == other.view
    # What people said about a medium belongs together, wherever they said it.
    return one.start_s is None and other.start_s is None


_CLASSES = ("person", "title", "screen", "speech", "name")
_LENGTH_MIDDLES = (4, 6, 9, 12, 17, 25, 42, 90)


def _kind(rank: int) -> str:
    name = _CLASSES[rank // len(_LENGTH_MIDDLES)]
    return "screen" if name == "title" else name


def _weight(rank: int) -> float:
    return _WEIGHTS[_CLASSES[rank // len(_LENGTH_MIDDLES)]]


def _prior(rank: int) -> float:
    """Return what is known of a score from the rank alone: evidence, and length for one match."""
    return _PRIORS[rank]


_PRIORS = [
    _weight(rank) * (_K1 + 1) / (1 + _K1 * (1 - _B + _B * length / _MEAN_LENGTH))
    for rank, length in enumerate(_LENGTH_MIDDLES * len(_CLASSES))
]


def _banded(band: str, quality: float) -> float:
    low, high = _BANDS[band]
    return low + (high - low) * quality / (1.0 + quality)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _run_of(text: str, sought: str) -> list[tuple[int, int]]:
    """Return where letters stand in a row, spaces and signs between them aside."""
    folded, places = fold_with_places(text)
    letters = [
        (letter, place) for letter, place in zip(folded, places, strict=True) if letter != " "
    ]
    start = "".join(letter for letter, _ in letters).find(sought)
    if start < 0:
        return []
    return [(letters[start][1], letters[start + len(sought) - 1][1] + 1)]


def _word_at(text: str, place: int) -> str:
    start = end = place
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return text[start:end]


def _shortened(
    text: str, spans: list[tuple[int, int]], room: int
) -> tuple[str, list[tuple[int, int]]]:
    """Cut a long text around its first mark, at spaces."""
    if len(text) <= room:
        return text, spans
    first = spans[0][0] if spans else 0
    start = max(0, min(first - room // 3, len(text) - room))
    if start > 0:
        space = text.find(" ", start, max(start, first))
        start = start if space < 0 else space + 1
    end = min(len(text), start + room)
    if end < len(text):
        space = text.rfind(" ", start + room // 2, end)
        end = end if space < 0 else space
    head = "…" if start > 0 else ""
    tail = "…" if end < len(text) else ""
    shift = len(head) - start
    kept = [(max(a, start) + shift, min(b, end) + shift) for a, b in spans if b > start and a < end]
    return head + text[start:end] + tail, kept


_WHERE = {
    "screen": "on screen",
    "speech": "in what is said",
    "name": "in the file's name",
    "person": "in what people said about it",
}


def _why(found: _Found, ways: dict[str, str], row: MomentRow) -> str:
    """Return in one phrase why a moment was found."""
    moment = row.moment
    where = f"in the {moment.field}" if moment.field else _WHERE[moment.kind]
    if found.squeezed:
        return f"the same letters in a row, {where}"
    if found.match != "exact" and ways:
        verb = {"prefix": "begins with", "part": "contains", "near": "is near"}[found.match]
        shown = [f"“{word}” {verb} “{meant}”" for word, meant in list(ways.items())[:3]]
        return f"{', '.join(shown)}, {where}"
    if len(found.ids) > 1:
        return f"the words stand beside each other, {where}"
    return where


__all__ = ["Hit", "Match", "SearchResult", "Snippet", "search"]
