"""Parts of slides, documents, terminals and charts, with a polygon around each word.

A page is filled from the top with blocks (a title, paragraphs, bullets, a table, code, formulas,
charts, pictures) in one or two columns. Only a window of a page is drawn: text is cut off at the
edges, as in the crops that a detector learns from and the tiles that it sees.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.text.synthesis.backgrounds import random_color
from onlooker.text.synthesis.corpus import Corpus, formula, number
from onlooker.text.synthesis.fonts import FontBank, FontFace
from onlooker.text.synthesis.render import render_text

Picture = npt.NDArray[np.uint8]
Color = npt.NDArray[np.float32]
PhotoSource = Callable[[np.random.Generator, int, int], Picture]

#: Families that slides, papers and web pages are set in; the rest of the bank comes in too, less.
_PLAIN = re.compile(
    r"dejavu|liberation|noto|open ?sans|roboto|lato|source|latin modern|lm(roman|sans|mono)|gyre|"
    r"ubuntu|fira|carlito|caladea|cantarell|free(sans|serif|mono)|nimbus|inter|montserrat|cmu|"
    r"computer modern|raleway|ibm plex|pt sans|pt serif|crosextra|arimo|tinos|hack|inconsolata",
    re.IGNORECASE,
)
_MONO = re.compile(r"mono|code|hack|inconsolata|courier|typewriter|cursor|console", re.IGNORECASE)
_CODE = (
    "for {a} in range({n}):",
    "if {a} == {b}:",
    "    return {a} + {b}[{n}]",
    "def {a}({b}, {c}=None):",
    "{a} = {b}({c}, {n})",
    "    self.{a} = {b}",
    "import {a}.{b} as {c}",
    "print(f'{a}: {b}')",
    "const {a} = new {b}();",
    "}} else {{",
    "int {a}[{n}];",
    "# {a} {b} {c}",
    "// {a} {b}",
    "$ {a} --{b} {c}.txt",
    "while ({a} < {n}) {{",
    "{a}.{b}({c});",
    "SELECT {a} FROM {b} WHERE {c} > {n};",
    "assert {a}.{b} is not None",
)


@dataclass(slots=True)
class Page:
    """A picture of a page, ``(n, 4, 2)`` word polygons, the words, the polygons of characters."""

    picture: Picture
    polygons: npt.NDArray[np.float32]
    texts: list[str]
    characters: list[npt.NDArray[np.float32]]


@dataclass(slots=True)
class _Sheet:
    """A page being drawn."""

    picture: Picture
    ink: Color
    accent: Color
    size: float
    leading: float
    face: FontFace
    mono: FontFace
    polygons: list[npt.NDArray[np.float32]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    characters: list[npt.NDArray[np.float32]] = field(default_factory=list)


def plain_faces(fonts: FontBank) -> FontBank:
    """Return the faces that slides, papers and captions are set in; all, where there are none."""
    plain = [face for face in fonts.faces if _PLAIN.search(face.family)]
    return FontBank(plain) if plain else fonts


class PageSynthesizer:
    """Draws windows of pages.

    Args:
        fonts: Faces to draw with.
        corpus: Strings to draw.
        photos: Draws a picture without text of a given height and width, for figures.
    """

    def __init__(self, fonts: FontBank, corpus: Corpus, photos: PhotoSource) -> None:
        self.fonts = fonts
        self.corpus = corpus
        self.photos = photos
        self._plain = plain_faces(fonts)
        mono = [face for face in fonts.faces if _MONO.search(face.family)]
        self._mono = FontBank(mono) if mono else self._plain

    def draw(self, rng: np.random.Generator, height: int, width: int, scale: float) -> Page:
        """Draw a window of a page.

        Args:
            rng: Source of chance.
            height: Height in pixels.
            width: Width in pixels.
            scale: By how much the page will be shrunk afterwards: letters are drawn larger.
        """
        sheet = self._sheet(rng, height, width, scale)
        columns = 2 if rng.random() < 0.25 else 1
        gutter = int(sheet.size * rng.uniform(0.6, 2.5))
        edges = np.linspace(0, width, columns + 1).astype(int)
        margin = int(rng.uniform(-3, 4) * sheet.size)
        for column in range(columns):
            left = int(edges[column]) + (margin if column == 0 else gutter)
            right = int(edges[column + 1]) - (gutter if column < columns - 1 else -margin)
            y = rng.uniform(-1.5, 2.5) * sheet.size
            while y < height:
                y = self._add_block(rng, sheet, left, max(right, left + 40), y)
                y += sheet.size * rng.uniform(0.3, 2.0)
        polygons = np.stack(sheet.polygons) if sheet.polygons else np.zeros((0, 4, 2), np.float32)
        return Page(sheet.picture, polygons, sheet.texts, sheet.characters)

    def _sheet(self, rng: np.random.Generator, height: int, width: int, scale: float) -> _Sheet:
        kind = rng.random()
        if kind < 0.5:  # paper
            ground = (rng.uniform(232, 255) - rng.uniform(0, 12, 3)).astype(np.float32)
            ink = np.full(3, rng.uniform(0, 70), np.float32)
        elif kind < 0.72:  # dark slide, terminal
            ground = rng.uniform(0, 60, 3).astype(np.float32)
            ink = np.full(3, rng.uniform(170, 255), np.float32)
        else:
            ground = random_color(rng)
            ink = np.full(3, 8 if ground.mean() > 120 else 245, np.float32)
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = np.clip(ground, 0, 255).astype(np.uint8)
        if rng.random() < 0.12:
            ramp = np.linspace(0, rng.normal(0, 40), height, dtype=np.float32)[:, None, None]
            picture = np.clip(picture + ramp, 0, 255).astype(np.uint8)
        elif rng.random() < 0.06:
            photo = self.photos(rng, height, width)
            share = rng.uniform(0.05, 0.3)
            picture = np.asarray(cv2.addWeighted(photo, share, picture, 1 - share, 0), np.uint8)
        accent = random_color(rng)
        if abs(float(accent.mean() - ground.mean())) < 60:
            accent = ink
        bank = self._plain if rng.random() < 0.72 else self.fonts
        # Small: 8 px per em is the least that can be read in a video, 40 a heading on a slide.
        size = float(np.exp(rng.uniform(np.log(9), np.log(34)))) * scale
        return _Sheet(
            picture=picture,
            ink=ink,
            accent=accent,
            size=size,
            leading=rng.uniform(1.05, 1.7),
            face=bank.pick(rng, "Lecture 1"),
            mono=self._mono.pick(rng, "if (a[0] == 1)"),
        )

    def _add_block(
        self, rng: np.random.Generator, sheet: _Sheet, left: int, right: int, y: float
    ) -> float:
        """Add one block below ``y`` and return where it ends."""
        kind = rng.random()
        if kind < 0.12:
            return self._title(rng, sheet, left, right, y)
        if kind < 0.36:
            return self._paragraph(rng, sheet, left, right, y)
        if kind < 0.58:
            return self._bullets(rng, sheet, left, right, y)
        if kind < 0.70:
            return self._table(rng, sheet, left, right, y)
        if kind < 0.80:
            return self._code(rng, sheet, left, right, y)
        if kind < 0.87:
            return self._formulas(rng, sheet, left, right, y)
        if kind < 0.95:
            return self._chart(rng, sheet, left, right, y)
        return self._figure(rng, sheet, left, right, y)

    def _words(self, rng: np.random.Generator, count: int) -> str:
        words = []
        for _ in range(count):
            kind = rng.random()
            if kind < 0.9:
                word = self.corpus.plain_word(rng)
                if kind < 0.1:
                    word = word.capitalize()
                elif kind < 0.13:
                    word = word.upper()
                elif kind < 0.2:
                    word += ",.;:)"[int(rng.random() * 5)]
            else:
                word = self.corpus.word(rng)
            words.append(word)
        return " ".join(words)

    def _title(
        self, rng: np.random.Generator, sheet: _Sheet, left: int, right: int, y: float
    ) -> float:
        size = sheet.size * rng.uniform(1.3, 2.4)
        text = self._words(rng, int(rng.integers(1, 6)))
        text = text.title() if rng.random() < 0.4 else text.capitalize()
        color = sheet.accent if rng.random() < 0.5 else sheet.ink
        end = self._text(rng, sheet, text, left, right, y, size, color, align=rng.random() < 0.3)
        if rng.random() < 0.2:
            at = int(end + 0.15 * size)
            cv2.line(sheet.picture, (left, at), (right, at), sheet.accent.tolist(), 2)
        return end

    def _paragraph(
        self, rng: np.random.Generator, sheet: _Sheet, left: int, right: int, y: float
    ) -> float:
        size = sheet.size * rng.uniform(0.8, 1.1)
        indent = 0.0
        for _ in range(int(rng.integers(1, 7))):
            count = max(2, int((right - left) / (size * 2.6)) + int(rng.integers(-1, 2)))
            text = self._words(rng, count)
            y = self._text(rng, sheet, text, left + indent, right, y, size, sheet.ink)
            if y > sheet.picture.shape[0]:
                break
        return y

    def _bullets(
        self, rng: np.random.Generator, sheet: _Sheet, left: int, right: int, y: float
    ) -> float:
        signs = ("•", "–", "-", "", "›", "1.", "■", "")
        sign = signs[int(rng.random() * len(signs))]
        for i in range(int(rng.integers(2, 7))):
            level = int(rng.random() < 0.25)
            size = sheet.size * (0.85 if level else 1.0)
            x = left + size * (0.5 + 1.4 * level)
            text = self._words(rng, int(rng.integers(1, 9)))
            text = text[:1].upper() + text[1:]
            if sign == "■":
                side = max(2, int(size * 0.3))
                corner = (int(x), int(y + size * 0.5))
                far = (corner[0] + side, corner[1] + side)
                cv2.rectangle(sheet.picture, corner, far, sheet.accent.tolist(), -1)
            elif sign:
                mark = f"{i + 1}." if sign == "1." else sign
                self._text(rng, sheet, mark, x, right, y, size, sheet.accent)
            y = self._text(rng, sheet, text, x + size * 1.4, right, y, size, sheet.ink)
            y += size * rng.uniform(0, 0.5)
            if y > sheet.picture.shape[0]:
                break
        return y

    def _table(
        self, rng: np.random.Generator, sheet: _Sheet, left: int, right: int, y: float
    ) -> float:
        rows, columns = int(rng.integers(2, 8)), int(rng.integers(2, 6))
        size = sheet.size * rng.uniform(0.7, 1.0)
        high = size * rng.uniform(1.5, 2.4)
        wide = (right - left) / columns
        lines, shaded = rng.random() < 0.6, rng.random() < 0.3
        numeric = rng.random(columns) < 0.5
        line_color = np.clip(sheet.ink + rng.normal(0, 60), 0, 255).tolist()
        for row in range(rows):
            top = y + row * high
            if shaded and row % 2 == 0:
                part = sheet.picture[
                    max(0, int(top)) : int(top + high), max(0, left) : max(right, 0)
                ]
                part[:] = (part * 0.85 + sheet.accent * 0.15).astype(np.uint8)
            if lines:
                cv2.line(sheet.picture, (left, int(top)), (right, int(top)), line_color, 1)
            for column in range(columns):
                x = left + column * wide
                if lines and rng.random() < 0.9:
                    a, b = (int(x), int(top)), (int(x), int(top + high))
                    cv2.line(sheet.picture, a, b, line_color, 1)
                if rng.random() < 0.08:
                    continue
                text = number(rng) if numeric[column] and row else self._words(rng, 1)
                at = top + (high - size) * 0.35
                self._text(
                    rng, sheet, text, x + size * 0.4, x + wide, at, size, sheet.ink, cut=True
                )
        return y + rows * high

    def _code(
        self, rng: np.random.Generator, sheet: _Sheet, left: int, right: int, y: float
    ) -> float:
        size = sheet.size * rng.uniform(0.75, 1.0)
        face, sheet.face = sheet.face, sheet.mono
        indent = 0
        lines = int(rng.integers(2, 9))
        if rng.random() < 0.4:
            top, bottom = max(0, int(y)), int(y + lines * size * sheet.leading + size * 0.5)
            shade = np.asarray(rng.uniform(0, 60, 3) if sheet.ink.mean() > 128 else 238.0)
            sheet.picture[top:bottom, max(0, left) : max(0, right)] = shade.astype(np.uint8)
        for _ in range(lines):
            pattern = _CODE[int(rng.random() * len(_CODE))]
            names = {k: self.corpus.plain_word(rng).replace(" ", "_") for k in "abc"}
            text = pattern.format(n=int(rng.integers(0, 300)), **names).rstrip()
            indent = max(0, indent + int(rng.integers(-1, 2)))
            at = left + size * 1.1 * min(indent, 4)
            color = sheet.ink if rng.random() < 0.6 else sheet.accent
            y = self._text(rng, sheet, text.strip(), at, right, y, size, color)
        sheet.face = face
        return y

    def _formulas(
        self, rng: np.random.Generator, sheet: _Sheet, left: int, right: int, y: float
    ) -> float:
        for _ in range(int(rng.integers(1, 4))):
            size = sheet.size * rng.uniform(0.9, 1.3)
            text = formula(rng)
            x = left + rng.uniform(0, 0.4) * (right - left)
            y = self._text(rng, sheet, text, x, right, y, size, sheet.ink) + 0.3 * size
        return y

    def _chart(
        self, rng: np.random.Generator, sheet: _Sheet, left: int, right: int, y: float
    ) -> float:
        """Draw axes with labelled ticks, curves or bars, and a legend."""
        size = max(8.0, sheet.size * rng.uniform(0.5, 0.8))
        high = sheet.size * rng.uniform(5, 12)
        x0, x1 = int(left + 4 * size), int(right - size)
        top, bottom = int(y + size), int(y + high)
        if x1 - x0 < 30:
            return y
        ink = sheet.ink.tolist()
        cv2.line(sheet.picture, (x0, top), (x0, bottom), ink, 1)
        cv2.line(sheet.picture, (x0, bottom), (x1, bottom), ink, 1)
        steps = int(rng.integers(3, 7))
        for i in range(steps):
            at = int(bottom - (bottom - top) * i / (steps - 1))
            cv2.line(sheet.picture, (x0 - 3, at), (x0, at), ink, 1)
            label = number(rng)[:5]
            self._text(rng, sheet, label, left, x0 - 4, at - size * 0.6, size, sheet.ink, cut=True)
        named = rng.random() < 0.5
        for i in range(steps):
            start = x0 + (x1 - x0) * i / steps
            label = self._words(rng, 1) if named else str(int(rng.integers(0, 2030)))
            limit = start + (x1 - x0) / steps - size * 0.4
            self._text(rng, sheet, label, start, limit, bottom + 3, size, sheet.ink, cut=True)
        if rng.random() < 0.5:
            wide = max(3, int((x1 - x0) / (2 * steps)))
            for i in range(steps):
                at = int(x0 + (x1 - x0) * i / steps + wide * 0.3)
                tall = int(rng.random() * (bottom - top) * 0.8)
                color = random_color(rng).tolist()
                cv2.rectangle(
                    sheet.picture, (at, bottom - tall), (at + wide, bottom - 1), color, -1
                )
        else:
            for _ in range(int(rng.integers(1, 4))):
                xs = np.linspace(x0, x1, 24)
                ys = bottom - (bottom - top) * np.clip(
                    0.5 + np.cumsum(rng.normal(0, 0.08, 24)) + rng.normal(0, 0.15), 0.02, 0.8
                )
                curve = np.stack([xs, ys], axis=1).astype(np.int32)
                color = random_color(rng).tolist()
                cv2.polylines(
                    sheet.picture, [curve], False, color, int(rng.integers(1, 4)), cv2.LINE_AA
                )
        if rng.random() < 0.6:
            text = self._words(rng, int(rng.integers(1, 4)))
            self._text(rng, sheet, text, x0 + size, x1, top - size * 0.6, size, sheet.ink, cut=True)
        return bottom + size * 1.8

    def _figure(
        self, rng: np.random.Generator, sheet: _Sheet, left: int, right: int, y: float
    ) -> float:
        """Put in a photo with a caption below."""
        high = int(sheet.size * rng.uniform(4, 10))
        x0, x1 = max(0, left), min(sheet.picture.shape[1], right)
        y0, y1 = max(0, int(y)), min(sheet.picture.shape[0], int(y) + high)
        if x1 - x0 > 8 and y1 - y0 > 8:
            sheet.picture[y0:y1, x0:x1] = self.photos(rng, y1 - y0, x1 - x0)
        caption = self._words(rng, int(rng.integers(2, 6)))
        end = y + high + sheet.size * 0.3
        size = max(8.0, sheet.size * 0.7)
        return self._text(rng, sheet, caption, left, right, end, size, sheet.ink)

    def _text(
        self,
        rng: np.random.Generator,
        sheet: _Sheet,
        text: str,
        left: float,
        right: float,
        y: float,
        size: float,
        color: Color,
        *,
        align: bool = False,
        cut: bool = False,
    ) -> float:
        """Write one line from ``left``; words past ``right`` are left off where ``cut``.

        Returns:
            Where the next line begins.
        """
        height, width = sheet.picture.shape[:2]
        following = y + size * sheet.leading
        wanted = " ".join(text.split())
        face, text = self._plain.fit(rng, sheet.face, wanted)
        if text != wanted:
            face, text = self.fonts.fit(rng, sheet.face, wanted)
        if not text or following < 0 or y > height or left > width:
            return following
        rendered = render_text(text, face, max(6, round(size)), rng)
        letters = rendered.word_characters()
        words = rendered.word_polygons()
        mask = rendered.mask
        room = right - left
        # What does not fit is never drawn, so that columns do not run into each other.
        limit = room if cut else max(room, size * 2)
        if mask.shape[1] > limit:
            fitting = [(word, p) for word, p in words if p[:, 0].max() <= limit]
            if not fitting:
                return following
            words = fitting
            mask = mask[:, : int(np.ceil(max(p[:, 0].max() for _, p in fitting))) + 1]
        x = left + (room - mask.shape[1]) / 2 if align else left
        # The mask is cropped to its ink: put its foot near the baseline.
        column, row = int(x), int(y + size * 0.85 - mask.shape[0] * 0.85)
        a, b = max(0, row), min(height, row + mask.shape[0])
        c, d = max(0, column), min(width, column + mask.shape[1])
        if a >= b or c >= d:
            return following
        ink = mask[a - row : b - row, c - column : d - column]
        alpha = (ink * np.float32(1 / 255))[:, :, None]
        part = sheet.picture[a:b, c:d]
        part[:] = (part + (color - part) * alpha).astype(np.uint8)
        offset = np.asarray((column, row), np.float32)
        # Words left off stand at the end.
        for (word, polygon), corners in zip(words, letters, strict=False):
            sheet.polygons.append(polygon + offset)
            sheet.texts.append(word)
            sheet.characters.append(corners + offset)
        return following
