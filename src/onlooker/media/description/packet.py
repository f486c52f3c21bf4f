"""XMP packets: found in files, and read."""

from __future__ import annotations

import mmap
import re
from datetime import datetime
from typing import Any

from onlooker.errors import MediaError
from onlooker.media import xmp
from onlooker.media.container import plausible_place
from onlooker.media.description.fields import make, split
from onlooker.media.files import PathLike, open_file
from onlooker.records import Description


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
    keywords = all_of((xmp.DC, "subject")) or split(first((xmp.PDF, "Keywords")), ",;\n")
    return make(
        source,
        title=first((xmp.DC, "title"), (xmp.PHOTOSHOP, "Headline")),
        description=first((xmp.DC, "description")),
        creators=[part for name in creators for part in split(name)],
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


def xmp_of_document(path: PathLike) -> bytes | None:
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
