"""Generated scenes on disk, and batches from them.

A *shard* is one ``.npz`` of some hundred scenes, pictures as JPEG; a generator writes shards while
training reads them, so the pool grows. No pickles: a shard is safe to read.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from onlooker.errors import ConfigError
from onlooker.text.detection.geometry import SHRINK, extents, shrink_outlines
from onlooker.text.detection.losses import Targets
from onlooker.text.detection.model import OUTPUT_STRIDE, STRIDE
from onlooker.text.synthesis.scenes import MIN_LEGIBLE_PX, Scene

Picture = npt.NDArray[np.uint8]

_SHIFT = 4  # fixed-point bits of cv2.fillPoly: a sixteenth of a cell
_EDGE_LOW, _EDGE_HIGH = 0.3, 0.7  # DB, section 3.3


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where scenes come from and how they are varied.

    Attributes:
        shards: Folder of shards.
        side: Side of the square crops in pixels, a multiple of 32.
        batch: Crops a step.
        scale_low: Least zoom of a scene.
        scale_high: Greatest zoom.
        turn: Standard deviation of the extra rotation in degrees.
        pool: Shards held in memory; every so often one is replaced by another.

    Raises:
        ConfigError: A value is out of its range.
    """

    shards: str
    side: int = 320
    batch: int = 12
    scale_low: float = 0.55
    scale_high: float = 1.6
    turn: float = 3.0
    pool: int = 24

    def __post_init__(self) -> None:
        if self.side % STRIDE or self.side < STRIDE:
            raise ConfigError(f"data.side must be a multiple of {STRIDE}, got {self.side}")
        if not 0 < self.scale_low <= self.scale_high:
            raise ConfigError("data.scale_low and data.scale_high must be 0 < low <= high")


@dataclass(slots=True)
class Shard:
    """Scenes as stored: JPEG bytes, polygons, and which words are ignored."""

    pictures: list[npt.NDArray[np.uint8]]
    polygons: list[npt.NDArray[np.float32]]
    ignored: list[npt.NDArray[np.bool_]]


def write_shard(path: Path, scenes: Iterable[Scene], quality: int = 92) -> None:
    """Write scenes to ``path`` (``.npz``), whole or not at all."""
    blobs, polygons, ignored, counts = [], [], [], []
    for scene in scenes:
        bgr = cv2.cvtColor(scene.picture, cv2.COLOR_RGB2BGR)
        _, blob = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        blobs.append(blob.ravel())
        polygons.append(scene.polygons)
        ignored.append(scene.ignored)
        counts.append(len(scene.polygons))
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(
            file,
            data=np.concatenate(blobs),
            ends=np.cumsum([len(blob) for blob in blobs]),
            polygons=np.concatenate(polygons).astype(np.float32),
            ignored=np.concatenate(ignored).astype(np.bool_),
            counts=np.asarray(counts),
        )
    part.rename(path)


def read_shard(path: Path) -> Shard:
    """Read a shard."""
    with np.load(path, allow_pickle=False) as file:
        pictures = np.split(file["data"], file["ends"][:-1])
        splits = np.cumsum(file["counts"])[:-1]
        polygons = np.split(file["polygons"], splits)
        ignored = np.split(file["ignored"], splits)
    return Shard(pictures, polygons, ignored)


def make_maps(
    polygons: npt.NDArray[np.float32], ignored: npt.NDArray[np.bool_], side: int
) -> tuple[npt.NDArray[np.float32], ...]:
    """Draw the target maps of one crop.

    Args:
        polygons: ``(n, 2 k, 2)`` outlines of words in pixels of the crop.
        ignored: ``(n,)`` words that count neither way.
        side: Side of the crop in pixels.

    Returns:
        ``core, valid, edge, band`` as in `Targets`, each ``(side/2, side/2)``.
    """
    cells = side // OUTPUT_STRIDE
    core, valid = np.zeros((cells, cells), np.uint8), np.ones((cells, cells), np.uint8)
    reach = np.zeros((cells, cells), np.float32)
    outline = np.full((cells, cells), 255, np.uint8)
    if len(polygons):
        words = _fixed(polygons)
        cores = _fixed(shrink_outlines(polygons))
        outer = _fixed(shrink_outlines(polygons, -SHRINK))
        low = np.minimum(*extents(polygons))
        widths = np.maximum(SHRINK * low / OUTPUT_STRIDE, 1.0)  # of the band, in cells
        # Large words first, so that the band of a small neighbour is not painted over.
        for i in np.argsort(-low):
            if ignored[i]:
                cv2.fillPoly(valid, [words[i]], (0,), shift=_SHIFT)
                continue
            cv2.fillPoly(reach, [outer[i]], (float(widths[i]),), shift=_SHIFT)
            cv2.polylines(outline, [words[i]], True, (0,), 1, shift=_SHIFT)
            # Takes in every cell that the outline touches; `predict.cores` reckons with that.
            cv2.fillPoly(core, [cores[i]], (1,), shift=_SHIFT)
    band = (reach > 0).astype(np.float32)
    edge = np.full((cells, cells), _EDGE_LOW, np.float32)
    if band.any():
        # Far beyond the crop where no outline enters it.
        distance = np.minimum(cv2.distanceTransform(outline, cv2.DIST_L2, 3), 1e3)
        near = np.clip(1 - distance / np.maximum(reach, 1e-3), 0, 1) * band
        edge += (_EDGE_HIGH - _EDGE_LOW) * near
    return core.astype(np.float32), np.maximum(valid, core).astype(np.float32), edge, band


