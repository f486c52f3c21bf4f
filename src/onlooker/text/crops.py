"""Places in a picture → straight crops, and what was read in a crop → words in their places."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.records import Polygon, RecognizedText, TextWord
from onlooker.text.rectification.geometry import stretch_of

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


def size_of(corners: Floats) -> tuple[float, float]:
    """Return mean width and height of four corners, clockwise from the top left."""
    sides = np.hypot(*(np.roll(corners, -1, axis=0) - corners).T)
    return float(sides[0] + sides[2]) / 2, float(sides[1] + sides[3]) / 2


def grown(corners: Floats, along: float, across: float) -> Floats:
    """Move the sides of a word outwards (inwards where negative), by shares of its height.

    Args:
        corners: Array (4, 2), clockwise from the top left of the text as it is read.
        along: For its left and right end.
        across: For its upper and lower edge.
    """
    width, height = size_of(corners)
    if (along, across) == (0.0, 0.0) or width <= 0 or height <= 0:
        return corners
    right = (corners[1] - corners[0] + corners[2] - corners[3]) / 2 * (along * height / width)
    down = (corners[3] - corners[0] + corners[2] - corners[1]) / 2 * across
    moved: Floats = corners + np.stack([-right - down, right - down, right + down, down - right])
    return moved


def cut_out(pixels: Picture, corners: Floats, *, max_height_px: int = 64) -> Picture:
    """Cut a word out of a picture and straighten it by a perspective warp.

    Args:
        pixels: Picture (H, W, 3).
        corners: Array (4, 2), clockwise from the top left of the text as it is read; may lie
            outside of the picture, whose edge is continued.
        max_height_px: Larger words are shrunk to this height.

    Returns:
        Array (h, w, 3) with ``h`` ≤ ``max_height_px``, at least 1 × 1.
    """
    width, height = size_of(corners)
    scale = min(1.0, max_height_px / max(height, 1e-6))
    # The part around the word, so that shrinking before the warp (a warp alone skips pixels) and
    # the warp itself cost by the size of the word, not of the picture.
    low = np.floor(corners.min(axis=0)).astype(int) - 2
    high = np.ceil(corners.max(axis=0)).astype(int) + 2
    x0, y0 = np.clip(low, 0, (pixels.shape[1] - 1, pixels.shape[0] - 1))
    x1, y1 = np.clip(high, (x0 + 1, y0 + 1), (pixels.shape[1], pixels.shape[0]))
    part = pixels[y0:y1, x0:x1]
    factors = np.ones(2)
    if scale < 1.0:
        size = (
            max(1, round(part.shape[1] * scale)),
            max(1, round(part.shape[0] * scale)),
        )
        factors = np.array([size[0] / part.shape[1], size[1] / part.shape[0]])
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    out_w, out_h = max(1, round(width * scale)), max(1, round(height * scale))
    target = np.array([(0, 0), (out_w, 0), (out_w, out_h), (0, out_h)], dtype=np.float64)
    source = (corners - (x0, y0)) * factors
    # Corners are edges of pixels, OpenCV's coordinates are their centres: half a pixel apart.
    warp = cv2.getPerspectiveTransform(
        (source - 0.5).astype(np.float32), (target - 0.5).astype(np.float32)
    )
    straight = cv2.warpPerspective(
        part, warp, (out_w, out_h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return cast(Picture, straight)


def without_margin(reading: RecognizedText, corners: Floats, along: float) -> RecognizedText:
    """Say where characters stand within the corners, read from a crop that was ``grown``."""
    width, height = size_of(corners)
    if along == 0.0 or width <= 0 or not reading.char_spans:
        return reading
    extra = along * height / width

    def within(share: float) -> float:
        return min(max(share * (1 + 2 * extra) - extra, 0.0), 1.0)

    return replace(reading, char_spans=tuple((within(a), within(b)) for a, b in reading.char_spans))


def split_words(reading: RecognizedText, polygon: Polygon) -> list[TextWord]:
    """Part a reading at its spaces into words, each with its share of the polygon.

    Args:
        reading: What was read; where characters stand is taken from ``char_spans``, or taken to be
            evenly spread where there are none.
        polygon: Clockwise from the top left of the text as it is read: four corners, or more on a
            curve, half of them along the top.
    """
    text = reading.text
    if not text.strip():
        return []
    sure = reading.confidence if reading.probability is None else reading.probability
    if " " not in text.strip():
        stripped = reading.char_spans if len(reading.char_spans) == len(text.strip()) else ()
        return [TextWord(text.strip(), polygon, sure, stripped)]
    spans = reading.char_spans
    if len(spans) != len(text):
        spans = tuple((i / len(text), (i + 1) / len(text)) for i in range(len(text)))
    words: list[TextWord] = []
    start = 0
    for piece in text.split(" "):
        end = start + len(piece)
        if piece:
            left, right = spans[start][0], spans[end - 1][1]
            wide = max(right - left, 1e-9)
            words.append(
                TextWord(
                    piece,
                    stretch_of(polygon, left, right),
                    # All words right is what the whole is sure of; each has its share in it.
                    sure ** (len(piece) / len(text)),
                    tuple(((a - left) / wide, (b - left) / wide) for a, b in spans[start:end]),
                )
            )
        start = end + 1
    return words


def turned_back(polygon: Polygon, width: int) -> Polygon:
    """Bring a polygon from ``np.rot90`` of a picture into the picture, which is ``width`` wide."""
    return tuple((width - y, x) for x, y in polygon)
