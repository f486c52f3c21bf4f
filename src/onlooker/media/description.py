"""What people said about a medium: tags inside the file, and sidecar files beside it.

Sources are asked in the order of how deliberately they were written: a folder's table, Dublin
Core, yt-dlp's record, an XMP sidecar, then what stands inside the file. Each field is taken from
the first source that has it; keywords are gathered from all.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from onlooker.errors import MediaError, OnlookerError
from onlooker.media import xmp
from onlooker.media.container import audio_stream, open_container, plausible_place, video_stream
from onlooker.media.document import Document
from onlooker.media.files import PathLike, as_path, open_file, read_bytes, shown
from onlooker.media.image import open_picture
from onlooker.media.language import language_tag
from onlooker.media.sidecars import TABLE_NAMES, beside, read_table, table_rows
from onlooker.media.subtitles import decode_text
from onlooker.records import Description, MediaKind

MAX_JSON_BYTES = 64_000_000
"""yt-dlp's record holds all formats and, if asked for, all comments."""

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


def describe(path: PathLike, kind: MediaKind, problems: list[str] | None = None) -> Description:
    """Merge what the tags inside a medium and the files beside it say.

    A damaged or hostile source costs only itself.

    Args:
        path: The medium.
        kind: Its kind.
        problems: Gets a sentence for each source that could not be used.

    Returns:
        The description; `Description.sources` names what it was taken from.

    Raises:
        MediaError: The medium itself cannot be opened.
    """
    found = from_sidecars(path, problems)
    found.extend(inside(path, kind, problems))
    return merge(found)


def inside(path: PathLike, kind: MediaKind, problems: list[str] | None = None) -> list[Description]:
    """Return what the tags inside a medium say, one a source, best first.

    Raises:
        MediaError: The medium cannot be opened.
    """
    if kind == "photo":
        return _of_photo(path, problems)
    if kind == "document":
        return _of_document(path, problems)
    with open_container(path) as container:
        streams = [audio_stream(container), video_stream(container)]
        tags = {key.lower(): value for key, value in container.metadata.items()}
        for stream in streams:
            if stream is not None and container.format.name == "ogg":  # its tags sit on the streams
                tags = {**{key.lower(): value for key, value in stream.metadata.items()}, **tags}
        languages = [
            stream.metadata.get("language", "") for stream in streams if stream is not None
        ]
    tags.setdefault("language", next((code for code in languages if language_tag(code)), ""))
    return _existing([from_container(tags)])


def _existing(descriptions: Iterable[Description]) -> list[Description]:
    return [item for item in descriptions if replace(item, sources=()) != Description()]


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


def _clean(text: Any, limit: int = MAX_TITLE) -> str:
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


def _split(text: Any, separators: str = ";|\n") -> list[str]:
    cleaned = _clean(text, MAX_TEXT)
    return [
        part.strip() for part in re.split(f"[{re.escape(separators)}]", cleaned) if part.strip()
    ]


