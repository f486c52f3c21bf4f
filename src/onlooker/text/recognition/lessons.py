"""What a trained recogniser sees in the pictures of a shard, kept for another to learn from.

The likeliest classes of each column and their probabilities are enough: nearly all of the mass lies
on them. They are written once and read at every pass through the data, beside the shard that they
belong to.

Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a neural network".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.text.recognition.crops import Crop
from onlooker.text.recognition.decoding import log_softmax
from onlooker.text.recognition.predict import TextRecognizer

#: Classes kept of each column.
KEPT = 4


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was seen in one crop.

    Attributes:
        classes: ``(T, KEPT)`` int16, likeliest first.
        shares: ``(T, KEPT)`` float16, their probabilities.
    """

    classes: npt.NDArray[np.int16]
    shares: npt.NDArray[np.float16]


def lessons_path(shard: Path) -> Path:
    """Return where the lessons of a shard lie."""
    return shard.with_name(f"lessons-of-{shard.name}")


def lessons_of(teacher: TextRecognizer, pictures: Sequence[Crop]) -> list[Lesson]:
    """Write down what a recogniser sees.

    Args:
        teacher: The recogniser.
        pictures: Each ``(32, W)`` grey uint8, W a multiple of 8.
    """
    found: dict[int, Lesson] = {}
    for indices, logits in teacher.logits_of(pictures):
        shares = np.exp(log_softmax(logits))  # (n, T, classes)
        best = np.argpartition(-shares, KEPT, axis=2)[:, :, :KEPT]
        kept = np.take_along_axis(shares, best, axis=2)
        order = np.argsort(-kept, axis=2, kind="stable")
        best = np.take_along_axis(best, order, axis=2).astype(np.int16)
        kept = np.take_along_axis(kept, order, axis=2).astype(np.float16)
        for place, index in enumerate(indices):
            found[index] = Lesson(best[place], kept[place])
    return [found[index] for index in range(len(pictures))]


def save_lessons(path: Path, lessons: Sequence[Lesson]) -> None:
    """Write the lessons of a shard, in the order of its pictures."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(
            file,
            columns=np.array([len(one.classes) for one in lessons], np.int32),
            classes=np.concatenate([one.classes for one in lessons]),
            shares=np.concatenate([one.shares for one in lessons]),
        )
    part.replace(path)


def read_lessons(path: Path) -> list[Lesson]:
    """Read the lessons of a shard.

    Raises:
        ConfigError: The file is damaged.
    """
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            columns, classes, shares = arrays["columns"], arrays["classes"], arrays["shares"]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ConfigError(f"{path} holds no lessons ({error}); delete it and teach again") from None
    ends = np.cumsum(columns)
    if not len(ends) or ends[-1] != len(classes) or classes.shape != shares.shape:
        raise ConfigError(f"{path} is damaged; delete it and teach again")
    return [
        Lesson(classes[end - count : end], shares[end - count : end])
        for count, end in zip(columns.tolist(), ends.tolist(), strict=True)
    ]
