"""Batches for training the rectifier: loose word pictures, turned and cut anew each time.

A shard is an uncompressed ``.npz``: ``pictures`` ``(n, 96, 96)`` uint8, squashed; ``shapes`` (n,)
float32, width over height before that; ``outlines`` ``(n, 10, 2)`` float32 over width and height,
not-a-number where there is no word.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from onlooker.errors import ConfigError
from onlooker.text.recognition.crops import standardize
from onlooker.text.rectification.geometry import (
    DIRECTIONS,
    EDGE_POINTS,
    SIDE_PX,
    Picture,
    Points,
    direction_of,
    size_of,
    squash,
)
from onlooker.text.synthesis.words import WordSynthesizer

PATTERN = "loose-*.npz"
#: Side of the pictures on disk: so much larger than what is looked at that cutting loses nothing.
STORED_PX = 96
#: A word is drawn for every direction that it runs in to within so many degrees: beyond 45, so that
#: nothing hangs on a choice that is close.
_NEAR_DEGREES = 65


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the pictures are and how they become batches.

    Attributes:
        shards: Folder of shards.
        held_out: How many of the first shards are kept for validation.
        batch: Pictures in a batch.
        quarter: Share of pictures turned by a quarter or a half.
        turned: Share of pictures turned by any angle on an enlarged canvas.
    """

    shards: str
    held_out: int = 1
    batch: int = 256
    quarter: float = 0.15
    turned: float = 0.3

    def __post_init__(self) -> None:
        """Check the shares."""
        if self.batch < 1 or not 0 <= self.quarter + self.turned <= 1:
            raise ConfigError(
                "data.batch must be positive and data.quarter + data.turned at most 1, not "
                f"{self.batch}, {self.quarter}, {self.turned}"
            )


@dataclass(frozen=True, slots=True)
class Loose:
    """Pictures ``(n, s, s)`` uint8, their shapes (n,), and outlines ``(n, 10, 2)`` (see above)."""

    pictures: Picture
    shapes: npt.NDArray[np.float32]
    outlines: Points


@dataclass(frozen=True, slots=True)
class Batch:
    """What the network sees, and what it should say.

    Attributes:
        pictures: ``(n, 1, 64, 64)`` float32, standardised.
        shapes: ``(n, 1)`` float32, logarithm of width over height.
        directions: ``(n, 5)`` float32, shares of the four directions and of no word.
        outlines: ``(n, 1, 20)`` float32, over width and height; zeros where there is no word.
        near: ``(n, 4)`` float32, 1 for directions near enough to have the word's outline.
        scales: ``(n, 1, 20)`` float32: an error of the outline is to be multiplied by it.
    """

    pictures: Tensor
    shapes: Tensor
    directions: Tensor
    outlines: Tensor
    near: Tensor
    scales: Tensor


def draw_loose(maker: WordSynthesizer, rng: np.random.Generator, count: int) -> Loose:
    """Draw word pictures of any direction."""
    pictures = np.empty((count, STORED_PX, STORED_PX), np.uint8)
    shapes = np.empty(count, np.float32)
    outlines = np.full((count, 10, 2), np.nan, np.float32)
    for i in range(count):
        drawn = maker.draw(rng, loose=True)
        pictures[i] = squash(drawn.picture, STORED_PX)
        shapes[i] = drawn.picture.shape[1] / drawn.picture.shape[0]
        if drawn.outline is not None:
            outlines[i] = drawn.outline
    return Loose(pictures, shapes, outlines)


