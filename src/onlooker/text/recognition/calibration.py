"""How sure a reading is → the probability that it is right.

Networks are too sure of themselves. The map is monotone in the probability ``q`` that the network
gives a whole text (its confidence to the power of its length): with ``u = -log q``,

    log odds = offset - slope · log u - decay · u,    slope, decay ≥ 0.

It is fitted for each network and each decoding on rendered crops that were kept out of training
(``recipes/text.recognition/ctc/calibrate.py``); on photos it is as good as the rendered crops are
like them.

References:
    Platt 1999 (fitting log odds); Kull et al. 2017, "Beta calibration" (the logarithm's term).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from onlooker.errors import WeightsError
from onlooker.hub import Weights

PATH = Path(__file__).with_suffix(".json")
#: Least and most of ``u``: beyond, nothing was seen to fit on.
_LEAST, _MOST = 1e-6, 60.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """The map of one network and decoding.

    Attributes:
        offset: Log odds of being right at ``u = 1``, before the decay.
        slope: Of the logarithm of ``u``.
        decay: Of ``u`` itself.

    Example:
        >>> map = Calibration(0.0, 1.0, 0.5)
        >>> map(0.99, 4) > map(0.99, 9) > map(0.9, 9)
        True
    """

    offset: float
    slope: float
    decay: float

    def __call__(self, confidence: float, length: int) -> float:
        """Return the probability that a text of ``length`` characters is right."""
        if confidence <= 0.0 or length < 1:
            return 0.0
        u = min(max(-length * math.log(confidence), _LEAST), _MOST)
        return 1 / (1 + math.exp(-(self.offset - self.slope * math.log(u) - self.decay * u)))

    @classmethod
    def load(cls, weights: Weights, decoding: str) -> Calibration | None:
        """Return the map of a network, None where none was fitted to just these weights.

        Raises:
            WeightsError: The table is missing or damaged.
        """
        try:
            entry = json.loads(PATH.read_text(encoding="utf-8")).get(weights.name)
            if entry is None or entry["sha256"] != weights.sha256:
                return None
            return cls(**entry["maps"][decoding])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(
                f"{PATH} is missing or damaged ({error}); reinstall onlooker, or run "
                "recipes/text.recognition/ctc/calibrate.py"
            ) from error
