"""How a crop becomes the network's input; training and use share it.

Crops are read at a height of 32 pixels. Their width follows their shape, but short ones are
stretched: a condensed or tilted word in a nearly square crop would otherwise have fewer columns
than letters, and CTC needs one column a letter at least.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Crop = npt.NDArray[np.uint8]

HEIGHT_PX = 32
#: Widths are multiples of this: equal widths make batches without padding.
WIDTH_STEP_PX = 8
#: Crops narrower than this many heights are stretched half-way to it.
_STRETCHED_BELOW = 3.0
#: Grey levels added to the deviation, so that an even surface is not blown up to noise.
_FLOOR = 4.0


def width_for(height: float, width: float, most_px: int) -> int:
    """Compute the width in pixels at which a crop of ``height`` × ``width`` is read."""
    shape = width / max(height, 1e-6)
    shape += 0.5 * max(0.0, _STRETCHED_BELOW - shape)
    return int(min(round(shape * HEIGHT_PX / WIDTH_STEP_PX) * WIDTH_STEP_PX, most_px))


def resize_crop(crop: Crop, most_px: int) -> Crop:
    """Bring a crop, grey or RGB, to grey ``(32, W)``, W at most ``most_px``."""
    grey = crop if crop.ndim == 2 else cv2.cvtColor(crop[:, :, :3], cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    target = width_for(height, width, most_px)
    how = cv2.INTER_AREA if height > HEIGHT_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (target, HEIGHT_PX), interpolation=how), np.uint8)


def training_width(width_px: int) -> int:
    """Round a width so that few remain: each costs its own compiled kernels and its own bucket."""
    step = 8 if width_px <= 128 else 16 if width_px <= 256 else 32
    return round(width_px / step) * step


def to_training_width(picture: Crop) -> Crop:
    """Bring a crop ``(32, W)``, W a multiple of 8, to a width that training uses."""
    height, width = picture.shape
    wanted = training_width(width)
    return (
        picture if wanted == width else np.asarray(cv2.resize(picture, (wanted, height)), np.uint8)
    )


def standardize(pictures: Crop) -> npt.NDArray[np.float32]:
    """Bring crops ``(N, 32, W)`` uint8 to zero mean and unit deviation each → float32.

    Light and contrast of the photo drop out here, so that the network need not learn them.
    """
    values = pictures.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    values /= values.std(axis=(1, 2), keepdims=True) + np.float32(_FLOOR)
    return values
