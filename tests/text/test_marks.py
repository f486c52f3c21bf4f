from __future__ import annotations

import cv2
import numpy as np
import pytest

from onlooker.text.lines import strips_of
from onlooker.text.marks import is_figure, marks_of


def page(degrees=0.0, ground=255, ink=0):
    """Draw five lines of bars that stand for words → picture, polygons."""
    pixels = np.full((300, 400, 3), ground, np.uint8)
    polygons = []
    for row in range(5):
        for i in range(5):
            x, y = 100 + 50 * i, 60 + 36 * row
            # Strokes: a line of text is mostly ground.
            for at in range(x, x + 40, 8):
                cv2.rectangle(pixels, (at, y), (at + 3, y + 19), (ink,) * 3, -1)
            polygons.append([(x, y), (x + 40, y), (x + 40, y + 20), (x, y + 20)])
    if degrees:
        matrix = cv2.getRotationMatrix2D((200, 150), -degrees, 1.0)
        polygons = [
            [tuple(map(float, matrix @ (x, y, 1))) for x, y in polygon] for polygon in polygons
        ]
    return pixels, [tuple(polygon) for polygon in polygons]


def turned(pixels, degrees, ground):
    matrix = cv2.getRotationMatrix2D((200, 150), -degrees, 1.0)
    return cv2.warpAffine(pixels, matrix, (400, 300), borderValue=(ground,) * 3)


@pytest.mark.parametrize("degrees", [0.0, 3.0, -3.0])
@pytest.mark.parametrize(("ground", "ink"), [(255, 0), (20, 230)])
def test_a_dot_before_a_line_is_a_bullet(degrees, ground, ink):
    pixels, polygons = page(degrees, ground, ink)
    cv2.circle(pixels, (70, 106), 3, (ink,) * 3, -1, cv2.LINE_AA)
    pixels = turned(pixels, degrees, ground)
    marks = list(marks_of(pixels, strips_of(polygons)))
    assert [mark.is_bullet for mark in marks] == [True]
    matrix = cv2.getRotationMatrix2D((200, 150), -degrees, 1.0)
    assert marks[0].corners.mean(axis=0) == pytest.approx(matrix @ (70, 106, 1), abs=2.0)


def test_a_figure_before_a_line_has_to_be_read():
    pixels, polygons = page()
    cv2.putText(pixels, "1", (68, 112), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 2)
    assert [mark.is_bullet for mark in marks_of(pixels, strips_of(polygons))] == [False]


def test_rules_frames_and_noise_are_no_marks():
    pixels, polygons = page()
    cv2.rectangle(pixels, (80, 40), (390, 250), (0, 0, 0), 2)
    assert list(marks_of(pixels, strips_of(polygons))) == []
    pixels, polygons = page()
    noise = np.random.default_rng(0).normal(0, 8, pixels.shape)
    noisy = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    assert list(marks_of(noisy, strips_of(polygons))) == []
    assert list(marks_of(np.full_like(pixels, 128), strips_of(polygons))) == []
    assert list(marks_of(pixels, [])) == []


def test_the_column_to_the_left_is_no_mark():
    pixels, polygons = page()
    other = [tuple((x - 78, y) for x, y in polygon) for polygon in polygons[::5]]
    cv2.rectangle(pixels, (22, 60), (62, 79), (0, 0, 0), -1)
    assert list(marks_of(pixels, strips_of([*polygons, *other]))) == []


def test_figures():
    assert is_figure("3.") and is_figure("(7)") and is_figure("12")
    assert not is_figure("a.") and not is_figure("1999") and not is_figure("")
