from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlooker.library.vocabulary import CONFUSION, Vocabulary, slip_cost

WORDS = {
    "gradient": 50,
    "gradients": 20,
    "ingredient": 30,
    "gradual": 9,
    "learning": 40,
    "learned": 5,
    "leaning": 3,
    "maedchen": 2,
    "form": 10,
    "from": 900,
    "ocr": 4,
    "the": 1000,
    "window": 7,
    "σιγμα": 2,
}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    words = sorted(WORDS)
    return Vocabulary(words, np.array([WORDS[word] for word in words]))


def test_parts_begin_first_then_short_then_frequent(vocabulary: Vocabulary) -> None:
    assert [n.word for n in vocabulary.containing("grad", 9)] == [
        "gradual",
        "gradient",
        "gradients",
    ]
    assert [n.word for n in vocabulary.containing("redient", 9)] == ["ingredient"]
    assert [n.word for n in vocabulary.containing("radient", 9)] == ["gradient", "gradients"]
    assert vocabulary.containing("gradients", 9) == []  # the word itself is no part
    assert vocabulary.containing("a.*", 9) == []
    assert vocabulary.containing("\n", 9) == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gradlent", "gradient"),
        ("grad1ent", "gradient"),
        ("gradeint", "gradient"),
        ("gradiant", "gradient"),
        ("gradinet", "gradient"),
        ("grdient", "gradient"),
        ("leaming", "learning"),
        ("1eaming", "learning"),
        ("lerning", "learning"),
        ("0cr", "ocr"),
        ("madchen", "maedchen"),
        ("vvindovv", "window"),
        ("vv1nd0vv", "window"),
        ("σιγνα", "σιγμα"),
    ],
)
def test_slips_find_the_word(vocabulary: Vocabulary, typed: str, meant: str) -> None:
    assert vocabulary.near(typed, 5)[0].word == meant


def test_reading_errors_cost_less_than_typing_errors() -> None:
    assert slip_cost("gradlent", "gradient") <= CONFUSION < slip_cost("gradxent", "gradient")
    assert slip_cost("leaming", "learning") < slip_cost("leaing", "learning")
    assert slip_cost("form", "from") == pytest.approx(0.8)
    assert slip_cost("bell", "tell") > slip_cost("tebl", "tell")


def test_short_words_stand_only_a_reading_error(vocabulary: Vocabulary) -> None:
    assert vocabulary.near("tho", 5) == [] or vocabulary.near("tho", 5)[0].cost <= CONFUSION
    assert vocabulary.near("thx", 5) == []


def test_an_empty_library_has_no_neighbours() -> None:
    empty = Vocabulary([], np.zeros(0, np.int64))
    assert empty.near("word", 5) == empty.containing("word", 5) == []
    assert empty.most == 0
    assert len(empty) == 0


word = st.text("abcilmnor019ä", max_size=9)


@given(word, word)
def test_the_cost_is_a_bounded_symmetric_distance(one: str, other: str) -> None:
    cost = slip_cost(one, other)
    assert (cost == 0) == (one == other)
    assert cost == pytest.approx(slip_cost(other, one))
    assert cost <= max(len(one), len(other)) + 0.6
