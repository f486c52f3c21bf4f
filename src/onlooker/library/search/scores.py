"""What a match is worth, by its evidence and its length; and the scores of the levels."""

from __future__ import annotations

from onlooker.library.ranks import CLASSES, LENGTH_MIDDLES, RankClass, class_of

K1, B, MEAN_LENGTH = 1.2, 0.75, 10.0
"""Of BM25: the usual values, and a fixed mean length, so that a score stays what it is when the
library grows."""
SHORTEST = 4
"""Lines of fewer words count as of four: below, length says nothing about what a line is about."""

_WEIGHTS: dict[RankClass, float] = {
    "person": 1.5,
    "title": 1.4,
    "screen": 1.0,
    "speech": 0.85,
    "name": 0.7,
}
"""What evidence is worth. People write titles and keywords to say what a medium is about, and a
slide's title says it of the slide; what is shown was chosen with more care than what is said in
passing; a file's name is most often a number or a date."""

BANDS: dict[str, tuple[float, float]] = {
    "exact": (0.75, 1.0),
    "neighbours": (0.62, 0.75),
    "prefix": (0.5, 0.62),
    "part": (0.3, 0.5),
    "near": (0.05, 0.3),
}
"""Scores by level: no hit of a later level comes before one of an earlier."""


def weight_of(rank: int) -> float:
    """Return the weight of a moment's evidence."""
    return _WEIGHTS[class_of(rank)]


def prior(rank: int) -> float:
    """Return what is known of a score from the rank alone: evidence, and length for one match."""
    return _PRIORS[rank]


_PRIORS = [
    weight_of(rank) * (K1 + 1) / (1 + K1 * (1 - B + B * length / MEAN_LENGTH))
    for rank, length in enumerate(LENGTH_MIDDLES * len(CLASSES))
]


def banded(band: str, quality: float) -> float:
    """Return the score of a match of some quality (0 or more) within its band."""
    low, high = BANDS[band]
    return low + (high - low) * quality / (1.0 + quality)
