"""Fonts, colours and the little photography that makes a drawing look like a photo."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

NAVY = (18, 38, 58)
INK = (34, 40, 49)
PAPER = (251, 250, 246)
ORANGE = (226, 114, 31)
TEAL = (33, 122, 124)
GREY = (122, 128, 136)
MIST = (226, 230, 232)

# Debian packages fonts-urw-base35 and fonts-dejavu-core.
FONTS = {
    "title": "URWGothic-Demi.otf",
    "body": "NimbusSans-Regular.otf",
    "bold": "NimbusSans-Bold.otf",
    "narrow": "NimbusSansNarrow-Bold.otf",
    "serif": "P052-Roman.otf",
    "serif bold": "P052-Bold.otf",
    "book": "C059-Roman.otf",
    "hand": "Z003-MediumItalic.otf",
    "mono": "DejaVuSansMono.ttf",
    "mono bold": "DejaVuSansMono-Bold.ttf",
    "sans": "DejaVuSans.ttf",
}
FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))


@cache
def font(name: str, size: float) -> ImageFont.FreeTypeFont:
    """Return a font by its role."""
    for folder in FONT_FOLDERS:
        for path in sorted(folder.rglob(FONTS[name])):
            return ImageFont.truetype(str(path), size)
    raise SystemExit(f"{FONTS[name]} not found: install fonts-urw-base35 and fonts-dejavu-core")


def centred(
    draw: ImageDraw.ImageDraw,
    middle: tuple[float, float],
    text: str,
    which: str,
    size: float,
    fill: tuple[int, ...],
) -> None:
    """Write text around a point."""
    draw.text(middle, text, font=font(which, size), fill=fill, anchor="mm")


def place(
    scene: Image.Image, panel: Image.Image, corners: list[tuple[float, float]]
) -> Image.Image:
    """Put a panel (RGBA) into a scene, its corners at four points clockwise from the top left."""
    # The panel is shrunk by area first: warping alone would alias.
    wide = max(
        np.hypot(*np.subtract(corners[1], corners[0])),
        np.hypot(*np.subtract(corners[2], corners[3])),
    )
    factor = min(1.0, 1.15 * wide / panel.width)
    if factor < 1:
        size = (round(panel.width * factor), round(panel.height * factor))
        panel = panel.resize(size, Image.Resampling.LANCZOS)
    source = np.float32([(0, 0), (panel.width, 0), (panel.width, panel.height), (0, panel.height)])
    matrix = cv2.getPerspectiveTransform(source, np.float32(corners))
    pixels = np.asarray(panel.convert("RGBA")).astype(np.float32)
    pixels[..., :3] *= pixels[..., 3:] / 255
    warped = cv2.warpPerspective(pixels, matrix, scene.size, flags=cv2.INTER_CUBIC)
    alpha = np.clip(warped[..., 3:] / 255, 0, 1)
    shadow = cv2.GaussianBlur(np.roll(alpha[..., 0], (10, 6), (0, 1)), (0, 0), 9)[..., None]
    base = np.asarray(scene.convert("RGB")).astype(np.float32) * (1 - 0.45 * shadow)
    return Image.fromarray(np.clip(base * (1 - alpha) + warped[..., :3], 0, 255).astype(np.uint8))


def photograph(
    picture: Image.Image, seed: int, *, grain: float = 4.0, blur: float = 0.6
) -> Image.Image:
    """Add what a lens and a sensor add: softness, a darker border, light from one side, grain."""
    rng = np.random.default_rng(seed)
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(blur))).astype(np.float32)
    rows, columns = np.mgrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j]
    light = 1.04 - 0.16 * (rows**2 + columns**2) / 2 - 0.06 * columns
    noise = (
        cv2.GaussianBlur(rng.normal(0, grain, pixels.shape).astype(np.float32), (0, 0), 0.7) * 1.6
    )
    return Image.fromarray(np.clip(pixels * light[..., None] + noise, 0, 255).astype(np.uint8))


def fit(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale and crop a picture to fill a size."""
    factor = max(size[0] / picture.width, size[1] / picture.height)
    scaled = picture.resize(
        (round(picture.width * factor), round(picture.height * factor)), Image.Resampling.LANCZOS
    )
    left, top = (scaled.width - size[0]) // 2, (scaled.height - size[1]) // 2
    return scaled.crop((left, top, left + size[0], top + size[1]))
