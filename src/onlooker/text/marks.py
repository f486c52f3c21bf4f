"""Marks before the lines of a page: bullets, and the figures of lists and headings.

A detector of words passes over a dot or a lone figure. On a page they stand where nothing else
does: left of a line, on its height, with white before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.text.crops import cut_out
from onlooker.text.lines import Strip

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

REACH_HEIGHTS = 3.0
"""How far left of its line a mark stands at most, in heights of the line."""
BESIDE_HEIGHTS = 0.3
"""White between a mark and whatever stands further left."""
OVER_HEIGHTS = 0.2
"""Strokes that go on so far above or below their line are rules: the next line is 0.2 away."""
LEAST_CONTRAST = 40.0
"""Grey levels between ink and ground; noise and JPEG leave 20."""
DISC_HEIGHTS = (0.1, 0.55)
"""Diameters of bullets, in heights of a line."""
DISC_FILL = (0.62, 0.93)
"""Share of its box that a disc fills: 0.785; squares and triangles fill more or less."""
_FIGURES = re.compile(r"\(?\d{1,2}[.):]?")


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that stands before a line.

    Attributes:
        corners: Array (4, 2), clockwise from the top left.
        is_bullet: It is a round dot. Else it has to be read.
    """

    corners: Floats
    is_bullet: bool


def is_figure(text: str) -> bool:
    """Say whether a mark that was read numbers a line.

    Example:
        >>> is_figure("2."), is_figure("(12)"), is_figure("l")
        (True, True, False)
    """
    return _FIGURES.fullmatch(text) is not None


def marks_of(pixels: Picture, strips: Sequence[Strip]) -> Iterator[Mark]:
    """Look for marks left of lines.

    Args:
        pixels: Picture (H, W, 3).
        strips: The lines of a page; a piece of a longer line has the piece before it as neighbour,
            so that nothing is found between.

    Yields:
        At most one mark a line.
    """
    if not strips:
        return
    boxes = np.array([strip.box for strip in strips])  # each along its own line
    for at, strip in enumerate(strips):
        left, top, right, bottom = boxes[at]
        height = bottom - top
        beside = (boxes[:, 1] < bottom) & (boxes[:, 3] > top) & (boxes[:, 0] < left)
        beside[at] = False
        reach = REACH_HEIGHTS * height
        if beside.any():
            reach = min(reach, left - float(boxes[beside, 2].max()) - BESIDE_HEIGHTS * height)
        if reach < BESIDE_HEIGHTS * height:
            continue
        # With the beginning of the line, which shows what ink and ground are.
        ahead = min(right - left, 3.0 * height)
        over = OVER_HEIGHTS * height
        x, y = left - reach, top - over
        around = strip.back(np.array([x, y, left + ahead, bottom + over]))
        crop = cv2.cvtColor(cut_out(pixels, around), cv2.COLOR_RGB2GRAY)
        scale = (reach + ahead) / crop.shape[1]
        found = _mark(crop, round(reach / scale), round(over / scale))
        if found is None:
            continue
        box, is_bullet = found
        yield Mark(strip.back(np.array(box) * scale + np.array([x, y, x, y])), is_bullet)


def _mark(grey: Picture, before: int, over: int) -> tuple[tuple[int, int, int, int], bool] | None:
    """Find a mark in the first ``before`` columns of a line → its box, whether it is a bullet.

    Args:
        grey: The line, with ``over`` rows more above and below.
        before: Columns before the line begins.
        over: Rows.
    """
    height = grey.shape[0] - 2 * over
    if height < 4 or not 0 < before < grey.shape[1]:
        return None
    ground = float(np.median(grey))
    off = np.abs(grey.astype(np.float32) - ground)
    contrast = float(np.percentile(off[over : over + height, before:], 97))
    if contrast < LEAST_CONTRAST:
        return None
    inks = (off > 0.45 * contrast).astype(np.uint8)
    inks[:, max(0, before - round(0.1 * height)) :] = 0
    ink = inks[over : over + height]
    # Figures of one number are one thing.
    joined = cv2.dilate(ink, np.ones((1, max(1, round(0.25 * height))), np.uint8))
    columns = np.flatnonzero(joined.any(axis=0))
    if not len(columns):
        return None
    breaks = np.flatnonzero(np.diff(columns) > 1)
    start = int(columns[breaks[-1] + 1]) if len(breaks) else int(columns[0])
    own = np.flatnonzero(ink[:, start:].any(axis=0)) + start
    if not len(own):
        return None
    x0, x1 = int(own[0]), int(own[-1]) + 1
    own_rows = np.flatnonzero(ink[:, x0:x1].any(axis=1))
    y0, y1 = int(own_rows[0]), int(own_rows[-1]) + 1
    beyond = [
        rows.any(axis=1).all() if len(rows) else False
        for rows in (inks[:over, x0:x1], inks[over + height :, x0:x1])
    ]
    if x0 <= 1 or len(breaks) > 1 or x1 - x0 > 1.6 * height or any(beyond):
        return None  # part of something larger: a picture, a rule, the frame of a table
    wide, high = (x1 - x0) / height, (y1 - y0) / height
    fill = float(ink[y0:y1, x0:x1].mean())
    middle = (y0 + y1) / 2 / height
    is_bullet = (
        all(DISC_HEIGHTS[0] <= side <= DISC_HEIGHTS[1] for side in (wide, high))
        and 0.7 <= wide / high <= 1.4
        and DISC_FILL[0] <= fill <= DISC_FILL[1]
        and 0.3 <= middle <= 0.75
    )
    if not is_bullet and high < 0.35:
        return None  # a dash, a smudge
    return (x0, y0 + over, x1, y1 + over), is_bullet
