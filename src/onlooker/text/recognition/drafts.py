"""Readings before and after they are weighed with a language.

Of one place several crops may be read: turned, along its outline, upside down. What the network
writes tells which crop is best; only that one's reading is worth the beam search and the language
model, which cost as much as the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from onlooker.records.text import RecognizedText

Picture = npt.NDArray[np.uint8]
Read = Callable[[Sequence[Picture]], list[RecognizedText]]


@dataclass(frozen=True, slots=True)
class Draft:
    """A reading that may still be weighed.

    Attributes:
        reading: What the network writes.
        weigh: Makes the final reading of it.
    """

    reading: RecognizedText
    weigh: Callable[[], RecognizedText]


@runtime_checkable
class Drafting(Protocol):
    """A recogniser that can be asked for drafts."""

    def draft(self, crops: Sequence[Picture], /) -> list[Draft]:
        """Read crops without weighing them."""


def drafts_of(recognizer: Read, crops: Sequence[Picture]) -> list[Draft]:
    """Read crops; the readings of a recogniser without drafts are final already."""
    if isinstance(recognizer, Drafting):
        return recognizer.draft(crops)
    return [Draft(reading, lambda reading=reading: reading) for reading in recognizer(crops)]  # type: ignore[misc]
