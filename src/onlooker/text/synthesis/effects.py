"""What happens to a picture between the sign and the file: light, optics, sensor, compression.

Pictures are ``(H, W)`` grey or ``(H, W, 3)``, float32 in [0, 255], unless said otherwise; masks of
ink are ``(H, W)`` uint8. Each function draws its size from ``rng``; ``strength`` is a factor on it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]


#: Noise is cut out of one field, at random places and signs: drawing it anew costs ten times more.
_GRAIN_SHAPE = (512, 2048)
_grain: Grey | None = None


def _over(field: Grey, picture: Grey) -> Grey:
    """Give a field of ``(H, W)`` the channels of the picture."""
    return field if picture.ndim == 2 else field[:, :, None]


def _steps(rng: np.random.Generator, picture: Grey, angle: float) -> Grey:
    """Measure how far each pixel lies from a random line → (H, W), in pixels, signed."""
    height, width = picture.shape[:2]
    y = (np.arange(height, dtype=np.float32) - rng.random() * height) * math.sin(angle)
    x = (np.arange(width, dtype=np.float32) - rng.random() * width) * math.cos(angle)
    return np.asarray(y[:, None] + x[None, :], np.float32)


def uneven_light(rng: np.random.Generator, picture: Grey, strength: float = 1.0) -> Grey:
    """Multiply with a smooth field: a lamp, a shadow's edge, a lit part."""
    height, width = picture.shape[:2]
    kind = rng.random()
    if kind < 0.6:
        field = np.exp(0.3 * strength * rng.standard_normal((2, 3))).astype(np.float32)
        field = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(picture * _over(np.asarray(field, np.float32), picture), np.float32)
    side = _steps(rng, picture, rng.uniform(0, 2 * np.pi))
    side /= np.float32(-(0.5 + 6 * rng.random()))
    np.minimum(np.maximum(side, -30, out=side), 30, out=side)
    soft = np.asarray(1 / (1 + cv2.exp(side)), np.float32)
    soft = _over(soft, picture)
    if kind < 0.85:  # the edge of a cast shadow
        depth = min(0.95, strength * rng.uniform(0.15, 0.6))
        return np.asarray(picture * (1 - soft * np.float32(depth)), np.float32)
    return np.asarray(picture + soft * np.float32(strength * rng.uniform(15, 90)), np.float32)


def reflection(rng: np.random.Generator, picture: Grey, strength: float = 1.0) -> Grey:
    """Add what glass or metal mirrors: bright bands side by side, or the spot of a lamp."""
    height, width = picture.shape[:2]
    bright = np.float32(strength * rng.uniform(50, 150))
    if rng.random() < 0.65:
        far = _steps(rng, picture, rng.normal(0.3, 0.4))
        wide = height * rng.uniform(0.15, 0.7)
        edge = max(1.0, wide * rng.uniform(0.05, 0.4))
        bands = np.abs(far)
        if rng.random() < 0.5:  # a second, thinner band beside the first
            bands = np.minimum(bands, np.abs(far - np.float32(1.3 * wide)) + np.float32(0.3 * wide))
        shine = np.clip((wide / 2 - bands) / edge + 0.5, 0, 1)
    else:
        y = (np.arange(height, dtype=np.float32) - rng.random() * height) / height
        x = (np.arange(width, dtype=np.float32) - rng.random() * width) / height
        size = rng.uniform(0.15, 0.5)
        shine = np.exp(-((y[:, None] ** 2 + x[None, :] ** 2) / np.float32(size * size)))
    return np.asarray(picture + bright * _over(shine.astype(np.float32), picture), np.float32)


def occlusion(rng: np.random.Generator, picture: Grey, strength: float = 1.0) -> Grey:
    """Put something in front: a wire, a pole, a twig, a leaf, a sticker's corner."""
    height, width = picture.shape[:2]
    if strength == 0:
        return picture
    color = (255 * rng.random(3) if picture.ndim == 3 else np.full(3, 255 * rng.random())).tolist()
    covered = np.ascontiguousarray(picture)
    for _ in range(1 + int(rng.random() * 2)):
        x, y = rng.random() * width, rng.random() * height
        kind = rng.random()
        if kind < 0.6:
            thick = max(1, round(height * strength * rng.uniform(0.02, 0.1)))
            angle = rng.uniform(0, np.pi)
            dx, dy = math.cos(angle) * (width + height), math.sin(angle) * (width + height)
            bend = rng.normal(0, 0.1) * height
            points = [(x - dx, y - dy), (x + bend, y), (x + dx, y + dy)]
            line = [np.rint(np.array(points)).astype(np.int32)]
            cv2.polylines(covered, line, False, color, thick, cv2.LINE_AA)
        else:
            axes = np.maximum(height * strength * rng.uniform(0.05, 0.22, 2), 1).astype(int)
            where = (int(x), int(y))
            turn = rng.uniform(0, 180)
            cv2.ellipse(covered, where, axes.tolist(), turn, 0, 360, color, -1, cv2.LINE_AA)
    return np.asarray(covered, np.float32)


