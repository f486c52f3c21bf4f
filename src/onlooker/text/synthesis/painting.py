"""From a word's ink to what a camera makes of it: painted on a ground, lit, blurred, compressed.

Grey is the rule, since the recogniser reads grey, and a third of the work. In colour every shade of
grey becomes a colour of that brightness.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.text.synthesis import effects
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.palettes import LUMA, draw_pair
from onlooker.text.synthesis.specification import Chances

Ink = npt.NDArray[np.uint8]
Tone = npt.NDArray[np.float32]
Toner = Callable[[float], Tone]

#: Below these the ink cannot be told from the ground; set by looking at what they refuse.
_MIN_STEP = 10.0
_MIN_CORRELATION = 0.42


def _shade(level: float) -> Tone:
    return np.asarray(level, np.float32)


def _tinter(rng: np.random.Generator) -> Toner:
    """Make a function that gives a shade of grey a random hue, brightness kept."""

    def tint(level: float) -> Tone:
        hue, strength = rng.random(), rng.random() ** 1.5
        color = np.array(colorsys.hsv_to_rgb(hue, strength, 1.0), np.float32)
        color *= np.float32(level) / max(float(color @ LUMA), 1e-3)
        over = np.maximum(color - 255, 0)  # what is too bright for its hue turns paler instead
        return np.minimum(color, 255) + np.float32(over @ LUMA)

    return tint


def paint(
    rng: np.random.Generator,
    chances: Chances,
    grounds: BackgroundBank,
    ink: Ink,
    *,
    clean: bool,
    colour: bool = False,
) -> effects.Grey:
    """Lay ink, with its outline and its shadow, on a ground.

    Args:
        rng: Where all chance comes from.
        chances: Of the effects.
        grounds: Photos and surfaces.
        ink: Alpha ``(h, w)``.
        clean: One shade on another.
        colour: In colour.

    Returns:
        ``(h, w)`` grey or ``(h, w, 3)``, float32.
    """
    height, width = ink.shape
    strength = chances.strength
    # The hues come from a generator of their own: grey and colour see the same picture.
    toned: Toner = _tinter(rng.spawn(1)[0]) if colour else _shade
    ground: effects.Grey
    if clean:
        level = 255 * rng.random() ** 0.6
        if rng.random() < 0.5:
            level = 255.0 if rng.random() < 0.7 else 255 * rng.random()
        pale = np.full(3, level, np.float32) if level > 245 and colour else toned(level)
        ground = np.empty((height, width, 3) if colour else (height, width), np.float32)
        ground[:] = pale
    else:
        patch = grounds.patch(rng, height, width, grey=not colour)
        ground = patch.astype(np.float32)
        average: Tone = ground.mean(axis=(0, 1))
        if rng.random() < 0.6:  # signs are plainer than the world around them
            average = np.asarray(average, np.float32)
            ground = average + (ground - average) * np.float32(0.1 + 0.7 * rng.random())
        if strength["surfaces"] != 1:
            ground = average + (ground - average) * np.float32(strength["surfaces"])
        level = float(average @ LUMA) if colour else float(average)
    faint = chances.on(rng, "faint")
    contrast = 20 + 30 * rng.random() if faint else 50 + 185 * rng.random()
    if faint:
        contrast /= max(strength["faint"], 0.1)
    up, down = 255 - level, level
    brighter = rng.random() < (0.5 if min(up, down) > contrast else float(up > down))
    shade = level + min(contrast, up) if brighter else level - min(contrast, down)
    fill: effects.Grey = toned(shade)
    if clean:
        return _blend(ground, ink, fill)

    if chances.on(rng, "palette"):
        pair = draw_pair(rng)
        bright = pair @ LUMA
        fill = pair[1] if colour else bright[1]
        ground = ground + ((pair[0] - average) if colour else (bright[0] - np.float32(level)))
        level, shade = float(bright[0]), float(bright[1])
    if chances.on(rng, "worn"):
        ink = effects.worn(rng, ink, strength["worn"])
    if chances.on(rng, "shadow"):  # or a raised edge
        reach = max(1, round(height * 0.09 * strength["shadow"]))
        dx, dy = (int((2 * reach + 1) * r) - reach for r in rng.random(2).tolist())
        shadow = effects.shifted(ink, dx, dy)
        if rng.random() < 0.6:
            soft = 0.5 + 2 * rng.random()
            shadow = np.asarray(cv2.GaussianBlur(shadow, (0, 0), soft), np.uint8)
        dark = 255 * rng.random() ** 2 if rng.random() < 0.8 else 255 * rng.random()
        ground = _blend(ground, shadow, toned(dark), min(1.0, 0.3 + 0.7 * rng.random()))
    if chances.on(rng, "texture"):
        texture = grounds.patch(rng, height, width, grey=not colour)
        grain = texture.astype(np.float32)
        grain = grain - grain.mean(axis=(0, 1))
        grain *= np.float32((0.2 + 0.5 * rng.random()) * strength["texture"])
        room = max(abs(shade - level) * 0.6, 6.0)
        fill = fill + np.minimum(np.maximum(grain, -room), room)
    if chances.on(rng, "gradient"):
        fill = _graded(rng, fill, ink.shape, abs(shade - level), strength["gradient"])
    if chances.on(rng, "outline"):  # in another shade
        radius = 1 if height < 40 or rng.random() < 0.6 else 2
        border = effects.thickened(ink, max(1, round(radius * strength["outline"])))
        if rng.random() < 0.3:
            dx, dy = (int(3 * r) - 1 for r in rng.random(2).tolist())
            border = effects.shifted(border, dx, dy)
        other = float(rng.random() * 255)
        ground = _blend(ground, border, toned(other))
        if rng.random() < 0.25:  # only the outline shows: the fill is the ground's level
            fill = toned(level if abs(other - level) >= 50 else (level + 128) % 255)
        elif abs(other - shade) < 35:
            fill = toned((other + 128) % 255)
    opacity = 1.0
    if chances.on(rng, "translucent"):
        opacity = 1 - min(0.75, strength["translucent"] * 0.4 * rng.random())
    return _blend(ground, ink, fill, opacity)


def _blend(
    ground: effects.Grey, ink: Ink, fill: effects.Grey | Tone, opacity: float = 1.0
) -> effects.Grey:
    """Lay ``fill``, a shade, a colour or a picture, on the ground where the ink is."""
    alpha = ink * np.float32(opacity / 255)
    if ground.ndim == 3:
        alpha = alpha[:, :, None]
    return np.asarray(ground + alpha * (fill - ground), np.float32)


def _graded(
    rng: np.random.Generator,
    fill: effects.Grey | Tone,
    shape: tuple[int, int],
    contrast: float,
    strength: float,
) -> effects.Grey:
    """Let the ink's shade change from side to side, in steps or stripes at times."""
    height, width = shape
    upright = rng.random() < 0.7
    count = height if upright else width
    ramp = np.linspace(-1, 1, count, dtype=np.float32)
    if rng.random() < 0.4:
        waves = height / max(2.0, height * rng.uniform(0.08, 0.4)) * count / height
        ramp = np.sin(ramp * np.float32(math.pi * waves)).astype(np.float32)
        if rng.random() < 0.5:
            ramp = np.sign(ramp)
    ramp *= np.float32(min(1.0, 0.5 * strength) * contrast * rng.uniform(0.5, 1))
    field = np.broadcast_to(ramp[:, None] if upright else ramp[None, :], shape)
    return np.asarray(fill + (field[:, :, None] if np.shape(fill)[-1:] == (3,) else field))