def _make(
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
    return Description(
        title=_clean(title).replace("\n", " "),
        description=_clean(description, MAX_TEXT),
        creators=_unique(_clean(name) for name in creators),
        keywords=_unique(_clean(word, 200) for word in keywords),
        series=_clean(series).replace("\n", " "),
        language=language_tag(language) if isinstance(language, str) else "",
        rights=_clean(rights),
        date=iso_date(date),
        sources=(source,),
    )


_DATE = re.compile(
    r"(?:D:)?(\d{4})(?:[-:/.]?(\d{2})(?:[-:/.]?(\d{2})"
    r"(?:[T ]?(\d{2}):?(\d{2})(?::?(\d{2})(?:\.\d+)?)?\s*(Z|[+-]\d{2}[:']?\d{2})?'?)?)?)?"
)


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


def from_container(tags: Mapping[str, str]) -> Description:
    """Read the tags of a recording.

    Args:
        tags: Name in lower case → text, as FFmpeg gives them (ID3, Vorbis comments, MP4 atoms and
            Matroska tags under common names).
    """

    def first(*names: str) -> str:
        for name in names:
            text = _clean(tags.get(name, ""), MAX_TEXT)
            if text:
                return text
        return ""

    apple = "com.apple.quicktime."
    return _make(
        "container",
        title=first("title", apple + "title", apple + "displayname"),
        description=first(
            "description", "synopsis", "summary", apple + "description", "comment", "subtitle"
        ),
        creators=_split(
            first("artist", "author", "creator", "performer", apple + "author", "album_artist")
        ),
        keywords=[
            *_split(first("keywords", apple + "keywords"), ",;|\n"),
            *_split(first("genre"), ",;|\n"),
        ],
        series=first("show", "series", "album", "grouping", apple + "album"),
        language=tags.get("language", ""),
        rights=first("copyright", "license", apple + "copyright"),
        date=first("date", "date_released", "year", apple + "creationdate", "creation_time"),
    )


def _windows_text(value: Any) -> str:
    """Decode Windows' EXIF fields: UTF-16 bytes, or a tuple of them."""
    if isinstance(value, tuple | list):
        value = bytes(byte for byte in value if isinstance(byte, int) and 0 <= byte < 256)
    return value.decode("utf-16-le", "replace").rstrip("\0") if isinstance(value, bytes) else ""


def _user_comment(value: Any) -> str:
    """Decode EXIF's UserComment: eight bytes name the character code (EXIF 2.32, 4.6.5)."""
    if isinstance(value, bytes):
        code, text = value[:8], value[8:]
        if code.startswith(b"UNICODE"):
            return decode_text(text) if text[:2] in (b"\xff\xfe", b"\xfe\xff") else _utf16(text)
        if code.startswith((b"ASCII", b"\0\0\0\0")):
            return decode_text(text.rstrip(b"\0"))
        return ""
    return value if isinstance(value, str) else ""


def _utf16(text: bytes) -> str:
    little = text[1::2].count(0) >= text[0::2].count(0)
    return text.decode("utf-16-le" if little else "utf-16-be", "replace").rstrip("\0")


def from_exif(exif: Any) -> Description:
    """Read the texts of an EXIF directory (`PIL.Image.Exif`)."""
    detail = exif.get_ifd(0x8769)

    def text(tag: int) -> Any:
        value = exif.get(tag, "")
        # Pillow decodes ASCII as Latin-1; nearly all programs write UTF-8 there.
        return decode_text(value.encode("latin-1")) if _is_latin1(value) else value

    zone = detail.get(0x9011, "")
    date = detail.get(0x9003) or detail.get(0x9004) or ""
    return _make(
        "exif",
        title=_windows_text(exif.get(0x9C9B)),
        description=_clean(text(0x010E), MAX_TEXT)
        or _clean(_windows_text(exif.get(0x9C9C)), MAX_TEXT)
        or _user_comment(detail.get(0x9286)),
        creators=_split(text(0x013B)) or _split(_windows_text(exif.get(0x9C9D))),
        keywords=_split(_windows_text(exif.get(0x9C9E)), ";,\n"),
        rights=text(0x8298),
        date=f"{date}{zone}" if iso_date(f"{date}{zone}") else date,
    )


def _is_latin1(value: Any) -> bool:
    return isinstance(value, str) and not value.isascii() and all(char < "\u0100" for char in value)


def from_iptc(records: Mapping[tuple[int, int], Any]) -> Description:
    """Read IPTC-IIM records: (record, data set) → bytes or a list of them."""

    def all_of(number: int) -> list[str]:
        value = records.get((2, number), [])
        values = value if isinstance(value, list) else [value]
        return [_clean(item, MAX_TEXT) for item in values]

    def first(*numbers: int) -> str:
        return next((text for number in numbers for text in all_of(number) if text), "")

    return _make(
        "iptc",
        title=first(5, 105),  # object name, headline
        description=first(120),  # caption
        creators=all_of(80),  # by-line
        keywords=all_of(25),
        rights=first(116),
        date=first(55),
    )


def from_xmp(data: bytes, name: str = "the XMP packet", source: str = "xmp") -> Description:
    """Read an XMP packet.

    Raises:
        MediaError: It is not well-formed, or hostile.
    """
    values = xmp.xmp_values(data, name)

    def all_of(*names: tuple[str, str]) -> list[str]:
        return [text for space, local in names for text in values.get(f"{{{space}}}{local}", [])]

    def first(*names: tuple[str, str]) -> str:
        return next(iter(all_of(*names)), "")

    creators = all_of((xmp.DC, "creator")) or all_of((xmp.XMP_MEDIA, "artist"))
    keywords = all_of((xmp.DC, "subject")) or _split(first((xmp.PDF, "Keywords")), ",;\n")
    return _make(
        source,
        title=first((xmp.DC, "title"), (xmp.PHOTOSHOP, "Headline")),
        description=first((xmp.DC, "description")),
        creators=[part for name in creators for part in _split(name)],
        keywords=keywords,
        series=first((xmp.XMP_MEDIA, "album"), (xmp.DC_TERMS, "isPartOf")),
        language=first((xmp.DC, "language")),
        rights=first((xmp.DC, "rights"), (xmp.XMP_RIGHTS, "UsageTerms"), (xmp.CC, "license")),
        date=first(
            (xmp.PHOTOSHOP, "DateCreated"),
            (xmp.EXIF, "DateTimeOriginal"),
            (xmp.DC, "date"),
            (xmp.XMP, "CreateDate"),
        ),
    )


def xmp_time_and_place(data: bytes) -> tuple[float | None, tuple[float, float] | None]:
    """Return capture time (POSIX) and place (degrees) of an XMP packet, None where unknown."""
    try:
        values = xmp.xmp_values(data)
    except MediaError:
        return None, None
    captured = None
    for space, local in (
        (xmp.EXIF, "DateTimeOriginal"), (xmp.PHOTOSHOP, "DateCreated"), (xmp.XMP, "CreateDate"),
    ):  # fmt: skip
        for text in values.get(f"{{{space}}}{local}", []):
            if captured is None and len(text) >= 16:
                try:
                    captured = datetime.fromisoformat(text).timestamp()
                except (ValueError, OverflowError, OSError):
                    continue
    angles = []
    for local in ("GPSLatitude", "GPSLongitude"):
        match = re.fullmatch(
            r"(\d{1,3}),(\d{1,2}(?:\.\d+)?)(?:,(\d{1,2}(?:\.\d+)?))?([NSEW])",
            next(iter(values.get(f"{{{xmp.EXIF}}}{local}", [])), ""),
        )
        if match:
            angle = int(match[1]) + float(match[2]) / 60 + float(match[3] or 0) / 3600
            angles.append(-angle if match[4] in "SW" else angle)
    if len(angles) == 2 and plausible_place(angles[0], angles[1]):
        return captured, (angles[0], angles[1])
    return captured, None


def xmp_of_picture(image: Any) -> bytes | None:
    """Return the XMP packet of an open Pillow image."""
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if packet is None and hasattr(image, "tag_v2"):
        packet = image.tag_v2.get(700)
    if isinstance(packet, str):
        return packet.encode("utf-8", "replace")
    return packet if isinstance(packet, bytes) else None


def _attempt(
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
    return _existing([made]) if made is not None else []


def _of_photo(path: PathLike, problems: list[str] | None) -> list[Description]:
    from PIL import IptcImagePlugin

    found: list[Description] = []
    with open_picture(path) as (image, _):
        packet = xmp_of_picture(image)
        if packet is not None:
            name = f"the XMP packet of {shown(path)}"
            found += _attempt(lambda: from_xmp(packet, name), name, problems)
        found += _attempt(
            lambda: from_iptc(IptcImagePlugin.getiptcinfo(image) or {}),
            f"the IPTC records of {shown(path)}",
            problems,
        )
        found += _attempt(
            lambda: from_exif(image.getexif()), f"the EXIF of {shown(path)}", problems
        )
        texts = {key.lower(): value for key, value in image.info.items() if isinstance(value, str)}
        if texts:  # PNG's text chunks, GIF's comment
            found += _attempt(
                lambda: _make(
                    "picture",
                    title=texts.get("title", ""),
                    description=texts.get("description", "") or texts.get("comment", ""),
                    creators=_split(texts.get("author", "")),
                    rights=texts.get("copyright", ""),
                    date=texts.get("creation time", ""),
                ),
                f"the texts of {shown(path)}",
                problems,
            )
    return found


def from_pdf_info(info: Mapping[str, str]) -> Description:
    """Read a PDF's document information (ISO 32000-1, 14.3.3)."""
    return _make(
        "pdf",
        title=info.get("Title", ""),
        description=info.get("Subject", ""),
        creators=_split(info.get("Author", "")),
        keywords=_split(info.get("Keywords", ""), ",;\n"),
        date=info.get("CreationDate", ""),
    )


def _of_document(path: PathLike, problems: list[str] | None) -> list[Description]:
    with Document.open(path) as document:
        info = document.info
    found = []
    packet = _xmp_of_document(path)
    if packet is not None:
        name = f"the XMP packet of {shown(path)}"
        found += _attempt(lambda: from_xmp(packet, name), name, problems)
    return found + _existing([from_pdf_info(info)])


def _xmp_of_document(path: PathLike) -> bytes | None:
    """Find the document's own XMP packet, which stands uncompressed so that it can be found.

    Pictures on pages carry packets too; the document's has PDF's namespace in it.
    """
    with open_file(path) as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                end = len(data)
                for _ in range(50):
                    end = data.rfind(b"</x:xmpmeta>", 0, end)
                    if end < 0:
                        return None
                    start = data.rfind(b"<x:xmpmeta", max(0, end - xmp.MAX_XML_BYTES), end)
                    if start < 0:
                        return None
                    packet = data[start : end + len(b"</x:xmpmeta>")]
                    if xmp.PDF.encode() in packet:
                        return packet
                    end = start
        except (OSError, ValueError):
            return None
    return None


def from_sidecars(path: PathLike, problems: list[str] | None = None) -> list[Description]:
    """Return what the files beside a medium say, one a file, best first."""
    found: list[Description] = []
    for row in table_rows(path):
        found += _existing([from_table(row.values)])
    if problems is not None:
        for name in TABLE_NAMES:
            table = as_path(path).parent / name
            if table.is_file():
                try:
                    read_table(table)
                except MediaError as error:
                    problems.append(str(error))
    for item in beside(path).descriptions:
        found += _attempt(partial(_from_file, item), shown(item), problems)
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
    return _make(
        "csv",
        title=values.get("title", ""),
        description=values.get("description", ""),
        creators=_split(values.get("creator", "")),
        keywords=_split(values.get("keywords", ""), ",;|\n"),
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

    return _make(
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
    return _make(
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
