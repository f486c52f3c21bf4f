"""Read words whose polygons follow a curve, along that curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from onlooker.records import Polygon, RecognizedText
from onlooker.text.rectification.geometry import (
    STRIP_PX,
    Picture,
    Points,
    grown,
    outline_of,
    size_of,
    strip_of,
)

MARGIN = (0.15, 0.08)
"""By how much strips are longer and higher than what was detected, in its heights: as much as crops
of straight places."""
SURE = 0.9
"""What is read with less confidence is also read the other way round."""
FLIP_GAIN = 0.15
"""So much surer must it be: letters upside down often look like others."""
CHUNK = 64
"""Strips that exist at once: bounds memory."""


def is_curved(polygon: Polygon) -> bool:
    """Say whether a polygon follows a curve: half its points along the top, half back below."""
    return len(polygon) > 4 and len(polygon) % 2 == 0


def turned_over(polygon: Polygon) -> Polygon:
    """Return the polygon of the same place read the other way round."""
    half = len(polygon) // 2
    return (*polygon[half:], *polygon[:half])


def strip_along(picture: Picture, polygon: Polygon) -> Picture:
    """Cut a word on a curve out, with some air around it, and lay it straight.

    Args:
        picture: ``(H, W, 3)`` RGB uint8.
        polygon: ``2 k`` points, clockwise from the top left of the text as it is read.

    Returns:
        A strip `STRIP_PX` high.
    """
    outline = grown(outline_of(polygon), *MARGIN)
    height, width = picture.shape[:2]
    low, high = outline.min(axis=0) - 4, outline.max(axis=0) + 4
    x0, y0 = np.clip(low, 0, (width - 1, height - 1)).astype(int)
    x1, y1 = np.clip(np.ceil(high), (x0 + 1, y0 + 1), (width, height)).astype(int)
    moved: Points = (outline - np.array([x0, y0])).astype(np.float32)
    return strip_of(picture[y0:y1, x0:x1], moved, STRIP_PX)


def read_along(
    recognizer: Callable[[Sequence[Picture]], list[RecognizedText]],
    picture: Picture,
    places: Sequence[Polygon],
    *,
    least: float,
) -> list[tuple[Polygon, RecognizedText] | None]:
    """Read those places of a picture that lie on a curve.

    Args:
        recognizer: Reads upright crops.
        picture: ``(H, W, 3)`` RGB uint8.
        places: Polygons of words, straight ones as well.
        least: Confidence below which a place is better read in another way.

    Returns:
        For each place its polygon, beginning where the text does, and what it says, ``char_spans``
        being shares of the way along the polygon (`geometry.stretch_of` gives the polygon of a
        part of it); None for straight places and for those that say nothing sure.
    """
    found: list[tuple[Polygon, RecognizedText] | None] = [None] * len(places)
    curved = [at for at, polygon in enumerate(places) if is_curved(polygon)]
    for start in range(0, len(curved), CHUNK):
        part = curved[start : start + CHUNK]
        best = {
            at: (places[at], reading)
            for at, reading in zip(
                part, recognizer([strip_along(picture, places[at]) for at in part]), strict=True
            )
        }
        doubtful = [at for at in part if best[at][1].confidence < SURE]
        others = [turned_over(places[at]) for at in doubtful]
        readings = recognizer([strip_along(picture, polygon) for polygon in others])
        for at, polygon, reading in zip(doubtful, others, readings, strict=True):
            if reading.confidence >= best[at][1].confidence + FLIP_GAIN:
                best[at] = (polygon, reading)
        for at, (polygon, reading) in best.items():
            if reading.text.strip() and reading.confidence >= least:
                found[at] = (polygon, _within(reading, polygon))
    return found


def _within(reading: RecognizedText, polygon: Polygon) -> RecognizedText:
    """Say where characters stand within the polygon, read from a strip with air around it."""
    length, thickness = size_of(outline_of(polygon))
    extra = MARGIN[0] * float(thickness) / max(float(length), 1e-6)

    def share(at: float) -> float:
        return min(max(at * (1 + 2 * extra) - extra, 0.0), 1.0)

    return replace(reading, char_spans=tuple((share(a), share(b)) for a, b in reading.char_spans))
