"""What a person asks for, as a tree of our own.

    words               all of them, near each other
    "several words"     side by side in this order
    begin*              any word that begins so
    a OR b, a AND b     capitals; AND is what a space means
    NOT a, -a           leave out what has it
    ( )                 grouping

Everything else is text. User text never reaches the database's own query language: it is cut into
folded words here, and each back end writes its query from the tree. Slips are forgiven (a quote or
parenthesis left open, an OR with nothing beside it); only what cannot be answered is an error.

Example:
    >>> parse('gradient -"steepest descent"')
    And((Term(words=('gradient',)), Not(Term(words=('steepest', 'descent')))))
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from onlooker.errors import QueryError
from onlooker.library.folding import fold, fold_spelled

MAX_CHARACTERS = 2_000
MAX_TERMS = 32
MAX_WORDS = 64
MAX_DEPTH = 16
"""Limits of one query: far above what people type, low enough that each query takes bounded
time."""


@dataclass(frozen=True, slots=True, repr=False)
class Term:
    """Words side by side; most often one.

    Attributes:
        words: Folded words.
        spelled: The same with ``ä`` spelled ``ae``; equal to ``words`` where there is none.
        prefix: The last word may go on.
        raw: As it was typed, to prefer what is written the same.
        quoted: It was in quotes: no other spelling is tried.
    """

    words: tuple[str, ...]
    spelled: tuple[str, ...] = ()
    prefix: bool = False
    raw: str = ""
    quoted: bool = False

    def __repr__(self) -> str:
        return f"Term(words={self.words}{', prefix=True' if self.prefix else ''})"

    @property
    def variants(self) -> tuple[tuple[str, ...], ...]:
        """The spellings to look for, each a sequence of words."""
        if self.spelled and self.spelled != self.words:
            return (self.words, self.spelled)
        return (self.words,)


@dataclass(frozen=True, slots=True, repr=False)
class And:
    """All of the children."""

    children: tuple[Node, ...]

    def __repr__(self) -> str:
        return f"And({self.children})"


@dataclass(frozen=True, slots=True, repr=False)
class Or:
    """One of the children at least."""

    children: tuple[Node, ...]

    def __repr__(self) -> str:
        return f"Or({self.children})"


@dataclass(frozen=True, slots=True, repr=False)
class Not:
    """Not the child; stands only beside something else in an `And`."""

    child: Node

    def __repr__(self) -> str:
        return f"Not({self.child})"


Node = Term | And | Or | Not

_QUOTES = {'"': '"', "“": "”", "„": "“”", "”": "”", "«": "»", "»": "«"}
_TOKEN = re.compile(
    r"""
    \s*(?:
      (?P<open>-?\()
    | (?P<close>\))
    | (?P<quoted>-?["“„”«»])
    | (?P<word>[^\s()"“„”«»]+)
    )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # open, close, term, and, or, not
    term: Term | None = None


def parse(text: str) -> Node:
    """Return the tree of a query.

    Raises:
        QueryError: It holds no word, only words to leave out, or more than the limits.
    """
    if len(text) > MAX_CHARACTERS:
        raise QueryError(
            f"the query has {len(text):,} characters; at most {MAX_CHARACTERS:,} are searched for"
        )
    tokens = list(_tokens(text))
    terms = [token.term for token in tokens if token.term is not None]
    if len(terms) > MAX_TERMS or sum(len(term.words) for term in terms) > MAX_WORDS:
        raise QueryError(
            f"the query has more than {MAX_TERMS} terms or {MAX_WORDS} words; search for fewer"
        )
    node = _Parser(tokens).parse()
    if node is None:
        raise QueryError(
            f"nothing to search for in {text[:60]!r}: a query needs a letter or a digit"
        )
    _check(node)
    return node


def terms_of(node: Node) -> Iterator[Term]:
    """Iterate over the terms that are looked for (not those to leave out), from left to right."""
    if isinstance(node, Term):
        yield node
    elif isinstance(node, And | Or):
        for child in node.children:
            yield from terms_of(child)


def term(raw: str, *, prefix: bool = False, quoted: bool = False) -> Term | None:
    """Return the term for some text, None where it holds neither letter nor digit."""
    words = tuple(fold(raw).split())
    if not words:
        return None
    spelled = tuple(fold_spelled(raw).split())
    return Term(
        words=words, spelled=spelled or words, prefix=prefix, raw=raw.strip(), quoted=quoted
    )


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return  # only spaces are left
        at = match.end()
        kind = match.lastgroup
        piece = match[str(kind)]
        if kind in ("open", "quoted") and piece[0] == "-":
            yield _Token("not")
        if kind in ("open", "close"):
            yield _Token(str(kind))
        elif kind == "quoted":
            ends = _QUOTES[piece[-1]] + '"'
            end = next((i for i in range(at, len(text)) if text[i] in ends), len(text))
            inside, at = text[at:end], end + 1
            prefix = at < len(text) and text[at] == "*"
            found = term(inside, prefix=prefix, quoted=True)
            if found is not None:
                yield _Token("term", found)
        elif piece in ("AND", "OR", "NOT"):
            yield _Token(piece.lower())
        else:
            if piece[0] == "-" and len(piece) > 1:
                piece = piece[1:]
                found = term(piece.rstrip("*"), prefix=piece.endswith("*"))
                if found is not None:
                    yield _Token("not")
            else:
                found = term(piece.rstrip("*"), prefix=piece.endswith("*"))
            if found is not None:
                yield _Token("term", found)


class _Parser:
    """Recursive descent; OR binds weaker than AND, NOT strongest."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def parse(self) -> Node | None:
        parts: list[Node] = []
        while self._at < len(self._tokens):
            node = self._or()
            if node is not None:
                parts.append(node)
            if self._peek() == "close":  # one too many
                self._at += 1
        return _join(And, parts)

    def _peek(self) -> str:
        return self._tokens[self._at].kind if self._at < len(self._tokens) else ""

    def _or(self) -> Node | None:
        parts: list[Node] = []
        while True:
            node = self._and()
            if node is not None:
                parts.append(node)
            if self._peek() != "or":
                return _join(Or, parts)
            self._at += 1

    def _and(self) -> Node | None:
        parts: list[Node] = []
        while self._peek() not in ("", "or", "close"):
            if self._peek() == "and":
                self._at += 1
                continue
            node = self._not()
            if node is not None:
                parts.append(node)
        return _join(And, parts)

    def _not(self) -> Node | None:
        negated = False
        while self._peek() == "not":
            negated = not negated
            self._at += 1
        kind = self._peek()
        if kind in ("", "or", "close", "and"):
            return None
        token = self._tokens[self._at]
        self._at += 1
        node: Node | None
        if kind == "open":
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise QueryError(
                    f"the query has more than {MAX_DEPTH} parentheses inside each other"
                )
            node = self._or()
            self._depth -= 1
            if self._peek() == "close":
                self._at += 1
        else:
            node = token.term
        return Not(node) if negated and node is not None else node


def _join(kind: type[And] | type[Or], parts: list[Node]) -> Node | None:
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    flat: list[Node] = []
    for part in parts:
        if isinstance(part, kind):
            flat.extend(part.children)
        else:
            flat.append(part)
    return kind(tuple(flat))


def _check(node: Node) -> None:
    """Refuse a NOT that has nothing beside it to leave out from."""
    if isinstance(node, Not):
        raise QueryError(
            "the query, or one side of an OR in it, only says what to leave out; add what to look "
            "for beside it"
        )
    if isinstance(node, Or):
        for child in node.children:
            _check(child)
    elif isinstance(node, And):
        wanted = [child for child in node.children if not isinstance(child, Not)]
        if not wanted:
            _check(node.children[0])
        for child in node.children:
            _check(child.child if isinstance(child, Not) else child)
