"""How a crop becomes the network's input; training and use share it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SIDE_PX = 32
#: Grey levels added to the deviation, so that an even surface is not blown up to noise.
_FLOOR = 4.0
#: Bound of the logarithm of a crop's shape: six times as wide as high, or the reverse.
_SHAPE_BOUND = 1.8


def squared(crop: npt.NDArray[np.uint8]) -> tuple[Grey, float]:
    """Stretch a crop, grey or RGB, to grey 32 × 32 → it, and its width over its height."""
    grey = crop if crop.ndim == 2 else cv2.cvtColor(crop[:, :, :3], cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    how = cv2.INTER_AREA if height > SIDE_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=how), np.uint8), (
        width / height
    )


def network_input(pictures: Grey, shapes: Floats) -> Floats:
    """Join crops and shapes.

    Args:
        pictures: ``(N, 32, 32)`` uint8.
        shapes: ``(N,)`` width over height.

    Returns:
        ``(N, 2, 32, 32)`` float32: zero mean and unit deviation each; the logarithm of the shape.
    """
    values = np.empty((len(pictures), 2, SIDE_PX, SIDE_PX), np.float32)
    values[:, 0] = pictures
    values[:, 0] -= values[:, 0].mean(axis=(1, 2), keepdims=True)
    values[:, 0] /= values[:, 0].std(axis=(1, 2), keepdims=True) + np.float32(_FLOOR)
    logs = np.clip(np.log(np.maximum(shapes, 1e-3)), -_SHAPE_BOUND, _SHAPE_BOUND)
    values[:, 1] = logs[:, None, None]
    return values
