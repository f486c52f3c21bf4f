"""Crops with a word → its outline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onlooker.errors import WeightsError
from onlooker.hub import choose, resolve
from onlooker.runtime.session import Network
from onlooker.text.recognition.crops import standardize
from onlooker.text.rectification.geometry import (
    DIRECTIONS,
    EDGE_POINTS,
    SIDE_PX,
    Picture,
    Points,
    squash,
)
from onlooker.text.rectification.weights import WEIGHTS

#: Crops of a call: some 4 MB of activations.
_BATCH = 16
#: Directions less likely than this are not drawn.
_UNLIKELY = 0.1


@dataclass(frozen=True, slots=True)
class WordOutline:
    """Where a word lies in a crop, and which way it runs.

    Attributes:
        points: ``(10, 2)`` float32, x and y in pixels of the crop: five points along the upper edge
            in reading order, five along the lower edge in the same direction. May leave the crop.
        confidence: Probability of the direction.
    """

    points: Points
    confidence: float


class TextRectifier:
    """Draws outlines of words; see :meth:`load`.

    Example:
        >>> rectifier = TextRectifier.load()               # doctest: +SKIP
        >>> outline = rectifier([crop])[0][0]              # doctest: +SKIP
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._network = Network(path, threads, small=True)
        if self._network.input_shape[1:] != [2, SIDE_PX, SIDE_PX]:
            raise WeightsError(f"{path} is no rectifier of this version; install Onlooker again")

    @classmethod
    def load(cls, name: str = "outline.synth1", *, threads: int | None = None) -> TextRectifier:
        """Load weights by name.

        Args:
            name: A key of ``WEIGHTS``.
            threads: Threads that may be used; None: as many as Onlooker may use.

        Raises:
            WeightsError: Unknown name, or the file is missing or damaged.
        """
        return cls(resolve(choose(WEIGHTS, name)), threads=threads)

    def __call__(self, crops: Sequence[Picture]) -> list[list[WordOutline]]:
        """Draw the outline of the word in the middle of each crop.

        Args:
            crops: Each ``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8, with one word, lying in any
                direction.

        Returns:
            For each crop the outlines for all likely directions, the likeliest first; none for a
            crop that seems to hold no word, or has no pixel.
        """
        found: list[list[WordOutline]] = [[] for _ in crops]
        filled = [i for i, crop in enumerate(crops) if crop.size]
        parts = [filled[start : start + _BATCH] for start in range(0, len(filled), _BATCH)]
        outputs = self._network.each(_inputs([crops[i] for i in part]) for part in parts)
        for part, (logits, outlines) in zip(parts, outputs, strict=True):
            sizes = _sizes([crops[i] for i in part])
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            odds /= odds.sum(axis=1, keepdims=True)
            outlines = outlines.reshape(-1, DIRECTIONS, 2 * EDGE_POINTS, 2) * sizes[:, None, None]
            for row, index in enumerate(part):
                if odds[row].argmax() == DIRECTIONS:
                    continue
                for direction in np.argsort(-odds[row, :DIRECTIONS], kind="stable"):
                    if odds[row, direction] >= _UNLIKELY:
                        points = outlines[row, direction]
                        found[index].append(WordOutline(points, float(odds[row, direction])))
        return found


def _inputs(crops: Sequence[Picture]) -> npt.NDArray[np.float32]:
    """Bring crops to the network's input ``(N, 2, SIDE_PX, SIDE_PX)``."""
    inputs = np.empty((len(crops), 2, SIDE_PX, SIDE_PX), np.float32)
    inputs[:, 0] = standardize(np.stack([squash(crop) for crop in crops]))
    sizes = _sizes(crops)
    inputs[:, 1] = np.log(sizes[:, 0] / sizes[:, 1])[:, None, None]
    return inputs


def _sizes(crops: Sequence[Picture]) -> npt.NDArray[np.float32]:
    """Return width and height of each crop ``(N, 2)``."""
    return np.array([crop.shape[1::-1] for crop in crops], np.float32)
