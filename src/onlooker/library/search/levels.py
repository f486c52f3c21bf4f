"""The levels of a search, one below the other."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from onlooker.library.query import And, Node, Not, Or, Term, parse, terms_of
from onlooker.library.ranks import kind_of
from onlooker.library.search.advice import Adviser
from onlooker.library.search.patterns import (
    Pattern,
    Place,
    count_of,
    fold_words,
    groups_of,
    left_out,
    parts_of,
    sequence_of,
    single_words,
    strict,
)
from onlooker.library.search.result import LEVELS, Hit, Match, SearchResult
from onlooker.library.search.scores import (
    BANDS,
    K1,
    MEAN_LENGTH,
    SHORTEST,
    B,
    banded,
    prior,
    weight_of,
)
from onlooker.library.search.snippets import cut, why
from onlooker.library.store import Filters, Line, Matches, Store
from onlooker.library.vocabulary import CONFUSION, vocabulary_of

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
class _Found:
    """A hit before its moment is fetched; ``ids`` are the moments it stands on, the best first."""

    ids: tuple[int, ...]
    score: float
    match: Match
    band: str
    squeezed: str = ""
    order: tuple[int, int, int] = (0, 0, 0)  # level, block and band, before the score


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
        self._patterns: dict[Term, Pattern] = {term: Pattern(term) for term in terms_of(self._node)}
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
        return count_of(term, self._counts)

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
        if any(isinstance(part, Or) for part in parts_of(self._node)):
            # Moments that have all alternatives first: the index doesn't know how many matched.
            self._take(self._store.match(strict(self._node), self._filters, limit=CANDIDATES))
        terms = sequence_of(self._node)
        if len(terms) > 1 and all(len(term.words) == 1 for term in terms):
            beside = Term(
                words=tuple(term.words[0] for term in terms),
                spelled=tuple((term.spelled or term.words)[0] for term in terms),
            )
            self._take(self._store.match(beside, self._filters, limit=CANDIDATES))
        matches = self._store.match(self._node, self._filters, limit=self._deep())
        self._take(matches)
        if isinstance(self._node, Term) and self._filters == Filters():
            term = self._node
            if len(term.words) == 1 and not term.prefix:
                self.least = max(self._counts.get(words[0], 0) for words in term.variants)

    def _neighbours(self) -> None:
        groups = groups_of(self._node)
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
            zip(matches.ranks, matches.ids, strict=True), key=lambda pair: -prior(pair[0])
        )[:ANCHORS]
        unwanted = [
            Pattern(term, dict.fromkeys(single_words(term), ("exact", 0.0)))
            for term in left_out(self._node)
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
        wanted: list[list[Pattern]],
        unwanted: list[Pattern],
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
            best: tuple[float, Line, Place] | None = None
            for line in near:
                words = folded.get(line.id)
                if words is None:
                    words = folded[line.id] = fold_words(line.text)
                for pattern in group:
                    place = min(pattern.find(*words), key=lambda p: p.cost, default=None)
                    if place is None:
                        continue
                    worth = pattern.weight * math.exp(-place.cost) * weight_of(line.rank)
                    worth /= 1.0 + 0.1 * abs(line.id - anchor_id)
                    if best is None or worth > best[0]:
                        best = (worth, line, place)
                if best is not None and abs(line.id - anchor_id) > abs(best[1].id - anchor_id):
                    break
            if best is None:
                return None
            chosen[best[1].id] = best[1]
            quality += best[0]
            level = max(level, best[2].level, key=LEVELS.index)
        for line in chosen.values():
            words = folded[line.id]
            if any(True for pattern in unwanted for _ in pattern.find(*words)):
                return None
        total = sum(max(pattern.weight for pattern in group) for group in wanted)
        # A window says less the more moments it needs.
        score = quality / total / len(chosen)
        order = sorted(chosen, key=lambda i: (-weight_of(chosen[i].rank), i))
        band = "neighbours" if level == "exact" else level
        return _Found(tuple(order), banded(band, score), level, band)

    def _nowhere(self, group: list[Pattern]) -> bool:
        """Return whether the library holds none of a group's words."""
        return not any(
            pattern.term.prefix
            or self._count(pattern.term)
            or len(pattern.ways) > len(pattern.term.variants)
            for pattern in group
        )

    def _allows(self, line: Line) -> bool:
        return not self._filters.kinds or kind_of(line.rank) in self._filters.kinds

    def _parts(self) -> None:
        widened = False
        vocabulary = vocabulary_of(self._store)
        for pattern in self._patterns.values():
            term = pattern.term
            if len(term.words) != 1 or term.quoted or term.prefix:
                continue
            for word in single_words(term):
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
                self._store.match(self._widened(self._node), self._filters, limit=self._deep())
            )

    def _squeezed(self) -> None:
        """Look for the letters of the whole query in a row, whatever the spaces."""
        terms = sequence_of(self._node)
        if not terms:
            return
        sought = "".join(word for term in terms for word in term.words)
        # Short runs of letters stand across the borders of words everywhere; and who puts words in
        # quotes wants them so, if they are there.
        if self._found and (len(sought) < 5 or any(term.quoted for term in terms)):
            return
        matches = self._store.match_part(sought, self._filters, limit=self._deep())
        self.more |= matches.more
        fresh = [p for p in zip(matches.ids, matches.ranks, strict=True) if p[0] not in self._seen]
        for number, (moment_id, rank) in enumerate(fresh):
            score = banded("part", 0.5 * prior(rank))
            found = _Found((moment_id,), score, "part", "part", squeezed=sought)
            self._add(found, number // SCORED)

    def _near(self) -> None:
        vocabulary = vocabulary_of(self._store)
        widened = False
        nothing = not self._found
        for pattern in self._patterns.values():
            term = pattern.term
            if len(term.words) != 1 or term.quoted or term.prefix:
                continue
            count = self._count(term)
            # A word the library knows well is meant as it is; only its misread twins are wanted.
            known = count > 2 or (count > 0 and not nothing)
            for word in single_words(term):
                if known or not nothing:
                    others = vocabulary.near(word, NEAR_WORDS, CONFUSION)
                else:
                    others = vocabulary.near(word, NEAR_WORDS)
                for other in others:
                    widened |= other.word not in pattern.ways
                    pattern.ways.setdefault(other.word, ("near", other.cost))
        if not widened:
            return
        self._take(self._store.match(self._widened(self._node), self._filters, limit=self._deep()))
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

    def _deep(self) -> int:
        """Return how many to ask the index for: what was seen already must leave enough."""
        return self._depth + len(self._seen)

    # -- scoring -----------------------------------------------------------------------------------
    def _take(self, matches: Matches) -> None:
        """Score what the index found."""
        self.more |= matches.more
        fresh = [
            (rank, moment_id)
            for rank, moment_id in zip(matches.ranks, matches.ids, strict=True)
            if moment_id not in self._seen
        ]
        fresh.sort(key=lambda pair: -prior(pair[0]))  # stable: in order of the index
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
        words, spelled = fold_words(line.text)
        norm = K1 * (1 - B + B * max(SHORTEST, len(words)) / MEAN_LENGTH)
        quality = total = 0.0
        level: Match = "exact"
        firsts: list[int] = []
        for pattern in self._patterns.values():
            total += pattern.weight
            best: dict[int, Place] = {}
            for place in pattern.find(words, spelled):
                best.setdefault(place.start, place)
            if not best:
                continue
            nearest = min(best.values(), key=lambda p: (LEVELS.index(p.level), p.cost))
            level = max(level, nearest.level, key=LEVELS.index)
            often = sum(math.exp(-place.cost) for place in best.values())
            worth = pattern.weight * often * (K1 + 1) / (often + norm)
            if nearest.cost == 0 and len(pattern.term.raw) > 1 and pattern.term.raw in line.text:
                worth *= 1.05  # written the same: "Go" before "go", "C++" before "C"
            quality += worth * math.exp(-nearest.cost)
            firsts.append(min(best))
        if len(firsts) > 1:
            # Words that stand side by side in the order of the query belong together.
            beside = sum(b - a == 1 for a, b in pairwise(firsts))
            quality *= 1.0 + 0.3 * beside / (len(firsts) - 1)
        score = quality / total * weight_of(line.rank) if total else 0.0
        return _Found((line.id,), banded(level, score), level, level)

    def _add(self, found: _Found, block: int = 0) -> None:
        # The block before the band: what a deeper page scores never moves what was shown before.
        found.order = (self._level, block, tuple(BANDS).index(found.band))
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
            snippet, ways = cut(
                [row.moment.text for row in in_order], list(self._patterns.values()), one.squeezed
            )
            yield Hit(
                moment=rows[0],
                media=media[rows[0].media_id],
                snippet=snippet,
                score=one.score,
                match=one.match,
                why=why(
                    rows[0].moment,
                    one.match,
                    ways,
                    moments=len(one.ids),
                    squeezed=bool(one.squeezed),
                ),
            )

    def suggestion(self) -> str:
        """Return another query that finds something, where nothing better than near words was."""
        if any(found.band != "near" for found in self._found):
            return ""
        return Adviser(self._store, self._filters, self._text, self._counts).advise(
            self._node, found=bool(self._found)
        )


def _together(one: Line, other: Line) -> bool:
    """Return whether two moments of one medium stand at one place."""
    if one.id == other.id:
        return True
    if kind_of(one.rank) != kind_of(other.rank):
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
