"""Pictures → places of words, by stable regions; the same face as `TextDetector`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError, WeightsError
from onlooker.hub import choose, resolve
from onlooker.records import DetectedText
from onlooker.runtime.session import Network
from onlooker.text.characters.crops import network_input
from onlooker.text.detection.mser.grouping import GroupingConfig, group_letters
from onlooker.text.detection.mser.regions import Picture, Regions, crops_of, propose
from onlooker.text.detection.mser.weights import WEIGHTS

#: Crops that run at once: 4 MB of input.
_BATCH = 512
#: Share of a letter's box in another's from which one lies in the other.
_INSIDE = 0.85


@dataclass(frozen=True, kw_only=True)
class MserConfig:
    """How pictures are looked at.

    Attributes:
        max_side: Longer side in pixels to which pictures are reduced.
        min_score: Least probability of a letter.
        grouping: How letters become words.
    """

    max_side: int = 1280
    min_score: float = 0.85
    grouping: GroupingConfig = field(default_factory=GroupingConfig)

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.max_side < 32 or not 0 <= self.min_score <= 1:
            raise ConfigError(
                f"MserConfig: max_side {self.max_side}, min_score {self.min_score}; "
                "expected 32 or more, and a probability"
            )


class MserDetector:
    """Finds words by their letters; see `load`.

    Example:
        >>> detector = MserDetector.load()  # doctest: +SKIP
        >>> [text.polygon for text in detector([picture])[0]]  # doctest: +SKIP
    """

    def __init__(
        self, path: Path, *, threads: int | None = None, config: MserConfig | None = None
    ) -> None:
        self.config = config or MserConfig()
        self._network = Network(path, threads)
        if self._network.output_shapes[0][-1] != 2:
            raise WeightsError(f"{path} is not a verifier of regions: expected two classes")

    @classmethod
    def load(
        cls,
        name: str = "mser.synth1",
        *,
        threads: int | None = None,
        config: MserConfig | None = None,
    ) -> MserDetector:
        """Load weights by name.

        Args:
            name: A key of ``WEIGHTS``.
            threads: Threads inside one call; None: as many as Onlooker may use.
            config: How pictures are looked at.

        Raises:
            WeightsError: Unknown name, or the file is missing or damaged.
        """
        return cls(resolve(choose(WEIGHTS, name)), threads=threads, config=config)

    def __call__(self, pictures: Sequence[Picture]) -> list[list[DetectedText]]:
        """Find the words of pictures, one picture after another.

        Args:
            pictures: Each ``(H, W, 3)`` uint8 RGB.

        Returns:
            For each picture its words from top to bottom, as `TextDetector` gives them.
        """
        return [self._find(picture) for picture in pictures]

    def verify(self, picture: Picture, regions: Regions) -> npt.NDArray[np.float32]:
        """Say how likely each region is a letter, or some joined ones → ``(n,)``."""
        scores = np.zeros(len(regions), np.float32)
        pixels, shapes = crops_of(picture, regions)
        for start in range(0, len(regions), _BATCH):
            part = slice(start, start + _BATCH)
            (logits,) = self._network(network_input(pixels[part], shapes[part]))
            scores[part] = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
        return scores

    def letters(self, picture: Picture) -> tuple[Regions, npt.NDArray[np.float32]]:
        """Find the letters of a picture that is not reduced → they, their probabilities."""
        regions = propose(picture)
        scores = self.verify(picture, regions)
        kept = outermost(regions, scores, self.config.min_score)
        return regions.take(kept), scores[kept]

    def _find(self, picture: Picture) -> list[DetectedText]:
        height, width = picture.shape[:2]
        if not height or not width:
            return []
        scale = min(1.0, self.config.max_side / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        seen = picture
        if size != (width, height):
            seen = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        factors = np.array([width / size[0], height / size[1]])
        letters, scores = self.letters(seen)
        found = []
        for group in group_letters(letters, scores, self.config.grouping):
            corners = np.clip(group.corners * factors, 0, (width, height))
            polygon = tuple((float(x), float(y)) for x, y in corners)
            found.append(DetectedText(polygon=polygon, confidence=min(1.0, group.confidence)))
        return sorted(found, key=lambda text: (text.polygon[0][1], text.polygon[0][0]))


def outermost(regions: Regions, scores: npt.NDArray[np.float32], least: float) -> list[int]:
    """Of letters that lie in each other keep one → indices.

    A tower of regions of one letter, the hole of an "o" and pieces of letters all lie in the box of
    the letter. The likelier one stays; of like ones the larger.
    """
    candidates = np.flatnonzero(scores >= least)
    boxes = regions.boxes[candidates].astype(np.float64)
    sizes = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    # Tenths of probability count; below that size decides.
    order = np.lexsort((-sizes, -np.round(scores[candidates] * 10)))
    kept: list[int] = []
    low, high = boxes[:, :2], boxes[:, 2:]
    for index in order.tolist():
        if kept:
            shared = np.clip(
                np.minimum(high[index], high[kept]) - np.maximum(low[index], low[kept]), 0, None
            ).prod(axis=1)
            if (shared > _INSIDE * np.minimum(sizes[index], sizes[kept])).any():
                continue
        kept.append(index)
    return sorted(candidates[kept].tolist())
