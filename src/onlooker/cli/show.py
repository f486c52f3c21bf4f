"""How times, sizes and places are written for people."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from onlooker.records import Moment, clock

KIND_WORDS = {
    "screen": "on screen",
    "speech": "speech",
    "name": "file name",
    "person": "by a person",
}


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


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese letters and emoji take two."""
    return sum(_cells(c) for c in text)


def _cells(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def start_that_fits(text: str, room: int) -> int:
    """Return how many letters of the beginning fit into so many columns."""
    taken = 0
    for number, char in enumerate(text):
        taken += _cells(char)
        if taken > room:
            return number
    return len(text)


def end_of(text: str, room: int) -> str:
    """Return a text, or its end behind ``…`` where it is wider than so many columns."""
    if cells(text) <= room:
        return text
    return "…" + text[len(text) - start_that_fits(text[::-1], room - 1) :]


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


def safe_text(path: Path | str) -> str:
    """Write a path so that JSON can hold it: bytes that are no UTF-8 become escapes."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
