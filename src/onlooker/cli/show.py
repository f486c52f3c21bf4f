"""How times, sizes and places are written for people."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

from onlooker.library.store import MediaRow
from onlooker.records import Moment

KIND_WORDS = {
    "screen": "on screen",
    "speech": "speech",
    "name": "file name",
    "person": "by a person",
}


def clock(seconds: float) -> str:
    """Write a time in a recording: ``4:05``, ``1:04:05``."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def place(moment: Moment) -> str:
    """Write where a moment is: a time span, a page, or nothing."""
    if moment.start_s is not None:
        end = moment.end_s if moment.end_s is not None else moment.start_s
        start_text, end_text = clock(moment.start_s), clock(end)
        return start_text if start_text == end_text else f"{start_text}–{end_text}"
    return f"page {moment.page}" if moment.page is not None else ""


def size(count: float) -> str:
    """Write a number of bytes: ``3.4 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def plain(text: str) -> str:
    """Make one line of it that cannot move the cursor: control characters become visible."""
    return "".join(
        "�" if 0xDC80 <= ord(c) <= 0xDCFF else " " if c in "\t\n\r" else
        "·" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\u00ad" else c
        for c in text
    )  # fmt: skip


def path_text(path: Path) -> str:
    """Write a path, below the current folder or the home folder shortened."""
    for base, mark in ((Path.cwd(), ""), (Path.home(), "~/")):
        try:
            return mark + plain(str(path.relative_to(base)))
        except ValueError:
            continue
    return plain(str(path))


def safe_text(path: Path) -> str:
    """Write a path so that JSON can hold it: bytes that are no UTF-8 become escapes."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def moment_json(moment: Moment) -> dict[str, Any]:
    """Return a moment as plain values."""
    values: dict[str, Any] = {"kind": moment.kind, "text": moment.text}
    if moment.field:
        values["field"] = moment.field
    if moment.start_s is not None:
        values["start_s"] = round(moment.start_s, 3)
        values["end_s"] = round(moment.end_s if moment.end_s is not None else moment.start_s, 3)
    if moment.page is not None:
        values["page"] = moment.page
    if moment.view is not None:
        values["view"] = moment.view
    if moment.polygons:
        values["polygons"] = [
            [[round(x, 1), round(y, 1)] for x, y in polygon] for polygon in moment.polygons
        ]
    values["confidence"] = round(moment.confidence, 3)
    return values


def media_json(row: MediaRow) -> dict[str, Any]:
    """Return a medium as plain values, without what is empty."""
    facts = row.facts
    said = facts.description
    values: dict[str, Any] = {
        "id": row.public_id,
        "kind": row.kind,
        "title": row.title,
        "paths": [safe_text(path.path) for path in row.paths],
        "size_bytes": row.size_bytes,
        "width": facts.width,
        "height": facts.height,
        "duration_s": facts.duration_s,
        "pages": facts.pages,
        "captured_at": facts.captured_at,
        "latitude": facts.latitude,
        "longitude": facts.longitude,
        "description": said.description,
        "creators": list(said.creators),
        "keywords": list(said.keywords),
        "series": said.series,
        "language": said.language,
        "rights": said.rights,
        "date": said.date,
        "stages": {
            task.stage: {"state": task.state, **({"reason": task.reason} if task.reason else {})}
            for task in row.tasks
        },
    }
    return {key: value for key, value in values.items() if value not in (None, "", [], 0)}
