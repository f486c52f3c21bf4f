"""Overlap of polygons, and one-to-one matching of predicted with true regions.

The protocol is that of the ICDAR 2015 Robust Reading competition (Karatzas et al. 2015, section
V.A; IoU after PASCAL VOC, Everingham et al. 2010).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.records import Polygon

RASTER_SIDE_PX = 1024
"""Side of the grid on which polygons with a dent are compared: 0.1 % of their joint width."""


def polygon_area(polygon: Polygon) -> float:
    """Return the area of a simple polygon in square pixels, whichever way its corners run."""
    points = np.asarray(polygon, dtype=np.float64)
    if len(points) < 3:
        return 0.0
    # Relative to the first corner: the shoelace formula loses digits far from the origin.
    x, y = (points - points[0]).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2.0)


def intersection_area(a: Polygon, b: Polygon) -> float:
    """Return the area that two simple polygons share, in square pixels."""
    first = np.asarray(a, dtype=np.float64).reshape(-1, 2)
    second = np.asarray(b, dtype=np.float64).reshape(-1, 2)
    if len(first) < 3 or len(second) < 3:
        return 0.0
    low = np.maximum(first.min(axis=0), second.min(axis=0))
    high = np.minimum(first.max(axis=0), second.max(axis=0))
    if (low >= high).any():
        return 0.0
    # OpenCV computes in float32: around the overlap it keeps its digits.
    first32 = (first - low).astype(np.float32)
    second32 = (second - low).astype(np.float32)
    if cv2.isContourConvex(first32) and cv2.isContourConvex(second32):
        area, _ = cv2.intersectConvexConvex(first32, second32)
        return max(0.0, float(area))
    return _raster_intersection(first32, second32, high - low)


def _raster_intersection(
    first: npt.NDArray[np.float32],
    second: npt.NDArray[np.float32],
    size: npt.NDArray[np.float64],
) -> float:
    """Count shared cells of a grid laid over the overlap of the bounding boxes."""
    scale = RASTER_SIDE_PX / size
    shift = 4  # fillPoly takes fixed-point corners: 1/16 of a cell

    def fill(points: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        mask = np.zeros((RASTER_SIDE_PX, RASTER_SIDE_PX), np.uint8)
        # A cell's centre is its integer coordinate.
        corners = np.rint((points * scale - 0.5) * (1 << shift))
        # Where the overlap is a sliver, what lies beyond it may lie too far for the grid.
        corners = corners.clip(-(1 << 28), 1 << 28).astype(np.int32)
        cv2.fillPoly(mask, [corners], (1,), shift=shift)
        return mask

    cells = int(np.count_nonzero(fill(first) & fill(second)))
    return cells / float(scale[0] * scale[1])


def iou(a: Polygon, b: Polygon) -> float:
    """Return intersection over union of two polygons, in [0, 1]."""
    shared = intersection_area(a, b)
    union = polygon_area(a) + polygon_area(b) - shared
    return min(1.0, shared / union) if union > 0 and shared > 0 else 0.0


def covered(polygon: Polygon, by: Polygon) -> float:
    """Return which share of a polygon's area lies inside another, in [0, 1]."""
    area = polygon_area(polygon)
    return min(1.0, intersection_area(polygon, by) / area) if area > 0 else 0.0


def match_regions(
    predicted: Sequence[Polygon], true: Sequence[Polygon], *, threshold: float = 0.5
) -> list[tuple[int, int]]:
    """Pair predicted with true regions, each at most once.

    Pairs are taken from the best overlap down; equal overlaps in the order of the lists.

    Args:
        predicted: Predicted polygons.
        true: True polygons.
        threshold: Least IoU of a pair.

    Returns:
        Pairs (index into ``predicted``, index into ``true``).
    """
    candidates = [
        (-overlap, p, t)
        for p, candidate in enumerate(predicted)
        for t, truth in enumerate(true)
        if (overlap := iou(candidate, truth)) >= threshold
    ]
    pairs: list[tuple[int, int]] = []
    used_predicted: set[int] = set()
    used_true: set[int] = set()
    for _, p, t in sorted(candidates):
        if p not in used_predicted and t not in used_true:
            used_predicted.add(p)
            used_true.add(t)
            pairs.append((p, t))
    return pairs
