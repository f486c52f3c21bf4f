"""Which words of a page are those of lines that are followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from onlooker.records import Page
from onlooker.text.lines import corners_of
from onlooker.text.video.tracking import Track
from onlooker.text.video.voting import vote

Floats = npt.NDArray[np.float64]

EDGE_PX = 1.5
"""A word that comes nearer to the edge of the reduced frame may be cut off."""
_TELLING_LETTERS = 3
_ASTRAY = 5.0
"""By so many of its heights a line may lie beside its place after a sweep of the camera."""
_HIDDEN, _FILLED = 0.6, 0.7
_PART = 0.6
"""What a part of a word counts for that lies wholly in the word."""
_SAME_PLACE = 0.3
"""Least IoU of a word that was read with one that is followed."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundWord:
    """A word on a key frame.

    Attributes:
        line: Number of its line on the page.
        text: What it says.
        confidence: How surely.
        polygon: ``(4, 2)`` corners in the reduced frame.
    """

    line: int
    text: str
    confidence: float
    polygon: Floats


def words_of(page: Page, factor: float) -> list[FoundWord]:
    """Return the words of a page; ``factor`` leads from its pixels to those of reduced frames."""
    return [
        FoundWord(number, word.text, word.confidence, corners_of(word.polygon) * factor)
        for number, line in enumerate(page.lines)
        for word in line.words
    ]


def is_cut(polygon: Floats, size: tuple[int, int]) -> bool:
    """Say whether a word reaches to the edge of the picture."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    return bool((low < EDGE_PX).any() or (high > np.array(size) - EDGE_PX).any())


def match_words(
    words: Sequence[FoundWord],
    places: dict[Track, Floats],
    size: tuple[int, int],
) -> dict[int, tuple[Track, int]]:
    """Pair words with words of known lines, the best overlaps first."""
    slots = [(track, i) for track, polygons in places.items() for i in range(len(polygons))]
    if not slots or not words:
        return {}
    known = _boxes(np.concatenate(list(places.values())))
    read = _boxes(np.stack([word.polygon for word in words]))
    low = np.maximum(known[None, :, :2], read[:, None, :2])
    high = np.minimum(known[None, :, 2:], read[:, None, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    area = (known[:, 2:] - known[:, :2]).prod(axis=1)
    other = (read[:, 2:] - read[:, :2]).prod(axis=1)
    overlap: Floats = shared / np.maximum(area[None] + other[:, None] - shared, 1e-9)
    # Of a word at the edge of the picture, a part was read, or is to be seen now.
    partial = [max(r.trust for r in t.slots[i].readings) < 0.5 for t, i in slots]
    cut = [is_cut(word.polygon, size) for word in words]
    either = np.array(partial, np.bool_)[None, :] | np.array(cut, np.bool_)[:, None]
    within = shared / np.maximum(np.minimum(area[None], other[:, None]), 1e-9)
    overlap = np.where(either, np.maximum(overlap, _PART * within), overlap)
    pairs: dict[int, tuple[Track, int]] = {}
    used: set[int] = set()
    for flat in np.argsort(-overlap.ravel(), kind="stable").tolist():
        number, slot = divmod(flat, len(slots))
        if overlap[number, slot] < _SAME_PLACE:
            break
        if number not in pairs and slot not in used:
            pairs[number] = slots[slot]
            used.add(slot)
    # A line that was led blindly may lie beside its place: there its text tells.
    for number, word in enumerate(words):
        if number in pairs or len(word.text) < _TELLING_LETTERS:
            continue
        middle = (read[number, :2] + read[number, 2:]) / 2
        high_px = float((read[number, 2:] - read[number, :2]).min())
        for slot, (track, i) in enumerate(slots):
            off = np.abs((known[slot, :2] + known[slot, 2:]) / 2 - middle).max()
            if slot in used or off > (_ASTRAY if track.lost_s is not None else 1.5) * high_px:
                continue
            known_text = vote(track.slots[i].readings)[0]
            if Levenshtein.normalized_similarity(known_text, word.text) >= 0.8:
                pairs[number] = (track, i)
                used.add(slot)
                break
    return pairs


def hidden_words(words: Sequence[FoundWord], places: dict[Track, Floats]) -> set[int]:
    """Return the numbers of words that lie, for the most part, within words that are followed.

    What blur or the edge of the picture left of a word is read as another, shorter one.
    """
    if not places or not words:
        return set()
    known = _boxes(np.concatenate(list(places.values())))
    read = _boxes(np.stack([word.polygon for word in words]))
    low = np.maximum(known[None, :, :2], read[:, None, :2])
    high = np.minimum(known[None, :, 2:], read[:, None, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)  # (read, known)
    area = (read[:, 2:] - read[:, :2]).prod(axis=1)
    within = shared >= _HIDDEN * area[:, None]
    # Several words that fill one are what it was taken for: they are read apart now.
    filled = (shared * within).sum(axis=0) >= _FILLED * (known[:, 2:] - known[:, :2]).prod(axis=1)
    apart = filled & (within.sum(axis=0) > 1)
    return set(np.flatnonzero((within & ~apart[None, :]).any(axis=1)).tolist())


def same_text(track: Track, hits: list[tuple[int, int]], words: Sequence[FoundWord]) -> bool:
    """Say whether the words that were read are those of the line, give or take some letters."""
    likeness = [
        Levenshtein.normalized_similarity(
            vote(track.slots[slot].readings)[0].casefold(), words[number].text.casefold()
        )
        for number, slot in hits
    ]
    return float(np.median(likeness)) >= 0.5


def _boxes(polygons: Floats) -> Floats:
    return np.concatenate([polygons.min(axis=1), polygons.max(axis=1)], axis=1)
