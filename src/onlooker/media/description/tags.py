"""Tags inside files: of recordings, of photos (EXIF, IPTC), of PDF documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onlooker.media.description.fields import MAX_TEXT, clean, iso_date, make, split
from onlooker.media.subtitles import decode_text
from onlooker.records import Description


def from_container(tags: Mapping[str, str]) -> Description:
    """Read the tags of a recording.

    Args:
        tags: Name in lower case → text, as FFmpeg gives them (ID3, Vorbis comments, MP4 atoms and
            Matroska tags under common names).
    """

    def first(*names: str) -> str:
        for name in names:
            text = clean(tags.get(name, ""), MAX_TEXT)
            if text:
                return text
        return ""

    apple = "com.apple.quicktime."
    return make(
        "container",
        title=first("title", apple + "title", apple + "displayname"),
        description=first(
            "description", "synopsis", "summary", apple + "description", "comment", "subtitle"
        ),
        creators=split(
            first("artist", "author", "creator", "performer", apple + "author", "album_artist")
        ),
        keywords=[
            *split(first("keywords", apple + "keywords"), ",;|\n"),
            *split(first("genre"), ",;|\n"),
        ],
        series=first("show", "series", "album", "grouping", apple + "album"),
        language=tags.get("language", ""),
        rights=first("copyright", "license", apple + "copyright"),
        date=first("date", "date_released", "year", apple + "creationdate", "creation_time"),
    )


def from_exif(exif: Any) -> Description:
    """Read the texts of an EXIF directory (`PIL.Image.Exif`)."""
    detail = exif.get_ifd(0x8769)

    def text(tag: int) -> Any:
        value = exif.get(tag, "")
        # Pillow decodes ASCII as Latin-1; nearly all programs write UTF-8 there.
        return decode_text(value.encode("latin-1")) if _is_latin1(value) else value

    zone = detail.get(0x9011, "")
    date = detail.get(0x9003) or detail.get(0x9004) or ""
    return make(
        "exif",
        title=_windows_text(exif.get(0x9C9B)),
        description=clean(text(0x010E), MAX_TEXT)
        or clean(_windows_text(exif.get(0x9C9C)), MAX_TEXT)
        or _user_comment(detail.get(0x9286)),
        creators=split(text(0x013B)) or split(_windows_text(exif.get(0x9C9D))),
        keywords=split(_windows_text(exif.get(0x9C9E)), ";,\n"),
        rights=text(0x8298),
        date=f"{date}{zone}" if iso_date(f"{date}{zone}") else date,
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


def _is_latin1(value: Any) -> bool:
    return isinstance(value, str) and not value.isascii() and all(char < "\u0100" for char in value)


def from_iptc(records: Mapping[tuple[int, int], Any]) -> Description:
    """Read IPTC-IIM records: (record, data set) → bytes or a list of them."""

    def all_of(number: int) -> list[str]:
        value = records.get((2, number), [])
        values = value if isinstance(value, list) else [value]
        return [clean(item, MAX_TEXT) for item in values]

    def first(*numbers: int) -> str:
        return next((text for number in numbers for text in all_of(number) if text), "")

    return make(
        "iptc",
        title=first(5, 105),  # object name, headline
        description=first(120),  # caption
        creators=all_of(80),  # by-line
        keywords=all_of(25),
        rights=first(116),
        date=first(55),
    )


def from_pdf_info(info: Mapping[str, str]) -> Description:
    """Read a PDF's document information (ISO 32000-1, 14.3.3)."""
    return make(
        "pdf",
        title=info.get("Title", ""),
        description=info.get("Subject", ""),
        creators=split(info.get("Author", "")),
        keywords=split(info.get("Keywords", ""), ",;\n"),
        date=info.get("CreationDate", ""),
    )
