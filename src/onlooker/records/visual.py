"""What can be looked at: a photo, a page, or a stretch of video whose picture stands still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from onlooker.records.geometry import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Something that can be looked at: a photo, a page of a document, a stable stretch of a video.

    Attributes:
        index: Place among the views of the medium, from 0.
        width: Width of the picture that boxes refer to (pixels; points for a page).
        height: Height of that picture.
        start_s: Start of the stretch, None where there is no time.
        end_s: End of the stretch (exclusive).
        best_s: Time of its sharpest, fullest frame, the one that was read.
        page: Number of the page from 1, None where there are no pages.
        kind: ``photo``, ``page``, ``slide`` (a picture that stood still) or ``shot``.
        thumbnail: WebP or JPEG bytes, empty where there is none.
    """

    index: int
    width: int
    height: int
    start_s: float | None = None
    end_s: float | None = None
    best_s: float | None = None
    page: int | None = None
    kind: str = "photo"
    thumbnail: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStep:
    """Something that was added to a picture while the rest of it stayed.

    Attributes:
        time_s: When it appeared, in seconds.
        box: Where, in pixels of the upright frame.
    """

    time_s: float
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class StableSpan:
    """A stretch of video whose text needs to be read only once.

    Attributes:
        index: Place among the spans of the video, from 0.
        start_s: Start in seconds.
        end_s: End (exclusive): the start of the next span.
        best_s: Time of its fullest, sharpest frame.
        kind: ``slide``: the picture stands still but for its moving regions; ``shot``: it moves
            as a whole.
        shot: Number of the shot, from 0. A new shot begins at a cut or dissolve: between two spans
            of one shot there is none, only so much new in the picture that it is worth reading
            again.
        steps: What was added while the span lasted, in order of time; its best frame shows all.
        moving: Regions that move while the rest stands still: a speaker's picture, an embedded
            clip, in pixels of the upright frame.
    """

    index: int
    start_s: float
    end_s: float
    best_s: float
    kind: Literal["slide", "shot"]
    shot: int
    steps: tuple[BuildStep, ...] = ()
    moving: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class ClassLabel:
    """A class that a picture may belong to.

    Attributes:
        name: Name of the class.
        index: Its number in the network's output, from 0.
        confidence: Probability in [0, 1], as the network gives it.
    """

    name: str
    index: int
    confidence: float
