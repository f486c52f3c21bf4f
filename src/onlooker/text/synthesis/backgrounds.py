"""What rendered text stands on: patches of photos, and surfaces made from noise and gradients.

A patch is a small part of a photo, mostly smooth, as walls and shop signs are; busy parts come too,
but less often.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Tint = Callable[[Floats], Floats]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_HALF = cv2.IMREAD_REDUCED_COLOR_2
#: Natural logarithms of the least and the largest scale at which photos are cut: 0.5 and 3.
_SCALES = (math.log(0.5), math.log(3.0))
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
        surface_share: Share of the others that show a made surface; the rest is of one colour.
    """

    def __init__(
        self, photos: list[Picture], *, photo_share: float = 0.5, surface_share: float = 1.0
    ) -> None:
        self.photos = photos
        self.photo_share = photo_share if photos else 0.0
        self.surface_share = surface_share
        self._greys: list[Picture] = []

    @classmethod
    def load(
        cls, folder: str | Path | None, *, photo_share: float = 0.5, samples: bool = True
    ) -> BackgroundBank:
        """Load photos.

        Args:
            folder: Where they lie; twins are dropped. None: none.
            photo_share: Share of patches cut from photos.
            samples: Add scikit-image's, where it is installed.
        """
        photos: list[Picture] = []
        seen: set[bytes] = set()
        paths = sorted(Path(folder).rglob("*")) if folder is not None else []
        for path in paths:
            if path.suffix.lower() not in SUFFIXES or not path.is_file() or path.is_symlink():
                continue
            photo = cv2.imread(str(path), _reduction(path))
            if photo is not None and min(photo.shape[:2]) >= 200:
                _keep(photos, seen, cv2.cvtColor(photo, cv2.COLOR_BGR2RGB))
        for photo in _skimage_photos() if samples else ():
            _keep(photos, seen, photo)
        return cls(photos, photo_share=photo_share)

    def patch(
        self, rng: np.random.Generator, height: int, width: int, *, grey: bool = False
    ) -> Picture:
        """Draw a background of the wanted size.

        Args:
            rng: Where all chance comes from; the same numbers are drawn, grey or not.
            height: Pixels.
            width: Pixels.
            grey: One channel, three times as fast.

        Returns:
            ``(height, width, 3)`` uint8 RGB, or grey ``(height, width)``.
        """
        if rng.random() < self.photo_share:
            patch = self.photo_patch(rng, height, width, grey=grey)
        else:
            plain = rng.random() >= self.surface_share
            patch = _surface(rng, height, width, grey=grey, plain=plain)
        if rng.random() < 0.15 * self.surface_share:
            other = _surface(rng, height, width, grey=grey)
            patch = _mix(patch, other, 0.3 + 0.4 * rng.random())
        return patch

    def photo_patch(
        self, rng: np.random.Generator, height: int, width: int, *, grey: bool = False
    ) -> Picture:
        """Cut a patch from a random photo at a random scale, the smoother of two draws."""
        photos = self.photos
        if grey:
            if len(self._greys) != len(photos):
                self._greys = [
                    np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), np.uint8)
                    for photo in photos
                ]
            photos = self._greys
        best: Picture | None = None
        best_detail = np.inf
        for _ in range(1 + int(rng.random() < 0.6)):
            photo = photos[int(rng.random() * len(photos))]
            rows, columns = photo.shape[:2]
            # Scale 1 cuts as is; below, a larger part is shrunk; above, a small part is enlarged.
            scale = math.exp(_SCALES[0] + (_SCALES[1] - _SCALES[0]) * rng.random())
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
        if rng.random() < 0.2 and not grey:
            patch = patch[:, :, ::-1]  # other colours, same texture
        return np.ascontiguousarray(patch)


def _reduction(path: Path) -> int:
    """Choose how much smaller to decode a photo: JPEG comes at 1/2, 1/4, 1/8 for less time."""
    try:
        with Image.open(path) as header:
            longest = max(header.size)
    except OSError:
        longest = 0
    if longest >= 8 * _LONG_SIDE_PX:
        return cv2.IMREAD_REDUCED_COLOR_8
    return cv2.IMREAD_REDUCED_COLOR_4 if longest >= 4 * _LONG_SIDE_PX else _HALF


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


def random_color(rng: np.random.Generator) -> Floats:
    """Draw a colour → (3,) float32 in [0, 255]; greys and strong colours more than chance."""
    kind = rng.random()
    if kind < 0.35:
        grey = 255 * rng.random()
        spread = 12 * rng.standard_normal(3)
        return np.minimum(np.maximum(grey + spread, 0), 255).astype(np.float32)
    color = rng.random(3) * 255
    if kind < 0.6:
        color[int(rng.random() * 3)] = 255 * (rng.random() < 0.5)
        color[int(rng.random() * 3)] = 255 * (rng.random() < 0.5)
    return color.astype(np.float32)


# Each makes a surface ``(height, width, channels)`` float32. ``tint`` brings a colour, or a
# difference of colours, to the channels wanted: itself, or its luma.


