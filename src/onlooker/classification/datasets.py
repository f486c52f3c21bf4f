"""Pictures of one size with a class each: ``S.zip`` and ``S_labels.tsv`` for a split ``S``.

``S_labels.tsv`` has a header and the columns ``image``, ``label_id``, ``label``; ``image`` is the
name of a member of the zip. Decoding all 50,000 pictures of CIFAR-10 takes five seconds, so nothing
is cached.
"""

from __future__ import annotations

import csv
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onlooker.errors import ConfigError, MediaError

#: Pictures of ``train`` that are held out as ``dev``; a tenth of them if there are fewer.
DEV_COUNT = 5000
_DEV_SHARE = 0.1
_DEV_SEED = 0
_COLUMNS = ["image", "label_id", "label"]


@dataclass(frozen=True, slots=True)
class LabelledPictures:
    """A split of a data set.

    Attributes:
        pictures: (N, H, W, 3) uint8, RGB.
        labels: (N,) int64, from 0.
        names: Of the pictures.
        classes: Names of the classes, by label.
    """

    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.labels)


def read_split(folder: Path, split: str) -> LabelledPictures:
    """Read and decode a split.

    Args:
        folder: With ``S.zip`` and ``S_labels.tsv``.
        split: ``S``; or ``dev``, 5,000 pictures of ``train``, the same share of every class, chosen
            by a hash of their names; or ``fit``, the rest of ``train``.

    Raises:
        ConfigError: Files are missing or the labels malformed.
        MediaError: A picture cannot be decoded, or is of another size than the first.
    """
    part = split if split in ("dev", "fit") else None
    rows, classes = _read_labels(folder, "train" if part else split)
    if part:
        held = _held_out(rows)
        rows = [row for row in rows if (row[0] in held) == (part == "dev")]
    archive = folder / f"{'train' if part else split}.zip"
    pictures = _decode(archive, [name for name, _ in rows])
    return LabelledPictures(
        pictures=pictures,
        labels=np.array([label for _, label in rows], np.int64),
        names=tuple(name for name, _ in rows),
        classes=classes,
    )


def _held_out(rows: list[tuple[str, int]]) -> set[str]:
    """Choose ``dev``: of each class the pictures whose names have the smallest hashes."""
    share = min(_DEV_SHARE, DEV_COUNT / len(rows))
    by_class: dict[int, list[str]] = {}
    for name, label in rows:
        by_class.setdefault(label, []).append(name)
    held: set[str] = set()
    for names in by_class.values():
        order = sorted(
            names, key=lambda name: hashlib.sha256(f"{_DEV_SEED}/{name}".encode()).digest()
        )
        held.update(order[: round(share * len(names))])
    return held


def _read_labels(folder: Path, split: str) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
    path = folder / f"{split}_labels.tsv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except OSError as error:
        raise ConfigError(f"cannot read the labels {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the labels {path} are not UTF-8") from None
    if not table or table[0] != _COLUMNS:
        raise ConfigError(f"{path} must begin with the header {'<TAB>'.join(_COLUMNS)}")
    rows: list[tuple[str, int]] = []
    names: dict[int, str] = {}
    for number, row in enumerate(table[1:], 2):
        if len(row) != len(_COLUMNS) or not row[1].isdecimal():
            raise ConfigError(f"{path}, line {number}: expected {'<TAB>'.join(_COLUMNS)}: {row!r}")
        label = int(row[1])
        if names.setdefault(label, row[2]) != row[2]:
            raise ConfigError(
                f"{path}, line {number}: class {label} is {names[label]!r} above, not {row[2]!r}"
            )
        rows.append((row[0], label))
    if not rows:
        raise ConfigError(f"{path} names no pictures")
    if sorted(names) != list(range(len(names))):
        raise ConfigError(f"{path}: classes must be numbered from 0 without gaps: {sorted(names)}")
    if len({name for name, _ in rows}) != len(rows):
        raise ConfigError(f"{path} names a picture twice")
    return rows, tuple(names[label] for label in range(len(names)))


def _decode(archive: Path, names: list[str]) -> NDArray[np.uint8]:
    try:
        file = zipfile.ZipFile(archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigError(f"cannot read the pictures {archive}: {error}") from None
    pictures: NDArray[np.uint8] | None = None
    with file:
        for index, name in enumerate(names):
            try:
                data = file.read(name)
            except (KeyError, OSError, zipfile.BadZipFile) as error:
                raise MediaError(f"cannot read {name} of {archive}: {error}") from None
            picture = (
                cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
            )
            if picture is None:
                raise MediaError(f"{name} of {archive} is no picture that can be decoded")
            if pictures is None:
                pictures = np.empty((len(names), *picture.shape), np.uint8)
            if picture.shape != pictures.shape[1:]:
                raise MediaError(
                    f"{name} of {archive} has {picture.shape[1]} × {picture.shape[0]} pixels, the "
                    f"first {pictures.shape[2]} × {pictures.shape[1]}: all must be of one size"
                )
            pictures[index] = picture[:, :, ::-1]  # BGR → RGB
    if pictures is None:
        raise ConfigError(f"{archive}: no pictures were asked for")
    return pictures
