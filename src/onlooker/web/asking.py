"""What a person asks for, as it stands in the address of a search page."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from starlette.datastructures import QueryParams

from onlooker.library.store import Filters
from onlooker.records import EVIDENCE_KINDS, MEDIA_KINDS, EvidenceKind, MediaKind
from onlooker.web.wording import parse_day

MAX_QUERY_CHARS = 1000
_MAX_FIELD_CHARS = 200
MAX_OFFSET = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A search as asked, and what of it could not be understood.

    Attributes:
        q: The words.
        kinds: Kinds of evidence; empty: all.
        mediums: Kinds of medium; empty: all.
        since: First day, as written.
        until: Last day, as written.
        under: Folder, as written (never on a read-only server).
        by: Creator.
        series: Series.
        lang: Language.
        offset: How many hits to leave out.
        problems: Sentences on what could not be understood.
    """

    q: str = ""
    kinds: tuple[EvidenceKind, ...] = ()
    mediums: tuple[MediaKind, ...] = ()
    since: str = ""
    until: str = ""
    under: str = ""
    by: str = ""
    series: str = ""
    lang: str = ""
    offset: int = 0
    problems: tuple[str, ...] = field(default=())

    @property
    def filters(self) -> Filters:
        """The hard limits."""
        return Filters(
            kinds=self.kinds,
            media_kinds=self.mediums,
            under=Path(self.under) if self.under else None,
            since=parse_day(self.since) if self.since else None,
            until=parse_day(self.until, end=True) if self.until else None,
            by=self.by,
            series=self.series,
            language=self.lang,
        )

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self.filters != Filters()

    def params(self, **changes: object) -> dict[str, object]:
        """Return the parameters of this search's address, with some changed."""
        kept: dict[str, object] = {
            "q": self.q,
            "kind": list(self.kinds),
            "medium": list(self.mediums),
            "since": self.since,
            "until": self.until,
            "in_": self.under,
            "by": self.by,
            "series": self.series,
            "lang": self.lang,
            "offset": self.offset or None,
        }
        return {**kept, **changes}


def read_asked(params: QueryParams, *, read_only: bool) -> Asked:
    """Read a search from an address; what makes no sense is named in ``problems``."""
    problems: list[str] = []

    def one(name: str, most: int = _MAX_FIELD_CHARS) -> str:
        value = params.get(name, "").replace("\0", "").strip()
        if len(value) > most:
            problems.append(f"“{name}” is longer than {most} characters; only its start is used.")
        return value[:most]

    def several(name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        given = [value for value in params.getlist(name) if value]
        for value in given:
            if value not in allowed:
                problems.append(f"“{name}={value[:40]}” is unknown; expected {', '.join(allowed)}.")
        chosen = tuple(value for value in allowed if value in given)
        return () if len(chosen) == len(allowed) else chosen

    def date(name: str) -> str:
        value = one(name)
        if value and parse_day(value) is None:
            problems.append(f"“{name}={value[:40]}” is no day; expected YYYY-MM-DD.")
            return ""
        return value

    under = one("in", 4096)
    if under and read_only:
        problems.append("Searching in a folder is switched off on this server.")
        under = ""
    elif under and not Path(under).is_absolute():
        problems.append("“in” needs the whole path of a folder.")
        under = ""
    offset = params.get("offset", "0") or "0"
    if not (offset.isascii() and offset.isdigit() and int(offset[:9]) <= MAX_OFFSET):
        problems.append(f"“offset” must be a number from 0 to {MAX_OFFSET}.")
        offset = "0"
    return Asked(
        q=one("q", MAX_QUERY_CHARS),
        kinds=cast("tuple[EvidenceKind, ...]", several("kind", EVIDENCE_KINDS)),
        mediums=cast("tuple[MediaKind, ...]", several("medium", MEDIA_KINDS)),
        since=date("since"),
        until=date("until"),
        under=under,
        by=one("by"),
        series=one("series"),
        lang=one("lang", 35),  # the longest language tag of RFC 5646, section 4.4.1
        offset=int(offset),
        problems=tuple(problems),
    )
