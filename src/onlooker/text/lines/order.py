"""Lines of one frame → reading order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from onlooker.text.lines.chains import MAX_GAP_HEIGHTS

Floats = npt.NDArray[np.float64]

CORE = 0.5
"""Share of a line's height, around its middle, that counts when rows are told apart: slanting
lines and long descenders overlap their neighbours' boxes."""
TABLE_ROWS = 3
"""Fewest rows of a table; two aligned pairs of words may as well be two signs side by side."""
FOOT_LINES = 3
"""Most lines of notes below columns, and fewest lines of a column above them."""
FOOT_SIZE = 0.92
"""Notes are set one or two points smaller than the text, of 9 to 12 points."""
FOOT_GAP = 0.5
"""White above notes, in heights of a line: between lines of text it is 0.2."""
TABLE_FIGURES = 0.6
"""Share of lines with a digit that makes a column one of figures (prices, pages, years)."""


def reading_order(
    boxes: Floats,
    figures: npt.NDArray[np.bool_] | None = None,
    marks: npt.NDArray[np.bool_] | None = None,
) -> list[int]:
    """Order the lines of one direction for reading.

    Args:
        boxes: Array (N, 4): left, middle (y), right, height of each line, in a frame in which the
            lines run to the right.
        figures: For each line, whether it holds digits; a column of them beside another column,
            row by row, is read as a table.
        marks: For each line, whether it may be the mark of a paragraph ("•", "2.").

    Returns:
        A permutation of ``range(N)``.
    """
    count = len(boxes)
    if figures is None:
        figures = np.zeros(count, dtype=bool)
    if marks is None:
        marks = np.zeros(count, dtype=bool)
    order: list[int] = []
    # An explicit stack: a page of thousands of lines would reach Python's limit of recursion.
    stack = [sorted(range(count), key=lambda i: (boxes[i, 1], boxes[i, 0], boxes[i, 2], i))]
    while stack:
        part = stack.pop()
        if len(part) < 2:
            order.extend(part)
            continue
        at = _column_cut(boxes, part)
        if at is not None:
            first = [i for i in part if boxes[i, 0] < at]
            second = [i for i in part if boxes[i, 0] >= at]
            feet = _feet(boxes, first, second)
            if feet:
                rest = set(part).difference(feet)
                stack.extend((feet, [i for i in part if i in rest]))
            elif (table := _table(boxes, part, at, figures, marks)) is not None:
                above, rows, below = table
                if above or below:
                    stack.extend(some for some in (below, rows, above) if some)
                else:
                    for row in _rows(boxes, rows):
                        order.extend(sorted(row, key=lambda i: (boxes[i, 0], boxes[i, 1], i)))
            else:
                stack.extend((second, first))
            continue
        bands = _bands(boxes, _rows(boxes, part))
        if len(bands) > 1:
            stack.extend(reversed(bands))
        else:  # lines that run into each other: from top to bottom
            order.extend(part)
    return order


def _feet(boxes: Floats, first: Sequence[int], second: Sequence[int]) -> list[int]:
    """Return the notes and page numbers below columns: they are read after all columns.

    They stand apart, in smaller type, below whatever the other column holds. (A short note belongs
    to its page, not to the column above it.)
    """
    part = [*first, *second]
    if min(len(first), len(second)) < FOOT_LINES:
        return []
    size = float(np.median(boxes[part, 3]))
    below = sorted(part, key=lambda i: (-boxes[i, 1], boxes[i, 0], i))
    lowest = -np.inf
    feet: list[int] = []
    for at, i in enumerate(below[: FOOT_LINES + 1]):
        above = below[at + 1]
        edge = boxes[i, 1] - boxes[i, 3] / 2
        gap = edge - (boxes[above, 1] + boxes[above, 3] / 2)
        lowest = max(lowest, boxes[i, 3])
        if lowest > FOOT_SIZE * size:
            break
        if gap >= FOOT_GAP * size:
            feet = below[: at + 1]
    return sorted(feet, key=lambda i: (boxes[i, 1], boxes[i, 0], i))


