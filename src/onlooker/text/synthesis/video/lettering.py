"""Lines of text as layers: drawn, put on plates, with the corners of each word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.text.synthesis.backgrounds import random_color
from onlooker.text.synthesis.corpus import Corpus, number
from onlooker.text.synthesis.fonts import FontBank, FontFace
from onlooker.text.synthesis.pages import plain_faces
from onlooker.text.synthesis.render import render_text
from onlooker.text.synthesis.video.motion import standing, still
from onlooker.text.synthesis.video.stage import Layer, Line

Picture = npt.NDArray[np.uint8]
Color = npt.NDArray[np.float32]

_MIN_CONTRAST = 90.0
"""Grey levels between the ink of a caption and what it stands on: as people set them."""
_GAP_EM = 0.35
"""Between the lines of a caption."""
_PLAIN_SHARE = 0.85
"""Of the lines, so many are set in the faces of slides and papers, the rest in any."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnLine:
    """A line of text as alpha, with ``(n, 4, 2)`` corners of its words."""

    alpha: Picture
    words: tuple[str, ...]
    polygons: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SlideLook:
    """What the slides of a deck have in common."""

    ground: Picture
    ink: Color
    accent: Color
    face: FontFace
    head: FontFace
    size: float
    bullet: str


class Lettering:
    """Draws lines; each gets a key of its own.

    Args:
        fonts: Faces to draw with.
        corpus: Strings to draw.
        most_px: Longest line.
    """

    def __init__(self, fonts: FontBank, corpus: Corpus, most_px: float) -> None:
        self.fonts = fonts
        self.corpus = corpus
        self.most_px = most_px
        self._plain = plain_faces(fonts)
        self._count = 0

    def restart(self) -> None:
        """Count keys from the beginning: a new clip."""
        self._count = 0

    def face(self, rng: np.random.Generator) -> FontFace:
        """Draw a face; it has letters, digits and the usual signs."""
        bank = self._plain if rng.random() < _PLAIN_SHARE else self.fonts
        return bank.pick(rng, "The 5 Rings, 2019: page")

    def line(
        self,
        rng: np.random.Generator,
        count: int,
        face: FontFace,
        size: float,
        *,
        upper: bool = False,
        title: bool = False,
    ) -> DrawnLine:
        """Draw some words as one line."""
        for _ in range(20):
            words = [self._word(rng, face) for _ in range(count)]
            words[0] = words[0][:1].upper() + words[0][1:]
            if upper:
                words = [word.upper() for word in words]
            elif title:
                words = [word[:1].upper() + word[1:] for word in words]
            text = " ".join(words)
            if not face.covers(text):
                continue
            try:
                drawn = render_text(text, face, max(10, round(size)), rng)
            except ConfigError:
                continue  # draws nothing
            if drawn.mask.shape[1] <= self.most_px:
                break
            count = max(1, count - 1)
        else:
            raise ConfigError(f"{face.path.name} draws none of twenty lines")
        parts = drawn.word_polygons()
        polygons = np.stack([polygon for _, polygon in parts]).astype(np.float64)
        return DrawnLine(drawn.mask, tuple(word for word, _ in parts), polygons)

    def _word(self, rng: np.random.Generator, face: FontFace) -> str:
        for _ in range(8):
            kind = rng.random()
            if kind < 0.88:
                word = self.corpus.plain_word(rng)
            elif kind < 0.95:
                word = number(rng)
            else:
                word = self.corpus.word(rng)
            word = word.split(" ")[0]
            if word and face.covers(word) and any(c.isalnum() for c in word):
                return word
        return "text"

    def _key(self) -> str:
        self._count += 1
        return f"line {self._count}"

    def stamp(self, alpha: Picture, drawn: DrawnLine, x: float, y: float) -> Line:
        """Put a line into a mask, as far as it reaches, and return it in pixels of the mask."""
        left, top = round(x), round(y)
        h, w = drawn.alpha.shape
        part = alpha[max(top, 0) : top + h, max(left, 0) : left + w]
        inner = drawn.alpha[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]]
        np.maximum(part, inner, out=part)
        return Line(self._key(), drawn.words, drawn.polygons + np.array([left, top]))

    def fitting(
        self, rng: np.random.Generator, count: int, face: FontFace, size: float, most_px: float
    ) -> DrawnLine:
        """Draw a line with as many words as there is room for."""
        drawn = self.line(rng, count, face, size)
        while drawn.alpha.shape[1] > most_px and count > 1:
            count -= 1
            drawn = self.line(rng, count, face, size)
        return drawn

    def layer(self, drawn: DrawnLine, color: Color) -> Layer:
        """Make a layer of a line, in one colour."""
        paint = np.empty((*drawn.alpha.shape, 3), np.uint8)
        paint[:] = color.astype(np.uint8)
        line = Line(self._key(), drawn.words, drawn.polygons)
        return Layer(paint, drawn.alpha, [line], standing(0, 0), still)

    def bulleted(
        self,
        layer: Layer,
        rng: np.random.Generator,
        sign: str,
        face: FontFace,
        size: float,
        color: Color,
    ) -> Layer:
        """Put a bullet before a line; it is no word of it."""
        mark = render_text(sign, face, max(10, round(size)), rng).mask
        indent = mark.shape[1] + int(size * 0.5)
        h, w = layer.alpha.shape
        high = max(h, mark.shape[0])
        alpha = np.zeros((high, w + indent), np.uint8)
        paint = np.zeros((high, w + indent, 3), np.uint8)
        top = (high - h) // 2
        alpha[top : top + h, indent:] = layer.alpha
        paint[top : top + h, indent:] = layer.paint
        middle = (high - mark.shape[0]) // 2
        alpha[middle : middle + mark.shape[0], : mark.shape[1]] = mark
        paint[:, :indent] = color.astype(np.uint8)
        line = layer.lines[0]
        moved = Line(line.key, line.words, line.polygons + np.array([indent, top]))
        return Layer(paint, alpha, [moved], layer.place, layer.opacity)

    def plate(self, rng: np.random.Generator, drawn: Sequence[DrawnLine], boxed: bool) -> Layer:
        """Set centred lines as a caption: in a box, or outlined."""
        gap = int(_GAP_EM * max(one.alpha.shape[0] for one in drawn))
        pad = int(0.5 * drawn[0].alpha.shape[0]) + 2
        w = max(one.alpha.shape[1] for one in drawn) + 2 * pad
        h = sum(one.alpha.shape[0] for one in drawn) + gap * (len(drawn) - 1) + 2 * pad
        mask = np.zeros((h, w), np.uint8)
        lines, y = [], pad
        for one in drawn:
            lines.append(self.stamp(mask, one, (w - one.alpha.shape[1]) / 2, y))
            y += one.alpha.shape[0] + gap
        light = rng.random() < 0.8
        if boxed:
            back = (rng.uniform(0, 60, 3) if light else rng.uniform(200, 255, 3)).astype(np.float32)
            alpha = np.maximum(mask, np.uint8(rng.uniform(170, 255)))
        else:
            back = np.full(3, 0 if light else 255, np.float32)
            reach = max(2, round(drawn[0].alpha.shape[0] * 0.09))
            kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
            soft = cv2.GaussianBlur(cv2.dilate(mask, kernel), (0, 0), 0.8)
            alpha = np.maximum(mask, np.asarray(soft, np.uint8))
        ink = contrasting(rng, float(back.mean()))
        share = (mask / np.float32(255))[:, :, None]
        paint = np.rint(back + (ink - back) * share).astype(np.uint8)
        return Layer(paint, alpha, lines, standing(0, 0), still)


def contrasting(rng: np.random.Generator, ground: float) -> Color:
    """Draw an ink that stands out from a grey level."""
    for _ in range(20):
        color = random_color(rng)
        if abs(float(color.mean()) - ground) >= _MIN_CONTRAST:
            return color
    return np.full(3, 10 if ground > 120 else 245, np.float32)
