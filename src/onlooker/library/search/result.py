"""What a search gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from onlooker.library.store import MediaRow, MomentRow

Match = Literal["exact", "prefix", "part", "near"]
LEVELS: tuple[Match, ...] = ("exact", "prefix", "part", "near")
"""How a word can match, best first."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """The text that matched.

    Attributes:
        text: As it stands in the moment (normal form C), shortened with ``…`` where it is long;
            moments that match together are joined by `` … ``.
        marks: Begin and end of each stretch that matched, in order, apart from each other.
    """

    text: str
    marks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A moment that was found.

    Attributes:
        moment: The moment; of several that match together, the one that says most.
        media: Its medium.
        snippet: The text with its marks.
        score: In (0, 1]; comparable within one result.
        match: How its weakest word matches.
        why: One phrase for a person.
    """

    moment: MomentRow
    media: MediaRow
    snippet: Snippet
    score: float
    match: Match
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search found.

    Attributes:
        hits: The page that was asked for, best first.
        total: Number of hits, or what is known of it.
        total_exact: ``total`` is exact, not a lower bound.
        took_s: Time in seconds.
        suggestion: Another query that finds something, where nothing better than near words was
            found: the words as the library spells them; or, where they stand nowhere together,
            those that are found by themselves, joined by ``OR``. Else "".
    """

    hits: tuple[Hit, ...] = ()
    total: int = 0
    total_exact: bool = True
    took_s: float = 0.0
    suggestion: str = ""
