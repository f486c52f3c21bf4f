from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from onlooker.records import RecognizedText
from onlooker.text.rectification import TextRectifier, WordOutline, read_turned
from onlooker.text.rectification.geometry import EDGE_POINTS, Picture, direction_of, turned_about

pytestmark = pytest.mark.weights


def outlines_equal(one: list[WordOutline], other: list[WordOutline]) -> bool:
    return len(one) == len(other) and all(
        np.allclose(a.points, b.points, atol=1e-2) and abs(a.confidence - b.confidence) < 1e-4
        for a, b in zip(one, other, strict=True)
    )


@pytest.fixture(scope="module")
def rectifier() -> TextRectifier:
    return TextRectifier.load(threads=1)


@pytest.fixture(scope="module")
def word() -> Picture:
    """Draw a word by the font that comes with Pillow."""
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.new("L", (230, 60), 230)
    ImageDraw.Draw(canvas).text((15, 5), "Museum", 20, ImageFont.load_default(44))
    return np.asarray(canvas)


def test_no_crops_and_crops_without_pixels(rectifier: TextRectifier) -> None:
    assert rectifier([]) == []
    assert rectifier([np.zeros((0, 7), np.uint8), np.zeros((7, 0, 3), np.uint8)]) == [[], []]


def test_one_by_one_is_all_at_once_and_every_time_the_same(
    rectifier: TextRectifier, word: Picture
) -> None:
    crops = [turned_about(word, degrees) for degrees in (0, 30, 90, 200)]
    crops.append(np.repeat(word[:, :, None], 3, axis=2))
    together = rectifier(crops)
    for alone, one in zip([rectifier([crop])[0] for crop in crops], together, strict=True):
        assert outlines_equal(alone, one)
    assert all(outlines_equal(a, b) for a, b in zip(rectifier(crops), together, strict=True))
    assert outlines_equal(together[0], together[-1])  # grey and RGB


@pytest.mark.parametrize("degrees", [0, 25, -40, 90, 180, -90])
def test_outlines_follow_the_word(rectifier: TextRectifier, word: Picture, degrees: int) -> None:
    (found,) = rectifier([turned_about(word, degrees)])
    assert found[0].points.shape == (2 * EDGE_POINTS, 2)
    assert found[0].confidence > 0.5
    off = np.rad2deg(float(direction_of(found[0].points))) - degrees
    assert abs((off + 180) % 360 - 180) < 12


class Recognizer:
    """Sure of itself where dark stands left and bright right, above bright and below dark."""

    def __call__(self, crops: Sequence[Picture]) -> list[RecognizedText]:
        found = []
        for crop in crops:
            grey = crop.astype(float)
            ends = grey[:, -4:].mean() - grey[:, :4].mean()
            found.append(RecognizedText("right" if ends > 30 else "wrong", 0.5 + ends / 600))
        return found


class Rectifier:
    def __init__(self, outlines: list[WordOutline]) -> None:
        self.outlines = outlines

    def __call__(self, crops: Sequence[Picture]) -> list[list[WordOutline]]:
        return [self.outlines for _ in crops]


def outline_running_down() -> WordOutline:
    y = np.linspace(0, 200, EDGE_POINTS)
    upper = np.stack([np.full_like(y, 40.0), y], axis=1)
    return WordOutline(np.concatenate([upper, upper - (40, 0)]).astype(np.float32), 0.9)


def test_the_surest_reading_is_kept() -> None:
    strip = np.broadcast_to(np.linspace(0, 255, 200), (40, 200)).astype(np.uint8)
    down = turned_about(strip, 90)
    outline = outline_running_down()
    for crop in (down, turned_about(strip, -90)):  # the rectifier errs by half a turn in one
        (found,) = read_turned(Recognizer(), Rectifier([outline]), [crop])  # type: ignore[arg-type]
        assert found.reading.text == "right"
        assert found.outline is not None
    (found,) = read_turned(Recognizer(), Rectifier([]), [strip])  # type: ignore[arg-type]
    assert (found.reading.text, found.outline) == ("right", None)
    assert read_turned(Recognizer(), Rectifier([]), []) == []  # type: ignore[arg-type]
