"""How far probabilities can be believed."""

from __future__ import annotations

from collections.abc import Sequence

from onlooker.errors import ConfigError

#: Bins of the expected calibration error; as many as in the paper.
BINS = 15


def expected_calibration_error(probabilities: Sequence[float], right: Sequence[bool]) -> float:
    """Compute how far, on average, a probability lies from the share that is right.

    Over bins of equal width (Guo et al. 2017, "On calibration of modern neural networks", eq. 3).

    Args:
        probabilities: Of being right, in [0, 1].
        right: Whether it was.

    Raises:
        ConfigError: There is none, or their numbers differ.

    Example:
        >>> round(expected_calibration_error([0.9, 0.9, 0.1], [True, True, False]), 3)
        0.1
    """
    if not probabilities or len(probabilities) != len(right):
        raise ConfigError(
            f"{len(probabilities)} probabilities for {len(right)} answers; expected one each"
        )
    sums = [0.0] * BINS
    for probability, one in zip(probabilities, right, strict=True):
        sums[min(int(probability * BINS), BINS - 1)] += probability - one
    return sum(abs(total) for total in sums) / len(probabilities)
