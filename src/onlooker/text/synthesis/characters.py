"""Single characters as a labeller or a segmentation would cut them out of a word.

A whole word is drawn, lit and photographed as in ``words.py``, and each of its letters and figures
is cut out by a box that is now tight, now loose, now off by a bit, so that the neighbours reach
into it as they do in real crops.

A shard is an uncompressed ``.npz``: ``pixels`` (n, 32, 32) uint8, ``aspects`` (n,) float32, the
width of each box over its height, ``places`` (n, 4) float32, the box over the size of the word's
crop, ``word_aspects`` (n,) float32, and ``labels`` (n,) uint8, indices into ``CLASSES``.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.text.charset import CHARSET
from onlooker.text.synthesis.fonts import FontFace
from onlooker.text.synthesis.painting import readable
from onlooker.text.synthesis.render import render_text
from onlooker.text.synthesis.words import WordSynthesizer

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: The 62 classes of published figures on single characters (ICDAR 2003 and after).
CLASSES = string.digits + string.ascii_letters
SIDE_PX = 32
#: Cuts of each character: drawing the word costs far more than cutting once more.
CUTS = 2
#: Share of words that are random letters and figures: rare classes must be seen, too.
_RANDOM_SHARE = 0.22
_CLEAN_SHARE = 0.12
#: Characters less high show nothing that could be told, in pixels of the camera.
_LEAST_PX = 7.0


@dataclass(frozen=True, slots=True)
class CharacterWord:
    """A word's crop and where its characters stand.

    Attributes:
        picture: ``(h, w)`` uint8 grey, at the size at which the camera saw it.
        text: What it says.
        boxes: ``(len(text), 4)`` float32, the upright box around each character's ink, xyxy in
            pixels of the picture.
    """

    picture: Grey
    text: str
    boxes: Floats


class CharacterSynthesizer(WordSynthesizer):
    """Draws words and keeps the places of their characters."""

    def draw_word(self, rng: np.random.Generator) -> CharacterWord:
        """Draw a word that holds one letter or figure at least."""
        while True:
            text = self._text(rng)
            try:
                face = self.fonts.pick(rng, text)
            except ConfigError:  # few faces, a rare character: another text will do
                continue
            drawn = self._draw(rng, text, face, clean=rng.random() < _CLEAN_SHARE)
            if drawn is not None:
                return drawn

    def _text(self, rng: np.random.Generator) -> str:
        while True:
            if rng.random() < _RANDOM_SHARE:
                picks = rng.integers(0, len(CLASSES), 1 + int(rng.random() * 7))
                text = "".join(CLASSES[i] for i in picks.tolist())
            else:
                text = self.corpus.word(rng)[:16]
            if any(c in CLASSES for c in text) and all(c in CHARSET for c in text):
                return text

    def _draw(
        self, rng: np.random.Generator, text: str, face: FontFace, *, clean: bool
    ) -> CharacterWord | None:
        size = int(rng.integers(28, 50))
        spacing = bend = 0.0
        stretch, stroke = 1.0, 0
        if not clean:
            if rng.random() < 0.25:
                spacing = float(rng.uniform(-0.04, 0.2))
            if rng.random() < 0.4:
                stretch = float(np.exp(rng.normal(-0.05, 0.2)))
            if rng.random() < 0.06 and len(text) >= 4:
                bend = float(rng.normal(0, 0.06))
            if rng.random() < 0.26:
                stroke = 1 if rng.random() < 0.75 else 2
        rendered = render_text(
            text, face, size, rng, spacing=spacing, stretch=stretch, stroke_px=stroke, bend=bend
        )
        ink = rendered.mask
        height, width = ink.shape
        if min(height, width) < 2 or width > 30 * height:
            return None
        warp, (out_width, out_height) = self._placing(rng, height, width, size, clean=clean)
        if not clean and rng.random() < 0.3:
            warped = self._with_neighbours(rng, ink, face, warp, out_width, out_height, lines=False)
        else:
            warped = np.asarray(cv2.warpPerspective(ink, warp, (out_width, out_height)), np.uint8)
        if warped.max() < 60:
            return None
        painted = self._paint(rng, warped, clean=clean)
        picture = self._photograph(
            rng, painted, clean=clean, line=False, loose=True, thickness=out_height
        )
        if not readable(picture, warped):
            return None
        corners = rendered.char_polygons.reshape(-1, 1, 2)
        placed = cv2.perspectiveTransform(corners, warp).reshape(-1, 4, 2)
        scale = np.array([picture.shape[1] / out_width, picture.shape[0] / out_height])
        boxes = np.concatenate([placed.min(axis=1) * scale, placed.max(axis=1) * scale], axis=1)
        return CharacterWord(picture=picture, text=text, boxes=boxes.astype(np.float32))

    def _placing(
        self, rng: np.random.Generator, height: int, width: int, size: int, *, clean: bool
    ) -> tuple[npt.NDArray[np.float64], tuple[int, int]]:
        """Choose how the ink is seen → homography, (width, height) of the word's crop."""
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        turn = np.eye(2)
        if not clean:
            spread = 1.5 if rng.random() < 0.5 else 7.0
            angle = np.deg2rad(np.clip(rng.normal(0, spread), -25, 25))
            shear = np.clip(rng.normal(0, 0.14), -0.4, 0.4) if rng.random() < 0.35 else 0.0
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            turn = turn @ np.array([[1, shear], [0, 1]])
        placed = (corners - corners.mean(axis=0)) @ turn.T
        if not clean and rng.random() < 0.4:
            placed += np.clip(rng.normal(0, 0.08, (4, 2)), -0.2, 0.2) * height
        low, high = placed.min(axis=0), placed.max(axis=0)
        loose = rng.uniform(0, 0.12, 4) if rng.random() < 0.4 else rng.uniform(0.02, 0.4, 4)
        left, top, right, bottom = loose * max(height, 0.5 * size)
        seen = (placed - low + (left, top)).astype(np.float32)
        out = (
            max(4, int(np.ceil(high[0] - low[0] + left + right))),
            max(4, int(np.ceil(high[1] - low[1] + top + bottom))),
        )
        return cv2.getPerspectiveTransform(corners, seen), out


