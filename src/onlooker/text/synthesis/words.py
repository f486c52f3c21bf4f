"""Word pictures as a text detector would cut them out: what the recogniser learns from.

A string is drawn with a random face, given an outline, a shadow, a texture, bent, turned and seen
in perspective, put on a background beside fragments of other text, lit, blurred, sampled at a low
resolution, compressed, and cut out more or less tightly. The kinds of damage, and their shares,
follow what photos of street scenes, born-digital pictures and slides show, judged by eye.

References:
    Jaderberg et al. 2014, "Synthetic data and artificial neural networks for natural scene text
    recognition" (layers, borders, shadows, perspective); Yim et al. 2021, "SynthTIGER" (fragments
    of neighbouring text, balanced characters and lengths).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.text.charset import CHARSET
from onlooker.text.recognition.crops import HEIGHT_PX, width_for
from onlooker.text.synthesis import effects
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.fonts import FontBank, FontFace
from onlooker.text.synthesis.render import Arc, render_stacked, render_text

#: Longest line that is drawn whole; longer ones are squeezed.
MAX_WIDTH_PX = 480

#: Share of lines of several words, and of clean small text as on slides and screens.
_LINE_SHARE = 0.12
_CLEAN_SHARE = 0.10

#: Share of pictures without text, and of text in other scripts: both are to be read as nothing.
_NOTHING_SHARE = 0.04
_FOREIGN_SHARE = 0.04

#: Share of words whose letters stand below each other; drawn on their side, as the reader turns
#: them before it asks.
_STACKED_SHARE = 0.012

#: Share of words whose letters stand on a gentle arc of a circle (radians, standard deviation).
_ARC_SHARE = 0.03
_ARC_SPREAD = 0.35

#: The same of loose pictures, where curved and stacked words are what there is to learn.
_LOOSE_STACKED_SHARE = 0.05
_LOOSE_ARC_SHARE = 0.2

#: Pixels of the largest loose picture; larger ones are drawn smaller. The rectifier looks at 4,096.
_LOOSE_AREA_PX = 20_000

#: Below these the ink cannot be told from the ground; set by looking at what they refuse.
_MIN_STEP = 10.0
_MIN_CORRELATION = 0.42

#: Points along the upper and along the lower edge of an outline.
OUTLINE_POINTS = 5


@dataclass(frozen=True, slots=True)
class WordPicture:
    """A picture, what it says and where.

    Attributes:
        picture: ``(32, W)`` uint8 grey, W a multiple of 8; a loose one has its own height.
        text: What it says; empty: nothing that can be read.
        outline: Of a loose picture: ``(10, 2)`` float32, five points along the ink's upper edge in
            reading order, then five along the lower edge in the same direction; x and y over the
            picture's width and height. None: not recorded.
    """

    picture: npt.NDArray[np.uint8]
    text: str
    outline: npt.NDArray[np.float32] | None = None


class WordSynthesizer:
    """Draws word pictures.

    Args:
        fonts: Faces to draw with.
        corpus: Strings to draw.
        backgrounds: What they stand on.
    """

    def __init__(self, fonts: FontBank, corpus: Corpus, backgrounds: BackgroundBank) -> None:
        self.fonts = fonts
        self.corpus = corpus
        self.backgrounds = backgrounds

    def draw(self, rng: np.random.Generator, *, loose: bool = False) -> WordPicture:
        """Draw one word picture; some show what cannot be read, and say nothing.

        Args:
            rng: Where all chance comes from.
            loose: Turn by any angle, keep the height at which the camera saw it, and record the
                outline: what the rectifier learns from.
        """
        while True:
            kind = rng.random()
            if kind < _NOTHING_SHARE:
                return WordPicture(picture=self._nothing(rng, loose=loose), text="")
            if kind < _NOTHING_SHARE + _FOREIGN_SHARE and self.fonts.foreign:
                face, text = self.fonts.pick_foreign(rng)
                clean = rng.random() < _CLEAN_SHARE
                drawn = self._compose(rng, text, face, clean=clean, loose=loose)
                if drawn is not None:
                    return replace(drawn, text="")
                continue
            is_line = rng.random() < _LINE_SHARE
            text = self.corpus.line(rng) if is_line else self.corpus.word(rng)
            text = text[:44].strip()
            if not text or any(c not in CHARSET for c in text):
                continue
            face = self.fonts.pick(rng, text)
            clean = rng.random() < (0.5 if is_line else _CLEAN_SHARE)
            drawn = self._compose(rng, text, face, clean=clean, loose=loose)
            if drawn is not None:
                return drawn

    def _nothing(self, rng: np.random.Generator, *, loose: bool) -> npt.NDArray[np.uint8]:
        """Draw what a detector takes for text by mistake: leaves, bricks, fences, edges."""
        height = int(rng.uniform(12, 64))
        width = int(height * np.exp(rng.uniform(-0.3, 1.8)))
        zoom = 1 + int(rng.random() * 4)  # the further away, the finer the detail
        best, most = None, -1.0
        for _ in range(4):
            patch = self.backgrounds.patch(rng, zoom * height, zoom * width)
            one = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)
            one = cv2.resize(one, (width, height), interpolation=cv2.INTER_AREA)
            edges = float(np.abs(np.diff(one.astype(np.float32), axis=1)).mean())
            if edges > most:
                best, most = one.astype(np.float32), edges
        assert best is not None
        return self._photograph(rng, best, clean=False, line=False, loose=loose, thickness=height)

    def _compose(
        self, rng: np.random.Generator, text: str, face: FontFace, *, clean: bool, loose: bool
    ) -> WordPicture | None:
        size = int(rng.integers(26, 44)) if clean else int(rng.integers(30, 52))
        short = len(text) <= 2
        spacing = wobble = bend = 0.0
        stretch, stroke = 1.0, 0
        if not clean:
            if rng.random() < 0.22:
                spacing = float(
                    rng.uniform(0.02, 0.12) if rng.random() < 0.6 else rng.uniform(0.12, 0.6)
                )
            elif rng.random() < 0.08:
                spacing = float(-rng.uniform(0.01, 0.05))
            if rng.random() < 0.05:
                wobble = float(rng.uniform(0.02, 0.07))
            if rng.random() < 0.4:
                stretch = float(np.exp(rng.normal(-0.05, 0.22)))
            if rng.random() < 0.09 and len(text) >= 4:
                bend = float(rng.normal(0, 0.07))
            if rng.random() < 0.26:
                stroke = 1 if rng.random() < 0.75 else 2
        arc = _draw_arc(rng, len(text), loose=loose) if not clean and not bend else 0.0
        stacks = not clean and rng.random() < (_LOOSE_STACKED_SHARE if loose else _STACKED_SHARE)
        stacks = stacks and 2 <= len(text) <= 12 and " " not in text
        thickness, em = 0.0, float(size)
        if stacks:
            ink = render_stacked(text, face, size, spacing=spacing, stroke_px=stroke)
            edges, thickness = outline_of(ink.shape[0], ink.shape[1]), ink.shape[0]
        else:
            ink = render_text(
                text,
                face,
                size,
                rng,
                spacing=spacing,
                stretch=stretch,
                stroke_px=stroke,
                wobble=wobble,
                bend=bend,
            ).mask
            thickness = ink.shape[0] - float(np.ceil(abs(bend) * ink.shape[1]))
            edges = outline_of(ink.shape[0], ink.shape[1], bend)
            if arc:
                shape = Arc.around(ink.shape[0], ink.shape[1], arc)
                ink, edges = shape.warp(ink), shape.place(edges)
        ink_height, ink_width = ink.shape
        if ink_width > 30 * ink_height or ink_width < 2 or ink_height < 2:
            return None

        # Where the ink's corners come to lie: turned, sheared, in perspective.
        angle = 0.0
        if loose:
            angle = _draw_turn(rng, stacks=stacks)
        elif not clean:
            kind = rng.random()
            spread = 1.2 if kind < 0.4 else 5.0 if kind < 0.77 else 12.0
            angle = np.deg2rad(np.clip(rng.normal(0, spread), -30, 30))
            angle *= 1.0 if ink_width > ink_height else 0.6
        corners = np.array(
            [[0, 0], [ink_width, 0], [ink_width, ink_height], [0, ink_height]], np.float32
        )
        centre = corners.mean(axis=0)
        turn = np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32
        )
        if not clean and rng.random() < 0.35:
            shear = np.clip(rng.normal(0, 0.15), -0.4, 0.4)
            turn = turn @ np.array([[1, shear], [0, 1]], np.float32)
        placed = (corners - centre) @ turn.T
        if not clean and rng.random() < 0.45:
            jitter = rng.normal(0, 0.1, (4, 2)) * thickness
            placed += np.clip(jitter, -0.32 * thickness, 0.32 * thickness)
        if loose and not clean and rng.random() < 0.3:
            placed = _receding(rng, placed)
        if loose:
            low, high = placed.min(axis=0), placed.max(axis=0)
            area = float(np.prod(high - low + 0.3 * thickness))
            shrink = min(1.0, float(np.sqrt(_LOOSE_AREA_PX / area)))
            placed, em = placed * np.float32(shrink), em * shrink
            thickness *= shrink

        # The crop: the box around the placed corners, with margins (< 0: cuts into the text).
        low, high = placed.min(axis=0), placed.max(axis=0)
        kind = rng.random()
        if kind < 0.45:
            margins = rng.uniform(0.0, 0.12, 4)
        elif kind < 0.88:
            margins = rng.uniform(0.05, 0.38, 4)
        else:
            margins = rng.uniform(-0.06, 0.1, 4)
        if loose and rng.random() < 0.25:  # a careless box, or a turned picture's enlarged canvas
            margins = rng.uniform(0.0, 1.2, 4)
        margins = margins * thickness
        if short or not text[-1].isalnum():  # a cut would remove the whole mark
            margins = np.maximum(margins, 0)
        left, top, right, bottom = margins
        if thickness < 0.45 * em:  # "-", "...", "~": the crop of a reader is not that tight
            extra = (0.75 * em - thickness) / 2
            top, bottom = (
                top + extra * rng.uniform(0.6, 1.4),
                bottom + extra * rng.uniform(0.6, 1.4),
            )
        shift = np.array([left - low[0], top - low[1]], np.float32)
        width = int(np.ceil(high[0] - low[0] + left + right))
        height = int(np.ceil(high[1] - low[1] + top + bottom))
        if width < 3 or height < 3:
            return None
        homography = cv2.getPerspectiveTransform(corners, (placed + shift).astype(np.float32))
        interpolation = cv2.INTER_LINEAR
        if not clean and rng.random() < (0.45 if loose else 0.3):
            ink = self._with_neighbours(
                rng, ink, face, homography, width, height, lines=loose and not arc
            )
        else:
            ink = cv2.warpPerspective(ink, homography, (width, height), flags=interpolation)
        ink = np.asarray(ink, np.uint8)
        if ink.max() < 60:
            return None
        if not clean and rng.random() < 0.08:
            _rule_off(rng, ink, height * 0.08)
        picture = self._paint(rng, ink, clean=clean)
        pixels = self._photograph(
            rng,
            picture,
            clean=clean,
            line=" " in text,
            loose=loose,
            thickness=thickness if loose else height,
        )
        if not _readable(pixels, ink):
            return None
        outline = cv2.perspectiveTransform(edges[None], homography)[0] / (width, height)
        return WordPicture(picture=pixels, text=text, outline=outline.astype(np.float32))

    def _with_neighbours(
        self,
        rng: np.random.Generator,
        ink: npt.NDArray[np.uint8],
        face: FontFace,
        homography: npt.NDArray[np.float64],
        width: int,
        height: int,
        *,
        lines: bool,
    ) -> npt.NDArray[np.uint8]:
        """Put fragments of other words above, below or beside the ink, then warp all of it.

        ``lines``: whole lines above and below, as a crop around a tilted word shows them.
        """
        size = max(16, min(ink.shape[0], 52))
        around = size
        canvas = np.zeros((ink.shape[0] + 2 * around, ink.shape[1] + 2 * around), np.uint8)
        canvas[around:-around, around:-around] = ink
        for side in ("above", "below", "left", "right"):
            if rng.random() > 0.42:
                continue
            other = self.corpus.plain_word(rng)
            if lines:
                other += " " + self.corpus.plain_word(rng)
            if rng.random() < 0.4:
                other = other.upper()
            if not face.covers(other):
                continue
            mask = render_text(other, face, max(10, int(size * rng.uniform(0.6, 1.0))), rng).mask
            gap = int(size * rng.uniform(0.1, 0.45))
            h, w = mask.shape
            x = around + int(rng.uniform(-0.3, 0.5) * ink.shape[1])
            y = around + int((ink.shape[0] - h) * rng.random())
            if side == "above":
                y = around - gap - h
            elif side == "below":
                y = around + ink.shape[0] + gap
            elif side == "left":
                x = around - gap - w
            else:
                x = around + ink.shape[1] + gap
            x0, y0 = max(x, 0), max(y, 0)
            x1, y1 = min(x + w, canvas.shape[1]), min(y + h, canvas.shape[0])
            if x1 > x0 and y1 > y0:
                part = mask[y0 - y : y1 - y, x0 - x : x1 - x]
                np.maximum(canvas[y0:y1, x0:x1], part, out=canvas[y0:y1, x0:x1])
        move = np.array([[1, 0, -around], [0, 1, -around], [0, 0, 1]], np.float64)
        warped = cv2.warpPerspective(
            canvas, homography @ move, (width, height), flags=cv2.INTER_LINEAR
        )
        return np.asarray(warped, np.uint8)

    def _paint(
        self, rng: np.random.Generator, ink: npt.NDArray[np.uint8], *, clean: bool
    ) -> effects.Grey:
        """Lay the ink, its outline and its shadow on a background, in shades of grey."""
        height, width = ink.shape
        if clean:
            ground = np.full((height, width), 255 * rng.random() ** 0.6, np.float32)
            if rng.random() < 0.5:
                ground[:] = 255.0 if rng.random() < 0.7 else 255 * rng.random()
        else:
            patch = self.backgrounds.patch(rng, height, width)
            ground = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY).astype(np.float32)
        level = float(ground.mean())
        if not clean and rng.random() < 0.6:  # signs are plainer than the world around them
            ground = level + (ground - level) * np.float32(rng.uniform(0.1, 0.8))
        contrast = rng.uniform(20, 50) if rng.random() < 0.14 else rng.uniform(50, 235)
        up, down = 255 - level, level
        brighter = rng.random() < (0.5 if min(up, down) > contrast else float(up > down))
        shade = level + min(contrast, up) if brighter else level - min(contrast, down)
        alpha = ink.astype(np.float32) * np.float32(1 / 255)
        if clean:
            return np.asarray(ground + alpha * (np.float32(shade) - ground), np.float32)

        if rng.random() < 0.06:
            ink = effects.worn(rng, ink)
            alpha = ink.astype(np.float32) * np.float32(1 / 255)
        if rng.random() < 0.22:  # shadow or raised edge
            reach = max(1, round(height * 0.09))
            dx, dy = int(rng.integers(-reach, reach + 1)), int(rng.integers(-reach, reach + 1))
            shadow = effects.shifted(ink, dx, dy).astype(np.float32) * np.float32(1 / 255)
            if rng.random() < 0.6:
                soft = cv2.GaussianBlur(shadow, (0, 0), 0.5 + 2 * rng.random())
                shadow = np.asarray(soft, np.float32)
            dark = 255 * rng.random() ** 2 if rng.random() < 0.8 else 255 * rng.random()
            strength = np.float32(rng.uniform(0.3, 1))
            ground = ground + strength * shadow * (np.float32(dark) - ground)
        fill: effects.Grey | np.float32 = np.float32(shade)
        if rng.random() < 0.2:
            texture = self.backgrounds.patch(rng, height, width)
            grain = cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY).astype(np.float32)
            grain = (grain - grain.mean()) * np.float32(rng.uniform(0.2, 0.7))
            room = max(abs(shade - level) * 0.6, 6.0)
            fill = np.float32(shade) + np.clip(grain, -room, room)
        if rng.random() < 0.14:  # outline in another shade
            radius = 1 if height < 40 or rng.random() < 0.6 else 2
            border = effects.thickened(ink, radius).astype(np.float32) * np.float32(1 / 255)
            other = float(rng.random() * 255)
            ground = ground + border * (np.float32(other) - ground)
            if rng.random() < 0.25:  # only the outline shows: the fill is the ground's level
                fill = np.float32(level)
                if abs(other - level) < 50:
                    fill = np.float32((level + 128) % 255)
            elif abs(other - shade) < 35:
                fill = np.float32((other + 128) % 255)
        opacity = np.float32(1.0 if rng.random() < 0.75 else rng.uniform(0.6, 1.0))
        return np.asarray(ground + alpha * opacity * (fill - ground), np.float32)

    def _photograph(
        self,
        rng: np.random.Generator,
        picture: effects.Grey,
        *,
        clean: bool,
        line: bool,
        loose: bool,
        thickness: float,
    ) -> npt.NDArray[np.uint8]:
        """Light, blur, sample, compress and bring to the height of 32 pixels.

        ``thickness`` is the height of what the camera resolves: of the crop, or of a loose word.
        """
        height, width = picture.shape
        if clean:
            target = rng.uniform(10, 30)
        else:
            if rng.random() < 0.3:
                picture = effects.uneven_light(rng, picture)
            # Pixels of height at which the camera saw the word.
            kind = rng.random()
            target = rng.uniform(9, 18) if kind < 0.3 else rng.uniform(16, 48)
            target *= 1.3 if line else 1.0
        scale = min(target / thickness, 1.0)
        small = (max(3, round(width * scale)), max(6, round(height * scale)))
        if not clean and rng.random() < 0.12:
            picture = effects.shaken(rng, picture, 0.16 * thickness)
        if not clean and rng.random() < 0.35:
            picture = effects.out_of_focus(rng, picture, 0.06 * thickness)
        if small != (width, height):
            how = cv2.INTER_AREA if rng.random() < 0.75 else cv2.INTER_LINEAR
            picture = np.asarray(cv2.resize(picture, small, interpolation=how), np.float32)
        if not clean:
            if rng.random() < 0.25:
                picture = effects.out_of_focus(rng, picture, 1.1)
            if rng.random() < 0.15:
                picture = effects.sharpened(rng, picture)
            picture = effects.exposure(rng, picture)
            if rng.random() < 0.5:
                picture = effects.noisy(rng, picture, 2 + 0.4 * float(picture.std()))
        pixels = np.clip(picture, 0, 255).astype(np.uint8)
        if rng.random() < (0.3 if clean else 0.6):
            pixels = effects.compressed(rng, pixels)
        if loose:
            return pixels
        jitter = 1.0 if clean else float(np.exp(rng.normal(0, 0.08)))
        out_width = width_for(height, width * jitter, MAX_WIDTH_PX)
        shrinks = pixels.shape[0] > HEIGHT_PX
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(pixels, (out_width, HEIGHT_PX), interpolation=how), np.uint8)


def _draw_arc(rng: np.random.Generator, letters: int, *, loose: bool) -> float:
    """Draw the angle of the circle that a word stands on, 0 for most."""
    if letters < 3 or rng.random() >= (_LOOSE_ARC_SHARE if loose else _ARC_SHARE):
        return 0.0
    if loose and rng.random() < 0.6:
        return float(rng.uniform(0.4, 3.4) * (1 if rng.random() < 0.65 else -1))
    return float(np.clip(rng.normal(0, _ARC_SPREAD), -0.9, 0.9))


def _draw_turn(rng: np.random.Generator, *, stacks: bool) -> float:
    """Draw by what angle a loose word is turned, in radians, clockwise.

    Most words stand upright or nearly so; stacked ones, drawn on their side, stand.
    """
    kind = rng.random()
    if kind < 0.35:
        degrees = rng.normal(0, 5)
    elif kind < 0.68:
        degrees = rng.normal(0, 22)
    elif kind < 0.8:
        degrees = rng.normal(90 if rng.random() < 0.5 else -90, 7)
    elif kind < 0.85:
        degrees = rng.normal(180, 8)
    else:
        degrees = rng.uniform(-180, 180)
    if stacks and kind < 0.9:
        degrees = 90 + rng.normal(0, 8)
    return float(np.deg2rad(degrees))


def _receding(
    rng: np.random.Generator, corners: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Make one side of four corners (clockwise) smaller, as seen from the other: perspective."""
    near = int(rng.random() * 4)
    one, two = (near + 2) % 4, (near + 3) % 4
    pivot = corners[one] + (corners[two] - corners[one]) * rng.uniform(-0.3, 1.3)
    side = float(np.linalg.norm(corners[two] - corners[one]))
    depth = float(np.linalg.norm(corners[two] - corners[near]))
    # Of a long side this much and no more, or its end letters would lie flat.
    factor = 1 - rng.uniform(0.05, 0.5) * min(1.0, depth / max(side, 1.0))
    moved = corners.copy()
    for corner in (one, two):
        moved[corner] = pivot + (corners[corner] - pivot) * factor
    return moved


