"""Batches of square crops for training, changed a little each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from onlooker.errors import ConfigError
from onlooker.text.characters.crops import SIDE_PX, network_input

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the crops are and how they become batches.

    Attributes:
        shards: Folder of ``.npz`` files with ``pixels``, ``aspects`` and ``labels``.
        held_out: How many of the first files are kept for validation.
        batch: Crops a step.
        changed: Share of crops that are moved, scaled and sheared a little each time.
        inverted: Share of crops whose dark and light are exchanged.
    """

    shards: str
    held_out: int = 1
    batch: int = 128
    changed: float = 0.5
    inverted: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.batch < 2 or self.held_out < 0:
            raise ConfigError(
                f"data.batch must be 2 or more and held_out 0 or more, "
                f"not {self.batch} and {self.held_out}"
            )


@dataclass(frozen=True, slots=True)
class Crops:
    """Crops ``(n, 32, 32)`` uint8, their width over height ``(n,)`` and their classes ``(n,)``."""

    pixels: Pixels
    aspects: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


def read_crops(config: DataConfig) -> tuple[Crops, Crops]:
    """Read all shards → those to train on, those held out.

    Raises:
        ConfigError: There are too few.
    """
    paths = sorted(Path(config.shards).glob("*.npz"))
    if len(paths) <= config.held_out:
        raise ConfigError(
            f"{config.shards} holds {len(paths)} .npz files; expected more than the "
            f"{config.held_out} held out: draw them first (see the recipe)"
        )
    return _joined(paths[config.held_out :]), _joined(paths[: config.held_out])


def _joined(paths: list[Path]) -> Crops:
    pixels, aspects, labels = [], [], []
    for path in paths:
        with np.load(path, allow_pickle=False) as shard:
            pixels.append(shard["pixels"])
            aspects.append(shard["aspects"])
            labels.append(shard["labels"].astype(np.int64))
    if not pixels:
        return Crops(
            np.zeros((0, SIDE_PX, SIDE_PX), np.uint8),
            np.zeros(0, np.float32),
            np.zeros(0, np.int64),
        )
    return Crops(np.concatenate(pixels), np.concatenate(aspects), np.concatenate(labels))


def endless(crops: Crops, config: DataConfig, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches (inputs, labels) for ever, each crop once a round."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(crops.pixels))
        for start in range(0, len(order) - config.batch + 1, config.batch):
            chosen = np.sort(order[start : start + config.batch])
            pixels = changed(rng, crops.pixels[chosen], config)
            inputs = network_input(pixels, crops.aspects[chosen])
            yield torch.from_numpy(inputs), torch.from_numpy(crops.labels[chosen])


def changed(rng: np.random.Generator, pixels: Pixels, config: DataConfig) -> Pixels:
    """Change crops a little: moved, scaled, sheared, inverted; ``(n, 32, 32)`` uint8."""
    new = pixels.copy()
    count = len(new)
    chance = rng.random((count, 2))
    scale = np.exp(rng.normal(0, 0.07, (count, 2)))
    lean = rng.normal(0, 0.05, (count, 2))
    move = rng.normal(0, 1.2, (count, 2))
    middle = (SIDE_PX - 1) / 2
    for i in range(count):
        if chance[i, 0] < config.changed:
            matrix = np.array([[scale[i, 0], lean[i, 0], 0], [lean[i, 1], scale[i, 1], 0]])
            matrix[:, 2] = middle - matrix[:, :2].sum(axis=1) * middle + move[i]
            new[i] = cv2.warpAffine(
                new[i], matrix, (SIDE_PX, SIDE_PX), borderMode=cv2.BORDER_REPLICATE
            )
    inverted = chance[:, 1] < config.inverted
    new[inverted] = 255 - new[inverted]
    return new