def _fixed(outlines: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Bring pixels to fixed-point cells; a cell's centre is its integer coordinate."""
    cells = outlines / OUTPUT_STRIDE - 0.5
    return np.rint(np.clip(cells, -4000, 4000) * (1 << _SHIFT)).astype(np.int32)


def crop_scene(
    rng: np.random.Generator,
    picture: Picture,
    polygons: npt.NDArray[np.float32],
    ignored: npt.NDArray[np.bool_],
    config: DataConfig,
) -> tuple[Picture, npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Cut a varied crop: zoomed, turned, recoloured.

    Returns:
        The crop ``(side, side, 3)``, its words and which of them count neither way.
    """
    height, width = picture.shape[:2]
    side = config.side
    # Half the crops keep the scale: small text is to be seen as it was drawn.
    if rng.random() < 0.35:
        scale = 1.0
    else:
        scale = float(np.exp(rng.uniform(np.log(config.scale_low), np.log(config.scale_high))))
    aspect = float(np.exp(rng.normal(0, 0.08)))
    angle = np.deg2rad(rng.normal(0, config.turn)) if rng.random() < 0.5 else 0.0
    sx, sy = scale * aspect, scale / aspect
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = linear @ np.diag([sx, sy])
    # The crop's middle shows a point of the scene at which it is mostly filled.
    reach = np.array([side / (2 * sx), side / (2 * sy)])
    low, high = np.minimum(reach, [width / 2, height / 2]), np.array([width, height]) - reach
    middle = low + rng.random(2) * np.maximum(high - low, 0)
    shift = np.array([side / 2, side / 2]) - linear @ middle
    warp = np.concatenate([linear, shift[:, None]], axis=1)
    if scale < 0.8:  # shrinking without a blur would alias as no camera does
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.45 / scale), np.uint8)
    fill = picture[int(rng.random() * height), int(rng.random() * width)].tolist()
    crop = cv2.warpAffine(picture, warp, (side, side), flags=cv2.INTER_LINEAR, borderValue=fill)
    moved = (polygons @ linear.T + shift).astype(np.float32)
    inside = (moved.max(axis=1) > 0).all(axis=1) & (moved.min(axis=1) < side).all(axis=1)
    moved = moved[inside]
    along, across = extents(moved)
    low_px = np.minimum(along * 0.6, across)
    hidden = ignored[inside] | (low_px < MIN_LEGIBLE_PX * 0.7)
    return _recolored(rng, np.asarray(crop, np.uint8)), moved, hidden


def _recolored(rng: np.random.Generator, crop: Picture) -> Picture:
    kind = rng.random()
    out = crop
    if kind < 0.5:
        gain = np.exp(rng.normal(0, 0.15, 3)).astype(np.float32)
        table = np.arange(256, dtype=np.float32)[:, None] * gain + rng.normal(0, 12)
        if rng.random() < 0.12:
            table = 255 - table
        out = cv2.LUT(crop, np.clip(table, 0, 255).astype(np.uint8)[None])
    elif kind < 0.6:
        out = np.repeat(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    if rng.random() < 0.15:
        noise = rng.normal(0, rng.uniform(2, 10), crop.shape[:2])[:, :, None]
        out = np.clip(out + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.12:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.1)), np.uint8)
    return np.ascontiguousarray(out)


class Batches:
    """Draws batches without end from the shards of a folder, new ones as they appear.

    Args:
        config: Where from and how varied.
        seed: Seed of the draws.

    Raises:
        ConfigError: The folder stays empty for ten minutes.
    """

    def __init__(self, config: DataConfig, seed: int) -> None:
        self.config = config
        self._rng = np.random.default_rng(seed)
        self._pool: list[Shard] = []
        self._seen: list[Path] = []
        self._drawn = 0
        self._ready: queue.Queue[tuple[torch.Tensor, Targets] | Exception] = queue.Queue(maxsize=4)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[tuple[torch.Tensor, Targets]]:
        """Yield ``(N, 3, side, side)`` float32 in [0, 255] and targets, for ever."""
        while True:
            item = self._ready.get()
            if isinstance(item, Exception):
                raise item
            yield item

    def _work(self) -> None:
        try:
            while True:
                self._ready.put(self._batch())
        except Exception as error:  # handed to the thread that trains
            self._ready.put(error)

    def _refresh(self) -> None:
        """Take in a shard that is new, else swap one for another."""
        folder = Path(self.config.shards)
        for _ in range(600):
            there = sorted(folder.glob("*.npz"))
            if there:
                break
            time.sleep(1)
        else:
            raise ConfigError(f"no shards (*.npz) in {folder}; run the generator of the recipe")
        fresh = [path for path in there if path not in set(self._seen)]
        path = fresh[0] if fresh else there[int(self._rng.random() * len(there))]
        if fresh:
            self._seen.append(path)
        self._pool.append(read_shard(path))
        if len(self._pool) > self.config.pool:
            del self._pool[int(self._rng.random() * self.config.pool)]

    def _batch(self) -> tuple[torch.Tensor, Targets]:
        config, rng = self.config, self._rng
        while len(self._pool) < 2 or self._drawn > 300:
            self._refresh()
            self._drawn = 0
        crops, maps = [], []
        for _ in range(config.batch):
            shard = self._pool[int(rng.random() * len(self._pool))]
            i = int(rng.random() * len(shard.pictures))
            picture = cv2.cvtColor(
                cv2.imdecode(shard.pictures[i], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB
            )
            crop, words, hidden = crop_scene(
                rng, np.asarray(picture, np.uint8), shard.polygons[i], shard.ignored[i], config
            )
            crops.append(crop)
            maps.append(make_maps(words, hidden, config.side))
            self._drawn += 1
        pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()
        core, valid, edge, band = (torch.from_numpy(np.stack(m)) for m in zip(*maps, strict=True))
        return pixels, Targets(core, valid, edge, band)