def loosened(
    rng: np.random.Generator, box: Floats, height: int, width: int
) -> tuple[int, int, int, int] | None:
    """Move the sides of a character's box as people and programs do → whole pixels, or None.

    Margins of people's boxes were judged by eye: mostly outwards by a tenth to a quarter of the
    character's size, now and then by more, seldom into the ink.
    """
    x0, y0, x1, y1 = box.tolist()
    w, h = x1 - x0, y1 - y0
    if w < 1.5 or h < _LEAST_PX:
        return None
    kind = rng.random()
    if kind < 0.25:
        margins = rng.uniform(-0.03, 0.06, 4)
    elif kind < 0.85:
        margins = rng.uniform(0.0, 0.25, 4)
    else:
        margins = rng.uniform(0.0, 0.55, 4)
    side = 0.35 * h + 0.65 * w  # the margin beside an "l" follows its height as well
    left, top, right, bottom = margins * (side, h, side, h)
    a, b = max(0, round(x0 - left)), max(0, round(y0 - top))
    c, d = min(width, round(x1 + right)), min(height, round(y1 + bottom))
    return (a, b, c, d) if c - a >= 2 and d - b >= 4 else None


def draw_characters(
    synthesizer: CharacterSynthesizer, rng: np.random.Generator, count: int
) -> dict[str, npt.NDArray[Any]]:
    """Draw characters → the arrays of a shard, ``count`` or a few more rows each."""
    pixels: list[Grey] = []
    aspects: list[float] = []
    places: list[tuple[float, float, float, float]] = []
    word_aspects: list[float] = []
    labels: list[int] = []
    while len(pixels) < count:
        word = synthesizer.draw_word(rng)
        height, width = word.picture.shape
        for character, box in zip(word.text, word.boxes, strict=True):
            if character not in CLASSES:
                continue
            for _ in range(CUTS):
                cut = loosened(rng, box, height, width)
                if cut is None:
                    continue
                x0, y0, x1, y1 = cut
                crop = word.picture[y0:y1, x0:x1]
                if crop.std() < 2:
                    continue
                how = cv2.INTER_AREA if y1 - y0 > SIDE_PX else cv2.INTER_LINEAR
                square = cv2.resize(crop, (SIDE_PX, SIDE_PX), interpolation=how)
                pixels.append(np.asarray(square, np.uint8))
                aspects.append((x1 - x0) / (y1 - y0))
                places.append((x0 / width, y0 / height, x1 / width, y1 / height))
                word_aspects.append(width / height)
                labels.append(CLASSES.index(character))
    return {
        "pixels": np.stack(pixels).astype(np.uint8),
        "aspects": np.array(aspects, np.float32),
        "places": np.array(places, np.float32),
        "word_aspects": np.array(word_aspects, np.float32),
        "labels": np.array(labels, np.uint8),
    }


def write_characters(
    synthesizer: CharacterSynthesizer, folder: Path, *, shards: int, per_shard: int, seed: int
) -> Iterator[Path]:
    """Write shards ``characters-00000.npz`` …, each drawn from (seed, its number) alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        path = folder / f"characters-{number:05d}.npz"
        if not path.exists():
            rng = np.random.default_rng((seed, number))
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                arrays = draw_characters(synthesizer, rng, per_shard)
                np.savez(file, allow_pickle=False, **arrays)
            part.replace(path)
        yield path
