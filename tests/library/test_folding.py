from __future__ import annotations

import sqlite3
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlooker.library.folding import (
    fold,
    fold_spelled,
    fold_with_places,
    squeeze,
    words_of,
)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Mädchen", "madchen"),
        ("MA\u0308DCHEN", "madchen"),  # a combining accent
        ("Straße STRASSE", "strasse strasse"),
        ("ﬁle ﬂow", "file flow"),
        ("Æsop œuvre Łódź smørrebrød", "aesop oeuvre lodz smorrebrod"),
        ("naïve café", "naive cafe"),
        ("x² + y₁", "x2   y1"),
        ("𝐒𝑥 ℕ", "sx n"),
        ("ΣΑΣ σας", "σασ σασ"),
        ("co\u00adoperate", "cooperate"),  # a soft hyphen
        ("node.js C++ don't", "node js c   don t"),
        ("Foo™ 5€", "foo  5 "),
        ("a\0b\nc", "a b c"),
        ("한국어 Ёлка", "한국어 елка"),
        ("हिन्दी", "हिन्दी"),
    ],
)
def test_plain_spelling(text: str, plain: str) -> None:
    assert fold(text).split() == plain.split()


def test_second_spelling() -> None:
    assert fold_spelled("Schöne Mädchen") == "schoene maedchen"
    assert fold_spelled("A\u0308rger") == "aerger"
    assert fold_spelled("Ångström").split() == ["aangstroem"]
    assert fold_spelled("plain") == ""
    assert fold_spelled("café") == ""
    assert words_of("Ein Mädchen") == {"ein", "madchen", "maedchen"}


def test_squeeze_leaves_letters_and_digits() -> None:
    assert squeeze("B-AB 1234") == "bab1234"
    assert squeeze("Öl 5") == "ol5 oel5"


@given(st.text(max_size=60))
def test_folding_is_stable_and_only_words(text: str) -> None:
    once = fold(text)
    assert fold(once).split() == once.split()
    for letter in once:
        assert letter == " " or unicodedata.category(letter)[0] in "LNM"


@given(st.text(max_size=60))
def test_places_point_into_the_text(text: str) -> None:
    normal = unicodedata.normalize("NFC", text)
    folded, places = fold_with_places(normal)
    assert folded == fold(text)
    assert len(folded) == len(places)
    assert places == sorted(places)
    assert all(0 <= place < len(normal) for place in places)


@given(st.text(st.characters(codec="utf-8", max_codepoint=0x24FF), max_size=40))
def test_the_database_cuts_the_same_words(text: str) -> None:
    with sqlite3.connect(":memory:") as db:
        db.execute(
            "CREATE VIRTUAL TABLE t USING fts5 (x, tokenize="
            "\"unicode61 remove_diacritics 0 categories 'L* N* M* Co'\")"
        )
        db.execute("CREATE VIRTUAL TABLE v USING fts5vocab (t, row)")
        db.execute("INSERT INTO t VALUES (?)", (fold(text),))
        assert {row[0] for row in db.execute("SELECT term FROM v")} == set(fold(text).split())
    db.close()
