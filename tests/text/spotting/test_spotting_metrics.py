from __future__ import annotations

import pytest

from onlooker.text.spotting.metrics import ReadWord, SpottingScore, TrueWord, plain, searched


def box(x, y=0, width=40, height=10):
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


def test_plain():
    assert plain("U.S.A.") == "usa"
    assert plain("Straße") == "strasse"
    assert plain("–&–") == ""


def test_words_that_are_searched_are_runs_of_letters_and_figures():
    assert searched("Self-adhesive") == ["self", "adhesive"]
    assert searched("A1 & 24h/7 Ünter") == ["24h", "ünter"]


def test_by_hand():
    true = [
        TrueWord("EXIT", box(0)),
        TrueWord("to", box(50)),
        TrueWord("Baker", box(100)),
        TrueWord("Street", box(150)),
        TrueWord("", box(200), ignore=True),
        TrueWord("&", box(250)),
    ]
    read = [
        ReadWord("exit!", box(0)),  # right
        ReadWord("to", box(52)),  # right, too short for words_*
        ReadWord("Baken", box(100)),  # right place, wrong word
        ReadWord("street", box(400)),  # right word, wrong place
        ReadWord("junk", box(205)),  # in an ignored region: 35 of 40
        ReadWord("8", box(250)),  # where the label has no letters
        ReadWord("...", box(300)),  # no letters: no word
    ]
    score = SpottingScore()
    score.add(read, true)
    metrics = score.metrics()
    # spotted: hits exit, to; predictions exit, to, baken, street; true exit, to, baker, street
    assert metrics["precision"] == pytest.approx(2 / 4)
    assert metrics["recall"] == pytest.approx(2 / 4)
    assert metrics["hmean"] == pytest.approx(0.5)
    # words: {exit, baken, street} against {exit, baker, street}
    assert metrics["words_precision"] == pytest.approx(2 / 3)
    assert metrics["words_recall"] == pytest.approx(2 / 3)
    assert metrics["words_hmean"] == pytest.approx(2 / 3)


def test_words_are_a_multiset_and_micro_averaged():
    score = SpottingScore()
    score.add([ReadWord("sale", box(0))], [TrueWord("sale", box(0)), TrueWord("sale", box(90))])
    score.add([ReadWord("sale", box(0)), ReadWord("sale", box(90))], [TrueWord("sale", box(0))])
    assert score.words.hits == 2
    assert score.words.predicted == 3
    assert score.words.true == 3
    assert score.pictures == 2


def test_half_covered_is_dropped_and_less_is_not():
    ignored = TrueWord("", box(0), ignore=True)
    score = SpottingScore()
    score.add([ReadWord("half", box(20))], [ignored])
    assert score.spotted.predicted == 0
    score.add([ReadWord("less", box(21))], [ignored])
    assert score.spotted.predicted == 1


def test_nothing_to_find_is_not_a_zero():
    score = SpottingScore()
    score.add([], [])
    assert set(score.metrics().values()) == {None}