def outline_of(height: int, width: int, bend: float = 0.0) -> npt.NDArray[np.float32]:
    """List points along both edges of ink bent by ``bend`` (see ``render_text``) → (10, 2) x, y."""
    x = np.linspace(0, width, OUTLINE_POINTS, dtype=np.float32)
    rise = abs(bend) * width
    middle = 2 * x / width - 1
    sinks = rise * (middle**2 if bend > 0 else 1 - middle**2)
    thick = max(height - np.ceil(rise), 1.0)
    upper = np.stack([x, sinks], axis=1)
    return np.concatenate([upper, upper + np.array([0, thick])]).astype(np.float32)


def _rule_off(rng: np.random.Generator, ink: npt.NDArray[np.uint8], margin: float) -> None:
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


def _readable(pixels: npt.NDArray[np.uint8], ink: npt.NDArray[np.uint8]) -> bool:
    """Say whether the ink still stands out: pictures that no one could read teach guessing."""
    size = (pixels.shape[1], pixels.shape[0])
    alpha = cv2.resize(ink, size, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    grey = pixels.astype(np.float32).ravel()
    alpha -= alpha.mean()
    grey -= grey.mean()
    spread = float(np.linalg.norm(alpha)) + 1e-6
    common = abs(float(alpha @ grey)) / spread
    step = 255 * common / spread  # grey levels between full ink and none
    return step >= _MIN_STEP and common >= _MIN_CORRELATION * float(np.linalg.norm(grey))
