"""Float weights → seven bits: rounded one after the other, each mending what the last one spoilt.

Rounding a weight up is harmless where a neighbour that sees nearly the same is rounded down: the
pixels of a picture are alike, so that errors of equal sign add up and others cancel. With the
covariance of what a filter sees, the weights are rounded in turn and the error of each is taken
into account by those still to come (Frantar et al. 2022, "GPTQ", alg. 1; Hassibi and Stork 1993,
"Optimal brain surgeon").
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from onlooker.binary.format.checks import MAX_WEIGHT

Doubles = npt.NDArray[np.float64]

#: Steps that are tried, as shares of the one at which the largest weight just fits: clipping it a
#: little lets all others be rounded less.
_SHARES = np.linspace(0.7, 1.0, 5)
_BLOCK = 32
#: Added to the covariance's diagonal, as a share of its mean: the paper's.
_DAMPING = 0.01


def quantized_weights(
    weights: Doubles, covariance: Doubles | None = None
) -> tuple[npt.NDArray[np.int8], Doubles]:
    """Round weights to −63 … 63, each output channel by a step of its own.

    Args:
        weights: (O, Ig, kernel height, kernel width).
        covariance: (groups, K, K) of what the K = Ig · height · width weights of a filter see;
            None: as if that were independent and alike.

    Returns:
        The integers (O, Ig, kernel height, kernel width), and the steps (O,).
    """
    groups = 1 if covariance is None else len(covariance)
    made, steps = [], []
    for index, rows in enumerate(weights.reshape(groups, len(weights) // groups, -1)):
        integers, step = _of_group(rows, None if covariance is None else covariance[index])
        made.append(integers)
        steps.append(step)
    return np.concatenate(made).astype(np.int8).reshape(weights.shape), np.concatenate(steps)


def _of_group(rows: Doubles, covariance: Doubles | None) -> tuple[Doubles, Doubles]:
    largest = np.abs(rows).max(axis=1)
    largest = np.where(largest == 0, 1.0, largest)
    mended = None if covariance is None else _mending(covariance)
    best: Any = np.full(len(rows), np.inf)
    integers = np.zeros_like(rows)
    steps = largest / MAX_WEIGHT
    for share in _SHARES:
        tried = share * largest / MAX_WEIGHT
        rounded = _rounded(rows / tried[:, None], mended)
        lost = rows - rounded * tried[:, None]
        seen = lost if covariance is None else lost @ covariance
        error = (seen * lost).sum(axis=1)
        better = error < best
        best = np.where(better, error, best)
        steps = np.where(better, tried, steps)
        integers = np.where(better[:, None], rounded, integers)
    return integers, steps


def _rounded(rows: Doubles, mending: Doubles | None) -> Doubles:
    """Round rows (O, K), each weight in turn, and mend those behind it."""
    if mending is None:
        return np.clip(np.rint(rows), -MAX_WEIGHT, MAX_WEIGHT)
    turned = np.ascontiguousarray(rows.T)  # (K, O): a weight of all filters lies side by side
    rounded = np.empty_like(turned)
    for first in range(0, len(turned), _BLOCK):
        last = min(first + _BLOCK, len(turned))
        lost = np.empty((last - first, len(rows)))
        for weight in range(first, last):
            rounded[weight] = np.rint(turned[weight]).clip(-MAX_WEIGHT, MAX_WEIGHT)
            error = (turned[weight] - rounded[weight]) / mending[weight, weight]
            turned[weight + 1 : last] -= mending[weight, weight + 1 : last, None] * error
            lost[weight - first] = error
        # What lies behind the block is mended once for all of it, by one product of matrices.
        turned[last:] -= mending[first:last, last:].T @ lost
    return rounded.T


def _mending(covariance: Doubles) -> Doubles:
    """Return the upper triangle whose rows say how the weights behind mend an error."""
    diagonal = np.diag(covariance)
    mean = float(diagonal.mean()) or 1.0
    inverse = np.linalg.inv(covariance + _DAMPING * mean * np.eye(len(diagonal)))
    # Of exact symmetry, which the decomposition asks for.
    return np.asarray(np.linalg.cholesky((inverse + inverse.T) / 2).T, np.float64)
