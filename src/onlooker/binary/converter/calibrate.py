"""Ranges of 8-bit maps: from what a network's float layers read on some pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from onlooker.binary.converter.pack import Bytes
from onlooker.errors import ConfigError

RANGES = ("max", "percentile")
#: Values of a channel that are kept from one batch, evenly spread, to estimate percentiles from.
_KEPT = 2_048


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How ranges are chosen.

    Attributes:
        ranges: ``max``: all that was seen fits; ``percentile``: the outermost values are clipped.
        percentile: Share of the values that must fit on either side, in percent.
        per_channel: A range for each channel, else one for a map.
    """

    ranges: str = "percentile"
    percentile: float = 99.99
    per_channel: bool = False

    def __post_init__(self) -> None:
        """Check the names and values."""
        if self.ranges not in RANGES:
            raise ConfigError(f"ranges {self.ranges!r}; expected one of {RANGES}")
        if not 50 < self.percentile <= 100:
            raise ConfigError(f"percentile must lie in (50, 100], not {self.percentile}")


class Observer:
    """Watches a map of ``channels`` over batches."""

    def __init__(self, channels: int) -> None:
        self.low = np.full(channels, np.inf)
        self.high = np.full(channels, -np.inf)
        self._sum = np.zeros(channels)
        self._count = 0
        self._kept: list[npt.NDArray[np.float32]] = []

    def see(self, values: npt.NDArray[np.float32]) -> None:
        """Take in values (N, C, …)."""
        rows = np.moveaxis(values, 1, 0).reshape(len(self.low), -1)  # (C, values)
        self.low = np.minimum(self.low, rows.min(axis=1))
        self.high = np.maximum(self.high, rows.max(axis=1))
        self._sum = self._sum + rows.sum(axis=1, dtype=np.float64)
        self._count += rows.shape[1]
        self._kept.append(rows[:, :: max(1, rows.shape[1] // _KEPT)].copy())

    def bytes(self, calibration: Calibration) -> Bytes:
        """Return how the map is to be held.

        Zero is always one of the values that a byte can stand for, because convolutions pad with
        it and ReLU makes it.
        """
        low: npt.NDArray[Any] = self.low
        high: npt.NDArray[Any] = self.high
        if calibration.ranges == "percentile":
            kept = np.concatenate(self._kept, axis=1)
            if not calibration.per_channel:
                kept = kept.reshape(1, -1)
            inside = [100 - calibration.percentile, calibration.percentile]
            low, high = np.percentile(kept, inside, axis=1)
        if not calibration.per_channel:
            low, high = low.min(), high.max()
        low = np.broadcast_to(np.minimum(low, 0), self.low.shape)
        high = np.broadcast_to(np.maximum(high, 0), self.low.shape)
        extent = high - low
        # A channel that was always zero gets the range of the widest: a wider one still would
        # leave its weights so large that all others would be rounded to nothing.
        widest = extent.max() or 1.0
        inverse = 255 / np.where(extent > 0, extent, widest)
        zero = np.clip(np.rint(-low * inverse), 0, 255)
        return Bytes(inverse.astype(np.float32), zero.astype(np.float32), self.mean)

    @property
    def mean(self) -> npt.NDArray[np.float32]:
        """Return the mean of each channel."""
        return np.asarray(self._sum / max(1, self._count), np.float32)


class Covariance:
    """Watches what the filters of a convolution see."""

    def __init__(self, groups: int, weights: int) -> None:
        self._sum = np.zeros((groups, weights))
        self._products = np.zeros((groups, weights, weights))
        self._count = 0

    def see(self, patches: npt.NDArray[np.float32]) -> None:
        """Take in patches (n, groups, K)."""
        by_group = patches.transpose(1, 0, 2).astype(np.float64)
        self._sum += by_group.sum(axis=1)
        self._products += by_group.transpose(0, 2, 1) @ by_group
        self._count += len(patches)

    def result(self) -> npt.NDArray[np.float64]:
        """Return the covariance (groups, K, K), the nearer to a diagonal the less was seen."""
        mean = self._sum / self._count
        found = self._products / self._count - mean[:, :, None] * mean[:, None, :]
        weights = found.shape[1]
        kept = self._count / (self._count + weights)
        diagonal = np.einsum("gk,kj->gkj", np.diagonal(found, axis1=1, axis2=2), np.eye(weights))
        return np.asarray(kept * found + (1 - kept) * diagonal)


def picture_bytes(mean: npt.NDArray[np.float32], std: npt.NDArray[np.float32]) -> Bytes:
    """Return how the picture itself is held: its 8-bit pixels, exactly.

    Args:
        mean, std: (channels,) of pictures in [0, 1]: what was taken off, and divided by.
    """
    scale, zero = 255 * std.astype(np.float64), 255 * mean.astype(np.float64)
    return Bytes(scale.astype(np.float32), zero.astype(np.float32))


def fits(pictures: npt.NDArray[np.float32], held: Bytes) -> bool:
    """Return whether pictures (N, C, …) are such that bytes hold them."""
    shape = (1, -1, *[1] * (pictures.ndim - 2))
    steps = pictures * held.inverse_scale.reshape(shape) + held.zero.reshape(shape)
    return bool(steps.min() > -0.5 and steps.max() < 255.5)
