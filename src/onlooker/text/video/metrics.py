"""Measures of text that is followed through a video.

The true track of a line is compared at moments a tenth of a second apart. At each, the line is
*held* by the read track that has most of its words in their places (one to one, IoU ≥ 0.5). The
read track that holds it most often is its *main* one. Then, over all true tracks that are not to be
ignored:

* ``tracks_found``: share whose main track holds them at half of their moments or more, and says
  what they say, with half of the characters wrong at most;
* ``spans_02s``: of those found, share whose main track begins and ends within 0.2 s of the truth;
* ``identity_switches``: how often the holder changes, per track (as in Bernardin & Stiefelhagen
  2008, "CLEAR MOT", section 2.1.3: a line that is not held in between keeps its last holder);
* ``word_accuracy``: share of words that the main track has in their place and says exactly (case
  and punctuation count), each word once a track;
* ``word_accuracy_single``: the same for single frames, read by themselves: mean over the words of
  the share of frames, half a second apart, in which the word lies inside the picture and is read
  exactly. Both are measured on the same words;
* ``tracks_precision``: share of read tracks that have some true line, ignored or not, under half of
  their words for half of their time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from onlooker.metrics import covered, match_regions
from onlooker.records import Polygon, TextTrack, TextWord
from onlooker.text.video.datasets import TrueTrack

STEP_S = 0.1
SPAN_S = 0.2
HELD_SHARE = 0.5
MIN_SIMILARITY = 0.5
LINE_SIMILARITY = 0.85


@dataclass(slots=True)
class TrackScore:
    """Adds up clip by clip."""

    true: int = 0
    found: int = 0
    spans: int = 0
    switches: int = 0
    words: int = 0
    right: int = 0
    both: list[tuple[bool, float]] = field(default_factory=list)
    read: int = 0
    justified: int = 0

    def add(
        self,
        true: Sequence[TrueTrack],
        read: Sequence[TextTrack],
        single: Sequence[tuple[float, Sequence[TextWord]]],
        size: tuple[int, int],
    ) -> None:
        """Count one clip.

        Args:
            true: Its true tracks.
            read: The tracks that were read.
            single: Moments, and the words that the frame of each, read by itself, gave.
            size: Width and height of the frames.
        """
        pages = [(time_s, _Page(words)) for time_s, words in single]
        for track in true:
            if not track.ignore:
                self._add_track(track, read, pages, size)
        for one in read:
            self.read += 1
            self.justified += _is_justified(one, true)

    def _add_track(
        self,
        track: TrueTrack,
        read: Sequence[TextTrack],
        pages: Sequence[tuple[float, _Page]],
        size: tuple[int, int],
    ) -> None:
        self.true += 1
        moments = _moments(track.start_s, track.end_s)
        near = [r for r in read if r.start_s < track.end_s and r.end_s > track.start_s]
        holders: list[int] = []
        places: dict[int, list[Counter[int]]] = {}
        for time_s in moments:
            polygons = _as_polygons(track.polygons_at(time_s))
            best: tuple[int, int] | None = None
            for one in near:
                if not one.shown(time_s):
                    continue
                pairs = _pairs(one.places_at(time_s), polygons)
                seen = places.setdefault(one.id, [Counter() for _ in track.words])
                for p, t in pairs:
                    seen[t][p] += 1
                # Of equal ones the present holder stays.
                last = holders[-1] if holders else -1
                if pairs and (
                    best is None or (len(pairs), one.id == last) > (best[0], best[1] == last)
                ):
                    best = (len(pairs), one.id)
            if best is not None:
                holders.append(best[1])
        self.switches += sum(a != b for a, b in pairwise(holders))
        main_id, held = Counter(holders).most_common(1)[0] if holders else (None, 0)
        main = next((r for r in near if r.id == main_id), None)
        said = [""] * len(track.words)
        if main is not None:
            for i, counts in enumerate(places[main.id]):
                if counts:
                    said[i] = main.words[counts.most_common(1)[0][0]].text
            similar = Levenshtein.normalized_similarity(" ".join(said), track.text)
            if held >= HELD_SHARE * len(moments) and similar >= MIN_SIMILARITY:
                self.found += 1
                self.spans += (
                    abs(main.start_s - track.start_s) <= SPAN_S + 1e-6
                    and abs(main.end_s - track.end_s) <= SPAN_S + 1e-6
                )
        for i, word in enumerate(track.words):
            if not any(c.isalnum() for c in word):
                continue
            right = said[i] == word
            self.words += 1
            self.right += right
            shares = [
                page.says(polygon, word)
                for time_s, page in pages
                if track.shown(time_s) and _within(polygon := track.polygons_at(time_s)[i], size)
            ]
            if shares:
                self.both.append((right, float(np.mean(shares))))

    def metrics(self) -> dict[str, float | None]:
        """Return the measures by name; None where there is nothing to measure."""

        def share(part: float, whole: int) -> float | None:
            return part / whole if whole else None

        return {
            "tracks_found": share(self.found, self.true),
            "spans_02s": share(self.spans, self.found),
            "identity_switches": share(self.switches, self.true),
            "word_accuracy": share(sum(right for right, _ in self.both), len(self.both)),
            "word_accuracy_single": share(sum(one for _, one in self.both), len(self.both)),
            "tracks_precision": share(self.justified, self.read),
        }


class _Page:
    """The words of a single frame."""

    def __init__(self, words: Sequence[TextWord]) -> None:
        self._words = words
        self._boxes = np.array([word.box for word in words]).reshape(-1, 4)

    def says(self, polygon: npt.NDArray[np.float64], text: str) -> bool:
        """Say whether a word with that text stands there."""
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        boxes = self._boxes
        near = np.flatnonzero((boxes[:, :2] < high).all(axis=1) & (boxes[:, 2:] > low).all(axis=1))
        found = [self._words[i] for i in near.tolist() if self._words[i].text == text]
        (truth,) = _as_polygons(polygon[None])
        return bool(match_regions([word.polygon for word in found], [truth]))


def lines_found(lines: Sequence[str], words: Sequence[str]) -> int:
    """Count the typed lines that stand somewhere among the words of a frame in reading order.

    A line is found where some words that follow each other, written without spaces and signs and in
    lower case, are like it: at most 15 % of the characters differ.

    Example:
        >>> lines_found(["Do not enter", "WINES"], ["do", "NOT", "Entcr", "98"])
        1
    """
    plain = [_plain(word) for word in words]
    plain = [word for word in plain if word]
    count = 0
    for line in lines:
        wanted = _plain(line)
        length = len(line.split())
        count += any(
            Levenshtein.normalized_similarity(wanted, "".join(plain[start:end])) >= LINE_SIMILARITY
            for start in range(len(plain))
            for end in range(start + 1, min(len(plain), start + length + 4) + 1)
        )
    return count


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _moments(start_s: float, end_s: float) -> list[float]:
    """Return the middles of equal steps of a tenth of a second, about."""
    count = max(3, round((end_s - start_s) / STEP_S))
    return [start_s + (end_s - start_s) * (i + 0.5) / count for i in range(count)]


def _is_justified(one: TextTrack, true: Sequence[TrueTrack]) -> bool:
    moments = _moments(one.start_s, one.end_s)
    good = 0
    for time_s in moments:
        regions = [
            polygon
            for track in true
            if track.start_s - SPAN_S <= time_s < track.end_s + SPAN_S
            for polygon in _as_polygons(track.polygons_at(time_s))
        ]
        words = one.places_at(time_s)
        on = sum(any(_boxes_touch(w, r) and covered(w, r) >= 0.5 for r in regions) for w in words)
        good += on >= 0.5 * len(words)
    return good >= HELD_SHARE * len(moments)


def _pairs(read: Sequence[Polygon], true: Sequence[Polygon]) -> list[tuple[int, int]]:
    if not any(_boxes_touch(r, t) for r in read for t in true):
        return []
    return match_regions(read, true)


def _boxes_touch(a: Polygon, b: Polygon) -> bool:
    return (
        min(x for x, _ in a) < max(x for x, _ in b)
        and min(x for x, _ in b) < max(x for x, _ in a)
        and min(y for _, y in a) < max(y for _, y in b)
        and min(y for _, y in b) < max(y for _, y in a)
    )


def _within(polygon: npt.NDArray[np.float64], size: tuple[int, int]) -> bool:
    return bool((polygon >= 0).all() and (polygon <= size).all())


def _as_polygons(corners: npt.NDArray[np.float64]) -> list[Polygon]:
    return [tuple((float(x), float(y)) for x, y in word) for word in corners]
