"""Precision, recall and hmean of word places.

The protocol of ICDAR 2015, task 4.1 (Karatzas et al. 2015, "ICDAR 2015 competition on robust
reading", section V.A): one to one, IoU ≥ 0.5, summed over the set; a prediction of which half or
more lies in a region marked ``ignore`` counts neither way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onlooker.metrics import covered, harmonic_mean, match_regions
from onlooker.records import Polygon

IOU = 0.5
IGNORED_COVER = 0.5


@dataclass
class DetectionScore:
    """Adds up pictures.

    Example:
        >>> box, far = ((0, 0), (9, 0), (9, 3), (0, 3)), ((20, 0), (29, 0), (29, 3), (20, 3))
        >>> score = DetectionScore()
        >>> score.add([box], true=[box, far], ignored=[])
        >>> score.metrics()["recall"]
        0.5
    """

    hits: int = 0
    predicted: int = 0
    true: int = 0

    def add(
        self, predicted: Sequence[Polygon], true: Sequence[Polygon], ignored: Sequence[Polygon]
    ) -> None:
        """Count one picture."""
        kept = [
            polygon
            for polygon in predicted
            if not any(covered(polygon, region) >= IGNORED_COVER for region in ignored)
        ]
        self.hits += len(match_regions(kept, true, threshold=IOU))
        self.predicted += len(kept)
        self.true += len(true)

    def metrics(self) -> dict[str, float | None]:
        """Return the measures by name; None for a set without a word to find."""
        if not self.true:
            return {"precision": None, "recall": None, "hmean": None}
        precision = self.hits / self.predicted if self.predicted else 0.0
        recall = self.hits / self.true
        return {
            "precision": precision,
            "recall": recall,
            "hmean": harmonic_mean(precision, recall),
        }