def save_shard(path: Path, loose: Loose) -> None:
    """Write one shard, under another name first: a reader never sees half a file."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, pictures=loose.pictures, shapes=loose.shapes, outlines=loose.outlines)
    part.replace(path)


def read_shard(path: Path) -> Loose:
    """Read one shard."""
    with np.load(path) as shard:
        return Loose(shard["pictures"], shard["shapes"], shard["outlines"])


def targets_of(
    outlines: Points, shapes: npt.NDArray[np.float32]
) -> tuple[Points, Points, Points, Points]:
    """Compute what the network should say: directions, outlines, near and scales of a `Batch`."""
    words = np.asarray(np.isfinite(outlines).all(axis=(1, 2)))
    outlines = np.where(words[:, None, None], outlines, np.float32(0))
    to_pixels = np.stack([shapes, np.ones_like(shapes)], axis=1)[:, None]  # (n, 1, 2)
    pixels = outlines * to_pixels
    angles = direction_of(pixels)
    centres = np.arange(DIRECTIONS) * np.pi / 2
    off = np.abs((angles[:, None] - centres + np.pi) % (2 * np.pi) - np.pi)  # (n, 4) in [0, pi]
    # Half-way between two directions either is right.
    shares = np.clip((np.pi / 4 - off) / (np.pi / 6) + 0.5, 0, 1)
    shares /= shares.sum(axis=1, keepdims=True)
    directions = np.concatenate([shares * words[:, None], ~words[:, None]], axis=1)
    near = (off < np.deg2rad(_NEAR_DEGREES)) & words[:, None]
    length, thickness = size_of(pixels)
    # Errors count in thicknesses; of long words, whose ends matter less, in a little more.
    unit = np.maximum(thickness, 0.02) ** 0.7 * np.maximum(length, 0.02) ** 0.3
    scales = np.tile(to_pixels / unit[:, None, None], (1, 1, 2 * EDGE_POINTS))
    scales *= words[:, None, None]
    return (
        directions.astype(np.float32),
        outlines.reshape(len(outlines), 1, -1),
        near.astype(np.float32),
        scales.astype(np.float32),
    )


def make_batch(loose: Loose) -> Batch:
    """Turn pictures ``(n, 64, 64)`` and what is known of them into tensors."""
    directions, flat, near, scales = targets_of(loose.outlines, loose.shapes)
    return Batch(
        pictures=torch.from_numpy(standardize(loose.pictures)).unsqueeze(1),
        shapes=torch.from_numpy(np.log(loose.shapes)).unsqueeze(1),
        directions=torch.from_numpy(directions),
        outlines=torch.from_numpy(flat),
        near=torch.from_numpy(near),
        scales=torch.from_numpy(scales),
    )


def changed(rng: np.random.Generator, stored: Loose, config: DataConfig) -> Loose:
    """Turn stored pictures, cut them anew and change their light; they come out 64 × 64.

    Turning needs no new rendering: the word's outline turns with it. What lies beyond the edge is
    continued, as it is when a crop is turned on an enlarged canvas.
    """
    count = len(stored.pictures)
    kind = rng.random(count)
    angles = rng.normal(0, 0.04, count)
    quarter = kind < config.turned + config.quarter
    angles[quarter] += np.pi / 2 * (1 + np.floor(rng.random(quarter.sum()) * 3))
    turned = kind < config.turned
    angles[turned] = rng.uniform(-np.pi, np.pi, turned.sum())
    cosine, sine = np.cos(angles), np.sin(angles)
    shapes = stored.shapes.astype(np.float64)
    # The unit square → upright pixels (height 1) → turned.
    turns = np.stack([shapes * cosine, -sine, shapes * sine, cosine], axis=1).reshape(count, 2, 2)
    points = stored.outlines @ turns.transpose(0, 2, 1)  # (n, 10, 2)
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) @ turns.transpose(0, 2, 1)
    low, high = square.min(axis=1), square.max(axis=1)
    words = np.asarray(np.isfinite(points).all(axis=(1, 2)))
    trimmed = 0.1 * rng.random((2, count, 2)) * (high - low)
    low[~words] += trimmed[0, ~words]
    high[~words] -= trimmed[1, ~words]
    _, thickness = size_of(points)
    most = np.where(rng.random(count) < 0.7, 0.35, 0.9)[:, None]
    margins = (rng.random((2, count, 2)) * (most + 0.04) - 0.04) * thickness[:, None]
    tight = points.min(axis=1) - margins[0], points.max(axis=1) + margins[1]
    wide = np.minimum(low, tight[0]), np.maximum(high, tight[1])
    share = np.where(rng.random(count) < 0.4, 0.0, rng.random(count))[:, None]
    low = np.where(words[:, None], tight[0] + share * (wide[0] - tight[0]), low)
    high = np.where(words[:, None], tight[1] + share * (wide[1] - tight[1]), high)
    sizes = np.maximum(high - low, 1e-3)
    matrices = np.concatenate([turns, -low[:, :, None]], axis=2) / sizes[:, :, None]  # (n, 2, 3)
    outlines = stored.outlines @ matrices[:, :, :2].transpose(0, 2, 1) + matrices[:, None, :, 2]
    # Outlines count from corners of pixels, OpenCV from their centres.
    scaled = matrices * SIDE_PX
    scaled[:, :, :2] /= STORED_PX
    scaled[:, :, 2] += scaled[:, :, :2].sum(axis=2) / 2 - 0.5
    pictures = np.empty((count, SIDE_PX, SIDE_PX), np.uint8)
    chances = rng.random((count, 5))
    for i in range(count):
        picture = stored.pictures[i]
        if chances[i, 0] < 0.2:
            picture = cv2.GaussianBlur(picture, (5, 5), 0.5 + 1.5 * chances[i, 1])
        seen = cv2.warpAffine(
            picture,
            scaled[i],
            (SIDE_PX, SIDE_PX),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE if chances[i, 2] < 0.75 else cv2.BORDER_CONSTANT,
            borderValue=float(picture[0, 0]),
        )
        if chances[i, 3] < 0.3:
            gamma = np.exp(2 * (chances[i, 1] - 0.5))
            seen = cv2.LUT(seen, (255 * (np.arange(256) / 255) ** gamma).astype(np.uint8))
        if chances[i, 4] < 0.2:
            strength = 0.4 * chances[i, 1] ** 2 * float(seen.std())
            noise = rng.standard_normal(seen.shape, dtype=np.float32)
            seen = np.clip(seen + np.float32(strength) * noise, 0, 255).astype(np.uint8)
        pictures[i] = seen
    pictures ^= np.where(rng.random(count) < 0.5, 255, 0).astype(np.uint8)[:, None, None]
    return Loose(
        pictures, (sizes[:, 0] / sizes[:, 1]).astype(np.float32), outlines.astype(np.float32)
    )


def endless(config: DataConfig, seed: int) -> Iterator[Batch]:
    """Yield batches for ever, made in a thread of their own; new shards are taken in as they come.

    Raises:
        ConfigError: There is no shard to train on.
    """
    cv2.setNumThreads(1)  # the pictures are tiny; the cores belong to the network
    pool = _Pool(config)
    ready: queue.Queue[Batch | Exception] = queue.Queue(maxsize=4)

    def produce() -> None:
        rng = np.random.default_rng(seed)
        try:
            while True:
                ready.put(pool.batch(rng))
        except Exception as error:  # handed to the training, which raises it
            ready.put(error)

    threading.Thread(target=produce, daemon=True).start()
    while True:
        item = ready.get()
        if isinstance(item, Exception):
            raise item
        yield item


class _Pool:
    """The pictures of all shards read so far."""

    def __init__(self, config: DataConfig) -> None:
        self.config = config
        self.known: dict[Path, Loose] = {}
        self.count = 0
        self.refresh()
        if not self.known:
            raise ConfigError(
                f"no shards {PATTERN} to train on in {config.shards} (the first "
                f"{config.held_out} are held out); draw some first"
            )

    def refresh(self) -> None:
        for path in sorted(Path(self.config.shards).glob(PATTERN))[self.config.held_out :]:
            if path not in self.known:
                self.known[path] = read_shard(path)

    def batch(self, rng: np.random.Generator) -> Batch:
        self.count += 1
        if self.count % 100 == 0:
            self.refresh()
        shards = list(self.known.values())
        drawn = [
            (shards[int(rng.random() * len(shards))], rng.random())
            for _ in range(self.config.batch)
        ]
        chosen = [(shard, int(where * len(shard.pictures))) for shard, where in drawn]
        stored = Loose(
            np.stack([shard.pictures[i] for shard, i in chosen]),
            np.array([shard.shapes[i] for shard, i in chosen]),
            np.stack([shard.outlines[i] for shard, i in chosen]),
        )
        return make_batch(changed(rng, stored, self.config))


def held_out(config: DataConfig) -> list[Batch]:
    """Make validation batches of the first shards, changed as in training."""
    rng = np.random.default_rng(0)
    paths = sorted(Path(config.shards).glob(PATTERN))[: config.held_out]
    return [make_batch(changed(rng, read_shard(path), config)) for path in paths]
