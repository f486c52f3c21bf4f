"""Batches for training the recogniser: shards read as they appear, light changes on the fly."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from onlooker.errors import ConfigError
from onlooker.text.charset import encode
from onlooker.text.recognition.crops import standardize, to_training_width
from onlooker.text.recognition.lessons import Lesson, lessons_path, read_lessons
from onlooker.text.synthesis.shards import PATTERN, read_shard

#: Pixels of width of one column of the network's output.
_STRIDE_PX = 4


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the pictures are and how they become batches.

    Attributes:
        shards: Folder of shards; may still be growing.
        held_out: How many of the first shards are kept for validation.
        batch_width_px: Total width of a batch: wide crops come in smaller batches.
        max_batch: Most crops in a batch.
        even_width_px: Crops wider than this are drawn less often, in proportion.
        changed: Share of crops that are moved, turned and scaled a little each time.
        min_shards: Shards to wait for before the first batch.
        lessons: Read what a teacher saw in each crop (``lessons.py``), too; shards without lessons
            are left out, and crops stay where they are along the line.
    """

    shards: str
    held_out: int = 1
    batch_width_px: int = 8448
    max_batch: int = 256
    even_width_px: int = 112
    changed: float = 0.6
    min_shards: int = 8
    lessons: bool = False

    def __post_init__(self) -> None:
        """Check that there can be batches."""
        if self.batch_width_px < 480:
            raise ConfigError(
                f"data.batch_width_px must be at least 480, not {self.batch_width_px}"
            )


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops ``(N, 1, 32, W)`` float32, standardised, and their labels one after the other.

    What a teacher saw, where that is known: its likeliest classes ``(N, T, K)`` int64 and their
    probabilities.
    """

    crops: Tensor
    labels: Tensor
    label_lengths: Tensor
    taught: tuple[Tensor, Tensor] | None = None


def fits(text: str, width_px: int) -> bool:
    """Say whether CTC can write ``text`` in that width: doubled letters need a blank between."""
    doubles = sum(a == b for a, b in itertools.pairwise(text))
    return len(text) + doubles <= width_px // _STRIDE_PX


@dataclass
class _Bucket:
    """All crops of one width, drawn in a new order each time round."""

    pictures: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    labels: list[list[int]] = field(default_factory=list)
    lessons: list[Lesson] = field(default_factory=list)
    order: list[int] = field(default_factory=list)

    def draw(self, rng: np.random.Generator, count: int) -> list[int]:
        while len(self.order) < count:
            self.order += rng.permutation(len(self.pictures)).tolist()
        drawn, self.order = self.order[:count], self.order[count:]
        return drawn


class Pool:
    """All crops read so far, by width."""

    def __init__(self, config: DataConfig) -> None:
        self.config = config
        self.buckets: dict[int, _Bucket] = {}
        self.known: set[Path] = set()

    def refresh(self) -> int:
        """Read shards that are new → how many shards are known."""
        paths = sorted(Path(self.config.shards).glob(PATTERN))[self.config.held_out :]
        for path in paths:
            taught = lessons_path(path)
            if path in self.known or (self.config.lessons and not taught.is_file()):
                continue
            self.known.add(path)
            crops = list(read_shard(path))
            lessons = read_lessons(taught) if self.config.lessons else []
            if lessons and len(lessons) != len(crops):
                raise ConfigError(f"{taught} belongs to another {path.name}; teach again")
            for number, crop in enumerate(crops):
                picture = to_training_width(crop.picture)
                width = picture.shape[1]
                if fits(crop.text, width):
                    bucket = self.buckets.setdefault(width, _Bucket())
                    bucket.pictures.append(picture)
                    bucket.labels.append(encode(crop.text))
                    bucket.lessons += lessons[number : number + 1]
        return len(self.known)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of one width.

        Crops up to ``even_width_px`` come equally often; wider ones less often, so that each costs
        the same time: most real crops are short, and lines would take half of the training.
        """
        widths = list(self.buckets)
        even = self.config.even_width_px
        shares = np.array(
            [len(self.buckets[w].pictures) * w * min(1.0, even / w) for w in widths], np.float64
        )
        width = widths[int(rng.choice(len(widths), p=shares / shares.sum()))]
        bucket = self.buckets[width]
        count = min(self.config.batch_width_px // width, self.config.max_batch)
        chosen = bucket.draw(rng, count)
        pictures = np.stack([bucket.pictures[i] for i in chosen])
        labels = [bucket.labels[i] for i in chosen]
        lessons = [bucket.lessons[i] for i in chosen] if self.config.lessons else []
        changed = augment(rng, pictures, self.config.changed, in_place=self.config.lessons)
        return make_batch(changed, labels, lessons)


def make_batch(
    pictures: npt.NDArray[np.uint8], labels: list[list[int]], lessons: Sequence[Lesson] = ()
) -> Batch:
    """Turn crops ``(N, 32, W)`` uint8, their classes and lessons into tensors."""
    taught = None
    if lessons:
        classes = np.stack([lesson.classes for lesson in lessons]).astype(np.int64)
        shares = np.stack([lesson.shares for lesson in lessons]).astype(np.float32)
        taught = (torch.from_numpy(classes), torch.from_numpy(shares))
    return Batch(
        crops=torch.from_numpy(standardize(pictures)).unsqueeze(1),
        labels=torch.tensor([c for label in labels for c in label], dtype=torch.int64),
        label_lengths=torch.tensor([len(label) for label in labels]),
        taught=taught,
    )


def augment(
    rng: np.random.Generator,
    pictures: npt.NDArray[np.uint8],
    share: float,
    *,
    in_place: bool = False,
) -> npt.NDArray[np.uint8]:
    """Change crops ``(N, 32, W)`` a little, so that seeing one again teaches something new.

    Args:
        rng: Draws the changes.
        pictures: The crops.
        share: How many are moved, turned and scaled.
        in_place: Nothing moves along the line, so that what was known of a column still holds.
    """
    count, height, width = pictures.shape
    changed = pictures.copy()
    draws = rng.random((count, 6))
    for i in range(count):
        picture = changed[i]
        if draws[i, 0] < share:
            scale_x, scale_y = np.exp(rng.normal(0, (0.05, 0.06)))
            turn, shear = rng.normal(0, (0.025, 0.08))
            # Small turns of long lines move their ends a lot: limit what the ends travel.
            turn = float(np.clip(turn, -6 / width, 6 / width))
            matrix = np.array([[scale_x, shear, 0], [turn * scale_x, scale_y, 0]], np.float32)
            centre = np.array([width / 2, height / 2], np.float32)
            move = rng.normal(0, (2.0, 1.3))
            if in_place:
                matrix[:, 0], move[0] = (1, turn), 0
            matrix[:, 2] = centre - matrix[:, :2] @ centre + np.clip(move, -4, 4)
            picture = cv2.warpAffine(
                picture,
                matrix,
                (width, height),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
        if draws[i, 1] < 0.12:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.4 + 1.1 * draws[i, 4])
        elif draws[i, 1] < 0.24:
            noise = rng.standard_normal((height, width), dtype=np.float32)
            strength = (0.05 + 0.35 * draws[i, 4] ** 2) * float(picture.std())
            picture = np.clip(picture + strength * noise, 0, 255).astype(np.uint8)
        if draws[i, 2] < 0.2:
            gamma = float(np.exp(0.45 * rng.standard_normal()))
            table = (255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
            picture = cv2.LUT(picture, table)
        if draws[i, 3] < 0.5:
            picture = 255 - picture
        if draws[i, 5] < 0.06:  # something thin hangs in front
            x, y = int(rng.random() * width), int(rng.random() * height)
            x2, y2 = int(x + rng.normal(0, width / 2)), int(y + rng.normal(0, height))
            picture = np.ascontiguousarray(picture)
            cv2.line(picture, (x, y), (x2, y2), float(255 * rng.random()), 1)
        changed[i] = picture
    return changed


def endless(config: DataConfig, seed: int) -> Iterator[Batch]:
    """Yield batches for ever, made in a thread of their own; new shards are taken in as they come.

    Raises:
        ConfigError: No shard appears within two minutes.
    """
    pool = Pool(config)
    waited = 0
    while pool.refresh() < config.min_shards:
        if waited >= 120 and not pool.known:
            raise ConfigError(f"no shards {PATTERN} in {config.shards}; run the synthesis first")
        time.sleep(2)
        waited += 2
    cv2.setNumThreads(1)  # the pictures are tiny; the cores belong to the network
    ready: queue.Queue[Batch | Exception] = queue.Queue(maxsize=6)

    def produce() -> None:
        rng = np.random.default_rng(seed)
        looked = time.monotonic()
        try:
            while True:
                if time.monotonic() - looked > 20:
                    pool.refresh()
                    looked = time.monotonic()
                ready.put(pool.batch(rng))
        except Exception as error:  # handed to the training, which raises it
            ready.put(error)

    threading.Thread(target=produce, daemon=True).start()
    while True:
        item = ready.get()
        if isinstance(item, Exception):
            raise item
        yield item


def held_out(config: DataConfig, most: int = 1024) -> list[Batch]:
    """Read validation batches, unchanged crops of the first shards."""
    paths = sorted(Path(config.shards).glob(PATTERN))[: config.held_out]
    crops = [crop for path in paths for crop in read_shard(path)][:most]
    by_width: dict[int, list[tuple[npt.NDArray[np.uint8], list[int]]]] = {}
    for crop in crops:
        if fits(crop.text, crop.picture.shape[1]):
            by_width.setdefault(crop.picture.shape[1], []).append((crop.picture, encode(crop.text)))
    return [
        make_batch(np.stack([p for p, _ in group]), [label for _, label in group])
        for group in by_width.values()
    ]


def calibration_of(config: DataConfig, count: int = 256) -> npt.NDArray[np.float32]:
    """Return crops of the training ``(n, 1, 32, W)``, as the network sees them, all of one width.

    Args:
        config: Names the shards; the first that is not held out is read.
        count: How many are wanted; fewer where there are not as many of a width.

    Raises:
        ConfigError: There are no shards.
    """
    paths = sorted(Path(config.shards).glob(PATTERN))[config.held_out :]
    if not paths:
        raise ConfigError(f"no shards {PATTERN} for training in {config.shards}")
    by_width: dict[int, list[npt.NDArray[np.uint8]]] = {}
    for crop in read_shard(paths[0]):
        by_width.setdefault(crop.picture.shape[1], []).append(crop.picture)
    most = max(by_width.values(), key=len)
    return standardize(np.stack(most[:count]))[:, None]
