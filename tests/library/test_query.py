from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlooker.errors import QueryError
from onlooker.library.query import MAX_CHARACTERS, And, Node, Not, Or, Term, parse, terms_of


def shape(node: Node) -> object:
    """A tree as nested tuples of words."""
    if isinstance(node, Term):
        return " ".join(node.words) + ("*" if node.prefix else "")
    if isinstance(node, Not):
        return ("not", shape(node.child))
    return ("and" if isinstance(node, And) else "or", *map(shape, node.children))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("gradient", "gradient"),
        ("Gradient DESCENT", ("and", "gradient", "descent")),
        ("gradient AND descent", ("and", "gradient", "descent")),
        ("a OR b c", ("or", "a", ("and", "b", "c"))),
        ("(a OR b) c", ("and", ("or", "a", "b"), "c")),
        ("a NOT b", ("and", "a", ("not", "b"))),
        ("a -b", ("and", "a", ("not", "b"))),
        ('a -"b c"', ("and", "a", ("not", "b c"))),
        ("a -(b OR c)", ("and", "a", ("not", ("or", "b", "c")))),
        ('"gradient descent"', "gradient descent"),
        ("„schöne neue Welt“", "schone neue welt"),
        ("«mot à mot»", "mot a mot"),
        ("grad*", "grad*"),
        ('"gradient desc"*', "gradient desc*"),
        ("node.js", "node js"),
        ("state-of-the-art", "state of the art"),
        ("C++", "c"),
        ("a or b not c", ("and", "a", "or", "b", "not", "c")),  # small letters are words
        # forgiven
        ('"never closed', "never closed"),
        ("(a (b", ("and", "a", "b")),
        ("a) b", ("and", "a", "b")),
        ("OR a AND", "a"),
        ("a OR OR b", ("or", "a", "b")),
        ("NOT NOT a", "a"),
        ("a () b", ("and", "a", "b")),
        ('a "" b', ("and", "a", "b")),
        ("a - b", ("and", "a", "b")),
        ("a ... b", ("and", "a", "b")),
        # another language's syntax is text
        ("plain:word", "plain word"),
        ("NEAR(a b, 5)", ("and", "near", ("and", "a", "b", "5"))),
        ("'; DROP TABLE moment; --", ("and", "drop", "table", "moment")),
        ("{x y}: ^z", ("and", "x", "y", "z")),
    ],
)
def test_trees(text: str, tree: object) -> None:
    node = parse(text)
    if "NEAR" in text:
        assert [" ".join(term.words) for term in terms_of(node)] == ["near", "a", "b", "5"]
    else:
        assert shape(node) == tree


@pytest.mark.parametrize(
    "text",
    ["", "   ", "\0", "()", '""', "AND", "NOT", "-a", "NOT (a OR b)", "a OR NOT b", "(-a) OR b",
     "!!! ???", "*", "a AND (NOT b OR c)"],
)  # fmt: skip
def test_what_cannot_be_answered(text: str) -> None:
    if text == "a AND (NOT b OR c)":
        with pytest.raises(QueryError, match="leave out"):
            parse(text)
        return
    with pytest.raises(QueryError):
        parse(text)


def test_limits() -> None:
    with pytest.raises(QueryError, match="characters"):
        parse("a" * 100_000)
    with pytest.raises(QueryError, match="characters"):
        parse("(" * (MAX_CHARACTERS + 1))
    with pytest.raises(QueryError, match="parentheses"):
        parse("(" * 500 + "a" + ")" * 500)
    with pytest.raises(QueryError, match="terms"):
        parse("a " * 200)
    with pytest.raises(QueryError, match="words"):
        parse("-".join("ab" for _ in range(100)))


def test_both_spellings_are_kept() -> None:
    term = parse("Mädchen")
    assert isinstance(term, Term)
    assert term.variants == (("madchen",), ("maedchen",))
    plain = parse("maedchen")
    assert isinstance(plain, Term)
    assert plain.variants == (("maedchen",),)


PIECES = st.sampled_from(
    ["AND", "OR", "NOT", "(", ")", '"', "-", "*", "-(", "a", "ab*", "ä", "“", "”", ":", "^", "\0",
     "NEAR(", "{", "}", "'", ";", "--", "+", "\u202e", "한", "😀", " ", "\n"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=40).map(" ".join)))
def test_any_text_is_a_tree_or_an_error(text: str) -> None:
    try:
        node = parse(text)
    except QueryError:
        return
    assert any(True for _ in terms_of(node))
    _well_formed(node)


def _well_formed(node: Node) -> None:
    if isinstance(node, Term):
        assert node.words
        assert all(word.strip() == word and word for word in node.words)
    elif isinstance(node, Or):
        assert not any(isinstance(child, Not) for child in node.children)
        for child in node.children:
            _well_formed(child)
    elif isinstance(node, And):
        assert any(not isinstance(child, Not) for child in node.children)
        for child in node.children:
            _well_formed(child.child if isinstance(child, Not) else child)
    else:
        raise AssertionError("a Not outside an And")
