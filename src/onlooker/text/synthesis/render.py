"""Draw a string with a font: its alpha mask, and a polygon around each character."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from onlooker.errors import ConfigError
from onlooker.text.synthesis.fonts import FontFace


@dataclass(frozen=True, slots=True)
class RenderedText:
    """A string as drawn.

    Attributes:
        mask: Alpha ``(h, w)`` uint8; 255 is full ink.
        char_polygons: ``(len(text), 4, 2)`` float32, corners (x, y) clockwise from the top left,
            in pixels of the mask. A space has the height of its neighbours. ``(0, 4, 2)``: not
            asked for.
        text: What is written.
    """

    mask: npt.NDArray[np.uint8]
    char_polygons: npt.NDArray[np.float32]
    text: str

    def word_polygons(self) -> list[tuple[str, npt.NDArray[np.float32]]]:
        """Join the character polygons of each word → (word, (4, 2) float32) in reading order."""
        words = []
        start = 0
        for word in self.text.split(" "):
            end = start + len(word)
            if word:
                first, last = self.char_polygons[start], self.char_polygons[end - 1]
                box = self.char_polygons[start:end]
                if np.ptp(first[:2, 1]) < 1e-3:  # upright: the rectangle around all characters
                    low, high = box.min(axis=(0, 1)), box.max(axis=(0, 1))
                    corners = [
                        [low[0], low[1]],
                        [high[0], low[1]],
                        [high[0], high[1]],
                        [low[0], high[1]],
                    ]
                    words.append((word, np.asarray(corners, np.float32)))
                else:
                    words.append((word, np.stack([first[0], last[1], last[2], first[3]])))
            start = end + 1
        return words

    def word_characters(self) -> list[npt.NDArray[np.float32]]:
        """List the character polygons of each word, ``(length, 4, 2)``, as `word_polygons` does."""
        spans = [match.span() for match in re.finditer("[^ ]+", self.text)]
        return [self.char_polygons[start:end] for start, end in spans]


def render_text(
    text: str,
    face: FontFace,
    size_px: int,
    rng: np.random.Generator,
    *,
    spacing: float = 0.0,
    stretch: float = 1.0,
    stroke_px: int = 0,
    wobble: float = 0.0,
    bend: float = 0.0,
    arc: float = 0.0,
    margin_px: int = 0,
    characters: bool = True,
) -> RenderedText:
    """Draw ``text``.

    Args:
        text: One line, all of it covered by ``face``.
        face: The font face.
        size_px: Pixels per em.
        rng: Draws the wobble; unused otherwise.
        spacing: Extra room after each character, in em.
        stretch: Width factor (0.7: condensed).
        stroke_px: Thickens every stroke by this many pixels on each side.
        wobble: Standard deviation of each character's vertical offset, in em (handmade signs).
        bend: Rise of the middle over the ends in text widths (0.1: a gentle arc; < 0: sags).
        arc: Angle in radians of the circle that the letters stand on, each turned with it (pi: the
            upper half of a badge; < 0: the lower half, still read from left to right). Lessened
            where the circle would be too small for the letters.
        margin_px: Empty border around the ink.
        characters: Find the polygons; else they are missing, which saves a third of the time.

    Raises:
        ConfigError: The face draws nothing for the text.
    """
    font = face.font(size_px)
    pad = size_px // 2 + stroke_px + 2
    ends: list[float] = []
    if spacing == 0.0 and wobble == 0.0:
        if characters:
            ends = [font.getlength(text[:i]) for i in range(len(text) + 1)]
        length = ends[-1] if characters else font.getlength(text)
        size = (int(length) + 2 * pad, 2 * size_px + 2 * pad)
        canvas = Image.new("L", size)
        draw = ImageDraw.Draw(canvas)
        draw.text((pad, pad), text, 255, font, stroke_width=stroke_px)
    else:
        widths = [font.getlength(c) + spacing * size_px for c in text]
        ends = [0.0, *np.cumsum(widths).tolist()]
        size = (int(max(ends)) + 2 * pad, 2 * size_px + 2 * pad)
        canvas = Image.new("L", size)
        draw = ImageDraw.Draw(canvas)
        for character, x in zip(text, ends, strict=False):
            y = pad + wobble * size_px * float(np.clip(rng.standard_normal(), -2, 2))
            draw.text((pad + x, y), character, 255, font, stroke_width=stroke_px)
    box = canvas.getbbox()
    if box is None:
        raise ConfigError(f"{face.path.name} draws nothing for {text!r} at {size_px} px")
    left = box[0]
    mask = np.asarray(canvas.crop(box))
    polygons = np.zeros((0, 4, 2), np.float32)
    if characters:
        # Spaces at either end have no ink: their boxes may leave the mask, which does no harm.
        edges = np.asarray(ends, np.float32) + (pad - left)
        edges = np.clip(edges, 0, mask.shape[1])
        polygons = _ink_boxes(mask, edges)
    if stretch != 1.0:
        width = max(1, round(mask.shape[1] * stretch))
        polygons[:, :, 0] *= width / mask.shape[1]
        mask = np.asarray(
            cv2.resize(mask, (width, mask.shape[0]), interpolation=cv2.INTER_AREA), np.uint8
        )
    if bend:
        mask, polygons = _bend(mask, polygons, bend)
    if arc:
        shape = Arc.around(mask.shape[0], mask.shape[1], arc)
        mask = shape.warp(mask)
        polygons = shape.place(polygons)
    if margin_px:
        mask = np.pad(mask, margin_px)
        polygons = polygons + np.float32(margin_px)
    return RenderedText(mask=np.ascontiguousarray(mask), char_polygons=polygons, text=text)


@dataclass(frozen=True, slots=True)
class Arc:
    """A straight strip of text laid around a circle.

    Attributes:
        height: Of the strip, pixels.
        width: Of the strip, pixels; the circle through its middle has that length.
        angle: What the strip spans, radians; > 0: letters point outwards, < 0: inwards.
    """

    height: int
    width: int
    angle: float

    @classmethod
    def around(cls, height: int, width: int, angle: float) -> Arc:
        """Make an arc of at most ``angle``: the circle's inner edge keeps a radius of a height."""
        most = width / (1.5 * height)
        return cls(height, width, float(np.clip(angle, -most, most)))

    @property
    def _radius(self) -> float:
        return self.width / abs(self.angle)

    @property
    def _corner(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the bent strip, the circle's centre being the origin."""
        half = abs(self.angle) / 2
        outer, inner = self._radius + self.height / 2, self._radius - self.height / 2
        reach = outer * float(np.sin(min(half, np.pi / 2)))
        low = -(inner if half < np.pi / 2 else outer) * float(np.cos(min(half, np.pi)))
        return (-reach, -outer, reach, low) if self.angle > 0 else (-reach, -low, reach, outer)

    def place(self, points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Move points (..., 2) x, y of the strip to where the bent strip has them."""
        points = np.asarray(points, np.float32)
        left, top, _, _ = self._corner
        turn = (points[..., 0] / self.width - 0.5) * abs(self.angle)
        # Outwards is up on the upper half of the circle and down on the lower one.
        up = float(np.sign(self.angle))
        out = self._radius + (self.height / 2 - points[..., 1]) * up
        moved = np.stack([out * np.sin(turn) - left, -up * out * np.cos(turn) - top], axis=-1)
        return moved.astype(np.float32)

    def warp(self, mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Draw the bent strip."""
        left, top, right, bottom = self._corner
        xs = np.arange(int(np.ceil(right - left)), dtype=np.float32) + np.float32(0.5 + left)
        ys = np.arange(int(np.ceil(bottom - top)), dtype=np.float32) + np.float32(0.5 + top)
        up = np.float32(np.sign(self.angle))
        along, out = np.broadcast_arrays(xs[None, :], (-up * ys)[:, None])
        radius, turn = cv2.cartToPolar(out, along)  # 0 along the strip's middle
        turn = np.where(turn > np.pi, turn - np.float32(2 * np.pi), turn)
        columns = (turn / np.float32(abs(self.angle)) + np.float32(0.5)) * self.width
        rows = np.float32(self.height / 2) - (radius - np.float32(self._radius)) * up
        bent = cv2.remap(mask, columns - np.float32(0.5), rows - np.float32(0.5), cv2.INTER_LINEAR)
        return np.asarray(bent, np.uint8)


def render_stacked(
    text: str, face: FontFace, size_px: int, *, spacing: float = 0.0, stroke_px: int = 0
) -> RenderedText:
    """Draw letters below each other, then lay the column on its side.

    The first letter comes to lie on the left, its top pointing left, so that the line reads from
    left to right; its polygon begins at its own top left, which lies at the bottom.

    Raises:
        ConfigError: The face draws nothing for a letter.
    """
    font = face.font(size_px)
    letters = []
    for character in text:
        canvas = Image.new("L", (3 * size_px, 3 * size_px))
        place = (size_px, size_px // 2)
        ImageDraw.Draw(canvas).text(place, character, 255, font, stroke_width=stroke_px)
        box = canvas.getbbox()
        if box is None:
            raise ConfigError(f"{face.path.name} draws nothing for {character!r} at {size_px} px")
        letters.append(np.asarray(canvas.crop(box)))
    gap = max(1, round((0.14 + spacing) * size_px))
    width = max(letter.shape[1] for letter in letters)
    column = np.zeros((sum(len(one) + gap for one in letters) - gap, width), np.uint8)
    polygons, top = [], 0
    for letter in letters:
        tall, wide = letter.shape
        left = (width - wide) // 2
        column[top : top + tall, left : left + wide] = letter
        # A quarter turn against the clock: (x, y) comes to lie at (y, width - x).
        near, far, low, high = top, top + tall, width - left, width - left - wide
        polygons.append([[near, low], [near, high], [far, high], [far, low]])
        top += tall + gap
    return RenderedText(
        mask=np.ascontiguousarray(np.rot90(column)),
        char_polygons=np.asarray(polygons, np.float32),
        text=text,
    )


def _ink_boxes(
    mask: npt.NDArray[np.uint8], edges: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Bound the ink between neighbouring edges → (n, 4, 2)."""
    height = mask.shape[0]
    boxes = np.empty((len(edges) - 1, 4), np.float32)
    for i, (x0, x1) in enumerate(itertools.pairwise(edges)):
        columns = mask[:, int(x0) : max(int(x0) + 1, int(np.ceil(x1)))]
        rows = np.flatnonzero(columns.max(axis=1) > 40) if columns.size else np.empty(0, int)
        y0, y1 = (rows[0], rows[-1] + 1) if rows.size else (0, height)
        boxes[i] = x0, y0, x1, y1
    x0, y0, x1, y1 = boxes.T
    corners = np.stack([x0, y0, x1, y0, x1, y1, x0, y1], axis=1)
    return corners.reshape(-1, 4, 2)


def _bend(
    mask: npt.NDArray[np.uint8], polygons: npt.NDArray[np.float32], bend: float
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Shift columns along a parabola and shear nothing: a cheap arc that keeps letters upright."""
    height, width = mask.shape
    rise = abs(bend) * width
    extra = int(np.ceil(rise))
    middle = (np.arange(width, dtype=np.float32) - width / 2) / (width / 2)
    lift = rise * (middle**2 if bend > 0 else 1 - middle**2)  # (w,) how far each column sinks
    rows = np.arange(height + extra, dtype=np.float32)[:, None] - lift[None, :]
    columns = np.broadcast_to(np.arange(width, dtype=np.float32)[None, :], rows.shape)
    bent = cv2.remap(
        mask, np.ascontiguousarray(columns), rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    moved = polygons.copy()
    at = np.clip(moved[:, :, 0].astype(int), 0, width - 1)
    moved[:, :, 1] += lift[at]
    return np.asarray(bent, np.uint8), moved
