"""The order in which people read boxes on a page: columns from left to right, each downwards.

References:
    Nagy, Seth: Hierarchical representation of optically scanned documents, ICPR 1984 (the
    recursive X-Y cut).
"""

from __future__ import annotations

from collections.abc import Sequence

from onlooker.records import Box

COLUMN_GAP = 0.8
"""Columns are told apart by an empty strip of this many line heights; words in a line have less
than half of one between them."""

MAX_DEPTH = 40
"""Of cuts in cuts; what is left then is sorted by place."""


def order_boxes(boxes: Sequence[Box]) -> list[int]:
    """Return the indices of boxes in reading order.

    A stack of boxes is cut between columns where an empty strip runs through it from top to
    bottom with at least two boxes at each side, else between rows, and so on inside each part.
    The order is total and does not depend on the order that the boxes come in, but for boxes that
    are equal.

    Args:
        boxes: ``xyxy``, one a line of text.

    Example:
        >>> order_boxes([(60, 0, 99, 9), (60, 10, 99, 19), (0, 0, 40, 9), (0, 10, 40, 19)])
        [2, 3, 0, 1]
    """
    order: list[int] = []
    _cut(list(range(len(boxes))), boxes, order, 0)
    return order


def _cut(indices: list[int], boxes: Sequence[Box], order: list[int], depth: int) -> None:
    if len(indices) <= 1 or depth > MAX_DEPTH:
        order.extend(_rows(indices, boxes))
        return
    heights = sorted(boxes[at][3] - boxes[at][1] for at in indices)
    height = max(heights[len(heights) // 2], 1e-6)
    columns = _split(indices, boxes, 0, COLUMN_GAP * height)
    if len(columns) > 1 and all(len(part) >= 2 for part in columns):
        parts = columns
    else:
        parts = _split(indices, boxes, 1, 0.0)
        if len(parts) > 1:
            parts = _regroup(parts, boxes, height)
        if len(parts) == 1:
            parts = columns
    if len(parts) == 1:
        order.extend(_rows(indices, boxes))
        return
    for part in parts:
        _cut(part, boxes, order, depth + 1)


def _split(indices: list[int], boxes: Sequence[Box], axis: int, least: float) -> list[list[int]]:
    """Split at the empty strips wider than ``least`` across an axis (0: columns, 1: rows)."""
    ordered = sorted(indices, key=lambda at: (boxes[at][axis], boxes[at][axis + 2], at))
    parts = [[ordered[0]]]
    reach = boxes[ordered[0]][axis + 2]
    for at in ordered[1:]:
        if boxes[at][axis] - reach > least:
            parts.append([])
        parts[-1].append(at)
        reach = max(reach, boxes[at][axis + 2])
    return parts


def _regroup(rows: list[list[int]], boxes: Sequence[Box], height: float) -> list[list[int]]:
    """Join neighbouring rows again where together they show columns that one row cannot.

    Rows of a page in two columns stand level by chance; cut one by one they would be read across.
    A run of rows that share one empty strip stays together, to be cut into columns next.
    """
    grouped: list[list[int]] = []
    run: list[int] = []
    for row in rows:
        joined = run + row
        columns = _split(joined, boxes, 0, COLUMN_GAP * height)
        if not run or (len(row) > 1 and len(columns) > 1 and len(columns) >= len(
            _split(run, boxes, 0, COLUMN_GAP * height)
        )):  # fmt: skip
            run = joined
        else:
            grouped.append(run)
            run = list(row)
    grouped.append(run)
    return grouped if len(grouped) > 1 else rows


def _rows(indices: list[int], boxes: Sequence[Box]) -> list[int]:
    """Sort what cannot be cut: overlapping boxes, by their top, then their left side."""
    return sorted(indices, key=lambda at: (boxes[at][1], boxes[at][0], boxes[at], at))