def photograph(
    rng: np.random.Generator,
    chances: Chances,
    picture: effects.Grey,
    *,
    clean: bool,
    line: bool,
    thickness: float,
) -> npt.NDArray[np.uint8]:
    """Light, blur, sample and compress.

    Args:
        rng: Where all chance comes from.
        chances: Of the effects.
        picture: What :func:`paint` made.
        clean: As on a screen.
        line: Several words: seen a little larger.
        thickness: Height of what the camera resolves: of the crop, or of a loose word.

    Returns:
        The picture at the size at which the camera saw it, uint8.
    """
    height, width = picture.shape[:2]
    strength = chances.strength
    if clean:
        target = 10 + 20 * rng.random()
    else:
        if chances.on(rng, "occlusion"):
            picture = effects.occlusion(rng, picture, strength["occlusion"])
        if chances.on(rng, "light"):
            picture = effects.uneven_light(rng, picture, strength["light"])
        if chances.on(rng, "reflection"):
            picture = effects.reflection(rng, picture, strength["reflection"])
        # Pixels of height at which the camera saw the word.
        if chances.on(rng, "low_resolution"):
            target = (9 + 9 * rng.random()) / max(strength["low_resolution"], 0.2)
        else:
            target = 16 + 32 * rng.random()
        target *= 1.3 if line else 1.0
    scale = min(target / thickness, 1.0)
    small = (max(3, round(width * scale)), max(6, round(height * scale)))
    if not clean and chances.on(rng, "motion"):
        picture = effects.shaken(rng, picture, 0.16 * thickness * strength["motion"])
    if not clean and chances.on(rng, "focus"):
        picture = effects.out_of_focus(rng, picture, 0.06 * thickness * strength["focus"])
    if small != (width, height):
        how = cv2.INTER_AREA if rng.random() < 0.75 else cv2.INTER_LINEAR
        picture = np.asarray(cv2.resize(picture, small, interpolation=how), np.float32)
    if not clean:
        if chances.on(rng, "softness"):
            picture = effects.out_of_focus(rng, picture, 1.1 * strength["softness"])
        if chances.on(rng, "sharpened"):
            picture = effects.sharpened(rng, picture, strength["sharpened"])
        if chances.on(rng, "exposure"):
            picture = effects.exposure(rng, picture, strength["exposure"])
        if chances.on(rng, "noise"):
            spread = float(cv2.meanStdDev(picture)[1].mean())
            picture = effects.noisy(rng, picture, 2 + 0.4 * spread, strength["noise"])
    # Adding nothing, as bytes: rounds and saturates in one pass.
    pixels = np.asarray(cv2.add(picture, 0.0, dtype=cv2.CV_8U), np.uint8)
    if rng.random() < chances.share["jpeg"] * (0.5 if clean else 1.0):
        worst = 18 if strength["jpeg"] == 1 else round(min(92, max(2, 18 / strength["jpeg"])))
        pixels = effects.compressed(rng, pixels, worst)
    return pixels


