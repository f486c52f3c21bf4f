"""The terms of a query with all they may stand for, and the shapes of its tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from onlooker.library.folding import fold, fold_spelled
from onlooker.library.query import And, Node, Not, Or, Term
from onlooker.library.search.result import Match


@dataclass(frozen=True, slots=True)
class Place:
    """Where a term stands among the words of a text (``start`` to ``end``), and how it matches."""

    start: int
    end: int
    level: Match
    cost: float


@dataclass(slots=True)
class Pattern:
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

    def find(self, words: Sequence[str], spelled: Sequence[str]) -> Iterator[Place]:
        """Iterate over its places among the words of a text, given in both spellings."""
        length = len(self.term.words)
        if length == 1:
            for at, word in enumerate(words):
                way = self.ways.get(word) or (self.ways.get(spelled[at]) if spelled else None)
                if way is not None:
                    yield Place(at, at + 1, *way)
            return
        first = {variant[0] for variant in self.term.variants}
        for text in (words, spelled) if spelled else (words,):
            for at in range(len(text) - length + 1):
                if text[at] in first and self._goes_on(text[at : at + length]):
                    yield Place(at, at + length, "exact", 0.0)

    def _goes_on(self, words: Sequence[str]) -> bool:
        for variant in self.term.variants:
            if tuple(words[:-1]) == variant[:-1]:
                last = words[-1]
                if last == variant[-1] or (self.term.prefix and last.startswith(variant[-1])):
                    return True
        return False


def fold_words(text: str) -> tuple[list[str], list[str]]:
    """Return the words of a text in the plain and in the second spelling."""
    return fold(text).split(), fold_spelled(text).split()


def single_words(term: Term) -> list[str]:
    """Return the spellings of a term that is one word."""
    return [words[0] for words in term.variants if len(words) == 1]


def count_of(term: Term, counts: Mapping[str, int]) -> int:
    """Return in how many moments a term can stand at most, by the counts of its words."""
    return sum(min(counts.get(word, 0) for word in words) for words in term.variants)


def parts_of(node: Node) -> Iterator[Node]:
    """Iterate over a tree's nodes, without what is left out."""
    yield node
    if isinstance(node, And | Or):
        for child in node.children:
            yield from parts_of(child)


def strict(node: Node) -> Node:
    """Return the tree with every OR turned into an AND."""
    if isinstance(node, Or):
        return And(tuple(strict(child) for child in node.children))
    if isinstance(node, And):
        return And(tuple(c if isinstance(c, Not) else strict(c) for c in node.children))
    return node


def groups_of(node: Node) -> list[list[Term]] | None:
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


def left_out(node: Node) -> Iterator[Term]:
    """Iterate over the terms that an AND leaves out."""
    if isinstance(node, And):
        for child in node.children:
            if isinstance(child, Not) and isinstance(child.child, Term):
                yield child.child


def sequence_of(node: Node) -> list[Term]:
    """Return the terms of a plain query in order; none for one with operators."""
    if isinstance(node, Term):
        return [] if node.prefix else [node]
    if isinstance(node, And) and all(isinstance(c, Term) and not c.prefix for c in node.children):
        return [c for c in node.children if isinstance(c, Term)]
    return []
