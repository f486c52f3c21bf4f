"""Words → lines in reading order.

Two steps, both of plain geometry:

1. **Lines.** Words that run in about the same direction share a *frame* in which that direction is
   horizontal. There each word looks for its nearest neighbour to the right and to the left: near,
   of like height, on its own baseline. Two words that choose each other are joined, so that a line
   is a chain and never forks.
2. **Order.** Lines are ordered by recursive cuts along white space (XY cut, Nagy and Seth 1984,
   "Hierarchical representation of optically scanned documents"), columns before rows, and rows that
   share their columns kept together, so that a title or a footer across a page does not tear
   the columns beside it apart.

The order is the walk over a tree of cuts: a permutation by construction. No two lines are ever
compared with each other by a rule that might run in circles, and the outcome does not depend on the
order in which the words came in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.records import Page, Point, Polygon, TextLine, TextWord, bounding_box

Floats = npt.NDArray[np.float64]

# Chosen on pages of our own and looked at on photos of signs; the tests hold them in place.
MAX_GAP_HEIGHTS = 1.0
"""Widest space inside a line, in heights of its words: word spaces are 0.2 to 0.6 of a height,
gutters between columns 1.3 and more."""
MIN_OVERLAP = 0.5
"""Least vertical overlap of neighbours, as a share of the lower one's height."""
MIN_HEIGHT_RATIO = 0.4
"""A word of small letters ("on") beside one with ascenders and descenders ("Play") has 0.5."""
CLASS_DEGREES = 30.0
"""Words within this angle of the main direction share its frame."""
VOTE_DEGREES = 12.0
"""Half width of the window in which directions vote for the main one."""
RELIABLE_ASPECT = 1.5
"""Below this width : height the corners say little about a word's direction."""
CORE = 0.5
"""Share of a line's height, around its middle, that counts when rows are told apart: slanting
lines and long descenders overlap their neighbours' boxes."""
TABLE_ROWS = 3
"""Fewest rows of a table; two aligned pairs of words may as well be two signs side by side."""
MARK_LENGTH = 3
"""Longest text of a mark before a paragraph ("•", "2.", "iv)")."""
TABLE_FIGURES = 0.6
"""Share of lines with a digit that makes a column one of figures (prices, pages, years)."""


def corners_of(polygon: Polygon) -> Floats:
    """Return four corners, clockwise from the top left of the text as it is read.

    Args:
        polygon: Three or more corners. More than four are replaced by those of the smallest
            rectangle around them, beginning with the one nearest the first.

    Returns:
        Array (4, 2).
    """
    points = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    if len(points) == 4:
        return points
    rectangle = cv2.boxPoints(cv2.minAreaRect(points.astype(np.float32))).astype(np.float64)
    edges = np.roll(rectangle, -1, axis=0) - rectangle
    if edges[0, 0] * edges[1, 1] - edges[0, 1] * edges[1, 0] < 0:  # counter-clockwise as drawn
        rectangle = rectangle[::-1]
    first = int(np.argmin(((rectangle - points[0]) ** 2).sum(axis=1)))
    return np.roll(rectangle, -first, axis=0)


def direction_of(corners: Floats) -> float:
    """Return the direction in which a word runs, in radians, 0 to the right, clockwise positive."""
    along = corners[1] - corners[0] + corners[2] - corners[3]
    return float(np.arctan2(along[1], along[0]))


@dataclass(frozen=True, slots=True)
class _Frame:
    """Words of one direction, in coordinates in which they run to the right."""

    angle: float
    members: npt.NDArray[np.intp]
    left: Floats
    right: Floats
    middle: Floats  # y of the centres
    height: Floats
    slope: Floats  # dy/dx of each word against the frame; 0 where its corners cannot tell