def rule_off(rng: np.random.Generator, ink: npt.NDArray[np.uint8], margin: float) -> None:
    """Draw an edge of a frame, a table or an underline into the outer margin, in place."""
    height, width = ink.shape
    thick = 1 + int(rng.random() * 2)
    at = int(margin * rng.random())
    level = float(rng.uniform(120, 255))
    for side in range(4):
        if rng.random() < 0.55:
            continue
        if side == 0:
            ends = (0, at), (width, at)
        elif side == 1:
            ends = (0, height - 1 - at), (width, height - 1 - at)
        elif side == 2:
            ends = (at, 0), (at, height)
        else:
            ends = (width - 1 - at, 0), (width - 1 - at, height)
        cv2.line(ink, ends[0], ends[1], level, thick, cv2.LINE_AA)


def readable(pixels: npt.NDArray[np.uint8], ink: npt.NDArray[np.uint8]) -> bool:
    """Say whether the ink still stands out: pictures that no one could read teach guessing."""
    if pixels.ndim == 3:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    size = (pixels.shape[1], pixels.shape[0])
    alpha = cv2.resize(ink, size, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    grey = pixels.astype(np.float32).ravel()
    alpha -= alpha.mean()
    grey -= grey.mean()
    spread = float(np.linalg.norm(alpha)) + 1e-6
    common = abs(float(alpha @ grey)) / spread
    step = 255 * common / spread  # grey levels between full ink and none
    return step >= _MIN_STEP and common >= _MIN_CORRELATION * float(np.linalg.norm(grey))
