"""Read the words of crops however they lie: upright, tilted, turned, on an arc, stacked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from onlooker.records import Polygon, RecognizedText
from onlooker.text.crops import size_of as corner_size
from onlooker.text.crops import without_margin
from onlooker.text.lines import corners_of
from onlooker.text.rectification.geometry import (
    EDGE_POINTS,
    Picture,
    Points,
    direction_of,
    grown,
    half_turned,
    size_of,
    strip_of,
)
from onlooker.text.rectification.predict import TextRectifier

#: Height of the strips that are read: the recogniser sees 32 of it, smoothed from these.
STRIP_PX = 48
#: Outlines are widened by these shares of their thickness: the recogniser expects some air.
_MARGIN = (0.12, 0.1)
#: Of a crop that seems to run to the right, a strip has to be read so much more surely than the
#: crop as it is. On 800 development crops 0.02 to 0.05 differ by 0.005.
_GAIN = 0.03
#: A crop that runs to the right for sure and is read so surely needs no other look.
_SURE = 0.97
_RIGHT = 0.8
#: A word that runs within this slope of a quarter turn is read from the turned crop, too.
_QUARTERLY = 0.2
#: An outline that runs level to within this slope and fills the crop to within these shares of its
#: height changes nothing.
_LEVEL = 0.04
_FILLS = 0.3


#: Crops that are cut out at once: bounds memory.
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class TurnedReading:
    """What a crop says, and along which outline it was read; None: as it is."""

    reading: RecognizedText
    outline: Points | None


def read_turned(
    recognizer: Callable[[Sequence[Picture]], list[RecognizedText]],
    rectifier: TextRectifier,
    crops: Sequence[Picture],
    known: Sequence[RecognizedText] | None = None,
) -> list[TurnedReading]:
    """Read each crop as it is, and along its outlines; keep the surest reading.

    Args:
        recognizer: Reads upright crops.
        rectifier: Draws outlines.
        crops: Each ``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8.
        known: What the crops say as they are, where that has been read already; then only the
            likely directions are looked at.

    Returns:
        One reading a crop, in their order.
    """
    best = [TurnedReading(one, None) for one in (recognizer(crops) if known is None else known)]
    gains = [0.0] * len(crops)
    wanted: list[tuple[int, Points, Picture]] = []
    for index, (crop, outlines) in enumerate(zip(crops, rectifier(crops), strict=True)):
        if not outlines:
            continue
        if _quarters(outlines[0].points)[0] == 0:
            gains[index] = _GAIN
            if best[index].reading.confidence >= _SURE and outlines[0].confidence >= _RIGHT:
                continue
        points = [outline.points for outline in outlines]
        if len(points) == 1 and known is None:  # of many signs both ways up look like text
            points.append(half_turned(points[0]))
        for outline in points:
            quarters, slope = _quarters(outline)
            if quarters and slope < _QUARTERLY and known is None:
                whole = np.ascontiguousarray(np.rot90(crop, quarters))
                wanted.append((index, outline, whole))
            if quarters or not _changes_nothing(outline, crop):
                strip = strip_of(crop, grown(outline, *_MARGIN), STRIP_PX)
                wanted.append((index, outline, strip))
    readings = recognizer([picture for _, _, picture in wanted])
    for (index, outline, _), reading in zip(wanted, readings, strict=True):
        gain = gains[index] if best[index].outline is None else 0.0
        if reading.text and reading.confidence > best[index].reading.confidence + gain:
            best[index] = TurnedReading(reading, outline)
    return best


def read_around(
    recognizer: Callable[[Sequence[Picture]], list[RecognizedText]],
    rectifier: TextRectifier,
    picture: Picture,
    places: Sequence[tuple[Polygon, RecognizedText]],
) -> Iterator[tuple[Polygon, RecognizedText] | None]:
    """Read places of a picture along the outlines of the words that lie there.

    Args:
        recognizer: Reads upright crops.
        rectifier: Draws outlines.
        picture: ``(H, W, 3)`` RGB uint8.
        places: Polygons of words, in pixels, and what they seem to say.

    Yields:
        For each place four corners, clockwise from the top left of the text as it runs, and what it
        says; None where the place is best read as it is.
    """
    for start in range(0, len(places), _CHUNK):
        part = places[start : start + _CHUNK]
        boxes = [_around(place, picture.shape[1], picture.shape[0]) for place, _ in part]
        crops = [picture[y0:y1, x0:x1] for x0, y0, x1, y1 in boxes]
        turned = read_turned(recognizer, rectifier, crops, [reading for _, reading in part])
        for (x0, y0, _, _), found in zip(boxes, turned, strict=True):
            if found.outline is None:
                yield None
                continue
            first, last = 0, EDGE_POINTS - 1
            ends = found.outline[[first, last, EDGE_POINTS + last, EDGE_POINTS]] + (x0, y0)
            corners = tuple((float(x), float(y)) for x, y in ends)
            yield corners, without_margin(found.reading, ends.astype(np.float64), _MARGIN[0])


def _around(place: Polygon, width: int, height: int) -> tuple[int, int, int, int]:
    """Bound a place, with half its thickness around it, inside the picture → x0, y0, x1, y1."""
    corners = corners_of(place)
    air = 0.4 * min(corner_size(corners))
    low, high = corners.min(axis=0) - air, corners.max(axis=0) + air
    x0, y0 = np.clip(low, 0, (width - 1, height - 1)).astype(int)
    x1, y1 = np.clip(np.ceil(high), (x0 + 1, y0 + 1), (width, height)).astype(int)
    return int(x0), int(y0), int(x1), int(y1)


def _quarters(outline: Points) -> tuple[int, float]:
    """Say by how many quarters an outline is turned clockwise, and its slope beyond these."""
    turns = float(direction_of(outline)) / (np.pi / 2)
    return round(turns) % 4, float(np.tan(abs(turns - round(turns)) * np.pi / 2))


def _changes_nothing(outline: Points, crop: Picture) -> bool:
    """Say whether a crop is already, more or less, the strip that its outline describes."""
    height, width = crop.shape[:2]
    _, thickness = size_of(outline)
    upper, lower = outline[:EDGE_POINTS], outline[EDGE_POINTS:]
    rises = max(float(np.ptp(edge[:, 1])) for edge in (upper, lower))
    runs = upper[-1, 0] - upper[0, 0]
    return bool(
        runs > 0
        and rises < _LEVEL * max(runs, 1.0) + 0.05 * thickness
        and thickness > (1 - _FILLS) * height
        and runs > width - _FILLS * height * 2
    )