def group_lines(words: Sequence[TextWord]) -> tuple[TextLine, ...]:
    """Group words into lines and put the lines into reading order.

    Args:
        words: Words of one picture, in any order.

    Returns:
        Lines in reading order; each word stands in exactly one. Lines of the direction in which
        most of the text runs come first, then those of the others (a spine, a margin note).

    Example:
        >>> def word(text, x, y):
        ...     box = ((x, y), (x + 30, y), (x + 30, y + 10), (x, y + 10))
        ...     return TextWord(text, box, 1.0)
        >>> words = [word("b", 34, 0), word("c", 0, 20), word("a", 0, 0)]
        >>> [line.text for line in group_lines(words)]
        ['a b', 'c']
    """
    # A fixed order first: nothing below may depend on how the words came in.
    ordered = sorted(words, key=lambda word: (word.polygon, word.text, word.confidence))
    lines: list[TextLine] = []
    for frame in _frames(ordered):
        chains = _chains(frame, ordered)
        boxes = np.array(
            [
                (
                    frame.left[chain].min(),
                    float(np.average(frame.middle[chain], weights=frame.height[chain])),
                    frame.right[chain].max(),
                    float(np.median(frame.height[chain])),
                )
                for chain in chains
            ]
        )
        texts = [" ".join(ordered[frame.members[i]].text for i in chain) for chain in chains]
        figures = np.array([any(c.isdigit() for c in text) for text in texts], dtype=bool)
        marks = np.array([len(text) <= MARK_LENGTH for text in texts], dtype=bool)
        for index in reading_order(boxes, figures, marks):
            lines.append(TextLine(tuple(ordered[frame.members[i]] for i in chains[index])))
    return tuple(lines)


def _frames(words: Sequence[TextWord]) -> list[_Frame]:
    """Share words out over directions, the strongest direction first."""
    if not words:
        return []
    corners = np.stack([corners_of(word.polygon) for word in words])  # (N, 4, 2)
    along = (corners[:, 1] - corners[:, 0] + corners[:, 2] - corners[:, 3]) / 2
    down = (corners[:, 3] - corners[:, 0] + corners[:, 2] - corners[:, 1]) / 2
    width = np.maximum(np.hypot(*along.T), 1e-6)
    height = np.maximum(np.hypot(*down.T), 1e-6)
    angles = np.arctan2(along[:, 1], along[:, 0])
    reliable = width >= RELIABLE_ASPECT * height
    # A long word tells its direction better than a short one, which counts only among its like.
    weights = np.where(reliable, width, 0.05 * width)

    frames: list[_Frame] = []
    rest = np.arange(len(words))
    while len(rest):
        off = np.abs(_turn(angles[rest, None] - angles[None, rest]))
        votes = (off <= np.radians(VOTE_DEGREES)) @ weights[rest]
        # Equal votes: the more upright direction.
        winner = min(range(len(rest)), key=lambda i: (-round(votes[i], 6), abs(angles[rest[i]]), i))
        near = off[winner] <= np.radians(VOTE_DEGREES)
        main = angles[rest[winner]]
        shifts = _turn(angles[rest[near]] - main)
        angle = float(main + np.average(shifts, weights=weights[rest[near]]))
        # A square word of another angle, short of a quarter turn, has merely a badly fitted box.
        reach = np.where(reliable[rest], CLASS_DEGREES, 50.0)
        chosen = np.abs(_turn(angles[rest] - angle)) <= np.radians(reach)
        chosen[winner] = True
        members = rest[chosen]
        rest = rest[~chosen]
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned = corners[members] @ turn  # (M, 4, 2)
        slope = np.tan(np.clip(_turn(angles[members] - angle), -1.0, 1.0))
        frames.append(
            _Frame(
                angle=angle,
                members=members,
                left=turned[:, :, 0].min(axis=1),
                right=turned[:, :, 0].max(axis=1),
                middle=turned[:, :, 1].mean(axis=1),
                height=height[members],
                slope=np.where(reliable[members], slope, 0.0),
            )
        )
    return frames


def _turn(angle: Floats) -> Floats:
    """Bring angles into (−π, π]."""
    turned: Floats = np.pi - (np.pi - angle) % (2 * np.pi)
    return turned


