"""A moment: the unit that is searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from onlooker.records.geometry import Polygon

EvidenceKind = Literal["screen", "speech", "name", "person"]
EVIDENCE_KINDS: tuple[EvidenceKind, ...] = ("screen", "speech", "name", "person")
"""``screen``: text that can be seen (video, photo, page); ``speech``: said or subtitled;
``name``: the file's name; ``person``: titles, descriptions, keywords given by people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A stretch of text with its place: a line on a slide, a sentence said, a title given.

    Attributes:
        kind: Kind of evidence.
        text: The text as it stands, accents kept.
        start_s: Start in the recording, None where there is no time.
        end_s: End (exclusive).
        page: Page from 1, None where there are no pages.
        view: Index of the `View` it is seen on, None where it cannot be seen.
        polygons: One per word, in pixels of that view; empty where there is no place.
        confidence: Probability in [0, 1] that the text is right; 1 for what stood in a file.
        field: For ``person``: which field it is (``title``, ``creator``, ``series`` …).
    """

    kind: EvidenceKind
    text: str
    start_s: float | None = None
    end_s: float | None = None
    page: int | None = None
    view: int | None = None
    polygons: tuple[Polygon, ...] = ()
    confidence: float = 1.0
    field: str = ""
