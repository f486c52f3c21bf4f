"""What else to ask for, where a query found nothing or only words that are near."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from onlooker.errors import QueryError
from onlooker.library.folding import fold
from onlooker.library.query import Node, parse, terms_of
from onlooker.library.query import term as term_of
from onlooker.library.search.patterns import count_of, sequence_of
from onlooker.library.store import Filters, Store
from onlooker.library.vocabulary import vocabulary_of

OFFERED = 4
"""Words that are offered by themselves at most."""
COMMON = 20
"""A word that stands in no more moments is never too common to be offered by itself; one that
stands in more is, if the commonest word of the library stands in less than ten times as many."""
ONE_SLIP = 1.0
"""Cost of one arbitrary wrong letter."""


@dataclass(frozen=True, slots=True)
class Adviser:
    """Finds another query for one that found little.

    Attributes:
        store: The library.
        filters: Hard limits of the search.
        text: The query as it was typed.
        counts: In how many moments each of its words stands.
    """

    store: Store
    filters: Filters
    text: str
    counts: Mapping[str, int]

    def advise(self, node: Node, *, found: bool) -> str:
        """Return a query that finds something under the same filters, "" where none is known.

        That is the query as the library spells it; or the words of it that are found by
        themselves, joined by OR.

        Args:
            node: The tree of the query.
            found: Near words were found.
        """
        respelled = self._respelled(node)
        if respelled and (found or self._finds(respelled)):
            return respelled
        return "" if found else self._loosened(node)

    def _respelled(self, node: Node) -> str:
        """Return the query with words that the library lacks as their nearest is spelled there."""
        text = self.text
        for term in dict.fromkeys(terms_of(node)):
            if count_of(term, self.counts) or term.prefix:
                continue
            for raw in term.raw.split():
                nearest = self._nearest(raw)
                if nearest:
                    text = re.sub(rf"(?<!\w){re.escape(raw)}(?!\w)", nearest, text, count=1)
        return text.strip() if text != self.text else ""

    def _nearest(self, raw: str, max_cost: float | None = None) -> str:
        """Return the nearest spelling of a word that stands nowhere, "" where none is near."""
        words = fold(raw).split()
        if len(words) != 1 or self.counts.get(words[0]):
            return ""
        close = vocabulary_of(self.store).near(words[0], 1, max_cost)
        return close[0].word if close else ""

    def _loosened(self, node: Node) -> str:
        """Return what is found of a plain query's words, the rarest first."""
        words = [raw for term in sequence_of(node) for raw in term.raw.split()]
        if len(words) < 2:
            return ""
        # In words that stand everywhere, such as articles, nobody is interested.
        most = max(COMMON, vocabulary_of(self.store).most // 10)
        found: dict[str, int] = {}
        for raw in words:
            # Of a guess by itself nothing says that it is right: one slip at the most.
            word = self._nearest(raw, ONE_SLIP) or raw
            term = term_of(word)
            if term is None or not self._finds(word):
                continue
            folded = (word for variant in term.variants for word in variant)
            count = count_of(term, self.store.word_counts(folded))
            if count <= most:
                found.setdefault(word, count)
        return " OR ".join(sorted(found, key=lambda word: found[word])[:OFFERED])

    def _finds(self, text: str) -> bool:
        try:
            node = parse(text)
        except QueryError:
            return False
        return bool(self.store.match(node, self.filters, limit=1).ids)
