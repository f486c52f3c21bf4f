from __future__ import annotations

import numpy as np
import pytest

from onlooker.errors import ConfigError
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.render import Arc, render_text

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"spacing": 0.3},
        {"stretch": 0.7},
        {"stroke_px": 2},
        {"wobble": 0.05},
        {"bend": 0.1},
        {"bend": -0.1},
        {"arc": 0.6},
        {"arc": -0.6},
        {"margin_px": 7},
    ],
)
def test_character_polygons_hold_the_ink(bank: FontBank, options: dict[str, float]) -> None:
    drawn = render_text("On Air", bank.faces[0], 40, RNG, **options)  # type: ignore[arg-type]
    assert drawn.char_polygons.shape == (6, 4, 2)
    width = drawn.mask.shape[1]
    inside = np.zeros_like(drawn.mask, bool)
    for polygon in drawn.char_polygons:
        (x0, y0), (x1, y1) = polygon.min(axis=0), polygon.max(axis=0)
        assert -1 <= x0 <= x1 <= width + 1
        inside[max(0, int(y0) - 2) : int(y1) + 3, max(0, int(x0) - 2) : int(x1) + 3] = True
    ink = drawn.mask > 128
    assert (ink & inside).sum() >= 0.98 * ink.sum()
    lefts = drawn.char_polygons[:, 0, 0]
    assert (np.diff(lefts) >= 0).all()


def test_words_are_split_at_spaces(bank: FontBank) -> None:
    drawn = render_text("two words", bank.faces[0], 30, RNG)
    (first, box1), (second, box2) = drawn.word_polygons()
    assert (first, second) == ("two", "words")
    assert box1[:, 0].max() < box2[:, 0].min()


def test_spacing_and_stretch_change_the_width(bank: FontBank) -> None:
    plain = render_text("width", bank.faces[0], 40, RNG).mask.shape[1]
    assert render_text("width", bank.faces[0], 40, RNG, spacing=0.5).mask.shape[1] > plain + 60
    assert render_text("width", bank.faces[0], 40, RNG, stretch=0.5).mask.shape[1] < 0.6 * plain


def test_nothing_to_draw_is_an_error(bank: FontBank) -> None:
    with pytest.raises(ConfigError, match="draws nothing"):
        render_text(" ", bank.faces[0], 40, RNG)


@pytest.mark.parametrize("angle", [0.5, -0.5, 3.0, -3.0, 4.5])
def test_an_arc_takes_points_where_it_takes_the_ink(angle: float) -> None:
    strip = np.zeros((40, 300), np.uint8)
    arc = Arc.around(*strip.shape, angle)
    assert arc.angle == pytest.approx(angle)
    for x, y in ((20, 8), (150, 20), (285, 33)):
        strip[:] = 0
        strip[y - 3 : y + 3, x - 3 : x + 3] = 255
        rows, columns = np.nonzero(arc.warp(strip) > 100)
        moved = arc.place(np.array([x, y], np.float32))
        assert np.abs(moved - (columns.mean() + 0.5, rows.mean() + 0.5)).max() < 1.5
    ends = arc.place(np.array([[0, 20], [150, 20], [300, 20]], np.float32))
    assert ends[0, 0] < ends[1, 0] < ends[2, 0] or abs(angle) > np.pi
    assert (ends[1, 1] < ends[0, 1]) == (angle > 0)  # the middle is highest on an upper arc


def test_an_arc_of_short_text_is_not_a_blot() -> None:
    arc = Arc.around(40, 60, 3.0)
    assert 0 < arc.angle < 1.1
