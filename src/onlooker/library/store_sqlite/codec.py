"""Records to columns and back: polygons packed small, facts as JSON, lines that are titles."""

from __future__ import annotations

import json
import math
import os
import statistics
import struct
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from onlooker.errors import StoreError
from onlooker.records import (
    Description,
    MediaFacts,
    Moment,
    Point,
    Polygon,
    bounding_box,
)

_DESCRIPTION_FIELDS = frozenset(field.name for field in fields(Description))
_FACTS_FIELDS = frozenset(field.name for field in fields(MediaFacts))

_BOXES, _QUADS, _MIXED = 0, 1, 2
_HEAD = struct.Struct("<BbiiH")  # form, exponent, left, top, number of polygons
_FINEST = 3  # an eighth of a pixel: finer than any detector is right

_TITLE_RATIO = 1.25
"""A title is set at least this much larger than the middle line of its slide. Slide styles step
by 1.2 (LaTeX's \\normalsize to \\large) to 2; heights of lines differ by their letters too."""


def pack_path(path: Path) -> bytes:
    """Return a path's bytes, whatever they are."""
    return os.fsencode(path)


def unpack_path(value: bytes) -> Path:
    """Return the path behind the bytes."""
    return Path(os.fsdecode(value))


def printable_name(path: Path) -> str:
    """Return a file's name as text that can be shown and stored."""
    return os.fsencode(path.name or str(path)).decode("utf-8", "replace")


def printable(text: str) -> str:
    """Return text that SQLite can keep: NULs and lone surrogates replaced."""
    if "\0" in text:
        text = text.replace("\0", " ")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
    return text


def pack_polygons(polygons: Sequence[Polygon]) -> bytes | None:
    """Pack polygons into 16-bit numbers: 8 bytes for an upright box, 16 for a quadrilateral.

    Coordinates are rounded to 1/8 pixel, coarser only where a picture is wider than 8,191 pixels.

    Raises:
        StoreError: A coordinate is not a finite number, or a polygon has more than 255 corners.
    """
    if not polygons:
        return None
    flat = [value for polygon in polygons for point in polygon for value in point]
    if not flat or not all(map(math.isfinite, flat)) or max(map(abs, flat)) > 1e8:
        raise StoreError(f"polygons need finite coordinates of a picture, got {polygons!r:.200}")
    xs, ys = flat[::2], flat[1::2]
    span = max(max(xs) - min(xs), max(ys) - min(ys), 1e-9)
    # An offset of 31 bits and a span of 16 both have to hold.
    exponent = min(_FINEST, math.floor(math.log2(65534 / span)))
    while max(map(abs, flat)) * 2.0**exponent > 2**31 - 2:
        exponent -= 1
    scale = 2.0**exponent
    left, top = round(min(xs) * scale), round(min(ys) * scale)
    quantised = [
        [(round(x * scale) - left, round(y * scale) - top) for x, y in polygon]
        for polygon in polygons
    ]
    values: list[int] = []
    if all(len(polygon) == 4 for polygon in quantised):
        if all(_is_box(polygon) for polygon in quantised):
            form = _BOXES
            for polygon in quantised:
                values += (*polygon[0], *polygon[2])
        else:
            form = _QUADS
            for polygon in quantised:
                for point in polygon:
                    values += point
    else:
        form = _MIXED
        for polygon in quantised:
            if len(polygon) > 255:
                raise StoreError(f"a polygon has {len(polygon)} corners; at most 255 can be kept")
            values.append(len(polygon))
            for point in polygon:
                values += point
    if len(polygons) > 65535:
        raise StoreError(f"a moment has {len(polygons)} polygons; at most 65535 can be kept")
    head = _HEAD.pack(form, exponent, left, top, len(polygons))
    return head + struct.pack(f"<{len(values)}H", *values)


def _is_box(polygon: Sequence[tuple[int, int]]) -> bool:
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = polygon
    return y0 == y1 and x1 == x2 and y2 == y3 and x3 == x0


