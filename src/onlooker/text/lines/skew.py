"""The skew of a page: how far its lines lean, told by where its words stand.

Words of a line stand at one height if one looks along the line. So each angle gets a score: project
the middles of all words across it, and take the sum of squares of how many fall together (the
projection profile of Postl 1986, over words instead of pixels: it costs next to nothing, pictures
and rules do not disturb it, and columns whose lines are not level with each other do not either,
for each word counts with the words of its own line).

A detector that draws its boxes upright hides the skew of each word; that of the lines remains.

References:
    Postl: Detection of linear oblique structures and skew scan in digitized documents, ICPR 1986.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MAX_SKEW_DEG = 8.0
"""Words of lines that lean more are found leaning."""
LEAST_WORDS = 12
"""Fewer words show no skew: any angle lays two or three of them on one line."""
LEAST_GAIN = 1.1
"""So much higher than the score of no skew the best must be: straight pages and loose words of
photos stay below, pages that lean by half a degree reach 1.5."""
_BIN_HEIGHTS = 0.25
"""Words within a quarter of their height count as level: with ascenders and without, middles lie
up to 0.15 apart."""
_COARSE_DEG, _FINE_DEG = 0.25, 0.05


def estimate_skew(middles: Floats, heights: Floats, widths: Floats) -> float:
    """Estimate how far the lines of a page lean.

    Args:
        middles: Array (N, 2): x and y of the middles of words, in a frame in which the words run
            about to the right.
        heights: Array (N,): heights of the words, in the same unit.
        widths: Array (N,): their widths; long words count more.

    Returns:
        Radians, positive where lines sink to the right (clockwise); 0.0 where nothing leans or too
        little stands there to tell.
    """
    if len(middles) < LEAST_WORDS:
        return 0.0
    height = float(np.median(heights))
    if height <= 0:
        return 0.0
    unit = _BIN_HEIGHTS * height
    weights = np.minimum(widths / height, 4.0)
    coarse = np.arange(-MAX_SKEW_DEG, MAX_SKEW_DEG + _COARSE_DEG / 2, _COARSE_DEG)
    best = _best(middles, weights, unit, coarse)
    best = _best(middles, weights, unit, best + _FINE_DEG * np.arange(-5.0, 6.0))
    level, leaning = _scores(middles, weights, unit, np.array([0.0, best]))
    return float(np.radians(best)) if leaning >= LEAST_GAIN * level else 0.0


def _best(middles: Floats, weights: Floats, unit: float, degrees: Floats) -> float:
    scores = _scores(middles, weights, unit, degrees)
    # Of equals the one nearest to level.
    return float(min(zip(-scores, np.abs(degrees), degrees, strict=True))[2])


def _scores(middles: Floats, weights: Floats, unit: float, degrees: Floats) -> Floats:
    """Score angles: the sum of squares of a profile whose bins overlap by half."""
    scores = np.zeros(len(degrees))
    for at, angle in enumerate(np.radians(degrees)):
        across = (middles[:, 1] * np.cos(angle) - middles[:, 0] * np.sin(angle)) / unit
        place = across - across.min() + 1.0
        left = np.floor(place).astype(np.intp)
        share = place - left  # each word falls into two bins, so that the edges do not matter
        profile = np.bincount(left, weights * (1.0 - share), left.max() + 2)
        profile[1:] += np.bincount(left, weights * share, left.max() + 1)
        scores[at] = float((profile**2).sum())
    return scores
