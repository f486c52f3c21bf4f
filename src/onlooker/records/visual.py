"""What can be looked at: a photo, a page, or a stretch of video in which the picture stands still."""

from __future__ import annotations

from dataclasses import dataclass


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
