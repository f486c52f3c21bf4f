"""The fields of a description: cleaned of what programs leave there, and merged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from onlooker.errors import OnlookerError
from onlooker.media.language import language_tag
from onlooker.media.subtitles import decode_text
from onlooker.records import Description

MAX_TITLE = 1_000
MAX_TEXT = 20_000

MAX_KEYWORDS = 200
"""Characters and keywords that are kept; longer ones are abuse."""

_DEVICE_TEXTS = re.compile(
    r"(olympus|sony|samsung|kodak|minolta|casio|sanyo|konica).{0,20}(camera|dsc|picture).*"
    r"|sony dsc|digital camera|dcim\\.*|default|untitled|unknown|n/?a|created with .*"
    r"|ascii\s*|charset=.*|\(?null\)?|none|powerpoint[- ]pr\w+|slide \d+|pr[eä]sentation"
    r"|\S+\.(?:pdf|pptx?|docx?|odp|odt|indd|tex|dvi|jpe?g|mp4)",
    re.IGNORECASE,
)
"""What cameras and programs write where people would say something."""

_PROGRAM_PREFIX = re.compile(r"^microsoft (?:power ?point|word|excel) - ", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]+")

_DATE = re.compile(
    r"(?:D:)?(\d{4})(?:[-:/.]?(\d{2})(?:[-:/.]?(\d{2})"
    r"(?:[T ]?(\d{2}):?(\d{2})(?::?(\d{2})(?:\.\d+)?)?\s*(Z|[+-]\d{2}[:']?\d{2})?'?)?)?)?"
)


def make(
    source: str,
    *,
    title: Any = "",
    description: Any = "",
    creators: Iterable[str] = (),
    keywords: Iterable[str] = (),
    series: Any = "",
    language: Any = "",
    rights: Any = "",
    date: Any = "",
) -> Description:
    """Return the description that one source makes, each of its fields cleaned."""
    return Description(
        title=clean(title).replace("\n", " "),
        description=clean(description, MAX_TEXT),
        creators=_unique(clean(name) for name in creators),
        keywords=_unique(clean(word, 200) for word in keywords),
        series=clean(series).replace("\n", " "),
        language=language_tag(language) if isinstance(language, str) else "",
        rights=clean(rights),
        date=iso_date(date),
        sources=(source,),
    )


def merge(descriptions: Iterable[Description]) -> Description:
    """Merge descriptions, the ones that outrank the others first."""
    result = Description()
    for item in descriptions:
        texts = {
            name: getattr(item, name)
            for name in ("title", "description", "series", "language", "rights", "date")
            if not getattr(result, name)
        }
        result = replace(
            result,
            **texts,
            creators=result.creators or item.creators,
            keywords=_unique((*result.keywords, *item.keywords)),
            sources=_unique((*result.sources, *item.sources)),
        )
    return result


def existing(descriptions: Iterable[Description]) -> list[Description]:
    """Return the descriptions that say something."""
    return [item for item in descriptions if replace(item, sources=()) != Description()]


def attempt(
    make: Callable[[], Description | None], what: str, problems: list[str] | None
) -> list[Description]:
    """Run one source; what it raises is noted, and costs only that source."""
    try:
        made = make()
    except OnlookerError as error:
        if problems is not None:
            problems.append(str(error))
        return []
    except Exception as error:  # tags of damaged files raise nearly anything
        if problems is not None:
            problems.append(f"cannot use {what}: {error or type(error).__name__}")
        return []
    return existing([made]) if made is not None else []


def clean(text: Any, limit: int = MAX_TITLE) -> str:
    """Return text on as few lines as it had, without control characters and device names."""
    if isinstance(text, bytes):
        text = decode_text(text)
    if not isinstance(text, str):
        return ""
    text = _CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = "\n".join(" ".join(line.split()) for line in text.strip().split("\n")).strip()
    text = _PROGRAM_PREFIX.sub("", text[:limit])
    return "" if _DEVICE_TEXTS.fullmatch(text) else text


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    seen: dict[str, str] = {}
    for item in items:
        if item:
            seen.setdefault(item.casefold(), item)
    return tuple(list(seen.values())[:MAX_KEYWORDS])


def split(text: Any, separators: str = ";|\n") -> list[str]:
    """Cut a list that was written as one text."""
    cleaned = clean(text, MAX_TEXT)
    return [
        part.strip() for part in re.split(f"[{re.escape(separators)}]", cleaned) if part.strip()
    ]


def iso_date(text: Any) -> str:
    """Return an ISO 8601 date from the ways in which files write one, empty where it is none.

    Example:
        >>> iso_date("D:20240131120000+01'00'"), iso_date("2024:01:31"), iso_date("20240131")
        ('2024-01-31T12:00:00+01:00', '2024-01-31', '2024-01-31')
    """
    match = _DATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return ""
    year, month, day, hour, minute, second, zone = match.groups()
    try:
        datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0))
    except ValueError:
        return ""
    result = "-".join(part for part in (year, month, day) if part)
    if hour:
        result += f"T{hour}:{minute}:{second or '00'}"
        if zone:
            digits = zone.replace(":", "").replace("'", "")
            result += "Z" if zone == "Z" else f"{digits[:3]}:{digits[3:]}"
    return result
