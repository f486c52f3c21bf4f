"""Changes of training pictures, all of a batch at once, in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]


def crop_and_flip(pictures: Pictures, pad: int, rng: np.random.Generator) -> Pictures:
    """Shift each picture by up to ``pad`` pixels, edges filled with black, and mirror half of them.

    He et al. 2015, "Deep residual learning", sec. 4.2: the augmentation of CIFAR.

    Args:
        pictures: (N, H, W, 3) uint8.
        pad: In pixels.
        rng: Random numbers.

    Returns:
        New pictures, of the same shape.
    """
    count, height, width, _ = pictures.shape
    padded = np.zeros((count, height + 2 * pad, width + 2 * pad, 3), np.uint8)
    padded[:, pad : pad + height, pad : pad + width] = pictures
    top = rng.integers(0, 2 * pad + 1, (count, 1))
    left = rng.integers(0, 2 * pad + 1, (count, 1))
    rows = top + np.arange(height)  # (N, H)
    columns = left + np.arange(width)  # (N, W)
    mirrored = rng.random(count) < 0.5
    columns[mirrored] = columns[mirrored, ::-1]
    changed: Pictures = padded[
        np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return changed


def cut_out(pictures: Pictures, side: int, rng: np.random.Generator) -> None:
    """Paint a grey square of ``side`` pixels, centred anywhere, over each picture, in place.

    DeVries & Taylor 2017, "Improved regularization of convolutional neural networks with cutout".
    """
    count, height, width, _ = pictures.shape
    down = np.abs(np.arange(height) - rng.integers(0, height, (count, 1)) + 0.5)  # (N, H)
    across = np.abs(np.arange(width) - rng.integers(0, width, (count, 1)) + 0.5)  # (N, W)
    covered = (down < side / 2)[:, :, None] & (across < side / 2)[:, None, :]
    pictures[covered] = 128


def mix(count: int, alpha: float, rng: np.random.Generator) -> tuple[NDArray[np.int64], float]:
    """Draw partners and a share for mixup: picture · share + partner · (1 − share).

    Zhang et al. 2018, "mixup: beyond empirical risk minimization".

    Args:
        count: Pictures of the batch.
        alpha: Of the beta distribution that the share is drawn from.
        rng: Random numbers.

    Returns:
        (N,) indices of the partners, and the share, at least one half.
    """
    share = float(rng.beta(alpha, alpha))
    return rng.permutation(count), max(share, 1 - share)
