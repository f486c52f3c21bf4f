"""Files beside a medium that belong to it: subtitles, descriptions, a folder's table.

For ``talk.mp4`` these are, in any mixture of capitals:

* subtitles ``talk.srt``, ``talk.en.vtt``, ``talk.mp4.srt``, ``talk.en.forced.srt``;
* descriptions ``talk.dc.xml``, ``talk.xml``, ``talk.info.json``, ``talk.xmp``, ``talk.mp4.xmp``;
* a row for it in ``onlooker.csv`` or ``metadata.csv`` in its folder or in one of the
  `TABLE_LEVELS` folders above, whose column ``path`` is relative to the table.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import time
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from onlooker.errors import MediaError
from onlooker.media.files import PathLike, as_path, read_bytes, shown
from onlooker.media.kind import SUFFIXES
from onlooker.media.subtitles import decode_text

SUBTITLE_SUFFIXES = (".srt", ".vtt")

DESCRIPTION_SUFFIXES = (".dc.xml", ".xml", ".info.json", ".xmp")
"""Best first: what was written on purpose before what a program exported."""

TABLE_NAMES = ("onlooker.csv", "metadata.csv")

TABLE_LEVELS = 3
"""Folders above a medium's own in which a table is looked for: term, course, lecture."""

MAX_TABLE_BYTES = 32_000_000
"""A table of 100,000 rows has some 20 MB."""

TABLE_COLUMNS = (
    "path", "title", "creator", "series", "date", "language", "rights", "keywords", "description"
)  # fmt: skip

_MIDDLE = re.compile(
    r"(?:\.(?:[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*|forced|sdh|cc|hi|auto|orig|captions|subtitles"
    r"|transcript))+"
)
"""What may stand between the name and the suffix of a subtitle: languages and their kind."""

_SETTLED_NS = 2_000_000_000
"""A folder changed this recently may change again within one tick of the file system's clock."""


@dataclass(frozen=True, slots=True)
class Sidecars:
    """Files that belong to a medium.

    Attributes:
        subtitles: Subtitle files, by name.
        descriptions: Description files, the ones that outrank the others first.
    """

    subtitles: tuple[Path, ...] = ()
    descriptions: tuple[Path, ...] = ()


@lru_cache(maxsize=16)
def _cached_names(folder: Path, _changed_ns: int) -> dict[str, tuple[str, ...]]:
    return _list_names(folder)


