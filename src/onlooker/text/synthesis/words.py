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

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.text.charset import CHARSET
from onlooker.text.recognition.crops import HEIGHT_PX, width_for
from onlooker.text.synthesis import effects
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.corpus import MAX_LENGTH, Corpus
from onlooker.text.synthesis.fonts import STANDARD_PX, FontBank, FontFace
from onlooker.text.synthesis.painting import paint, photograph, readable, rule_off
from onlooker.text.synthesis.placement import draw_arc, outline_of, place
from onlooker.text.synthesis.render import Arc, RenderedText, render_stacked, render_text
from onlooker.text.synthesis.specification import Chances, WordsConfig

#: Longest line that is drawn whole; longer ones are squeezed.
MAX_WIDTH_PX = 480
#: Tries to draw a picture that every rule allows.
_MOST_TRIES = 400
#: Share of loose pictures whose letters stand below each other: what there is to learn from them.
_LOOSE_STACKED_SHARE = 0.05
_NO_EDGES = np.zeros((0, 2), np.float32)


@dataclass(frozen=True, slots=True)
class WordPicture:
    """A picture, what it says and where.

    Attributes:
        picture: ``(32, W)`` uint8 grey, W a multiple of 8; a loose or whole one has its own height,
            and may be ``(H, W, 3)`` RGB.
        text: What it says; empty: nothing that can be read.
        outline: Of a loose picture: ``(10, 2)`` float32, five points along the ink's upper edge in
            reading order, then five along the lower edge in the same direction; x and y over the
            picture's width and height. None: not recorded.
        polygon: Of a whole picture: ``(4, 2)`` float32, corners (x, y) around the text in pixels,
            clockwise from the text's own top left. None: not recorded.
        characters: Of a whole picture: ``(len(text), 4, 2)``, the same of each character.
        mask: Of a whole picture: the text's own ink, ``(H, W)`` uint8.
    """

    picture: npt.NDArray[np.uint8]
    text: str
    outline: npt.NDArray[np.float32] | None = None
    polygon: npt.NDArray[np.float32] | None = None
    characters: npt.NDArray[np.float32] | None = None
    mask: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Style:
    """How a word is to be drawn; see `WordSynthesizer.draw`."""

    clean: bool
    loose: bool = False
    whole: bool = False
    colour: bool = False