def exposure(rng: np.random.Generator, picture: Grey, strength: float = 1.0) -> Grey:
    """Change gain, offset and gamma, and clip: night shots, haze, burnt-out whites."""
    gain = math.exp(strength * min(max(0.4 * rng.standard_normal(), -1.4), 0.8))
    offset = strength * 25 * rng.standard_normal()
    bright = picture * np.float32(gain)
    bright += np.float32(offset)
    np.minimum(np.maximum(bright, 0, out=bright), 255, out=bright)
    if rng.random() < 0.3:
        gamma = math.exp(strength * 0.4 * rng.standard_normal())
        bright *= np.float32(1 / 255)
        bright = np.asarray(cv2.pow(bright, gamma), np.float32) * np.float32(255)
    return np.asarray(bright, np.float32)


def out_of_focus(rng: np.random.Generator, picture: Grey, most_px: float) -> Grey:
    """Blur with a Gaussian of up to ``most_px`` pixels."""
    sigma = min(0.3, most_px) + max(most_px - 0.3, 0) * rng.random() ** 1.5
    if sigma < 0.05:
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def shaken(rng: np.random.Generator, picture: Grey, most_px: float) -> Grey:
    """Blur along a line of up to ``most_px`` pixels."""
    length = min(2, most_px) + max(most_px - 2, 0) * rng.random()
    angle = rng.uniform(0, np.pi)
    size = max(int(np.ceil(length)) | 1, 1)
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


def noisy(
    rng: np.random.Generator, picture: Grey, most: float = 22.0, strength: float = 1.0
) -> Grey:
    """Add sensor noise, fine or (after a camera's own scaling) a little coarser."""
    level = strength * (1 + most * rng.random() ** 2)
    grain = _noise(rng, picture.shape)
    if rng.random() < 0.4:
        grain = 2 * cv2.GaussianBlur(grain, (3, 3), 0)
    return np.asarray(picture + np.float32(level) * grain, np.float32)


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Grey:
    """Cut normal noise out of the one field, or draw it where the field is too small."""
    global _grain
    height, width = shape[0], math.prod(shape[1:])
    rows, columns = _GRAIN_SHAPE
    if height > rows // 2 or width > columns // 2:
        return rng.standard_normal(shape, dtype=np.float32)
    if _grain is None:
        _grain = np.random.default_rng(0).standard_normal(_GRAIN_SHAPE, dtype=np.float32)
    y, x = int(rng.random() * (rows - height)), int(rng.random() * (columns - width))
    grain = _grain[y : y + height, x : x + width]
    return (grain if rng.random() < 0.5 else -grain[::-1]).reshape(shape)


def compressed(rng: np.random.Generator, picture: Mask, worst: int = 18) -> Mask:
    """Encode as JPEG of a random quality and decode; uint8 in, uint8 out."""
    quality = int(worst + (92 - worst) * rng.random())
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    how = cv2.IMREAD_GRAYSCALE if picture.ndim == 2 else cv2.IMREAD_COLOR
    return np.asarray(cv2.imdecode(data, how), np.uint8)


def sharpened(rng: np.random.Generator, picture: Grey, strength: float = 1.0) -> Grey:
    """Overshoot at edges, as cameras and screen grabs do."""
    soft = cv2.GaussianBlur(picture, (0, 0), 0.8 + rng.random())
    amount = np.float32(strength * rng.uniform(0.3, 1.8))
    return np.asarray(picture + amount * (picture - soft), np.float32)


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


def worn(rng: np.random.Generator, mask: Mask, strength: float = 1.0) -> Mask:
    """Rub holes into the ink: old paint, poor print."""
    height, width = mask.shape
    coarse = rng.random((max(2, height // 3), max(2, width // 3)), dtype=np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    keep = np.clip((field - strength * rng.uniform(0.1, 0.35)) * 8, 0.15, 1)
    return np.asarray(mask * keep, np.uint8)
