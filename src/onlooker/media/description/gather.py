"""All that is said about a medium, inside it and beside it."""

from __future__ import annotations

from onlooker.media.container import audio_stream, open_container, video_stream
from onlooker.media.description.beside import from_sidecars
from onlooker.media.description.fields import attempt, existing, make, merge, split
from onlooker.media.description.packet import from_xmp, xmp_of_document, xmp_of_picture
from onlooker.media.description.tags import from_container, from_exif, from_iptc, from_pdf_info
from onlooker.media.document import Document
from onlooker.media.files import PathLike, shown
from onlooker.media.image import open_picture
from onlooker.media.language import language_tag
from onlooker.records import Description, MediaKind


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
    return existing([from_container(tags)])


def _of_photo(path: PathLike, problems: list[str] | None) -> list[Description]:
    from PIL import IptcImagePlugin

    found: list[Description] = []
    with open_picture(path) as (image, _):
        packet = xmp_of_picture(image)
        if packet is not None:
            name = f"the XMP packet of {shown(path)}"
            found += attempt(lambda: from_xmp(packet, name), name, problems)
        found += attempt(
            lambda: from_iptc(IptcImagePlugin.getiptcinfo(image) or {}),
            f"the IPTC records of {shown(path)}",
            problems,
        )
        found += attempt(lambda: from_exif(image.getexif()), f"the EXIF of {shown(path)}", problems)
        texts = {key.lower(): value for key, value in image.info.items() if isinstance(value, str)}
        if texts:  # PNG's text chunks, GIF's comment
            found += attempt(
                lambda: make(
                    "picture",
                    title=texts.get("title", ""),
                    description=texts.get("description", "") or texts.get("comment", ""),
                    creators=split(texts.get("author", "")),
                    rights=texts.get("copyright", ""),
                    date=texts.get("creation time", ""),
                ),
                f"the texts of {shown(path)}",
                problems,
            )
    return found


def _of_document(path: PathLike, problems: list[str] | None) -> list[Description]:
    with Document.open(path) as document:
        info = document.info
    found = []
    packet = xmp_of_document(path)
    if packet is not None:
        name = f"the XMP packet of {shown(path)}"
        found += attempt(lambda: from_xmp(packet, name), name, problems)
    return found + existing([from_pdf_info(info)])
