"""Lines seen on neighbouring frames become one moment with one time span."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from rapidfuzz import fuzz

from onlooker.records import Moment, Page, TextLine

# Two readings of one line differ by a slip or two: 85 of 100 lets one slip pass in seven
# characters. Shorter ones must be equal, or "page 1" would run on into "page 2".
_SAME_LINE = 85.0
_SHORT = 7
# Between two groups lies at most a frame or a short dissolve.
_GAP_S = 1.0


@dataclass(slots=True, eq=False)
class _Track:
    key: str
    line: TextLine
    view: int
    start_s: float
    end_s: float


def _key(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in plain if c.isalnum())


def _likeness(a: str, b: str) -> float:
    """Return how alike two readings are, up to 100; 0 where they are not of one line."""
    if a == b:
        return 100.0
    # "figure 12: results" and "figure 13: results" are a slip apart, and two lines.
    if min(len(a), len(b)) < _SHORT or _digits(a) != _digits(b):
        return 0.0
    return fuzz.ratio(a, b, score_cutoff=_SAME_LINE)


def _digits(key: str) -> list[str]:
    return [c for c in key if c.isdecimal()]


class LineTracks:
    """Collects the pages read from a recording, in order of time, and yields finished moments.

    Example:
        >>> tracks = LineTracks()
        >>> moments = [*tracks.add(0, 0.0, 9.0, Page(width=10, height=10, lines=())), *tracks.end()]
    """

    def __init__(self) -> None:
        self._open: list[_Track] = []

    def add(self, view: int, start_s: float, end_s: float, page: Page) -> Iterator[Moment]:
        """Take the page seen on ``view`` from ``start_s`` to ``end_s``; yield lines that are over.

        A line that also stood on the page before goes on; of its readings the most confident is
        kept, with the view and the places of that one.
        """
        waiting = [track for track in self._open if start_s - track.end_s <= _GAP_S]
        yield from (self._moment(track) for track in self._open if track not in waiting)
        keys = [_key(line.text) for line in page.lines]
        # Equal lines find each other first, so that no similar one takes their place.
        matches: dict[int, _Track] = {}
        for least in (100.0, _SAME_LINE):
            for number, key in enumerate(keys):
                if not key or number in matches or not waiting:
                    continue
                best = max(waiting, key=lambda track: _likeness(track.key, key))
                if _likeness(best.key, key) >= least:
                    waiting.remove(best)
                    matches[number] = best
        running: list[_Track] = []
        for number, (key, line) in enumerate(zip(keys, page.lines, strict=True)):
            if not key:
                continue
            match = matches.get(number)
            if match is None:
                running.append(_Track(key, line, view, start_s, end_s))
                continue
            match.end_s = end_s
            if line.confidence > match.line.confidence:
                match.line, match.view, match.key = line, view, key
            running.append(match)
        yield from (self._moment(track) for track in waiting)
        self._open = running

    def end(self) -> Iterator[Moment]:
        """Yield the lines that are still open."""
        yield from (self._moment(track) for track in self._open)
        self._open = []

    @staticmethod
    def _moment(track: _Track) -> Moment:
        return Moment(
            kind="screen",
            text=track.line.text,
            start_s=track.start_s,
            end_s=track.end_s,
            view=track.view,
            polygons=tuple(word.polygon for word in track.line.words),
            confidence=track.line.confidence,
        )
