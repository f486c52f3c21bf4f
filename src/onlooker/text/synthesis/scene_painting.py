"""How text is painted into a scene, and what a camera or a screen makes of the whole.

The shares and sizes here are the defaults of `onlooker.text.synthesis.specification.EFFECTS`.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.text.synthesis import effects
from onlooker.text.synthesis.backgrounds import random_color
from onlooker.text.synthesis.palettes import LUMA, draw_pair
from onlooker.text.synthesis.specification import Chances

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]


def choose_ink(
    rng: np.random.Generator, chances: Chances, surface: Floats
) -> npt.NDArray[np.float32]:
    """Draw a colour that stands out from the surface; now and then only just."""
    ground = float(surface @ LUMA)
    if chances.on(rng, "palette"):  # the ink of the learned pair whose ground is the most alike
        pairs = [draw_pair(rng) for _ in range(24)]
        near = min(pairs, key=lambda pair: float(np.abs(pair[0] - surface).sum()))
        if abs(float(near[1] @ LUMA) - ground) > 40:
            return np.asarray(near[1], np.float32)
    if rng.random() < 0.3:  # most writing is near black or near white
        light = ground < 128 if rng.random() < 0.9 else ground > 128
        return np.full(3, rng.uniform(205, 255) if light else rng.uniform(0, 50), np.float32)
    least = 22.0 if chances.on(rng, "faint") else 55.0
    for _ in range(20):
        color = random_color(rng)
        if abs(float(color @ LUMA) - ground) > least:
            return color
    return np.full(3, 0 if ground > 128 else 255, np.float32)


def lay_ink(
    rng: np.random.Generator,
    chances: Chances,
    picture: Picture,
    mask: Picture,
    color: npt.NDArray[np.float32],
    word_px: float,
) -> None:
    """Blend the ink into the picture, with shadow, glow, outline or texture at times."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    reach = 8
    top, bottom = max(0, rows[0] - reach), min(mask.shape[0], rows[-1] + reach + 1)
    left, right = max(0, columns[0] - reach), min(mask.shape[1], columns[-1] + reach + 1)
    part = picture[top:bottom, left:right].astype(np.float32)
    ink = np.ascontiguousarray(mask[top:bottom, left:right])
    share, strength = chances.share, chances.strength
    kind = rng.random()
    ends = np.cumsum([share[name] for name in ("shadow", "outline", "depth", "glow")])
    if kind < ends[0] and word_px > 14:  # cast shadow
        far = max(1, int(strength["shadow"] * word_px * rng.uniform(0.03, 0.1)))
        dx, dy = (int(v) for v in rng.choice([-far, far], 2))
        shadow = effects.shifted(ink, dx, dy)
        if rng.random() < 0.6:
            shadow = np.asarray(cv2.GaussianBlur(shadow, (0, 0), far), np.uint8)
        _blend(part, shadow, np.zeros(3, np.float32), rng.uniform(0.4, 0.9))
    elif ends[0] <= kind < ends[1] and word_px > 16:  # outline
        radius = max(1, int(strength["outline"] * word_px * rng.uniform(0.02, 0.07)))
        _blend(part, effects.thickened(ink, min(radius, 6)), random_color(rng), 1.0)
    elif ends[1] <= kind < ends[2] and word_px > 22:  # letters with a depth, as over shops
        far = max(2, int(strength["depth"] * word_px * rng.uniform(0.05, 0.16)))
        aside, down = rng.uniform(-1, 1), rng.uniform(0.2, 1)
        side = color * rng.uniform(0.3, 0.7) if rng.random() < 0.7 else random_color(rng)
        deep = ink
        for step in range(1, min(far, reach) + 1):
            deep = np.maximum(deep, effects.shifted(ink, round(aside * step), round(down * step)))
        _blend(part, deep, side, 1.0)
    elif ends[2] <= kind < ends[3]:  # glow, as of neon
        glow = cv2.GaussianBlur(ink, (0, 0), max(1.0, word_px * 0.12))
        _blend(part, np.asarray(cv2.convertScaleAbs(glow, alpha=1.6)), color, 0.8)
    if word_px > 40 and chances.on(rng, "contour"):  # letters drawn as contours
        core = cv2.erode(ink, np.ones((3, 3), np.uint8), iterations=max(1, int(word_px / 30)))
        ink = cv2.subtract(ink, core)
    if chances.on(rng, "worn"):
        ink = effects.worn(rng, ink, strength["worn"])
    if chances.on(rng, "gradient"):  # ink of changing colour
        other = np.clip(color + strength["gradient"] * rng.normal(0, 50, 3), 0, 255).astype(
            np.float32
        )
        ramp = np.linspace(0, 1, ink.shape[0], dtype=np.float32)[:, None, None]
        paint = color * (1 - ramp) + other * ramp
    else:
        paint = color
    if chances.on(rng, "texture"):
        grain = rng.normal(0, 1, (max(2, ink.shape[0] // 3), max(2, ink.shape[1] // 3)))
        size = (ink.shape[1], ink.shape[0])
        rough = cv2.resize(grain.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        paint = paint + np.asarray(rough, np.float32)[:, :, None] * 18 * strength["texture"]
    clear = strength["translucent"] * rng.uniform(0.05, 0.4)
    _blend(part, ink, paint, 1 - min(clear, 0.75) if chances.on(rng, "translucent") else 1.0)
    picture[top:bottom, left:right] = np.clip(part, 0, 255).astype(np.uint8)


def _blend(part: npt.NDArray[np.float32], ink: Picture, color: Floats, share: float) -> None:
    alpha = (ink * np.float32(share / 255))[:, :, None]
    part += (color - part) * alpha


def finish(rng: np.random.Generator, chances: Chances, picture: Picture) -> Picture:
    """Pass a scene through light, lens, sensor and file."""
    light = picture.astype(np.float32)
    strength = chances.strength
    if chances.on(rng, "occlusion"):
        light = effects.occlusion(rng, light, 0.3 * strength["occlusion"])
    if chances.on(rng, "light"):
        flat = np.full(picture.shape[:2], 128, np.float32)
        light *= (effects.uneven_light(rng, flat, strength["light"]) / 128)[:, :, None]
    if chances.on(rng, "reflection"):
        light = effects.reflection(rng, light, strength["reflection"])
    if chances.on(rng, "exposure"):
        light = effects.exposure(rng, light, strength["exposure"])
    if chances.on(rng, "dim"):  # indoors, at night
        light *= np.float32(rng.uniform(0.2, 0.6))
    if chances.on(rng, "focus"):
        light = effects.out_of_focus(rng, light, 2.2 * strength["focus"])
    if chances.on(rng, "motion"):
        light = effects.shaken(rng, light, 7 * strength["motion"])
    if chances.on(rng, "noise"):
        light = effects.noisy(rng, light, 16, strength["noise"])
    if chances.on(rng, "sharpened"):
        light = effects.sharpened(rng, light, strength["sharpened"])
    seen = np.clip(light, 0, 255).astype(np.uint8)
    return _filed(rng, seen, 25) if chances.on(rng, "jpeg") else seen


def screen(rng: np.random.Generator, chances: Chances, picture: Picture) -> Picture:
    """Pass a page through what a screen recording does: little blur, compression."""
    seen = picture
    if rng.random() < 0.25:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), rng.uniform(0.3, 0.9)), np.uint8)
    return _filed(rng, seen, 30) if chances.on(rng, "jpeg") else seen


def _filed(rng: np.random.Generator, picture: Picture, worst: int) -> Picture:
    """Encode as JPEG and decode again."""
    quality = int(rng.uniform(worst, 95))
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
