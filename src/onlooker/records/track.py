"""Text that stands in a video for a while."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from onlooker.records.geometry import Polygon
from onlooker.records.text import TextLine, TextWord


@dataclass(frozen=True, slots=True)
class TextTrack:
    """A line of text in a video: what it says, from when to when, and where at each moment.

    Attributes:
        id: Number within the video, in the order in which lines were found.
        line: The words as all readings together say; their polygons are those at ``best_s``.
        start_s: When it is first seen, in seconds.
        end_s: When it is not seen any more.
        best_s: Time of the frame in which it was read with most confidence.
        times_s: Rising moments at which its places are given; between two of them it moves evenly,
            before the first and after the last it stands still.
        places: For each of the moments, the polygon of each word.
        readings: For each word, what single frames gave: text and confidence, in order of time.
    """

    id: int
    line: TextLine
    start_s: float
    end_s: float
    best_s: float
    times_s: tuple[float, ...]
    places: tuple[tuple[Polygon, ...], ...]
    readings: tuple[tuple[tuple[str, float], ...], ...] = ()

    @property
    def text(self) -> str:
        """The words, joined by single spaces."""
        return self.line.text

    @property
    def words(self) -> tuple[TextWord, ...]:
        """The words in reading order."""
        return self.line.words

    @property
    def confidence(self) -> float:
        """The mean confidence of the words, weighted by their length."""
        return self.line.confidence

    def shown(self, time_s: float) -> bool:
        """Say whether it is seen at a moment."""
        return self.start_s <= time_s < self.end_s

    def places_at(self, time_s: float) -> tuple[Polygon, ...]:
        """Return the polygon of each word at a moment."""
        after = bisect_right(self.times_s, time_s)
        if after in (0, len(self.times_s)):
            return self.places[min(after, len(self.times_s) - 1)]
        before_s, after_s = self.times_s[after - 1], self.times_s[after]
        share = (time_s - before_s) / (after_s - before_s)
        return tuple(
            tuple(
                (x + share * (u - x), y + share * (v - y))
                for (x, y), (u, v) in zip(start, end, strict=True)
            )
            for start, end in zip(self.places[after - 1], self.places[after], strict=True)
        )
