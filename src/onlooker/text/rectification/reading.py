"""Read the words of crops however they lie: upright, tilted, turned, on an arc, stacked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from onlooker.records import Polygon, RecognizedText
from onlooker.text.crops import size_of as corner_size
from onlooker.text.crops import without_margin
from onlooker.text.lines import corners_of
from onlooker.text.recognition.drafts import Draft, Read, drafts_of
from onlooker.text.rectification.geometry import (
    EDGE_POINTS,
    STRIP_PX,
    Picture,
    Points,
    direction_of,
    grown,
    half_turned,
    size_of,
    strip_of,
)
from onlooker.text.rectification.predict import TextRectifier

#: Outlines are widened by these shares of their thickness: the recogniser expects some air.
_MARGIN = (0.12, 0.1)
#: Of a crop that seems to run to the right, a strip has to be read so much more surely than the
#: crop as it is. On 800 development crops 0.02 to 0.05 differ by 0.005.
_GAIN = 0.03
#: A crop that runs to the right for sure and is read so surely needs no other look.
_SURE = 0.97
_RIGHT = 0.8
#: Readings with less confidence of places that lie as they were read are not mended by their
#: outline: of 110 such in 50 street scenes one.
_LOST = 0.5
#: Of a crop read in several ways, drafts so much less sure than the surest are not weighed.
_NEAR = 0.2
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


@dataclass(frozen=True, slots=True)
class OutlinedDraft:
    """A draft read along an outline, and its ends as a polygon of the picture.

    Attributes:
        draft: What was read.
        polygon: Four corners, clockwise from the top left of the text as it runs.
    """

    draft: Draft
    polygon: Polygon

    def within(self, reading: RecognizedText) -> RecognizedText:
        """Say where the characters of ``draft``'s reading stand in the polygon."""
        return without_margin(reading, corners_of(self.polygon), _MARGIN[0])


def read_turned(
    recognizer: Read, rectifier: TextRectifier, crops: Sequence[Picture]
) -> list[TurnedReading]:
    """Read each crop as it is, and along its outlines; keep the surest reading.

    Args:
        recognizer: Reads upright crops.
        rectifier: Draws outlines.
        crops: Each ``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8.

    Returns:
        One reading a crop, in their order.
    """
    known = drafts_of(recognizer, crops)
    found: list[TurnedReading] = []
    for some, gain in _candidates(recognizer, rectifier, crops, known, every_way=True):
        surest = max(one.draft.reading.confidence for one in some)
        as_it_is, *others = some
        best = TurnedReading(as_it_is.draft.weigh(), None)
        least = best.reading.confidence + gain
        for one in others:
            if one.draft.reading.confidence < surest - _NEAR:
                continue
            reading = one.draft.weigh()
            if reading.text and reading.confidence > least:
                best, least = TurnedReading(reading, one.outline), reading.confidence
        found.append(best)
    return found


def drafts_around(
    recognizer: Read,
    rectifier: TextRectifier,
    picture: Picture,
    places: Sequence[tuple[Polygon, Draft]],
) -> Iterator[OutlinedDraft | None]:
    """Read places of a picture along the outlines of the words that lie there.

    Args:
        recognizer: Reads upright crops.
        rectifier: Draws outlines.
        picture: ``(H, W, 3)`` RGB uint8.
        places: Polygons of words, in pixels, and what they seem to say; only the likely directions
            are looked at.

    Yields:
        For each place a surer draft; None where the place is best read as it is.
    """
    for start in range(0, len(places), _CHUNK):
        part = places[start : start + _CHUNK]
        boxes = [_around(place, picture.shape[1], picture.shape[0]) for place, _ in part]
        crops = [picture[y0:y1, x0:x1] for x0, y0, x1, y1 in boxes]
        known = [draft for _, draft in part]
        candidates = _candidates(recognizer, rectifier, crops, known, every_way=False)
        for (x0, y0, _, _), (some, gain) in zip(boxes, candidates, strict=True):
            as_it_is, *others = some
            best, least = as_it_is, as_it_is.draft.reading.confidence + gain
            for one in others:
                if one.draft.reading.text and one.draft.reading.confidence > least:
                    best, least = one, one.draft.reading.confidence
            if best.outline is None:
                yield None
                continue
            first, last = 0, EDGE_POINTS - 1
            ends = best.outline[[first, last, EDGE_POINTS + last, EDGE_POINTS]] + (x0, y0)
            yield OutlinedDraft(best.draft, tuple((float(x), float(y)) for x, y in ends))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A draft of a crop, and along which outline it was read; None: as it is."""

    draft: Draft
    outline: Points | None


def _candidates(
    recognizer: Read,
    rectifier: TextRectifier,
    crops: Sequence[Picture],
    known: Sequence[Draft],
    *,
    every_way: bool,
) -> list[tuple[list[_Candidate], float]]:
    """Read crops along their outlines.

    Returns:
        For each crop its drafts, that of the crop as it is first, and by how much another one must
        be surer than that.
    """
    found = [[_Candidate(one, None)] for one in known]
    gains = [0.0] * len(crops)
    wanted: list[tuple[int, Points, Picture]] = []
    for index, (crop, outlines) in enumerate(zip(crops, rectifier(crops), strict=True)):
        if not outlines:
            continue
        if _quarters(outlines[0].points)[0] == 0:
            gains[index] = _GAIN
            sure = known[index].reading.confidence >= _SURE
            if sure and outlines[0].confidence >= _RIGHT:
                continue
            if not every_way:
                # A word that lies as it was read: what is read otherwise, but badly, stays so.
                if known[index].reading.text and known[index].reading.confidence < _LOST:
                    continue
                outlines = outlines[:1]
        points = [outline.points for outline in outlines]
        if len(points) == 1 and every_way:  # of many signs both ways up look like text
            points.append(half_turned(points[0]))
        for outline in points:
            quarters, slope = _quarters(outline)
            if quarters and slope < _QUARTERLY and every_way:
                whole = np.ascontiguousarray(np.rot90(crop, quarters))
                wanted.append((index, outline, whole))
            if quarters or not _changes_nothing(outline, crop):
                strip = strip_of(crop, grown(outline, *_MARGIN), STRIP_PX)
                wanted.append((index, outline, strip))
    drafts = drafts_of(recognizer, [picture for _, _, picture in wanted])
    for (index, outline, _), draft in zip(wanted, drafts, strict=True):
        found[index].append(_Candidate(draft, outline))
    return list(zip(found, gains, strict=True))


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
