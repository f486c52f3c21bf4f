"""Endless training batches whose pictures grow with the progress of the training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from onlooker.classification.augment import crop_and_flip, cut_out, mix
from onlooker.classification.datasets import LabelledPictures
from onlooker.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is trained on.

    Attributes:
        folder: See ``datasets.read_split``.
        batch: Pictures of a batch.
        pad: Pixels by which pictures are shifted.
        cutout: Side in pixels of a square that is painted over; 0: none.
        mixup: Alpha of mixup; 0: none.
        sizes: Sides in pixels that pictures are reduced to, one after the other (progressive
            resizing, Howard 2018): nothing for the whole training at full size.
        starts: Share of the training at which each size begins, the first 0.
        validation: Split that is measured while training.
        validation_count: Pictures of it that are measured, spread evenly; 0: all.
    """

    folder: str
    batch: int = 128
    pad: int = 4
    cutout: int = 0
    mixup: float = 0.0
    sizes: tuple[int, ...] = ()
    starts: tuple[float, ...] = ()
    split: str = "fit"
    validation: str = "dev"
    validation_count: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.batch < 2 or self.pad < 0 or self.cutout < 0 or self.mixup < 0:
            raise ConfigError(
                f"batch must be at least 2, pad, cutout and mixup at least 0, not {self.batch}, "
                f"{self.pad}, {self.cutout}, {self.mixup}"
            )
        if len(self.sizes) != len(self.starts):
            raise ConfigError(f"sizes and starts must be as long: {self.sizes}, {self.starts}")
        if self.starts and (self.starts[0] != 0 or sorted(self.starts) != list(self.starts)):
            raise ConfigError(f"starts must begin with 0 and grow, not {self.starts}")
        if any(size < 8 for size in self.sizes):
            raise ConfigError(f"sizes must be 8 pixels at least, not {self.sizes}")


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures (N, 3, H, W) float32 in [0, 1], channels last; targets (N, classes), sums of 1."""

    pictures: Tensor
    targets: Tensor


class Batches(Iterator[Batch]):
    """Endless batches; the same ones at the same step, also after an interruption.

    Args:
        data: What is trained on.
        config: See :class:`DataConfig`.
        seed: Of order and augmentation.
    """

    def __init__(self, data: LabelledPictures, config: DataConfig, seed: int) -> None:
        if len(data) < config.batch:
            raise ConfigError(f"{len(data)} pictures are less than a batch of {config.batch}")
        self.data, self.config, self.seed = data, config, seed
        self.step, self.progress = 0, 0.0
        self._epoch, self._order = -1, np.empty(0, np.int64)

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of whole batches in the data."""
        return len(self.data) // self.config.batch

    def seek(self, step: int, progress: float) -> None:
        """Set which batch is next, and the share of the training that is done."""
        self.step, self.progress = step, progress

    @property
    def size(self) -> int | None:
        """Return the side of the pictures at this point of the training; None: as they are."""
        begun = [
            size
            for size, start in zip(self.config.sizes, self.config.starts, strict=True)
            if self.progress >= start
        ]
        return begun[-1] if begun else None

    def __next__(self) -> Batch:
        """Make the next batch."""
        epoch, place = divmod(self.step, self.steps_per_epoch)
        if epoch != self._epoch:
            order = np.random.default_rng((self.seed, 0, epoch))
            self._epoch, self._order = epoch, order.permutation(len(self.data))
        rng = np.random.default_rng((self.seed, 1, self.step))
        self.step += 1
        chosen = self._order[place * self.config.batch : (place + 1) * self.config.batch]
        pictures = crop_and_flip(self.data.pictures[chosen], self.config.pad, rng)
        if self.config.cutout:
            cut_out(pictures, self.config.cutout, rng)
        inputs = to_input(pictures, self.size)
        targets = functional.one_hot(
            torch.from_numpy(self.data.labels[chosen]), len(self.data.classes)
        ).float()
        if self.config.mixup:
            partners, share = mix(len(chosen), self.config.mixup, rng)
            inputs = torch.lerp(inputs[partners], inputs, share)
            targets = torch.lerp(targets[partners], targets, share)
        return Batch(pictures=inputs, targets=targets)


def to_input(pictures: np.ndarray, size: int | None = None) -> Tensor:
    """Turn (N, H, W, 3) uint8 into (N, 3, H, W) float32 in [0, 1], channels last.

    Args:
        pictures: RGB.
        size: Side in pixels that they are reduced to, each pixel the mean of what it covers.
    """
    inputs = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div_(255)
    if size is not None and inputs.shape[2:] != (size, size):
        inputs = functional.interpolate(inputs, (size, size), mode="area")
    return inputs.contiguous(memory_format=torch.channels_last)
