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


@dataclass(slots=True)
class _Track:
    key: str
    line: TextLine
    view: int
    start_s: float
    end_s: float


def _key(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in plain if c.isalnum())


def _same(a: str, b: str) -> bool:
    if min(len(a), len(b)) < _SHORT:
        return a == b
    return fuzz.ratio(a, b) >= _SAME_LINE


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
        running: list[_Track] = []
        for line in page.lines:
            key = _key(line.text)
            if not key:
                continue
            match = next((track for track in waiting if _same(track.key, key)), None)
            if match is None:
                running.append(_Track(key, line, view, start_s, end_s))
                continue
            waiting.remove(match)
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
