"""Find the words of a picture; those of a page in small type in the enlarged picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.records import DetectedText
from onlooker.text.crops import size_of
from onlooker.text.lines import corners_of

Picture = npt.NDArray[np.uint8]

SMALL_PLACES = 40
"""A picture with so many places is a page, and worth a second look if they are small."""
SMALL_PX = 13.0
"""Median height of places below which words of a page run together: type of 8 points at 100 dpi is
10 pixels high there, of 10 points 14."""
ENLARGED_PX = 20.0
"""Height to which they are enlarged, by 2 at most: more shows nothing new."""
ENLARGED_SIDE = 2560
"""Longest side of an enlarged picture."""


def find_places(
    detector: Callable[[Sequence[Picture]], list[list[DetectedText]]], pixels: Picture
) -> list[DetectedText]:
    """Find words, a page in small type looked at twice → places in a fixed order.

    Args:
        detector: Finds the words of pictures.
        pixels: ``(H, W, 3)`` RGB uint8.
    """
    found = detector([pixels])[0]
    if len(found) >= SMALL_PLACES:
        height = float(np.median([size_of(corners_of(place.polygon))[1] for place in found]))
        factor = min(ENLARGED_PX / max(height, 1.0), 2.0, ENLARGED_SIDE / max(pixels.shape[:2]))
        if height < SMALL_PX and factor > 1.2:
            size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
            large = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), np.uint8)
            back = np.array([pixels.shape[1] / size[0], pixels.shape[0] / size[1]])
            found = [
                replace(place, polygon=tuple((x * back[0], y * back[1]) for x, y in place.polygon))
                for place in detector([large])[0]
            ]
    return sorted(found, key=lambda place: (place.polygon, place.confidence))
