"""Places on curves are read along them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from onlooker.records import Polygon, RecognizedText, TextWord
from onlooker.text.rectification.curved import (
    is_curved,
    read_along,
    strip_along,
    turned_over,
)
from onlooker.text.rectification.geometry import STRIP_PX, Picture, outline_of, size_of, stretch_of

CENTRE, RADIUS, THICK = 150.0, 100.0, 30.0


def arc(start: float, end: float, points: int = 9, *, centre: float = CENTRE) -> Polygon:
    """Outline a word on a circle around the picture's centre; angles from the top, clockwise."""
    angle = np.linspace(start, end, points)
    ring = np.stack([np.sin(angle), -np.cos(angle)], axis=1)
    edges = [ring * (RADIUS + THICK / 2), (ring * (RADIUS - THICK / 2))[::-1]]
    return tuple((float(x), float(y)) for x, y in np.concatenate(edges) + centre)


def dial() -> Picture:
    """Draw a picture that grows brighter clockwise around its centre, dark at the bottom."""
    y, x = np.mgrid[:300, :300] + 0.5
    angle = np.arctan2(x - CENTRE, CENTRE - y)
    grey = np.clip(128 + 36 * angle, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


BOX: Polygon = ((10, 10), (90, 10), (90, 40), (10, 40))


class Recognizer:
    """Sure of itself where the strip grows brighter to the right."""

    def __init__(self, text: str = "A B") -> None:
        self.text = text
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, crops: Sequence[Picture]) -> list[RecognizedText]:
        readings = []
        for crop in crops:
            self.seen.append(crop.shape)
            gain = float(crop[:, -3:].mean()) - float(crop[:, :3].mean())
            sure = float(np.clip(0.5 + gain / 150, 0.0, 1.0))
            spans = tuple((i / len(self.text), (i + 1) / len(self.text)) for i in range(3))
            readings.append(RecognizedText(self.text, sure, char_spans=spans))
        return readings


def test_a_strip_runs_along_the_curve() -> None:
    strip = strip_along(dial(), arc(-1.2, 1.2)).astype(float)[:, :, 0]
    assert strip.shape[0] == STRIP_PX
    assert np.ptp(strip, axis=0).max() < 12  # a column is one direction from the centre
    assert (np.diff(strip.mean(axis=0)) >= -0.5).all()
    air = 0.15 * THICK / RADIUS  # radians at both ends
    assert strip[:, 0].mean() == pytest.approx(128 - 36 * (1.2 + air), abs=3)
    assert strip[:, -1].mean() == pytest.approx(128 + 36 * (1.2 + air), abs=3)


def test_curved_places_are_read_and_others_left() -> None:
    recognizer = Recognizer()
    places = [BOX, arc(-1.3, 1.3), ((0, 0), (9, 0), (9, 9)), BOX]
    found = read_along(recognizer, dial(), places, least=0.8)
    assert [one is None for one in found] == [True, False, True, True]
    assert len(recognizer.seen) == 1
    assert found[1] is not None
    polygon, reading = found[1]
    assert polygon == places[1]
    assert (reading.char_spans[0][0], reading.char_spans[-1][1]) == (0, 1)
    assert read_along(recognizer, dial(), [], least=0.8) == []


def test_a_place_the_wrong_way_round_is_read_from_its_other_end() -> None:
    right = arc(-1.3, 1.3)
    (found,) = read_along(Recognizer(), dial(), [turned_over(right)], least=0.8)
    assert found is not None
    assert found[0] == right


def test_what_says_nothing_sure_is_left_to_others() -> None:
    assert read_along(Recognizer(), dial() // 4, [arc(-1.3, 1.3)], least=0.8) == [None]
    assert read_along(Recognizer("   "), dial(), [arc(-1.3, 1.3)], least=0.8) == [None]


@pytest.mark.parametrize("centre", [-80.0, 5.0, 400.0])
def test_places_beyond_the_edge_are_cut_out_all_the_same(centre: float) -> None:
    strip = strip_along(dial(), arc(-1.2, 1.2, centre=centre))
    assert strip.shape[0] == STRIP_PX
    assert strip_along(dial()[:1, :1], arc(-1.2, 1.2)).shape[0] == STRIP_PX


def test_places_of_words_on_a_curve_are_stretches_of_it() -> None:
    whole = arc(-1.6, 1.6, 17)
    part = stretch_of(whole, 0.25, 0.5)
    assert is_curved(part)
    assert np.allclose(part, arc(-0.8, 0.0, 5))
    assert np.allclose(stretch_of(whole, 0.0, 1.0), whole)
    # Half-way between two points, on their chord.
    assert len(stretch_of(whole, 0.51, 0.55)) == 4
    radii = np.linalg.norm(np.array(stretch_of(whole, 0.1, 0.77)) - CENTRE, axis=1)
    assert np.abs(np.abs(radii - RADIUS) - THICK / 2).max() < 1
    # Characters of a word are told the same way.
    word = TextWord("ab", whole, 1.0, ((0.0, 0.5), (0.5, 1.0)))
    assert np.allclose(word.char_polygons[1][0], stretch_of(whole, 0.5, 1.0)[0])


def test_stretches_of_a_box_are_boxes() -> None:
    assert stretch_of(BOX, 0.25, 0.5) == ((30, 10), (50, 10), (50, 40), (30, 40))
    assert not is_curved(BOX)
    length, thickness = size_of(outline_of(BOX))
    assert (float(length), float(thickness)) == (80, 30)
