"""How things are said on the pages: times, sizes, numbers, names without folders."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from pathlib import PurePath

from onlooker import records
from onlooker.library.store import Counts
from onlooker.records import EvidenceKind, MediaKind

KIND_WORDS: dict[EvidenceKind, str] = {
    "screen": "seen",
    "speech": "said",
    "name": "file name",
    "person": "by people",
}
MEDIA_WORDS: dict[MediaKind, tuple[str, str]] = {
    "video": ("video", "videos"),
    "audio": ("recording", "recordings"),
    "photo": ("photo", "photos"),
    "document": ("document", "documents"),
}
STAGE_WORDS = {"look": "looked at", "read": "read", "hear": "heard"}


def clock(value: float | None) -> str:
    """Return a time as people write it: ``0:07``, ``12:34``, ``1:02:03``."""
    return "" if value is None else records.clock(value)


def clock_words(value: float | None) -> str:
    """Return a time for a screen reader: ``1 hour 2 minutes 3 seconds``."""
    if value is None:
        return ""
    whole = int(max(0.0, value))
    parts = [(whole // 3600, "hour"), (whole // 60 % 60, "minute"), (whole % 60, "second")]
    said = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in parts if count]
    return " ".join(said) or "0 seconds"


def parse_time(text: str) -> float | None:
    """Read a time from a link: ``83``, ``83.5``, ``1:23``, ``1:02:03``, ``1h2m3s``; else None."""
    plain = text.strip().lower()
    if match := re.fullmatch(r"(\d{1,7}(?:\.\d{1,6})?)s?", plain):
        return float(match[1])
    if match := re.fullmatch(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:\.\d{1,6})?)", plain):
        return int(match[1] or 0) * 3600 + int(match[2]) * 60 + float(match[3])
    match = re.fullmatch(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?", plain)
    if match and plain:
        return int(match[1] or 0) * 3600.0 + int(match[2] or 0) * 60 + int(match[3] or 0)
    return None


def size_words(count: float) -> str:
    """Return a size in bytes as ``4.2 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            exact = unit == "bytes" or count >= 100
            return f"{count:.0f} {unit}" if exact else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def length_words(value: float) -> str:
    """Return a length in seconds as ``3 h 20 min``."""
    if value < 60:
        return f"{value:.0f} s"
    minutes = round(value / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def number(value: int) -> str:
    """Return a number with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def day(stamp: float) -> str:
    """Return a POSIX time stamp as ``24 Nov 2026``, local time; empty where it is no time."""
    try:
        moment = datetime.fromtimestamp(stamp)
    except (ValueError, OverflowError, OSError):
        return ""
    return f"{moment.day} {moment:%b %Y}"


def iso(stamp: float) -> str:
    """Return a POSIX time stamp in ISO 8601, local time; empty where it is no time."""
    try:
        return datetime.fromtimestamp(stamp).astimezone().isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""


def parse_day(text: str, *, end: bool = False) -> float | None:
    """Read ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD`` as a POSIX time stamp, local time; else None.

    Args:
        text: The day.
        end: Return its last moment, not its first.
    """
    match = re.fullmatch(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?", text.strip())
    if not match:
        return None
    year, month, date = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    try:
        first = datetime(year, month or 1, date or 1)
        if not end:
            return first.timestamp()
        if date:
            return first.replace(hour=23, minute=59, second=59).timestamp()
        last = not month or month == 12
        after = datetime(year + 1, 1, 1) if last else datetime(year, month + 1, 1)
        return after.timestamp() - 1
    except (ValueError, OverflowError, OSError):
        return None


def plain_name(text: str) -> str:
    """Return a name or title without folders and without unprintable characters."""
    name = re.split(r"[/\\]", text.rstrip("/\\"))[-1] if "/" in text or "\\" in text else text
    return printable(name)


def printable(text: str) -> str:
    """Return text that can be sent as UTF-8: stray bytes of file names become ``\ufffd``."""
    return "".join(
        "\ufffd" if "\ud800" <= c <= "\udfff" else " " if unicodedata.category(c) == "Cc" else c
        for c in text
    )


# What lies below a known folder, up to its last name.
_BELOW_KNOWN = re.compile(r"\0(?:[^\0'\"<>|:\n]*[/\\])?")
_ABSOLUTE = re.compile(r"(?:(?<![\w:/])(?:~|[A-Za-z]:)?[/\\]+|\bfile:/+)[^\s'\"<>|]+")


def without_paths(text: str, known: tuple[PurePath, ...] = ()) -> str:
    """Return a message in which every path is cut down to its last name.

    Args:
        text: A message, as of an error.
        known: Paths that it may name, also ones with spaces.
    """
    forms: dict[str, str] = {}
    for path in known:
        for place in (path, *path.parents):
            whole = str(place)
            if len(place.parts) > 1:
                for form in (whole, repr(whole)[1:-1], printable(whole)):
                    forms[form] = place.name
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form + "/", "\0").replace(form + "\\", "\0")
        text = text.replace(form, printable(forms[form]))
    text = _BELOW_KNOWN.sub("", text).replace("\0", "")
    return _ABSOLUTE.sub(lambda match: re.split(r"[/\\]", match[0].rstrip("/\\"))[-1], text)


def not_looked_at(counts: Counts) -> list[str]:
    """Say in words what a search can't find yet."""
    said: list[str] = []

    def add(stage: str, states: tuple[str, ...], one: str, many: str) -> None:
        count = sum(counts.tasks.get(stage, {}).get(state, 0) for state in states)
        if count:
            said.append(f"{number(count)} {one if count == 1 else many}")

    add("look", ("pending",), "file has not been looked at", "files have not been looked at")
    add("read", ("pending",), "file is waiting to be read", "files are waiting to be read")
    add("read", ("skipped",), "file could not be read", "files could not be read")
    add("hear", ("pending",), "recording has not been heard", "recordings have not been heard")
    add("hear", ("skipped",), "recording was not heard", "recordings were not heard")
    failed = sum(states.get("failed", 0) for states in counts.tasks.values()) + counts.failed_paths
    if failed:
        said.append(f"{number(failed)} {'file' if failed == 1 else 'files'} failed")
    if counts.offline_paths:
        drive = (
            "file is on a drive that is not there"
            if counts.offline_paths == 1
            else ("files are on drives that are not there")
        )
        said.append(f"{number(counts.offline_paths)} {drive}")
    return said
