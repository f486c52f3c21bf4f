"""The skew of a page: how far its lines lean, told by where its words stand.

A detector that draws its boxes upright hides the skew of each word; that of the lines remains. Each
word is linked with its neighbour to the right, and one slope is fitted to the middles of all chains
at once, each with a height of its own (pooled regression within groups). Columns whose lines are
not level with each other do not disturb it, which mislead profiles across the whole page (Postl
1986): those find the angle at which the lines of one column meet those of the other.

References:
    Postl: Detection of linear oblique structures and skew scan in digitized documents, ICPR 1986.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST_LINKS = 8
"""Fewer pairs of neighbours show no skew."""
MAX_GAP_HEIGHTS = 1.2
MAX_RISE_HEIGHTS = 0.5
"""Two neighbours are of one line if they are this near, after the skew found so far."""
MIN_HEIGHT_RATIO = 0.4
SURE = 3.0
"""Standard errors from which on a slope is one: ascenders and descenders move middles by chance."""
_ROUNDS = 3


def estimate_skew(middles: Floats, heights: Floats, widths: Floats) -> float:
    """Estimate how far the lines of a page lean.

    Args:
        middles: Array (N, 2): x and y of the middles of words, in a frame in which the words run
            about to the right.
        heights: Array (N,): heights of the words, in the same unit.
        widths: Array (N,): their widths.

    Returns:
        Radians, positive where lines sink to the right (clockwise); 0.0 where nothing leans or too
        little stands there to tell.
    """
    slope, error = 0.0, np.inf
    for _ in range(_ROUNDS):
        xs, ys = _within_lines(middles, heights, widths, slope)
        spread = float((xs**2).sum())
        if len(xs) < LEAST_LINKS or spread <= 0:
            return 0.0
        slope = float((xs * ys).sum()) / spread
        error = float(np.sqrt(((ys - slope * xs) ** 2).sum() / len(xs) / spread))
    return float(np.arctan(slope)) if abs(slope) > SURE * error else 0.0


def _within_lines(
    middles: Floats, heights: Floats, widths: Floats, slope: float
) -> tuple[Floats, Floats]:
    """Chain neighbours; return x and y of the words of each chain, less the chain's means."""
    x, y = middles[:, 0], middles[:, 1]
    level = y - slope * x
    left, right = x - widths / 2, x + widths / 2
    following = np.full(len(x), -1)
    taken: dict[int, tuple[float, int]] = {}
    for i in range(len(x)):
        lower = np.minimum(heights, heights[i])
        gap = left - right[i]
        fits = (
            (gap > -0.5 * lower)
            & (gap <= MAX_GAP_HEIGHTS * np.maximum(heights, heights[i]))
            & (np.abs(level - level[i]) <= MAX_RISE_HEIGHTS * lower)
            & (lower >= MIN_HEIGHT_RATIO * np.maximum(heights, heights[i]))
            & (x > x[i])
        )
        if not fits.any():
            continue
        j = int(np.argmin(np.where(fits, gap, np.inf)))
        if j not in taken or gap[j] < taken[j][0]:
            taken[j] = (float(gap[j]), i)
            following[i] = j
    before = {j: i for j, (_, i) in taken.items()}
    xs, ys = [], []
    for i in range(len(x)):
        if i in before:
            continue
        chain = [i]
        while (j := int(following[chain[-1]])) >= 0 and before[j] == chain[-1]:
            chain.append(j)
        if len(chain) > 1:
            xs.append(x[chain] - x[chain].mean())
            ys.append(y[chain] - y[chain].mean())
    if not xs:
        return np.zeros(0), np.zeros(0)
    return np.concatenate(xs), np.concatenate(ys)