def unpack_polygons(blob: bytes | None) -> tuple[Polygon, ...]:
    """Return the polygons behind `pack_polygons`."""
    if not blob:
        return ()
    form, exponent, left, top, count = _HEAD.unpack_from(blob)
    values = struct.unpack_from(f"<{(len(blob) - _HEAD.size) // 2}H", blob, _HEAD.size)
    unit = 2.0**-exponent

    def point(at: int) -> Point:
        return ((values[at] + left) * unit, (values[at + 1] + top) * unit)

    if form == _BOXES:
        boxes = []
        for at in range(0, 4 * count, 4):
            (x0, y0), (x1, y1) = point(at), point(at + 2)
            boxes.append(((x0, y0), (x1, y0), (x1, y1), (x0, y1)))
        return tuple(boxes)
    if form == _QUADS:
        return tuple(
            tuple(point(at + 2 * corner) for corner in range(4)) for at in range(0, 8 * count, 8)
        )
    polygons: list[Polygon] = []
    at = 0
    for _ in range(count):
        corners = values[at]
        polygons.append(tuple(point(at + 1 + 2 * corner) for corner in range(corners)))
        at += 1 + 2 * corners
    return tuple(polygons)


def pack_facts(facts: MediaFacts) -> str:
    """Return facts as JSON, without what is empty."""
    plain = asdict(MediaFacts(kind=facts.kind))
    values = {k: v for k, v in asdict(facts).items() if v != plain[k] or k == "kind"}
    values["description"] = {k: v for k, v in asdict(facts.description).items() if v}
    return json.dumps(values, ensure_ascii=True, separators=(",", ":"))


def unpack_facts(text: str) -> MediaFacts:
    """Return the facts behind `pack_facts`; keys of another version are left out."""
    values: dict[str, Any] = json.loads(text)
    description: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in values.pop("description", {}).items()
        if key in _DESCRIPTION_FIELDS
    }
    rest = {key: value for key, value in values.items() if key in _FACTS_FIELDS}
    return MediaFacts(**rest, description=Description(**description))


def pack_moment(moment: Moment) -> str:
    """Return a moment as JSON (for the record that a correction was made for)."""
    return json.dumps(asdict(moment), ensure_ascii=True, separators=(",", ":"))


def unpack_moment(text: str) -> Moment:
    """Return the moment behind `pack_moment`."""
    values = json.loads(text)
    values["polygons"] = tuple(tuple(map(tuple, polygon)) for polygon in values["polygons"])
    return Moment(**values)


def titles_among(moments: Sequence[Moment]) -> set[int]:
    """Return the places (in the sequence) of lines that look like the title of their picture.

    Of the lines on one picture those are taken that are nearly as large as the largest, where the
    largest is clearly larger than the middle one: a title is larger than the rest.
    """
    pictures: dict[tuple[int | None, int | None], list[tuple[int, float]]] = {}
    for number, moment in enumerate(moments):
        if moment.kind == "screen" and moment.polygons:
            pictures.setdefault((moment.view, moment.page), []).append(
                (number, _letter_height(moment))
            )
    titles: set[int] = set()
    for lines in pictures.values():
        if len(lines) < 2:
            continue
        largest = max(height for _, height in lines)
        # The lower median: of two lines the larger may be the title.
        middle = statistics.median_low([height for _, height in lines])
        if largest >= _TITLE_RATIO * middle:
            titles.update(
                number for number, height in lines if height >= max(0.9 * largest, middle * 1.2)
            )
    return titles


def _letter_height(moment: Moment) -> float:
    """Return the middle height of a line's words: the left end of quadrilaterals and curves."""
    heights = []
    for polygon in moment.polygons:
        if len(polygon) % 2 == 0:
            heights.append(math.dist(polygon[0], polygon[-1]))
        else:
            box = bounding_box(polygon)
            heights.append(box[3] - box[1])
    return statistics.median(heights)


def same_place(one: Moment, other: Moment) -> float:
    """Return how far two records stand at the same place, in [0, 1].

    It is asked when a machine has gone over a medium again, to find the record that a person has
    corrected. Pictures are compared by page or time, since their numbers may have changed; places
    in them by intersection over union of the boxes around the line.
    """
    if one.kind != other.kind or one.field != other.field or one.page != other.page:
        return 0.0
    overlap = 1.0
    if one.start_s is not None and other.start_s is not None:
        one_end = one.start_s if one.end_s is None else one.end_s
        other_end = other.start_s if other.end_s is None else other.end_s
        shared = min(one_end, other_end) - max(one.start_s, other.start_s)
        shorter = min(one_end - one.start_s, other_end - other.start_s)
        if shared < 0 or (shared == 0 and shorter > 0):
            return 0.0
        overlap = 1.0 if shorter <= 0 else min(1.0, shared / shorter)
    elif (one.start_s is None) != (other.start_s is None):
        return 0.0
    corners = [p for polygon in one.polygons for p in polygon]
    others = [p for polygon in other.polygons for p in polygon]
    if corners and others:
        return overlap * _box_iou(bounding_box(corners), bounding_box(others))
    return overlap if bool(corners) == bool(others) else 0.0


def _box_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0
