"""Picture → the classes that it may belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.binary.engine import PackedModel
from onlooker.classification.float_model import FloatModel
from onlooker.classification.weights import DEFAULT, WEIGHTS
from onlooker.errors import ConfigError, WeightsError
from onlooker.hub import choose, resolve
from onlooker.records import ClassLabel

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: Pictures that are scaled and run at once; bounds memory.
_BATCH = 64


class ImageClassifier:
    """Tells what a picture shows, with a packed one-bit network or a float one.

    Args:
        model: The network.
        path: Its file.

    Example:
        >>> ImageClassifier.load()([picture])[0][0].name  # doctest: +SKIP
        'ship'
    """

    def __init__(self, model: PackedModel | FloatModel, path: Path) -> None:
        if not model.classes or not (model.height and model.width):
            raise WeightsError(
                f"{path} names no classes or no size of pictures; expected a classifier"
            )
        if isinstance(model, PackedModel):
            reads, tells = model.channels, model.result_channels
            if reads != 3 or tells != len(model.classes):
                raise WeightsError(
                    f"{path} reads {reads} channels and tells {tells} classes apart, of which "
                    f"{len(model.classes)} have names; expected 3, and a name for each"
                )
        self.model, self.path = model, path
        self.name = path.stem

    @classmethod
    def load(cls, name: str | Path = DEFAULT, *, threads: int | None = None) -> ImageClassifier:
        """Load a network by its name or from a file of your own.

        Args:
            name: A key of ``WEIGHTS``, or the path of a ``.onb`` file (packed) or a ``.onnx`` file
                that ``onlooker binary convert`` wrote.
            threads: Threads inside one call; None: as many as Onlooker may use.

        Raises:
            WeightsError: Unknown name; a file that is missing, damaged or no classifier.
        """
        path = Path(name)
        if path.suffix in (".onb", ".onnx"):
            if not path.is_file():
                raise WeightsError(f"{path} is no file; expected a network, .onb or .onnx")
        elif path.exists():
            raise WeightsError(f"{path} is no network: expected a file ending in .onb or .onnx")
        else:
            path = resolve(choose(WEIGHTS, str(name)))
        if path.suffix == ".onnx":
            return cls(FloatModel(path, threads=threads), path)
        return cls(PackedModel.load(path, threads=threads), path)

    def __call__(self, pictures: Sequence[Picture], *, top: int = 1) -> list[list[ClassLabel]]:
        """Classify pictures.

        Args:
            pictures: Each ``(H, W, 3)`` uint8 RGB, of any size: scaled so that the network's
                square just fits in, and cut at the middle.
            top: How many classes are wanted of each.

        Returns:
            For each picture its most probable classes, best first.

        Raises:
            ConfigError: ``top`` is below 1, or something is no picture.
        """
        if top < 1:
            raise ConfigError(f"top must be 1 or more, not {top}")
        names = self.model.classes
        found: list[list[ClassLabel]] = []
        for row in self.probabilities(pictures):
            best = np.argsort(-row, kind="stable")[:top]
            found.append([ClassLabel(names[i], int(i), float(row[i])) for i in best])
        return found

    def probabilities(self, pictures: Sequence[Picture]) -> Floats:
        """Return the probability of every class, ``(n, classes)`` float32."""
        rows = [
            self.model(
                np.stack(
                    [
                        fit_picture(picture, self.model.height, self.model.width)
                        for picture in pictures[start : start + _BATCH]
                    ]
                )
            )
            for start in range(0, len(pictures), _BATCH)
        ]
        if not rows:
            return np.zeros((0, len(self.model.classes)), np.float32)
        logits = np.concatenate(rows)
        logits -= logits.max(axis=1, keepdims=True)
        values = np.exp(logits)
        return np.asarray(values / values.sum(axis=1, keepdims=True), np.float32)


def fit_picture(picture: Picture, height: int, width: int) -> Picture:
    """Scale a picture so that it just covers ``height`` × ``width``, and cut out the middle.

    Raises:
        ConfigError: It is no ``(H, W, 3)`` uint8 array with at least one pixel.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ConfigError(
            f"a picture must be (H, W, 3) uint8 RGB, not {picture.shape} {picture.dtype}"
        )
    rows, columns = picture.shape[:2]
    if (rows, columns) == (height, width):
        return picture
    scale = max(height / rows, width / columns)
    size = (max(width, round(columns * scale)), max(height, round(rows * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    return scaled[top : top + height, left : left + width]
