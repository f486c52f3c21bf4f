"""Shrinking words to their cores, and growing cores back: one pair of inverse functions.

The core of a word is its outline with every side moved inwards by a share of the *shorter* side.
Unlike the offset of Vatti clipping by area and perimeter (DB, equation 10; PSENet), the distance
does not depend on how long a word is, so that long words keep a core as thick as short ones, and
the way back is exact for a rectangle: the core's shorter side is ``1 - 2 * SHRINK`` of the word's.

An *outline* runs clockwise (y down) from the top left of the text as it is read: half its points
along the top, half back along the bottom. A quadrilateral is one of four points.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]

SHRINK = 0.22
"""Each side moves inwards by this share of the shorter side. 0.22 leaves a core 56 % as high as the
word: 5.6 px for text of 10 px, and between neighbours the usual gap (0.25 of the height and more)
plus 0.44 of the height."""


def extents(outlines: Points) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Measure words along and across.

    Args:
        outlines: ``(n, 2 k, 2)``.

    Returns:
        Mean length of top and bottom, and mean distance between them, each ``(n,)``.
    """
    outlines = np.asarray(outlines, np.float64)
    half = outlines.shape[1] // 2
    top, bottom = outlines[:, :half], outlines[:, : half - 1 : -1]  # both from left to right
    steps = np.concatenate([np.diff(top, axis=1), np.diff(bottom, axis=1)], axis=1)
    along = np.linalg.norm(steps, axis=2).sum(axis=1) / 2
    return along, np.linalg.norm(top - bottom, axis=2).mean(axis=1)


def shrink_outlines(outlines: Points, shrink: float = SHRINK) -> Points:
    """Move the sides of words inwards.

    Args:
        outlines: ``(n, 2 k, 2)``.
        shrink: Share of the shorter side; negative grows.

    Returns:
        ``(n, 2 k, 2)`` points in the same order.
    """
    outlines = np.asarray(outlines, np.float64)
    sides = np.roll(outlines, -1, axis=1) - outlines
    lengths = np.maximum(np.linalg.norm(sides, axis=2), 1e-6)
    distance = shrink * np.minimum(*extents(outlines))  # (n,)
    unit = sides / lengths[:, :, None]
    # Points run clockwise on a screen, so the inside lies to the right of each side.
    inwards = np.stack([-unit[:, :, 1], unit[:, :, 0]], axis=2)
    # A corner is where its two sides meet after both have moved: p + d (a + b) / (1 + a · b).
    first, second = np.roll(inwards, 1, axis=1), inwards
    together = 1 + (first * second).sum(axis=2, keepdims=True)
    step = (first + second) / np.maximum(together, 0.15)  # very sharp corners would fly away
    return np.asarray(outlines + distance[:, None, None] * step, np.float32)


def growth(width: float, height: float, shrink: float = SHRINK) -> float:
    """Compute by how much each side of a core's rectangle moves outwards to give the word back.

    Example:
        >>> round(growth(39.2, 11.2), 3)  # a word of 44 × 16 shrunk by 0.15 * 16 = 2.4
        4.4
    """
    return min(width, height) * shrink / (1 - 2 * shrink)
