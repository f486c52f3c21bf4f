"""What rendered text stands on: patches of photos, and surfaces made from noise and gradients.

A patch is a small part of a photo, mostly smooth, as walls and shop signs are; busy parts come too,
but less often.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
#: Photos are kept with their longer side at this length: enough detail, some 2 MB a photo.
_LONG_SIDE_PX = 1000
#: Wallpapers come in many resolutions; the same picture is recognised by its 8 × 8 thumbnail.
_THUMB_PX = 8
_SKIMAGE = (
    "astronaut",
    "chelsea",
    "coffee",
    "rocket",
    "immunohistochemistry",
    "brick",
    "grass",
    "gravel",
    "page",
    "camera",
    "coins",
    "moon",
)


class BackgroundBank:
    """Draws patches of photos and of procedural surfaces.

    Args:
        photos: Pictures ``(H, W, 3)`` uint8 RGB; may be empty, then every patch is procedural.
        photo_share: Share of patches cut from photos.
    """

    def __init__(self, photos: list[Picture], *, photo_share: float = 0.5) -> None:
        self.photos = photos
        self.photo_share = photo_share if photos else 0.0

    @classmethod
    def load(cls, folder: str | Path | None, *, photo_share: float = 0.5) -> BackgroundBank:
        """Load the photos under ``folder`` (twins dropped) and scikit-image's, where installed."""
        photos: list[Picture] = []
        seen: set[bytes] = set()
        paths = sorted(Path(folder).rglob("*")) if folder is not None else []
        for path in paths:
            if path.suffix.lower() not in SUFFIXES or not path.is_file() or path.is_symlink():
                continue
            # Decoding at half size is enough for all of them and twice as fast.
            photo = cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_2)
            if photo is not None and min(photo.shape[:2]) >= 200:
                _keep(photos, seen, cv2.cvtColor(photo, cv2.COLOR_BGR2RGB))
        for photo in _skimage_photos():
            _keep(photos, seen, photo)
        return cls(photos, photo_share=photo_share)

    def patch(self, rng: np.random.Generator, height: int, width: int) -> Picture:
        """Draw a background of the wanted size → (height, width, 3) uint8."""
        if rng.random() < self.photo_share:
            patch = self.photo_patch(rng, height, width)
        else:
            patch = _surface(rng, height, width)
        if rng.random() < 0.15:
            patch = _mix(patch, _surface(rng, height, width), 0.3 + 0.4 * rng.random())
        return patch

    def photo_patch(self, rng: np.random.Generator, height: int, width: int) -> Picture:
        """Cut a patch from a random photo at a random scale, the smoother of two draws."""
        best: Picture | None = None
        best_detail = np.inf
        for _ in range(1 + int(rng.random() < 0.6)):
            photo = self.photos[int(rng.random() * len(self.photos))]
            rows, columns = photo.shape[:2]
            # Scale 1 cuts as is; below, a larger part is shrunk; above, a small part is enlarged.
            scale = float(np.exp(rng.uniform(np.log(0.5), np.log(3.0))))
            scale = max(scale, height / rows, width / columns)
            h, w = min(rows, int(height / scale) + 1), min(columns, int(width / scale) + 1)
            y, x = int(rng.random() * (rows - h + 1)), int(rng.random() * (columns - w + 1))
            cut = photo[y : y + h, x : x + w]
            detail = float(cut[:: max(1, h // 16), :: max(1, w // 16)].std())
            if detail < best_detail:
                best, best_detail = cut, detail
        assert best is not None
        shrinks = best.shape[0] > height
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        patch = cv2.resize(best, (width, height), interpolation=interpolation)
        if rng.random() < 0.4:
            patch = patch[:, ::-1]
        if rng.random() < 0.2:
            patch = patch[:, :, ::-1]  # other colours, same texture
        return np.ascontiguousarray(patch)


def _keep(photos: list[Picture], seen: set[bytes], photo: npt.NDArray[np.uint8]) -> None:
    tiny = cv2.resize(photo, (_THUMB_PX, _THUMB_PX), interpolation=cv2.INTER_AREA)
    key = (tiny // 32).tobytes()
    if key in seen:
        return
    seen.add(key)
    shrink = _LONG_SIDE_PX / max(photo.shape[:2])
    if shrink < 1:
        size = (round(photo.shape[1] * shrink), round(photo.shape[0] * shrink))
        photo = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
    photos.append(photo)


def _skimage_photos() -> list[Picture]:
    try:
        from skimage import data
    except ImportError:
        return []
    photos = []
    for name in _SKIMAGE:
        try:
            photo = np.asarray(getattr(data, name)())
        except Exception:  # some pictures are downloaded on demand; do without them
            continue
        photos.append(photo if photo.ndim == 3 else np.repeat(photo[:, :, None], 3, axis=2))
    return photos


def random_color(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Draw a colour → (3,) float32 in [0, 255]; greys and strong colours more than chance."""
    kind = rng.random()
    if kind < 0.35:
        grey = 255 * rng.random()
        return np.clip(grey + 12 * rng.standard_normal(3), 0, 255).astype(np.float32)
    color = rng.random(3) * 255
    if kind < 0.6:
        color[int(rng.random() * 3)] = 255 * (rng.random() < 0.5)
        color[int(rng.random() * 3)] = 255 * (rng.random() < 0.5)
    return color.astype(np.float32)


def _flat(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float32]:
    return np.full((height, width, 3), random_color(rng), np.float32)


def _gradient(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float32]:
    angle = rng.uniform(0, 2 * np.pi)
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    ramp = np.clip(0.5 + (np.cos(angle) * x + np.sin(angle) * y), 0, 1)[:, :, None]
    first = random_color(rng)
    second = np.clip(first + rng.normal(0, 60, 3), 0, 255).astype(np.float32)
    return np.asarray(first * (1 - ramp) + second * ramp, np.float32)


def _clouds(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float32]:
    """Sum noise of several grain sizes around one colour: plaster, paper, stone."""
    total = np.zeros((height, width), np.float32)
    for _ in range(2):
        grain = float(np.exp(rng.uniform(np.log(2), np.log(max(4, height)))))
        shape = (max(2, int(height / grain)), max(2, int(width / grain)))
        coarse = rng.standard_normal(shape, dtype=np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    strength = 4 + 30 * rng.random() ** 2
    return np.asarray(random_color(rng) + strength * total[:, :, None], np.float32)


def _pattern(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float32]:
    """Stripes, boards, bricks, screens: a wave of any direction and sharpness."""
    angle = rng.uniform(0, np.pi) if rng.random() < 0.5 else rng.integers(0, 2) * np.pi / 2
    period = rng.uniform(4, max(6, height))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    wave = np.sin((np.cos(angle) * x + np.sin(angle) * y) * (2 * np.pi / period))
    wave = np.tanh(wave * rng.uniform(0.5, 8))[:, :, None]
    return np.asarray(random_color(rng) + wave * rng.normal(0, 18, 3), np.float32)


def _panel(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float32]:
    """Two areas that meet in a straight edge, as where a sign's border crosses the crop."""
    first = _clouds(rng, height, width) if rng.random() < 0.5 else _flat(rng, height, width)
    second = random_color(rng)
    angle = rng.normal(0, 0.08) + (np.pi / 2 if rng.random() < 0.35 else 0)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    at = (0.12 + 0.25 * rng.random()) if rng.random() < 0.5 else (0.63 + 0.25 * rng.random())
    side = np.cos(angle) * (y - at * height) - np.sin(angle) * (x - at * width)
    blend = np.clip(side * (0.3 + rng.random()) + 0.5, 0, 1)[:, :, None]
    return np.asarray(first * blend + second * (1 - blend), np.float32)


_SURFACES: tuple[
    tuple[float, Callable[[np.random.Generator, int, int], npt.NDArray[np.float32]]], ...
] = ((0.32, _flat), (0.54, _gradient), (0.80, _clouds), (0.90, _pattern), (1.0, _panel))


def _surface(rng: np.random.Generator, height: int, width: int) -> Picture:
    kind = rng.random()
    make = next(make for end, make in _SURFACES if kind < end)
    return np.clip(make(rng, height, width), 0, 255).astype(np.uint8)


def _mix(first: Picture, second: Picture, share: float) -> Picture:
    return np.asarray(cv2.addWeighted(first, share, second, 1 - share, 0), np.uint8)
