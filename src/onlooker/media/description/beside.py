"""Files beside a medium: tables, Dublin Core, yt-dlp's records, XMP sidecars."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from onlooker.errors import MediaError
from onlooker.media import xmp
from onlooker.media.description.fields import attempt, existing, make, split
from onlooker.media.description.packet import from_xmp
from onlooker.media.files import PathLike, as_path, read_bytes, shown
from onlooker.media.sidecars import TABLE_NAMES, beside, read_table, table_rows
from onlooker.media.subtitles import decode_text
from onlooker.records import Description

MAX_JSON_BYTES = 64_000_000
"""yt-dlp's record holds all formats and, if asked for, all comments."""


def from_sidecars(path: PathLike, problems: list[str] | None = None) -> list[Description]:
    """Return what the files beside a medium say, one a file, best first."""
    found: list[Description] = []
    for row in table_rows(path):
        found += existing([from_table(row.values)])
    if problems is not None:
        for name in TABLE_NAMES:
            table = as_path(path).parent / name
            if table.is_file():
                try:
                    read_table(table)
                except MediaError as error:
                    problems.append(str(error))
    for item in beside(path).descriptions:
        found += attempt(partial(_from_file, item), shown(item), problems)
    return found


def _from_file(item: Path) -> Description | None:
    name = item.name.lower()
    if name.endswith(".json"):
        return from_ytdlp_file(item)
    if name.endswith(".xmp"):
        return from_xmp(read_bytes(item, xmp.MAX_XML_BYTES), shown(item), "xmp-sidecar")
    if name.endswith(".xml"):
        return from_dublin_core_file(item)
    return None  # a table: its rows were taken above


def from_table(values: Mapping[str, str]) -> Description:
    """Read a row of a folder's table (`sidecars.read_table`)."""
    return make(
        "csv",
        title=values.get("title", ""),
        description=values.get("description", ""),
        creators=split(values.get("creator", "")),
        keywords=split(values.get("keywords", ""), ",;|\n"),
        series=values.get("series", ""),
        language=values.get("language", ""),
        rights=values.get("rights", ""),
        date=values.get("date", ""),
    )


def from_dublin_core_file(path: PathLike) -> Description | None:
    """Read a Dublin Core file; None where it is some other kind of XML.

    Raises:
        MediaError: It cannot be read, is not well-formed, or hostile.
    """
    values = xmp.dublin_core_values(read_bytes(path, xmp.MAX_XML_BYTES), shown(path))
    if values is None:
        return None

    def first(name: str) -> str:
        return next(iter(values.get(name, [])), "")

    return make(
        "dublin-core",
        title=first("title"),
        description=first("description"),
        creators=values.get("creator", []),
        keywords=values.get("keywords", []),
        series=first("series"),
        language=first("language"),
        rights=first("rights"),
        date=first("date"),
    )


def from_ytdlp_file(path: PathLike) -> Description:
    """Read the ``.info.json`` that yt-dlp writes.

    Raises:
        MediaError: It cannot be read, or is no such record.
    """
    try:
        record = json.loads(decode_text(read_bytes(path, MAX_JSON_BYTES)))
    except (ValueError, RecursionError) as error:
        raise MediaError(f"cannot use {shown(path)}: it is no JSON ({error})") from error
    if not isinstance(record, dict):
        raise MediaError(f"cannot use {shown(path)}: a JSON object was expected")

    def first(*names: str) -> Any:
        return next((record[name] for name in names if record.get(name)), "")

    def listed(*names: str) -> list[str]:
        value = first(*names)
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

    stamp = record.get("timestamp")
    date = first("release_date", "upload_date")
    if not date and isinstance(stamp, int | float) and 0 < stamp < 1e11:
        date = datetime.fromtimestamp(stamp, UTC).isoformat(timespec="seconds")
    creators = listed("creators", "artists") or [
        name
        for name in (first("creator", "artist", "uploader", "channel"),)
        if isinstance(name, str)
    ]
    return make(
        "yt-dlp",
        title=first("title", "fulltitle"),
        description=first("description"),
        creators=creators,
        keywords=[*listed("tags"), *listed("categories")],
        series=first("series", "playlist_title", "playlist", "album"),
        language=first("language"),
        rights=first("license"),
        date=date,
    )