def _flat(rng: np.random.Generator, height: int, width: int, tint: Tint) -> Floats:
    color = tint(random_color(rng))
    surface = np.empty((height, width, len(color)), np.float32)
    surface[:] = color
    return surface


def _steps(count: int) -> Floats:
    """Count from -0.5 to 0.5 → (count,)."""
    return np.arange(count, dtype=np.float32) * np.float32(1 / max(count - 1, 1)) - np.float32(0.5)


def _gradient(rng: np.random.Generator, height: int, width: int, tint: Tint) -> Floats:
    angle = 2 * math.pi * rng.random()
    y = _steps(height)[:, None] * np.float32(math.sin(angle)) + np.float32(0.5)
    ramp = y + _steps(width)[None, :] * np.float32(math.cos(angle))
    np.maximum(ramp, 0, out=ramp)
    np.minimum(ramp, 1, out=ramp)
    first = random_color(rng)
    second = np.minimum(np.maximum(first + 60 * rng.standard_normal(3), 0), 255)
    change = tint((second - first).astype(np.float32))
    return np.asarray(tint(first) + ramp[:, :, None] * change, np.float32)


def _clouds(rng: np.random.Generator, height: int, width: int, tint: Tint) -> Floats:
    """Sum noise of several grain sizes around one colour: plaster, paper, stone."""
    total: Floats | None = None
    for _ in range(2):
        grain = 2 * math.exp(math.log(max(4, height) / 2) * rng.random())
        shape = (max(2, int(height / grain)), max(2, int(width / grain)))
        coarse = rng.standard_normal(shape, dtype=np.float32)
        layer = np.asarray(
            cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32
        )
        total = layer if total is None else np.add(total, layer, out=total)
    assert total is not None
    total *= np.float32(4 + 30 * rng.random() ** 2)
    return np.asarray(tint(random_color(rng)) + total[:, :, None], np.float32)


def _pattern(rng: np.random.Generator, height: int, width: int, tint: Tint) -> Floats:
    """Stripes, boards, bricks, screens: a wave of any direction and sharpness."""
    angle = math.pi * rng.random() if rng.random() < 0.5 else int(rng.random() * 2) * math.pi / 2
    waves = 2 * math.pi / (4 + (max(6, height) - 4) * rng.random())
    y = np.arange(height, dtype=np.float32)[:, None] * np.float32(math.sin(angle) * waves)
    wave = y + np.arange(width, dtype=np.float32)[None, :] * np.float32(math.cos(angle) * waves)
    np.sin(wave, out=wave)
    wave *= np.float32(0.5 + 7.5 * rng.random())
    np.tanh(wave, out=wave)
    color = tint(random_color(rng))
    change = tint((18 * rng.standard_normal(3)).astype(np.float32))
    return np.asarray(color + wave[:, :, None] * change, np.float32)


def _panel(rng: np.random.Generator, height: int, width: int, tint: Tint) -> Floats:
    """Two areas that meet in a straight edge, as where a sign's border crosses the crop."""
    make = _clouds if rng.random() < 0.5 else _flat
    first = make(rng, height, width, tint)
    second = tint(random_color(rng))
    angle = 0.08 * rng.standard_normal() + (math.pi / 2 if rng.random() < 0.35 else 0)
    at = (0.12 + 0.25 * rng.random()) if rng.random() < 0.5 else (0.63 + 0.25 * rng.random())
    steep = 0.3 + rng.random()
    y = (np.arange(height, dtype=np.float32) - at * height)[:, None] * (math.cos(angle) * steep)
    x = (np.arange(width, dtype=np.float32) - at * width)[None, :] * (math.sin(angle) * steep)
    blend = np.asarray(y - x + 0.5, np.float32)
    np.maximum(blend, 0, out=blend)
    np.minimum(blend, 1, out=blend)
    return np.asarray(second + blend[:, :, None] * (first - second), np.float32)


_SURFACES: tuple[tuple[float, Callable[[np.random.Generator, int, int, Tint], Floats]], ...] = (
    (0.32, _flat),
    (0.54, _gradient),
    (0.80, _clouds),
    (0.90, _pattern),
    (1.0, _panel),
)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as OpenCV's grey


def _as_color(color: Floats) -> Floats:
    return color


def _as_grey(color: Floats) -> Floats:
    return np.asarray([color @ _LUMA], np.float32)


def _surface(
    rng: np.random.Generator, height: int, width: int, *, grey: bool = False, plain: bool = False
) -> Picture:
    kind = rng.random()
    make = _flat if plain else next(make for end, make in _SURFACES if kind < end)
    surface = make(rng, height, width, _as_grey if grey else _as_color)
    np.maximum(surface, 0, out=surface)
    np.minimum(surface, 255, out=surface)
    pixels = surface.astype(np.uint8)
    return pixels[:, :, 0] if grey else pixels


def _mix(first: Picture, second: Picture, share: float) -> Picture:
    return np.asarray(cv2.addWeighted(first, share, second, 1 - share, 0), np.uint8)
