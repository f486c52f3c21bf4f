"""Batch norm, activation and sign as one comparison, found by computing them, never by algebra.

What stands between a sum and a sign is a chain of steps that each keep or turn the order of
numbers, in exact arithmetic and in float32 as well. So the signs of all numbers turn at one place,
and bisection finds it by evaluating the chain as PyTorch does: ties fall as in the trained network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from onlooker.binary.format import Activation
from onlooker.binary.reference import activated

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_LARGEST = np.finfo(np.float32).max
INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, eq=False)
class Affine:
    """x · scale + shift, one number a channel.

    Attributes:
        scale, shift: (C,) float32, or None: 1, or 0; of a division the scale is float64.
        fused: Rounded once, not after the product and after the sum: as PyTorch's batch norm.
    """

    scale: Floats | None = None
    shift: Floats | None = None
    fused: bool = False

    def __call__(self, values: Floats) -> Floats:
        """Return the values (..., C), computed in float32."""
        if self.fused:
            exact = values.astype(np.float64)
            if self.scale is not None:
                exact = exact * self.scale
            if self.shift is not None:
                exact = exact + self.shift
            return exact.astype(np.float32)
        if self.scale is not None:
            values = values * self.scale
        if self.shift is not None:
            values = values + self.shift
        return values

    def part(self, first: int, channels: int) -> Affine:
        """Return the step for some of the channels."""
        kept = slice(first, first + channels)
        return Affine(
            None if self.scale is None else self.scale[kept],
            None if self.shift is None else self.shift[kept],
            self.fused,
        )


Step = Affine | Activation
Chain = Sequence[Step]


def evaluate(chain: Chain, values: Floats) -> Floats:
    """Send values (..., C) through a chain, in float32; overflow stops at the largest."""
    with np.errstate(over="ignore"):
        for step in chain:
            if isinstance(step, Affine):
                values = np.clip(step(values), -_LARGEST, _LARGEST)
            else:
                values = activated(values, step)
    return values


def composed(steps: Sequence[Affine], channels: int) -> tuple[Doubles, Doubles]:
    """Return scale and shift of affine steps that follow each other."""
    scale, shift = np.ones(channels), np.zeros(channels)
    for step in steps:
        if step.scale is not None:
            scale = scale * step.scale
            shift = shift * step.scale
        if step.shift is not None:
            shift = shift + step.shift
    return scale, shift


def batch_norm(
    mean: Floats, variance: Floats, weight: Floats | None, bias: Floats | None, epsilon: float
) -> Affine:
    """Return batch norm with running statistics as PyTorch's CPU kernel computes it.

    That is x · α + β, rounded once, with α = weight / sqrt(variance + ε), of which each step is
    rounded, and β = bias − mean · α, rounded once. Seen to agree bit for bit on x86 with AVX2.
    """
    alpha = np.float32(1) / np.sqrt(variance + np.float32(epsilon))
    if weight is not None:
        alpha = alpha * weight
    beta = -mean.astype(np.float64) * alpha
    if bias is not None:
        beta = beta + bias
    return Affine(alpha.astype(np.float32), beta.astype(np.float32), fused=True)


def integer_thresholds(
    chain: Chain, channels: int, ones: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Find ``(dot ≥ threshold) xor flip`` = the chain's sign, for dot in −ones … ones.

    Returns:
        Thresholds (C,) int32 and flips (C,); where the sign never turns, the end of int32.
    """

    def positive(dots: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        return np.asarray(evaluate(chain, dots.astype(np.float32)) >= 0)

    low = np.full(channels, -ones, np.int64)
    high = np.full(channels, ones, np.int64)
    turned, flips, never = _bisected(positive, low, high)
    thresholds = np.where(never, np.where(flips, INT32.min, INT32.max), turned)
    return thresholds.astype(np.int32), np.where(never, False, flips)


def float_thresholds(chain: Chain, channels: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Find ``(v ≥ threshold) xor flip`` = the chain's sign, for every finite float32.

    Returns:
        Thresholds (C,) float32 and flips (C,); where the sign never turns, ± infinity.
    """

    def positive(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        return np.asarray(evaluate(chain, _from_keys(keys)) >= 0)

    largest = int(np.float32(_LARGEST).view(np.int32))
    low = np.full(channels, -largest, np.int64)
    high = np.full(channels, largest, np.int64)
    turned, flips, never = _bisected(positive, low, high)
    ends = np.where(flips, -np.inf, np.inf).astype(np.float32)
    return np.where(never, ends, _from_keys(turned)), np.where(never, False, flips)


def _bisected(
    positive: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]],
    low: npt.NDArray[np.int64],
    high: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return where the predicate turns (first number behind), what it is below, if never."""
    below, above = positive(low), positive(high)
    never = below == above
    while bool((high - low > 1).any()):
        middle = (low + high) // 2
        behind = positive(middle) != below
        high = np.where(behind, middle, high)
        low = np.where(behind, low, middle)
    return high, below, never


def _from_keys(keys: npt.NDArray[np.int64]) -> Floats:
    """Return the float32 numbers of keys that are ordered as they are; 0 is 0."""
    magnitude = np.abs(keys).astype(np.int32).view(np.float32)
    return np.where(keys < 0, -magnitude, magnitude)


def oriented(before: Sequence[Affine], channels: int) -> tuple[Floats, Affine]:
    """Say how to take the maximum of scaled numbers without scaling them.

    max(before(x)) = before(undo(max(x · direction))) exactly: before rises or falls.

    Returns:
        ``direction`` (C,), −1, 0 or +1, and ``undo``.
    """
    scale, _ = composed(before, channels)
    direction = np.sign(scale).astype(np.float32)
    return direction, Affine(np.where(direction < 0, -1, 1).astype(np.float32))


def as_floats(values: Any) -> Floats:
    """Return numbers as a contiguous float32 array."""
    return np.ascontiguousarray(values, np.float32)