class WordSynthesizer:
    """Draws word pictures.

    Args:
        fonts: Faces to draw with.
        corpus: Strings to draw.
        backgrounds: What they stand on.
        config: Shares of lines, clean text, pictures without text.
        chances: Of the effects; the defaults, if not given.
    """

    def __init__(
        self,
        fonts: FontBank,
        corpus: Corpus,
        backgrounds: BackgroundBank,
        *,
        config: WordsConfig | None = None,
        chances: Chances | None = None,
    ) -> None:
        self.fonts = fonts
        self.corpus = corpus
        self.config = config or WordsConfig()
        self.chances = chances or Chances("words")
        self.backgrounds = backgrounds
        if chances is not None:
            self.backgrounds = BackgroundBank(
                backgrounds.photos,
                photo_share=chances.share["photos"],
                surface_share=chances.share["surfaces"],
            )

    def draw(
        self,
        rng: np.random.Generator,
        *,
        loose: bool = False,
        whole: bool = False,
        colour: bool = False,
    ) -> WordPicture:
        """Draw one word picture; some show what cannot be read, and say nothing.

        Args:
            rng: Where all chance comes from.
            loose: Turn by any angle, keep the height at which the camera saw it, and record the
                outline: what the rectifier learns from.
            whole: Keep the height at which the camera saw it, and record mask and polygons.
            colour: In colour (of whole pictures).

        Raises:
            ConfigError: No picture can be drawn: the words are not in the charset or in no font.
        """
        config = self.config
        for _ in range(_MOST_TRIES):
            kind = rng.random()
            if kind < config.nothing:
                style = _Style(clean=False, loose=loose, whole=whole, colour=colour)
                return WordPicture(picture=self._nothing(rng, style), text="")
            if kind < config.nothing + config.foreign and self.fonts.foreign:
                face, text = self.fonts.pick_foreign(rng)
                clean = rng.random() < config.clean
                style = _Style(clean=clean, loose=loose, whole=whole, colour=colour)
                drawn = self._compose(rng, text, face, style)
                if drawn is not None:
                    return replace(drawn, text="", polygon=None, characters=None, mask=None)
                continue
            is_line = rng.random() < config.lines
            text = self.corpus.line(rng) if is_line else self.corpus.word(rng)
            text = text[:MAX_LENGTH].strip()
            if not text or any(c not in CHARSET for c in text):
                continue
            face = self.fonts.pick(rng, text)
            clean = rng.random() < (min(1.0, 5 * config.clean) if is_line else config.clean)
            style = _Style(clean=clean, loose=loose, whole=whole, colour=colour)
            drawn = self._compose(rng, text, face, style)
            if drawn is not None:
                return drawn
        raise ConfigError(
            f"no readable picture came of {_MOST_TRIES} tries; the strengths of the effects are "
            "too high, or the words cannot be drawn"
        )

    def _nothing(self, rng: np.random.Generator, style: _Style) -> npt.NDArray[np.uint8]:
        """Draw what a detector takes for text by mistake: leaves, bricks, fences, edges."""
        height = int(rng.uniform(12, 64))
        width = int(height * np.exp(rng.uniform(-0.3, 1.8)))
        zoom = 1 + int(rng.random() * 4)  # the further away, the finer the detail
        best, most = None, -1.0
        for _ in range(4):
            patch = self.backgrounds.patch(rng, zoom * height, zoom * width, grey=not style.colour)
            one = cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA)
            edges = float(np.abs(np.diff(one.astype(np.float32), axis=1)).mean())
            if edges > most:
                best, most = one.astype(np.float32), edges
        assert best is not None
        seen = self._photograph(
            rng, best, clean=False, line=False, loose=True, thickness=float(height)
        )
        return seen if style.loose or style.whole else _resized(rng, seen, best.shape, clean=False)

    def _letters(
        self, rng: np.random.Generator, text: str, face: FontFace, style: _Style
    ) -> tuple[RenderedText, float, npt.NDArray[np.float32], bool, bool]:
        """Draw the ink at the standard size → text, thickness, outline, on an arc, stacked."""
        chances = self.chances
        spacing = wobble = bend = 0.0
        stretch, stroke = 1.0, 0
        if not style.clean:
            if chances.on(rng, "spacing"):
                wide = rng.random() >= 0.6
                spacing = 0.12 + 0.48 * rng.random() if wide else 0.02 + 0.1 * rng.random()
                spacing *= chances.strength["spacing"]
            elif chances.on(rng, "tight"):
                spacing = -chances.strength["tight"] * (0.01 + 0.04 * rng.random())
            if chances.on(rng, "wobble"):
                wobble = chances.strength["wobble"] * (0.02 + 0.05 * rng.random())
            if chances.on(rng, "condensed"):
                log = -0.05 + 0.22 * rng.standard_normal()
                stretch = math.exp(chances.strength["condensed"] * log)
            if chances.on(rng, "bend") and len(text) >= 4:
                bend = chances.strength["bend"] * 0.07 * float(rng.standard_normal())
            if chances.on(rng, "bold"):
                stroke = round((1 if rng.random() < 0.75 else 2) * chances.strength["bold"])
        arc = 0.0
        if not style.clean and not bend:
            arc = draw_arc(rng, chances, len(text), loose=style.loose)
        share = _LOOSE_STACKED_SHARE if style.loose else chances.share["stacked"]
        stacks = not style.clean and rng.random() < share
        if stacks and 2 <= len(text) <= 12 and " " not in text:
            drawn = render_stacked(text, face, STANDARD_PX, spacing=spacing, stroke_px=stroke)
            ink = drawn.mask
            edges = outline_of(ink.shape[0], ink.shape[1]) if style.loose else _NO_EDGES
            return drawn, float(ink.shape[0]), edges, False, True
        drawn = render_text(
            text,
            face,
            STANDARD_PX,
            rng,
            spacing=spacing,
            stretch=stretch,
            wobble=wobble,
            bend=bend,
            characters=style.whole,
        )
        if stroke:  # FreeType's own strokes take four times as long
            bold = effects.thickened(np.pad(drawn.mask, stroke), stroke)
            drawn = replace(
                drawn, mask=bold, char_polygons=drawn.char_polygons + np.float32(stroke)
            )
        ink = drawn.mask
        thickness = ink.shape[0] - math.ceil(abs(bend) * ink.shape[1])
        edges = outline_of(ink.shape[0], ink.shape[1], bend) if style.loose else _NO_EDGES
        if arc:
            shape = Arc.around(ink.shape[0], ink.shape[1], arc)
            drawn = replace(
                drawn, mask=shape.warp(ink), char_polygons=shape.place(drawn.char_polygons)
            )
            edges = shape.place(edges)
        return drawn, float(thickness), edges, bool(arc), False

    def _compose(
        self, rng: np.random.Generator, text: str, face: FontFace, style: _Style
    ) -> WordPicture | None:
        clean, loose = style.clean, style.loose
        size = 26 + int(18 * rng.random()) if clean else 30 + int(22 * rng.random())
        drawn, thickness, edges, arced, stacks = self._letters(rng, text, face, style)
        ink_height, ink_width = drawn.mask.shape
        if ink_width > 30 * ink_height or ink_width < 2 or ink_height < 2:
            return None
        placed = place(
            rng,
            self.chances,
            (ink_height, ink_width),
            text,
            em_px=STANDARD_PX,
            scale=size / STANDARD_PX,
            thickness=thickness,
            clean=clean,
            loose=loose,
            stacks=stacks,
        )
        if placed is None:
            return None
        warp, width, height = placed.homography, placed.width, placed.height
        around = 0.45 if loose else self.chances.share["neighbours"]
        if not clean and rng.random() < around:
            ink = self._with_neighbours(
                rng, drawn.mask, face, warp, width, height, lines=loose and not arced
            )
        else:
            ink = np.asarray(cv2.warpPerspective(drawn.mask, warp, (width, height)), np.uint8)
        if ink.max() < 60:
            return None
        if not clean and self.chances.on(rng, "rules"):
            rule_off(rng, ink, height * 0.08)
        picture = self._paint(rng, ink, clean=clean, colour=style.colour)
        pixels = self._photograph(
            rng,
            picture,
            clean=clean,
            line=" " in text,
            loose=True,
            thickness=placed.thickness if loose else float(height),
        )
        if not (loose or style.whole):
            pixels = _resized(rng, pixels, (height, width), clean=clean)
        if not readable(pixels, ink):
            return None
        if style.whole:
            return self._whole(pixels, drawn, warp, (width, height))
        outline = None
        if loose:
            outline = cv2.perspectiveTransform(edges[None], warp)[0] / (width, height)
            outline = outline.astype(np.float32)
        return WordPicture(picture=pixels, text=text, outline=outline)

    def _whole(
        self,
        pixels: npt.NDArray[np.uint8],
        drawn: RenderedText,
        warp: npt.NDArray[np.float64],
        size: tuple[int, int],
    ) -> WordPicture:
        """Record where the text and its characters stand."""
        seen = (pixels.shape[1], pixels.shape[0])
        scale = np.array(seen, np.float32) / np.array(size, np.float32)
        height, width = drawn.mask.shape
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        points = np.concatenate([corners, drawn.char_polygons.reshape(-1, 2)])
        moved = cv2.perspectiveTransform(points[None], warp)[0] * scale
        alone = cv2.warpPerspective(drawn.mask, warp, size)
        mask = cv2.resize(alone, seen, interpolation=cv2.INTER_AREA)
        return WordPicture(
            picture=pixels,
            text=drawn.text,
            polygon=moved[:4].astype(np.float32),
            characters=moved[4:].reshape(-1, 4, 2).astype(np.float32),
            mask=np.asarray(mask, np.uint8),
        )

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
            mask = render_text(other, face, STANDARD_PX, rng, characters=False).mask
            factor = size / STANDARD_PX * (0.6 + 0.4 * rng.random())
            mask = np.asarray(
                cv2.resize(
                    mask,
                    (max(1, int(mask.shape[1] * factor)), max(1, int(mask.shape[0] * factor))),
                    interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR,
                ),
                np.uint8,
            )
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
        self,
        rng: np.random.Generator,
        ink: npt.NDArray[np.uint8],
        *,
        clean: bool,
        colour: bool = False,
    ) -> effects.Grey:
        return paint(rng, self.chances, self.backgrounds, ink, clean=clean, colour=colour)

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
        """Photograph, and bring what is not ``loose`` to the height of 32 pixels."""
        pixels = photograph(rng, self.chances, picture, clean=clean, line=line, thickness=thickness)
        return pixels if loose else _resized(rng, pixels, picture.shape, clean=clean)


def _resized(
    rng: np.random.Generator,
    pixels: npt.NDArray[np.uint8],
    shape: tuple[int, ...],
    *,
    clean: bool,
) -> npt.NDArray[np.uint8]:
    """Bring a picture that was drawn with ``shape`` to the network's input → (32, W) uint8."""
    jitter = 1.0 if clean else math.exp(0.08 * rng.standard_normal())
    width = width_for(shape[0], shape[1] * jitter, MAX_WIDTH_PX)
    how = cv2.INTER_AREA if pixels.shape[0] > HEIGHT_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, HEIGHT_PX), interpolation=how), np.uint8)
