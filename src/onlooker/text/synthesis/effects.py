"""What happens to a picture between the sign and the file: light, optics, sensor, compression.

All functions take and return grey pictures ``(H, W)`` float32 in [0, 255] unless they say
otherwise; each draws its strength from ``rng``.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]


def uneven_light(rng: np.random.Generator, picture: Grey) -> Grey:
    """Multiply with a smooth field: a lamp, a shadow's edge, a reflection."""
    height, width = picture.shape
    kind = rng.random()
    if kind < 0.6:
        field = np.exp(rng.normal(0, 0.3, (2, 3))).astype(np.float32)
        field = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(picture * field, np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    y = np.arange(height, dtype=np.float32)[:, None] - rng.random() * height
    x = np.arange(width, dtype=np.float32)[None, :] - rng.random() * width
    side = np.cos(angle) * x + np.sin(angle) * y
    steep = np.clip(side / (0.5 + 6 * rng.random()), -30, 30)
    soft = 1 / (1 + np.exp(-steep))
    if kind < 0.85:  # the edge of a cast shadow
        return np.asarray(picture * (1 - soft * rng.uniform(0.15, 0.6)), np.float32)
    return np.asarray(picture + soft * rng.uniform(15, 90), np.float32)


def exposure(rng: np.random.Generator, picture: Grey) -> Grey:
    """Change gain, offset and gamma, and clip: night shots, haze, burnt-out whites."""
    gain = float(np.exp(np.clip(0.4 * rng.standard_normal(), -1.4, 0.8)))
    offset = 25 * rng.standard_normal()
    bright = np.clip(picture * gain + offset, 0, 255)
    if rng.random() < 0.3:
        bright = 255 * (bright / 255) ** float(np.exp(0.4 * rng.standard_normal()))
    return np.asarray(bright, np.float32)


def out_of_focus(rng: np.random.Generator, picture: Grey, most_px: float) -> Grey:
    """Blur with a Gaussian of up to ``most_px`` pixels."""
    sigma = 0.3 + (most_px - 0.3) * rng.random() ** 1.5
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def shaken(rng: np.random.Generator, picture: Grey, most_px: float) -> Grey:
    """Blur along a line of up to ``most_px`` pixels."""
    length = 2 + (most_px - 2) * rng.random()
    angle = rng.uniform(0, np.pi)
    size = int(np.ceil(length)) | 1
    kernel = np.zeros((size, size), np.float32)
    middle = size / 2
    dx, dy = np.cos(angle) * length / 2, np.sin(angle) * length / 2
    start = (round(middle - dx - 0.5), round(middle - dy - 0.5))
    end = (round(middle + dx - 0.5), round(middle + dy - 0.5))
    cv2.line(kernel, start, end, 1.0)
    kernel /= max(float(kernel.sum()), 1.0)
    return np.asarray(
        cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.float32
    )


def noisy(rng: np.random.Generator, picture: Grey, most: float = 22.0) -> Grey:
    """Add sensor noise, fine or (after a camera's own scaling) a little coarser."""
    strength = 1 + most * rng.random() ** 2
    grain = rng.standard_normal(picture.shape, dtype=np.float32)
    if rng.random() < 0.4:
        grain = 2 * cv2.GaussianBlur(grain, (3, 3), 0)
    return np.asarray(picture + strength * grain, np.float32)


def compressed(rng: np.random.Generator, picture: Mask, worst: int = 18) -> Mask:
    """Encode as JPEG of a random quality and decode; uint8 in, uint8 out."""
    quality = int(worst + (92 - worst) * rng.random())
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def sharpened(rng: np.random.Generator, picture: Grey) -> Grey:
    """Overshoot at edges, as cameras and screen grabs do."""
    soft = cv2.GaussianBlur(picture, (0, 0), 0.8 + rng.random())
    return np.asarray(picture + rng.uniform(0.3, 1.8) * (picture - soft), np.float32)


def thickened(mask: Mask, radius_px: int) -> Mask:
    """Grow the ink by a disc of ``radius_px``."""
    size = 2 * radius_px + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate(mask, disc), np.uint8)


def shifted(mask: Mask, dx: int, dy: int) -> Mask:
    """Move a mask by whole pixels; what leaves is lost, what enters is empty."""
    height, width = mask.shape
    moved = np.zeros_like(mask)
    if abs(dx) >= width or abs(dy) >= height:
        return moved
    target = (slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx)))
    source = (slice(max(0, -dy), height + min(0, -dy)), slice(max(0, -dx), width + min(0, -dx)))
    moved[target] = mask[source]
    return moved


def worn(rng: np.random.Generator, mask: Mask) -> Mask:
    """Rub holes into the ink: old paint, poor print."""
    height, width = mask.shape
    coarse = rng.random((max(2, height // 3), max(2, width // 3)), dtype=np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    keep = np.clip((field - rng.uniform(0.1, 0.35)) * 8, 0.15, 1)
    return np.asarray(mask * keep, np.uint8)
