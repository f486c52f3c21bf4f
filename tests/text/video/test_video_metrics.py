"""Measures of tracks, on cases computed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onlooker.records import TextLine, TextTrack, TextWord
from onlooker.text.video.datasets import TrueTrack
from onlooker.text.video.metrics import TrackScore, lines_found
from onlooker.text.video.voting import Reading, vote

BOX = ((10.0, 10.0), (50.0, 10.0), (50.0, 30.0), (10.0, 30.0))
TRUE = TrueTrack(0, ("Exit",), 1.0, 3.0, False, np.array([1.0]), np.array([[BOX]]))
SIZE = (200, 100)


def track(number: int, text: str, start_s: float, end_s: float) -> TextTrack:
    line = TextLine((TextWord(text, BOX, 0.9),))
    return TextTrack(number, line, start_s, end_s, start_s, (start_s,), ((BOX,),))


def measure(read: list[TextTrack], true: TrueTrack = TRUE, single: str = "Exit") -> TrackScore:
    score = TrackScore()
    score.add([true], read, [(2.0, [TextWord(single, BOX, 0.9)])], SIZE)
    return score


def test_all_right() -> None:
    metrics = measure([track(1, "Exit", 1.1, 2.9)]).metrics()
    assert metrics == {
        "tracks_found": 1.0,
        "spans_02s": 1.0,
        "identity_switches": 0.0,
        "word_accuracy": 1.0,
        "word_accuracy_single": 1.0,
        "tracks_precision": 1.0,
    }


def test_a_line_in_two_parts_switches_once() -> None:
    metrics = measure(
        [track(1, "Exit", 1.0, 2.4), track(2, "Exlt", 2.4, 3.0)], single="exit"
    ).metrics()
    assert metrics["identity_switches"] == 1.0
    assert metrics["tracks_found"] == 1.0
    assert metrics["spans_02s"] == 0.0
    # The one that holds it longer speaks for it; case counts.
    assert metrics["word_accuracy"] == 1.0
    assert metrics["word_accuracy_single"] == 0.0


def test_short_wrong_and_ignored_tracks() -> None:
    assert measure([track(1, "Exit", 1.0, 1.8)]).metrics()["tracks_found"] == 0.0
    assert measure([track(1, "Qwrt", 1.0, 3.0)]).metrics()["tracks_found"] == 0.0
    nothing = measure([track(1, "Exit", 5.0, 6.0)]).metrics()
    assert (nothing["tracks_found"], nothing["tracks_precision"]) == (0.0, 0.0)
    ignored = measure([track(1, "Exit", 1.0, 3.0)], replace(TRUE, ignore=True)).metrics()
    assert ignored["tracks_found"] is None
    assert ignored["tracks_precision"] == 1.0


def test_typed_lines_are_found_among_words() -> None:
    words = ["Stream", "ciphers", "are", "secure", "Dan", "Bonch"]
    assert lines_found(["Stream ciphers are", "Dan Boneh", "all"], words) == 2
    assert lines_found(["anything"], []) == 0


def test_votes() -> None:
    assert vote([Reading("a", 0.5, 0.0)]) == ("a", 0.5)
    same = [
        Reading("Hous", 0.99, 0.0, 0.05),
        Reading("House", 0.95, 1.0),
        Reading("House", 0.9, 2.0),
    ]
    assert vote(same) == ("House", 0.95)
    # Three readings with a slip each in another place: no one read it right, all together do.
    slips = [Reading(text, 0.95, 0.0) for text in ("Xtream", "StrXam", "StreaX")]
    assert vote(slips)[0] == "Stream"
    assert vote(slips)[1] == pytest.approx(0.95)


def test_a_part_does_not_outvote_the_word() -> None:
    """A sure reading of a part is no reading of the whole, where that was read as often."""
    part = [Reading("b=0,1:", 0.98, float(i), length=41.0) for i in range(3)]
    whole = [Reading("Forb=0,1:", 0.55, float(i), length=68.0) for i in range(3, 9)]
    assert vote([*part, *whole]) == ("Forb=0,1:", 0.55)
    # Looks at an unchanged picture are one, however often it was looked at.
    assert vote([*part * 4, *whole])[0] == "Forb=0,1:"
    changed = [replace(r, confidence=0.9 + 0.02 * i) for i, r in enumerate(part)]
    assert vote([*changed, *whole])[0] == "b=0,1:"
    # What was read but once may be a mark that fell upon the word.
    assert vote([*part, *whole[:1]])[0] == "b=0,1:"
    # In one and the same place confidence tells.
    same = [replace(reading, length=68.0) for reading in part]
    assert vote([*same, *whole])[0] == "b=0,1:"
