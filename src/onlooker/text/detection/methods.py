"""The ways to find words, by name: a learned map (``db``), stable regions (``mser``)."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.hub import Weights, choose
from onlooker.records import DetectedText
from onlooker.text.detection.mser.weights import WEIGHTS as MSER_WEIGHTS
from onlooker.text.detection.weights import WEIGHTS as DB_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT = "db"
NAMES = {"db": "db.synth3-int8", "mser": "mser.synth1"}
"""Method → name of the weights that it loads."""


class Detector(Protocol):
    """Finds where words stand."""

    def __call__(self, pictures: Sequence[npt.NDArray[np.uint8]], /) -> list[list[DetectedText]]:
        """Return the places of words for each picture."""


def weights_of(method: str) -> Weights:
    """Return what a method loads; no network is opened.

    Raises:
        ConfigError: Unknown method.
    """
    return choose(MSER_WEIGHTS if _known(method) == "mser" else DB_WEIGHTS, NAMES[method])


def load_detector(
    method: str = DEFAULT, *, threads: int | None = None, read_afterwards: bool = False
) -> Detector:
    """Load the detector of a method.

    Args:
        method: A key of ``NAMES``.
        threads: Threads inside one call; None: as many as Onlooker may use.
        read_afterwards: Doubtful places come too: reading them shows whether they are words.

    Raises:
        ConfigError: Unknown method.
        WeightsError: The weights are missing or damaged.
    """
    from onlooker.text.detection.mser.predict import MserDetector
    from onlooker.text.detection.predict import FOR_READING, TextDetector

    config = FOR_READING if read_afterwards else None
    loaders: dict[str, Callable[..., Detector]] = {
        "db": partial(TextDetector.load, config=config),
        "mser": MserDetector.load,
    }
    return loaders[_known(method)](NAMES[method], threads=threads)


def _known(method: str) -> str:
    if method not in NAMES:
        near = get_close_matches(method, NAMES, n=1, cutoff=0.0)
        raise ConfigError(
            f"no detector named {method!r}; did you mean {near[0]!r}? There are: {', '.join(NAMES)}"
        )
    return method
