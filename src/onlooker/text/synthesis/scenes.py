"""Whole scenes with text in them, and a polygon around each word: what a detector learns from.

Two families. *Photo-like*: a background (photo of something without text, or a made surface) with
clutter that is not text, panels as of signs and labels, and blocks of text in perspective.
*Page-like* (:mod:`onlooker.text.synthesis.pages`): slides, documents, tables, code, charts, small
and dense. Both then pass through light, optics, sensor noise and compression.

References:
    Gupta et al. 2016, "Synthetic data for text localisation in natural images" (blocks of text in
    perspective on photos); the shares of everything here were judged by eye on contact sheets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.text.synthesis.backgrounds import SUFFIXES, BackgroundBank, random_color
from onlooker.text.synthesis.clutter import PictogramBank, add_clutter
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.pages import PageSynthesizer
from onlooker.text.synthesis.render import Arc, render_text
from onlooker.text.synthesis.scene_geometry import draw_angle, frame_of, tilt, warped
from onlooker.text.synthesis.scene_painting import choose_ink, finish, lay_ink, screen
from onlooker.text.synthesis.specification import Chances

Picture = npt.NDArray[np.uint8]
Polygons = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]

#: Words lower than this in the finished picture cannot be read: neither text nor background.
MIN_LEGIBLE_PX = 5.0
#: Grey levels between ink and its surroundings below which a word cannot be read.
MIN_CONTRAST = 9.0
#: Letters up to which large words fit beside each other into a picture.
_SHORT = 9
#: Points along the top of a word's outline, and as many along its bottom: enough for half a circle.
OUTLINE_POINTS = 6


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and its words.

    Attributes:
        picture: ``(H, W, 3)`` uint8 RGB.
        polygons: ``(n, 2 * OUTLINE_POINTS, 2)`` float32, points (x, y) of each word's outline,
            clockwise from the top left as it is read: half of them along the top, half back along
            the bottom. They may leave the picture where a word is cut off.
        texts: What each word says.
        ignored: ``(n,)`` bool, words too small or too faint to read, and signs without a letter or
            digit.
        characters: A ``(length, 4, 2)`` array a word, the corners of each of its characters.
    """

    picture: Picture
    polygons: Polygons
    texts: tuple[str, ...]
    ignored: npt.NDArray[np.bool_]
    characters: tuple[Polygons, ...] = ()


@dataclass(slots=True)
class _Block:
    """Lines of text as one mask, before they are put into the scene."""

    mask: Picture
    polygons: Polygons
    texts: list[str]
    characters: list[Polygons]


class PhotoPool:
    """Photos and textures without text, kept compressed and decoded when drawn.

    Args:
        files: Encoded pictures.
    """

    def __init__(self, files: Sequence[bytes]) -> None:
        self.files = list(files)

    @classmethod
    def load(cls, folder: str | Path) -> PhotoPool:
        """Read all pictures under a folder; the caller vouches that none shows text.

        Raises:
            ConfigError: The folder holds no picture.
        """
        paths = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
        if not paths:
            raise ConfigError(f"no pictures ({', '.join(SUFFIXES)}) under {folder}")
        return cls([path.read_bytes() for path in paths])

    def draw(self, rng: np.random.Generator, height: int, width: int) -> Picture:
        """Cut a part of a random photo at a random scale → (height, width, 3) uint8 RGB.

        Raises:
            ConfigError: The photo drawn is not a picture.
        """
        data = self.files[int(rng.random() * len(self.files))]
        photo = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if photo is None:
            raise ConfigError("a file of the photo folder cannot be decoded")
        rows, columns = photo.shape[:2]
        if rng.random() < 0.3 and max(rows, columns) < 2 * max(height, width):
            # Textures tile: a wall of bricks seen from afar.
            photo = np.tile(photo, (2, 2, 1))
            rows, columns = photo.shape[:2]
        scale = float(np.exp(rng.uniform(np.log(0.4), np.log(2.0))))
        scale = max(scale, height / rows, width / columns)
        h, w = min(rows, int(height / scale) + 1), min(columns, int(width / scale) + 1)
        y, x = int(rng.random() * (rows - h + 1)), int(rng.random() * (columns - w + 1))
        interpolation = cv2.INTER_AREA if h > height else cv2.INTER_LINEAR
        cut = cv2.resize(photo[y : y + h, x : x + w], (width, height), interpolation=interpolation)
        cut = cut[:, :, ::-1] if rng.random() < 0.85 else cut  # else red and blue swapped
        cut = cut[:, ::-1] if rng.random() < 0.5 else cut
        return np.ascontiguousarray(cut)


