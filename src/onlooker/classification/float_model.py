"""A classifier of floats or bytes that ONNX Runtime runs, with the face of a packed one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onlooker.errors import WeightsError
from onlooker.runtime.session import Network


class FloatModel:
    """A network that ``onlooker binary convert --onnx`` wrote.

    Args:
        path: An ONNX file whose metadata names its classes.
        threads: Threads inside one call; None: as many as Onlooker may use.

    Attributes:
        height, width: Of the pictures that it takes.
        classes: Names of its classes.

    Raises:
        WeightsError: It is no network that can be run, or no classifier of pictures.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._network = Network(path, threads)
        try:
            described = json.loads(self._network.metadata["onlooker"])
            pictures = described["input"]
            self.height, self.width = int(pictures["height"]), int(pictures["width"])
            self.classes = tuple(str(name) for name in described["classes"])
            mean, std = (np.asarray(pictures[key], np.float32) for key in ("mean", "std"))
            levels = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
            self._values = (levels - mean) / std  # (256, 3)
            if self._values.shape != (256, 3):
                raise ValueError("not of three channels")
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(
                f"{path} does not say what it takes and tells apart; expected a network that "
                "`onlooker binary convert --onnx` wrote"
            ) from error
        if self._network.output_shapes[0][1] != len(self.classes):
            raise WeightsError(f"{path} does not tell {len(self.classes)} classes apart")

    def __call__(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Map (N, H, W, 3) uint8 to logits (N, classes)."""
        values = self._values[pictures, np.arange(3)]  # (N, H, W, 3)
        (logits,) = self._network(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))
        return np.asarray(logits.reshape(len(pictures), -1), np.float32)
