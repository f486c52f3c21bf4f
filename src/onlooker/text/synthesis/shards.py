"""Word pictures on disk: many in one file, written by one process while another trains on them.

A shard is an uncompressed ``.npz``: ``pixels`` (all pictures, each ``(32, W)`` row by row, one
after the other, uint8), ``widths`` (n,) int32 and ``texts`` (UTF-8, separated by newlines). It is
written under another name and then renamed, so that a reader never sees half a file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from onlooker.errors import ConfigError
from onlooker.text.recognition.crops import HEIGHT_PX
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.words import WordPicture, WordSynthesizer

PATTERN = "words-*.npz"


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig:
    """What to draw and where to write it.

    Attributes:
        out: Folder of the shards.
        fonts: Folder with the fonts' index.
        backgrounds: Folder of photos, or empty for scikit-image's and procedural ones alone.
        seed: Shard ``i`` is drawn from (seed, i): any shard can be made again by itself.
        first: Number of the first shard.
        shards: How many shards to write.
        per_shard: Pictures in each.
    """

    out: str
    fonts: str
    backgrounds: str = ""
    seed: int = 0
    first: int = 0
    shards: int = 300
    per_shard: int = 2048

    def __post_init__(self) -> None:
        """Check the counts."""
        if self.shards < 1 or self.per_shard < 1:
            raise ConfigError(
                f"shards and per_shard must be at least 1, not {self.shards} and {self.per_shard}"
            )


def write_shards(config: SynthesisConfig) -> None:
    """Draw and write shards; those that exist already are skipped."""
    cv2.setNumThreads(1)  # the pictures are small: threads would only get in each other's way
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    synthesizer = WordSynthesizer(
        FontBank.load(config.fonts), Corpus(), BackgroundBank.load(config.backgrounds or None)
    )
    for number in range(config.first, config.first + config.shards):
        path = out / f"words-{number:05d}.npz"
        if path.exists():
            continue
        start = time.monotonic()
        rng = np.random.default_rng((config.seed, number))
        save_shard(path, [synthesizer.draw(rng) for _ in range(config.per_shard)])
        took = (time.monotonic() - start) * 1000 / config.per_shard
        print(f"{path.name}: {config.per_shard} pictures, {took:.2f} ms each", flush=True)


def save_shard(path: Path, pictures: list[WordPicture]) -> None:
    """Write one shard."""
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez(
            file,
            pixels=np.concatenate([p.picture.ravel() for p in pictures]),
            widths=np.array([p.picture.shape[1] for p in pictures], np.int32),
            texts=np.frombuffer("\n".join(p.text for p in pictures).encode(), np.uint8),
        )
    temporary.replace(path)


def read_shard(path: Path) -> Iterator[WordPicture]:
    """Read the pictures of one shard."""
    with np.load(path) as shard:
        pixels, widths = shard["pixels"], shard["widths"]
        texts = shard["texts"].tobytes().decode().split("\n")
    if len(texts) != len(widths):
        raise ConfigError(f"{path}: {len(widths)} pictures but {len(texts)} texts; delete it")
    start = 0
    for width, text in zip(widths.tolist(), texts, strict=True):
        end = start + HEIGHT_PX * width
        yield WordPicture(picture=pixels[start:end].reshape(HEIGHT_PX, width), text=text)
        start = end
