"""Places of words on a page → strips to be read as whole lines.

A recogniser reads a line better than its words one by one: spaces, full stops and quotes between
words are seen, short words have neighbours, and a word that was found too narrow lies well inside.
It also costs less. Pages have such lines; in photos words are loose, and boxes matter more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from onlooker.records import Polygon, TextWord
from onlooker.text.lines.chains import chains_of
from onlooker.text.lines.frames import Floats, Frame, corners_of, frames_of, rotation

PAGE_PLACES = 20
"""A picture is a page if so many places stand in lines of `LINE_PLACES` and more: a slide of few
words has fifty, a photo of a sign fewer than ten."""
LINE_PLACES = 3
RULES = ("|", "/", "\\", "I", "l")
"""What rules between the cells of a table are read as."""
MAX_ASPECT = 45.0
"""Longest strip in heights: the recogniser squeezes what is wider than 50."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A line, or a piece of a very long one.

    Attributes:
        members: Its places, from left to right.
        boxes: Array (n, 4): left, top, right, bottom of each place along the line.
        angle: The line's direction in radians.
    """

    members: tuple[int, ...]
    boxes: Floats
    angle: float

    @property
    def corners(self) -> Floats:
        """Corners (4, 2) around all places, clockwise from the top left."""
        return self.back(self.box)

    @property
    def box(self) -> Floats:
        """Left, top, right, bottom of all places, along the line."""
        low, high = self.boxes[:, :2].min(axis=0), self.boxes[:, 2:].max(axis=0)
        return np.array([*low, *high])

    def back(self, box: Floats) -> Floats:
        """Bring a box along the line into the picture → corners (4, 2)."""
        left, top, right, bottom = box
        quad = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        corners: Floats = quad @ rotation(self.angle).T
        return corners

    def settle(self, words: Sequence[TextWord]) -> list[TextWord]:
        """Give words read from the strip the outline of the place that is theirs alone.

        Where one place holds two words, or two places one, the outline that the recogniser's
        columns tell is kept. Strokes where no place was found are left out: in a table they are the
        rules between its cells.
        """
        if not words:
            return []
        turn = rotation(self.angle)
        spans = np.array(
            [((xs := (corners_of(word.polygon) @ turn)[:, 0]).min(), xs.max()) for word in words]
        )
        shared = np.minimum(spans[:, None, 1], self.boxes[None, :, 2]) - np.maximum(
            spans[:, None, 0], self.boxes[None, :, 0]
        )  # (words, places)
        half = 0.5 * np.minimum(
            (spans[:, 1] - spans[:, 0])[:, None], (self.boxes[:, 2] - self.boxes[:, 0])[None]
        )
        belongs = shared >= half
        settled = []
        for at, word in enumerate(words):
            places = np.flatnonzero(belongs[at])
            if not len(places) and word.text in RULES:
                continue
            if len(places) == 1 and belongs[:, places[0]].sum() == 1:
                word = self._settled(word, spans[at], self.boxes[places[0]])
            settled.append(word)
        return settled

    def _settled(self, word: TextWord, span: Floats, box: Floats) -> TextWord:
        (left, right), (first, last) = span, box[[0, 2]]
        wide = max(float(last - first), 1e-9)

        def within(share: float) -> float:
            return float(np.clip((left + share * (right - left) - first) / wide, 0.0, 1.0))

        return replace(
            word,
            polygon=tuple((float(x), float(y)) for x, y in self.back(box)),
            char_spans=tuple((within(a), within(b)) for a, b in word.char_spans),
        )


def strips_of(polygons: Sequence[Polygon]) -> list[Strip]:
    """Join the places of a page to strips.

    Args:
        polygons: Where words stand.

    Returns:
        Strips of the directions in which whole lines run; empty unless the picture is a page.
    """
    strips: list[Strip] = []
    for frame in frames_of(polygons):
        chains = chains_of(frame, np.zeros(len(frame.members), dtype=bool))
        if sum(len(chain) for chain in chains if len(chain) >= LINE_PLACES) < PAGE_PLACES:
            continue
        for chain in chains:
            strips.extend(_strip(frame, piece) for piece in _pieces(frame, chain))
    return strips


def _pieces(frame: Frame, chain: list[int]) -> list[list[int]]:
    """Part a line that is too long for the recogniser."""
    longest = MAX_ASPECT * float(np.median(frame.height[chain]))
    pieces = [[chain[0]]]
    for at in chain[1:]:
        if frame.right[at] - frame.left[pieces[-1][0]] > longest:
            pieces.append([])
        pieces[-1].append(at)
    return pieces


def _strip(frame: Frame, piece: list[int]) -> Strip:
    half = frame.height[piece] / 2
    middle = frame.middle[piece]
    boxes = np.stack([frame.left[piece], middle - half, frame.right[piece], middle + half], axis=1)
    return Strip(tuple(int(frame.members[at]) for at in piece), boxes, frame.angle)
