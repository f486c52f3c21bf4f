"""Points, polygons and boxes in pixels of the original picture, origin at its top left."""

from __future__ import annotations

from collections.abc import Iterable

Point = tuple[float, float]
"""(x, y)."""

Polygon = tuple[Point, ...]
"""Corners clockwise, beginning at the top left of the text as it is read."""

Box = tuple[float, float, float, float]
"""(left, top, right, bottom): ``xyxy``."""


def bounding_box(points: Iterable[Point]) -> Box:
    """Return the smallest upright box around some points.

    Raises:
        ValueError: There are no points.
    """
    pairs = list(points)
    if not pairs:
        raise ValueError("a bounding box needs at least one point")
    xs = [x for x, _ in pairs]
    ys = [y for _, y in pairs]
    return (min(xs), min(ys), max(xs), max(ys))