def _column_cut(boxes: Floats, part: Sequence[int]) -> float | None:
    """Return the x at which the widest gutter through all of some lines ends, if there is one."""
    by_left = sorted(part, key=lambda i: (boxes[i, 0], i))
    least = MAX_GAP_HEIGHTS * float(np.median(boxes[list(part), 3]))
    widest, at = 0.0, None
    reached = boxes[by_left[0], 2]
    for i in by_left[1:]:
        gap = boxes[i, 0] - reached
        if gap >= least and gap > widest:
            widest, at = gap, float(boxes[i, 0])
        reached = max(reached, boxes[i, 2])
    return at


def _rows(boxes: Floats, part: Sequence[int]) -> list[list[int]]:
    """Part lines, sorted by their middle, into rows with white space between."""
    half = boxes[:, 3] * CORE / 2
    rows: list[list[int]] = []
    reached = -np.inf
    for i in sorted(part, key=lambda i: (boxes[i, 1] - half[i], boxes[i, 0], i)):
        if boxes[i, 1] - half[i] >= reached:
            rows.append([])
        rows[-1].append(i)
        reached = max(reached, boxes[i, 1] + half[i])
    for row in rows:
        row.sort(key=lambda i: (boxes[i, 1], boxes[i, 0], i))
    return rows


def _bands(boxes: Floats, rows: list[list[int]]) -> list[list[int]]:
    """Put rows that share a gutter together, so that their columns are read one after another."""
    bands: list[list[int]] = []
    columns = False
    for row in rows:
        if bands:
            union = bands[-1] + row
            if (columns or len(row) > 1) and _column_cut(boxes, union) is not None:
                bands[-1] = union
                columns = True
                continue
        bands.append(list(row))
        columns = len(row) > 1 and _column_cut(boxes, row) is not None
    return bands


def _table(
    boxes: Floats,
    part: Sequence[int],
    at: float,
    figures: npt.NDArray[np.bool_],
    marks: npt.NDArray[np.bool_],
) -> tuple[list[int], list[int], list[int]] | None:
    """Part lines into those above a table, its own, and those below; None where no table is.

    Short lines before and behind a table leave its gutter free as well, but no row of it.
    """
    rows = _rows(boxes, part)
    shared = [
        n
        for n, row in enumerate(rows)
        if any(boxes[i, 0] < at for i in row) and any(boxes[i, 0] >= at for i in row)
    ]
    if not shared:
        return None
    for first, last in ((0, len(rows) - 1), (shared[0], shared[-1])):
        core = [i for row in rows[first : last + 1] for i in row]
        left = [i for i in core if boxes[i, 0] < at]
        right = [i for i in core if boxes[i, 0] >= at]
        if _by_rows(boxes, left, right, figures, marks):
            above = [i for row in rows[:first] for i in row]
            below = [i for row in rows[last + 1 :] for i in row]
            return above, core, below
    return None


def _by_rows(
    boxes: Floats,
    first: Sequence[int],
    second: Sequence[int],
    figures: npt.NDArray[np.bool_],
    marks: npt.NDArray[np.bool_],
) -> bool:
    """Tell whether two columns are to be read row by row.

    So are lists of figures beside their items, and paragraphs behind their marks.
    """
    few, many = sorted((first, second), key=len)
    if not marks[list(first)].all():
        if len(few) < TABLE_ROWS:
            return False
        if max(figures[list(first)].mean(), figures[list(second)].mean()) < TABLE_FIGURES:
            return False
    elif len(first) > len(second):
        return False
    middles, heights = boxes[list(many), 1], boxes[list(many), 3]
    aligned = [
        bool((np.abs(middles - boxes[i, 1]) < CORE * np.minimum(heights, boxes[i, 3])).any())
        for i in few
    ]
    return float(np.mean(aligned)) >= 0.8
