"""Where characters stand along a crop, from the columns at which CTC wrote them."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

#: A lone character reaches at most so many columns to either side.
_LONE = 4.0


def divide(text: str, centres: npt.NDArray[np.float64], columns: int) -> list[tuple[float, float]]:
    """Divide a line between its characters.

    Args:
        text: The characters.
        centres: Of each character, in columns from the left.
        columns: Of the whole crop.

    Returns:
        For each character its left and right end as fractions of the crop's width.
    """
    if len(centres) == 1:
        centre = float(centres[0])
        half = min(centre, columns - centre, _LONE)
        return [((centre - half) / columns, (centre + half) / columns)]
    middles = (centres[:-1] + centres[1:]) / 2
    first = max(0.0, float(2 * centres[0] - middles[0]))
    last = min(float(columns), float(2 * centres[-1] - middles[-1]))
    edges = np.concatenate(([first], middles, [last])) / columns
    return list(itertools.pairwise(edges.tolist()))