def _chains(frame: _Frame, words: Sequence[TextWord]) -> list[list[int]]:
    """Join neighbours that choose each other; return chains of positions within the frame."""
    count = len(frame.members)
    left, right, height = frame.left, frame.right, frame.height
    best_right = np.full(count, -1)
    cost_left = np.full(count, np.inf)
    best_left = np.full(count, -1)
    marks = np.array([not any(c.isalnum() for c in words[m].text) for m in frame.members])
    for i in range(count):
        gap = left - right[i]
        lower = np.minimum(height, height[i])
        higher = np.maximum(height, height[i])
        # Heights of both baselines in the middle of the gap: each follows its own slope.
        reach_i = (right[i] - left[i]) / 2 + gap / 2
        reach_j = (right - left) / 2 + gap / 2
        rise = np.abs(
            frame.middle[i] + frame.slope[i] * reach_i - (frame.middle - frame.slope * reach_j)
        )
        overlap = np.minimum((height + height[i]) / 2 - rise, lower)
        fits = (
            (gap <= MAX_GAP_HEIGHTS * (height + height[i]) / 2)
            & (gap >= -0.5 * lower)
            & (left + right > left[i] + right[i])
            & (overlap >= MIN_OVERLAP * lower)
            & ((lower >= MIN_HEIGHT_RATIO * higher) | marks | marks[i])
        )
        fits[i] = False
        if not fits.any():
            continue
        cost = np.where(fits, np.maximum(gap, 0.0) + 2.0 * rise, np.inf)
        j = int(np.argmin(cost))
        best_right[i] = j
        nearer = cost < cost_left
        best_left[nearer] = i
        cost_left[nearer] = cost[nearer]
    chains: list[list[int]] = []
    for i in range(count):
        before = best_left[i]
        if before >= 0 and best_right[before] == i:
            continue  # not the first of its line
        chain = [i]
        while (after := int(best_right[chain[-1]])) >= 0 and best_left[after] == chain[-1]:
            chain.append(after)
        chains.append(chain)
    return chains


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
            if _by_rows(boxes, first, second, figures, marks):
                for row in _rows(boxes, part):
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


def with_text_layer(page: Page, layer: Sequence[TextLine]) -> Page:
    """Add what was read in the pictures of a document's page to the text that the page carries.

    Args:
        page: What was read, text of the layer included: it can be seen as well.
        layer: Lines of the text layer, in pixels of the same picture. Their letters are right.

    Returns:
        The words of the layer, and those read words (and unread places) that lie elsewhere.
    """
    if not layer:
        return page
    boxes = np.array([word.box for line in layer for word in line.words]).reshape(-1, 4)

    def elsewhere(polygon: Polygon) -> bool:
        left, top, right, bottom = bounding_box(polygon)
        wide = np.minimum(boxes[:, 2], right) - np.maximum(boxes[:, 0], left)
        high = np.minimum(boxes[:, 3], bottom) - np.maximum(boxes[:, 1], top)
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        # Half: a detected box is larger than the letters it holds, and may join two words.
        return float(shared.sum()) < 0.5 * (right - left) * (bottom - top)

    seen = [word for word in page.words if elsewhere(word.polygon)]
    unread = tuple(place for place in page.unread if elsewhere(place.polygon))
    if not seen:
        return Page(page.width, page.height, tuple(layer), unread)
    words = [*(word for line in layer for word in line.words), *seen]
    return Page(page.width, page.height, group_lines(words), unread)


def turned(polygon: Polygon, quarters: int) -> Polygon:
    """Begin a polygon of four at another corner: the text reads in another direction.

    Args:
        polygon: Four corners, clockwise.
        quarters: Quarter turns clockwise of the reading direction.
    """
    shift = quarters % 4
    moved: list[Point] = [*polygon[shift:], *polygon[:shift]]
    return tuple(moved)