def _list_names(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return a folder's file names by their part before the first dot, in lower case."""
    names: dict[str, list[str]] = {}
    for name in os.listdir(folder):  # noqa: PTH208 names, not paths: 50,000 of them in a folder
        names.setdefault(_first_part(name), []).append(name)
    return {key: tuple(sorted(values)) for key, values in names.items()}


def _first_part(name: str) -> str:
    head, dot, rest = name.lower().partition(".")
    return head if head or not dot else "." + rest.partition(".")[0]


def _names(folder: Path) -> dict[str, tuple[str, ...]]:
    """List a folder; the listing is kept while the folder's time stands still."""
    try:
        changed = folder.stat().st_mtime_ns
        if time.time_ns() - changed > _SETTLED_NS:
            return _cached_names(folder, changed)
        return _list_names(folder)
    except OSError:
        return {}  # the folder vanished or cannot be listed: there is nothing beside the file


def beside(path: PathLike) -> Sidecars:
    """Find the files that belong to a medium; empty where there are none.

    Example:
        >>> beside("talk.mp4")  # doctest: +SKIP
        Sidecars(subtitles=(Path('talk.en.srt'),), descriptions=(Path('talk.info.json'),))
    """
    medium = as_path(path)
    folder = medium.parent
    names = _names(folder).get(_first_part(medium.name), ())
    stem, full = medium.stem.lower(), medium.name.lower()
    media_stems = {
        Path(name).stem.lower()
        for name in names
        if name != medium.name and Path(name).suffix.lower() in SUFFIXES
    }
    subtitles: list[Path] = []
    descriptions: list[tuple[int, int, Path]] = []
    for name in names:
        lower = name.lower()
        for suffix in SUBTITLE_SUFFIXES:
            if lower.endswith(suffix) and _belongs(lower[: -len(suffix)], stem, full, media_stems):
                subtitles.append(folder / name)
        for rank, suffix in enumerate(DESCRIPTION_SUFFIXES):
            base = lower.removesuffix(suffix)
            if base != lower and base in (full, stem):
                descriptions.append((rank, 0 if base == full else 1, folder / name))
                break
    tables = [row.table for row in table_rows(medium)]
    ordered = [found for _, _, found in sorted(descriptions)]
    return Sidecars(
        tuple(item for item in subtitles if item.is_file()),
        (*tables, *(item for item in ordered if item.is_file())),
    )


def _belongs(base: str, stem: str, full: str, media_stems: set[str]) -> bool:
    """Say whether a subtitle file's name without suffix belongs to a medium and no other one."""
    if base in (stem, full):
        return True
    if base in media_stems:
        return False
    for whole in (full, stem):
        if base.startswith(whole + ".") and _MIDDLE.fullmatch(base[len(whole) :]):
            # talk.en.srt belongs to talk.en.mp4, where there is one, rather than to talk.mp4
            return not any(
                other != stem and len(other) > len(stem) and base.startswith(other + ".")
                for other in media_stems
            )
    return False


@dataclass(frozen=True, slots=True)
class TableRow:
    """A medium's row in a folder's table.

    Attributes:
        table: The CSV file.
        values: Column (lower case) → text; empty values are left out.
    """

    table: Path
    values: dict[str, str]


def table_rows(path: PathLike) -> list[TableRow]:
    """Find a medium's rows in the tables of its folder and the folders above, nearest first.

    A table that cannot be read gives none; `read_table` says why.
    """
    medium = as_path(path)
    try:
        medium = medium.parent.resolve() / medium.name
    except OSError:
        return []
    rows = []
    folder = medium.parent
    for _ in range(TABLE_LEVELS + 1):
        for name in TABLE_NAMES:
            table = folder / name
            try:
                status = table.stat()
                key = _row_key(medium.relative_to(folder).as_posix())
                values = _cached_table(table, status.st_mtime_ns, status.st_size).get(key)
            except (OSError, MediaError):
                continue
            if values:
                rows.append(TableRow(table, dict(values)))
        if folder.parent == folder:
            break
        folder = folder.parent
    return rows


def _row_key(text: str) -> str:
    """Bring a path of a table to one form: no ``./``, forward slashes, composed letters."""
    posix = PurePosixPath(text.strip().replace("\\", "/"))
    return unicodedata.normalize("NFC", str(posix))


@lru_cache(maxsize=8)
def _cached_table(table: Path, _changed_ns: int, _size: int) -> dict[str, dict[str, str]]:
    return read_table(table)


def read_table(table: PathLike) -> dict[str, dict[str, str]]:
    """Read a folder's table.

    Args:
        table: CSV with a header; comma, semicolon or tab between the fields. `TABLE_COLUMNS` are
            known, in any order; the others are passed over.

    Returns:
        Path of a medium, relative to the table → column → text.

    Raises:
        MediaError: It cannot be read, is too large, is no CSV, or has no column ``path``.
    """
    text = decode_text(read_bytes(table, MAX_TABLE_BYTES))
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    rows: dict[str, dict[str, str]] = {}
    try:
        reader = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=separator)
        columns = [name.strip().lower().removeprefix("\ufeff") for name in next(reader, [])]
        if "path" not in columns:
            raise MediaError(
                f"cannot use {shown(table)}: it has no column 'path'; expected the columns"
                f" {','.join(TABLE_COLUMNS)}"
            )
        for fields in reader:
            values = {
                name: field.strip()
                for name, field in zip(columns, fields, strict=False)
                if name in TABLE_COLUMNS and field.strip()
            }
            if "path" in values:
                rows[_row_key(values.pop("path"))] = values
    except csv.Error as error:
        raise MediaError(f"cannot use {shown(table)}: it is no CSV ({error})") from error
    return rows


def stamp(path: PathLike) -> str:
    """Return a short string that changes when anything beside a medium changes.

    Names, sizes and times of the files beside it count, and of a table only the medium's own row.
    Empty where there is nothing.
    """
    found = beside(path)
    parts: list[str] = []
    for item in (*found.subtitles, *found.descriptions):
        if item.name in TABLE_NAMES:
            continue
        try:
            status = item.stat()
        except OSError:
            continue
        parts.append(f"{item.name}\0{status.st_size}\0{status.st_mtime_ns}")
    parts.extend(f"{row.table.name}\0{sorted(row.values.items())}" for row in table_rows(path))
    if not parts:
        return ""
    joined = "\0\0".join(parts).encode("utf-8", "surrogateescape")
    return hashlib.sha256(joined).hexdigest()[:16]