class SceneSynthesizer:
    """Draws scenes.

    Args:
        fonts: Faces to draw with.
        corpus: Strings to draw.
        photos: Pictures without text; None: made surfaces alone.
        page_share: Share of page-like scenes.
        empty_share: Share of photo-like scenes without any text.
        pictograms: Signs show some, with text and without; none where not given.
        chances: Of the effects; the defaults, if not given.
    """

    def __init__(
        self,
        fonts: FontBank,
        corpus: Corpus,
        photos: PhotoPool | None,
        *,
        page_share: float = 0.38,
        empty_share: float = 0.16,
        pictograms: PictogramBank | None = None,
        chances: Chances | None = None,
    ) -> None:
        self.fonts = fonts
        self.corpus = corpus
        self.chances = chances or Chances("scenes")
        self.page_share = page_share
        self.empty_share = empty_share
        self.pictograms = pictograms
        self._surfaces = BackgroundBank([], surface_share=self.chances.share["surfaces"])
        self._photo_share = self.chances.share["photos"] if photos else 0.0
        self.photos = photos.draw if photos else self._surfaces.patch
        self._pages = PageSynthesizer(fonts, corpus, self.photos)

    def draw(self, rng: np.random.Generator, height: int = 512, width: int = 512) -> Scene:
        """Draw one scene of the wanted size."""
        if rng.random() < self.page_share:
            return self._page(rng, height, width)
        return self._photo(rng, height, width)

    def _page(self, rng: np.random.Generator, height: int, width: int) -> Scene:
        photographed = rng.random() < 0.2
        # Drawn larger and shrunk: the soft small text of a slide in a video.
        scale = float(rng.choice([1.0, 1.0, 1.25, 1.5, 2.0]))
        h, w = round(height * scale), round(width * scale)
        page = self._pages.draw(rng, h, w, scale)
        picture, count = page.picture, len(page.texts)
        # Words and characters go the same way.
        polygons = np.concatenate([page.polygons, *page.characters])
        if photographed:
            picture, polygons = _photographed(rng, picture, polygons)
        if scale != 1:
            interpolation = cv2.INTER_AREA if rng.random() < 0.7 else cv2.INTER_LINEAR
            picture = np.asarray(
                cv2.resize(picture, (width, height), interpolation=interpolation), np.uint8
            )
            polygons = polygons / np.float32(scale)
        ends = np.cumsum([len(corners) for corners in page.characters])[:-1]
        characters = np.split(polygons[count:], ends) if count else []
        clean = picture
        if photographed:
            picture = finish(rng, self.chances, picture)
        else:
            picture = screen(rng, self.chances, picture)
        return _scene(clean, picture, outlined(polygons[:count]), page.texts, characters)

    def _photo(self, rng: np.random.Generator, height: int, width: int) -> Scene:
        if rng.random() < self._photo_share:
            picture = self.photos(rng, height, width)
        else:
            picture = self._surfaces.patch(rng, height, width)
        if self.chances.on(rng, "clutter"):
            add_clutter(rng, picture, 1 + int(rng.random() ** 2 * 6))
        polygons: list[Polygons] = []
        texts: list[str] = []
        characters: list[Polygons] = []
        taken = np.zeros((height, width), np.uint8)
        if self.pictograms is not None and rng.random() < 0.35:
            for _ in range(int(rng.integers(1, 5))):
                self._sign(rng, self.pictograms, picture, taken)
        if rng.random() >= self.empty_share:
            blocks = 1 + int(rng.random() ** 1.3 * 11)
            for _ in range(blocks):
                self._place(rng, picture, taken, polygons, texts, characters)
        every = np.concatenate(polygons) if polygons else _NO_WORDS
        seen = finish(rng, self.chances, picture)
        return _scene(picture, seen, every, texts, characters)

    def _sign(
        self, rng: np.random.Generator, bank: PictogramBank, picture: Picture, taken: Picture
    ) -> None:
        """Put up a sign that shows one to six pictograms, or nothing, and no text."""
        height, width = picture.shape[:2]
        size = int(np.exp(rng.uniform(np.log(9), np.log(90))))
        columns, rows = (1, 1) if rng.random() < 0.5 else tuple(rng.integers(1, 4, 2).tolist())
        cell = int(size * rng.uniform(1.1, 1.9)) + 1
        sheet = np.zeros((rows * cell, columns * cell), np.uint8)
        shown = rng.random() < 0.85
        for row in range(rows if shown else 0):
            for column in range(columns):
                mask = bank.mask(rng, size)[:cell, :cell]
                y = row * cell + (cell - mask.shape[0]) // 2
                x = column * cell + (cell - mask.shape[1]) // 2
                sheet[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        angle, center = draw_angle(rng, self.chances), rng.random(2) * (width, height)
        warp = tilt(rng, sheet.shape[1], sheet.shape[0], angle, center, self.chances)
        margin = rng.uniform(0, 0.3) * size
        frame = warped(frame_of(sheet.shape[1], sheet.shape[0], margin), warp)
        cells = np.zeros_like(taken)
        cv2.fillPoly(cells, [np.rint(frame).astype(np.int32)], (1,))
        if not cells.any() or (cells & taken).any():
            return
        taken |= cells
        if rng.random() < 0.7:
            self._panel(rng, picture, frame, warp)
        mask = cv2.warpPerspective(sheet, warp, (width, height), flags=cv2.INTER_LINEAR)
        color = choose_ink(rng, self.chances, picture[cells.astype(bool)].mean(axis=0))
        alpha = (mask * np.float32(1 / 255))[:, :, None]
        picture[:] = (picture + (color - picture) * alpha).astype(np.uint8)

    def _place(
        self,
        rng: np.random.Generator,
        picture: Picture,
        taken: Picture,
        polygons: list[Polygons],
        texts: list[str],
        characters: list[Polygons],
    ) -> None:
        """Put one block of text, perhaps on a panel of its own, where no other text stands."""
        height, width = picture.shape[:2]
        block = self._block(rng)
        rows, columns = block.mask.shape
        for _ in range(8):
            angle = draw_angle(rng, self.chances)
            center = rng.uniform(0.02, 0.98, 2) * (width, height)
            if rng.random() < 0.75:  # rather whole than cut off
                reach = 0.5 * np.array([columns, rows])
                room = np.maximum(np.array([width, height]) - 2 * reach, 1)
                center = reach + rng.random(2) * room
            warp = tilt(rng, columns, rows, angle, center, self.chances)
            margin = float(np.exp(rng.uniform(np.log(0.05), np.log(1.2)))) * min(rows, 80)
            frame = warped(frame_of(columns, rows, margin), warp)
            cells = np.zeros_like(taken)
            cv2.fillPoly(cells, [np.rint(frame).astype(np.int32)], (1,))
            if not cells.any() or (cells & taken).any():
                continue
            break
        else:
            return
        taken |= cells
        if self.chances.on(rng, "panels"):
            self._panel(rng, picture, frame, warp)
        mask = cv2.warpPerspective(block.mask, warp, (width, height), flags=cv2.INTER_LINEAR)
        inside = cells.astype(bool)
        around = picture[inside]
        if not mask.any() or not len(around):
            return
        color = choose_ink(rng, self.chances, around.mean(axis=0))
        word_px = float(np.median(np.ptp(block.polygons[:, :, 1], axis=1)))
        lay_ink(rng, self.chances, picture, mask, color, word_px)
        points = block.polygons.reshape(-1, 2)
        polygons.append(warped(points, warp).reshape(block.polygons.shape))
        texts.extend(block.texts)
        characters.extend(
            warped(corners.reshape(-1, 2), warp).reshape(-1, 4, 2) for corners in block.characters
        )

    def _panel(
        self, rng: np.random.Generator, picture: Picture, frame: Polygons, warp: Floats
    ) -> None:
        """Fill the block's frame: paint, a gradient, another surface, with a border at times."""
        height, width = picture.shape[:2]
        x0, y0 = np.maximum(np.floor(frame.min(axis=0)), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(frame.max(axis=0)) + 1, (width, height)).astype(int)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return
        part = picture[y0:y1, x0:x1]
        fill = np.zeros(part.shape[:2], np.uint8)
        corners = np.rint(frame - (x0, y0)).astype(np.int32)
        cv2.fillPoly(fill, [corners], (255,), cv2.LINE_AA)
        if rng.random() < 0.45:
            paint = np.broadcast_to(random_color(rng), part.shape)
        else:
            paint = self._surfaces.patch(rng, *part.shape[:2]).astype(np.float32)
        alpha = (fill / np.float32(255))[:, :, None] * (
            1 if rng.random() < 0.8 else rng.uniform(0.4, 1)
        )
        part[:] = (part * (1 - alpha) + paint * alpha).astype(np.uint8)
        if rng.random() < 0.4:
            color = random_color(rng).tolist()
            thick = int(rng.integers(1, 6))
            cv2.polylines(
                picture, [np.rint(frame).astype(np.int32)], True, color, thick, cv2.LINE_AA
            )

    def _block(self, rng: np.random.Generator) -> _Block:
        """Draw one to some lines with one face, one above the other."""
        kind = rng.random()
        # One in seven is small: of the words far away in a street only some can be read.
        low, high = (4, 12) if rng.random() < 0.14 else (10, 150)
        size = int(np.exp(rng.uniform(np.log(low), np.log(high))))
        lines: list[str] = []
        if kind < 0.35 or (size > 70 and kind < 0.7):
            lines = [self.corpus.word(rng) for _ in range(1 + int(rng.random() < 0.2))]
        elif size > 70:  # a few large words side by side: where one ends must be learnt there, too
            lines = [self._large_words(rng) for _ in range(1 + int(rng.random() < 0.4))]
        elif kind < 0.75:
            lines = [self.corpus.line(rng) for _ in range(1 + int(rng.random() < 0.35))]
        else:
            lines = [
                self.corpus.line(rng) if rng.random() < 0.7 else self.corpus.word(rng)
                for _ in range(int(rng.integers(2, 7)))
            ]
        face = self.fonts.pick(rng, lines[0])
        on, strength = self.chances.on, self.chances.strength
        spacing = strength["spacing"] * rng.uniform(0.02, 0.4) if on(rng, "spacing") else 0.0
        log = strength["condensed"] * rng.normal(0, 0.18)
        stretch = float(np.exp(log)) if on(rng, "condensed") else 1.0
        stroke = int(rng.integers(1, 3)) if size > 24 and on(rng, "bold") else 0
        arc = strength["arc"] * rng.uniform(0.3, 2.8) if size >= 14 and on(rng, "arc") else 0.0
        if arc:  # a ring of one line, as on badges and over shop doors
            lines = lines[:1]
        wobble = strength["wobble"] * rng.uniform(0.02, 0.12) if on(rng, "wobble") else 0.0
        leading = rng.uniform(0.12, 0.7) * size
        align = float(rng.choice([0.0, 0.0, 0.5, 0.5, 1.0]))
        wide = rng.random() < 0.2
        drawn = []
        for line in lines:
            fitting, line = self.fonts.fit(rng, face, " ".join(line.split()))
            if not line:
                continue
            if wide:
                line = line.replace(" ", "  ")
            scale = rng.uniform(0.5, 1.0) if len(lines) > 1 and rng.random() < 0.25 else 1.0
            rendered = render_text(
                line,
                fitting,
                max(4, int(size * scale)),
                rng,
                spacing=spacing,
                stretch=stretch,
                stroke_px=stroke,
                wobble=wobble,
            )
            drawn.append(rendered)
        if not drawn:
            return self._block(rng)
        width = max(r.mask.shape[1] for r in drawn)
        height = int(sum(r.mask.shape[0] + leading for r in drawn) - leading) + 1
        mask = np.zeros((height, width), np.uint8)
        polygons, texts, characters, y = [], [], [], 0.0
        for rendered in drawn:
            h, w = rendered.mask.shape
            x, top = int(align * (width - w)), int(y)
            mask[top : top + h, x : x + w] = rendered.mask[: height - top]
            for word, polygon in rendered.word_polygons():
                polygons.append(polygon + np.asarray((x, top), np.float32))
                texts.append(word)
            offset = np.asarray((x, top), np.float32)
            characters += [corners + offset for corners in rendered.word_characters()]
            y += h + leading
        outlines = outlined(np.stack(polygons))
        if arc and width > 1.5 * height:
            ring = Arc.around(height, width, arc if rng.random() < 0.7 else -arc)
            mask, outlines = ring.warp(mask), ring.place(outlines)
            characters = [ring.place(corners) for corners in characters]
        return _Block(mask, outlines, texts, characters)

    def _large_words(self, rng: np.random.Generator) -> str:
        """Draw some short words, which fit beside each other; of long ones alone the first."""
        words = [self.corpus.word(rng) for _ in range(int(rng.integers(2, 5)))]
        return " ".join([word for word in words if len(word) <= _SHORT] or words[:1])


_NO_WORDS: Polygons = np.zeros((0, 2 * OUTLINE_POINTS, 2), np.float32)


def outlined(quads: Polygons) -> Polygons:
    """Put further points on the top and bottom of quadrilaterals.

    Args:
        quads: ``(n, 4, 2)``, clockwise from the top left.

    Returns:
        ``(n, 2 * OUTLINE_POINTS, 2)``.
    """
    share = np.linspace(0, 1, OUTLINE_POINTS, dtype=np.float32)[None, :, None]
    top = quads[:, :1] * (1 - share) + quads[:, 1:2] * share
    bottom = quads[:, 2:3] * (1 - share) + quads[:, 3:] * share
    return np.concatenate([top, bottom], axis=1).astype(np.float32)


def _photographed(
    rng: np.random.Generator, picture: Picture, polygons: Polygons
) -> tuple[Picture, Polygons]:
    """See a page at an angle, as a slide in the hall or a sheet on a desk."""
    height, width = picture.shape[:2]
    corners = frame_of(width, height, 0.0)
    spread = rng.normal(0, 0.045, (4, 2)).astype(np.float32) * (width, height)
    angle = rng.normal(0, 0.06)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = corners.mean(axis=0)
    moved = ((corners - middle) @ turn * rng.uniform(0.9, 1.15) + middle + spread).astype(
        np.float32
    )
    warp = cv2.getPerspectiveTransform(corners, moved)
    border = random_color(rng).tolist()
    seen = cv2.warpPerspective(picture, warp, (width, height), borderValue=border)
    flat = warped(polygons.reshape(-1, 2), warp) if len(polygons) else polygons
    return np.asarray(seen, np.uint8), np.asarray(flat.reshape(-1, 4, 2), np.float32)


def _scene(
    clean: Picture,
    picture: Picture,
    polygons: Polygons,
    texts: Sequence[str],
    characters: Sequence[Polygons],
) -> Scene:
    """Drop words outside the picture, and say which of the rest nobody could read."""
    height, width = picture.shape[:2]
    grey = cv2.cvtColor(clean, cv2.COLOR_RGB2GRAY)
    kept, said, ignored, letters = [], [], [], []
    for polygon, text, corners in zip(polygons, texts, characters, strict=True):
        low = np.maximum(np.floor(polygon.min(axis=0)), 0).astype(int)
        high = np.minimum(np.ceil(polygon.max(axis=0)), (width, height)).astype(int)
        if (high - low < 1).any():
            continue
        half = len(polygon) // 2
        thick = np.linalg.norm(polygon[:half] - polygon[: half - 1 : -1], axis=1)
        along = float(np.linalg.norm(np.diff(polygon[:half], axis=0), axis=1).sum())
        tall = float(thick.min())
        # Ten to ninety per cent of the grey levels span the ink and what it stands on.
        inside = grey[low[1] : high[1], low[0] : high[0]]
        contrast = float(np.ptp(np.percentile(inside[:: max(1, len(inside) // 24)], (4, 96))))
        legible = any(c.isalnum() for c in text) and contrast >= MIN_CONTRAST
        kept.append(polygon)
        said.append(text)
        letters.append(corners.astype(np.float32))
        ignored.append(not (legible and max(tall, along * 0.3) >= MIN_LEGIBLE_PX))
    stacked = np.stack(kept) if kept else _NO_WORDS
    return Scene(
        picture,
        stacked.astype(np.float32),
        tuple(said),
        np.asarray(ignored, np.bool_),
        tuple(letters),
    )
