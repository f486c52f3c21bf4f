"""Crops of single characters → which of 62 letters and figures they show."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onlooker.errors import WeightsError
from onlooker.hub import choose, resolve
from onlooker.runtime.session import Network
from onlooker.text.characters.crops import SIDE_PX, network_input, squared
from onlooker.text.characters.weights import WEIGHTS

Crop = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: The 62 classes of published figures on single characters (ICDAR 2003 and after), in the order of
#: the network's outputs.
CLASSES = string.digits + string.ascii_letters
#: Crops that run at once: 4 MB of input.
_BATCH = 512


@dataclass(frozen=True, slots=True)
class RecognizedCharacter:
    """What a crop shows; empty with confidence 0 for a crop without a pixel."""

    character: str
    confidence: float


class CharacterClassifier:
    """Tells characters apart; see `load`.

    Example:
        >>> CharacterClassifier.load()([crop])[0].character  # doctest: +SKIP
        'R'
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._network = Network(path, threads)
        if self._network.output_shapes[0][-1] != len(CLASSES):
            raise WeightsError(f"{path} does not tell {len(CLASSES)} characters apart")

    @classmethod
    def load(cls, name: str = "cnn.synth1", *, threads: int | None = None) -> CharacterClassifier:
        """Load weights by name.

        Args:
            name: A key of ``WEIGHTS``.
            threads: Threads inside one call; None: as many as Onlooker may use.

        Raises:
            WeightsError: Unknown name, or the file is missing or damaged.
        """
        return cls(resolve(choose(WEIGHTS, name)), threads=threads)

    def __call__(self, crops: Sequence[Crop]) -> list[RecognizedCharacter]:
        """Classify crops.

        Args:
            crops: Each ``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8, one upright character.

        Returns:
            One record a crop, in their order.
        """
        scores = self.scores(crops)
        return [
            RecognizedCharacter(CLASSES[int(row.argmax())], float(np.exp(row.max())))
            if crop.size
            else RecognizedCharacter("", 0.0)
            for crop, row in zip(crops, scores, strict=True)
        ]

    def scores(self, crops: Sequence[Crop]) -> Floats:
        """Compute the logarithm of the probability of each class → ``(n, 62)``."""
        logits = np.zeros((len(crops), len(CLASSES)), np.float32)
        for start in range(0, len(crops), _BATCH):
            part = crops[start : start + _BATCH]
            some = [
                squared(crop) if crop.size else (np.zeros((SIDE_PX, SIDE_PX), np.uint8), 1.0)
                for crop in part
            ]
            inputs = network_input(
                np.stack([picture for picture, _ in some]),
                np.array([shape for _, shape in some], np.float32),
            )
            (found,) = self._network(inputs)
            logits[start : start + len(part)] = found
        return normalized(logits)


def normalized(scores: Floats) -> Floats:
    """Bring logarithms of weights to logarithms of probabilities, row by row."""
    return np.asarray(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True), np.float32)
