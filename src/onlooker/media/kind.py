"""Which kind of medium a file is, told by its first bytes rather than by its name.

Example:
    >>> sniff("lecture.mp4")  # doctest: +SKIP
    'video'
"""

from __future__ import annotations

from onlooker.errors import MediaError
from onlooker.media.files import PathLike, as_path, open_file, reason, shown
from onlooker.records import MediaKind

_PHOTO = ".jpg .jpeg .jpe .jfif .png .webp .tif .tiff .heic .heif .hif .avif .gif .bmp"
_VIDEO = (
    ".mp4 .m4v .mov .qt .mkv .webm .avi .wmv .asf .flv .f4v .mpg .mpeg .m2v .vob .ts .m2ts .mts"
    " .3gp .3g2 .ogv .mxf .dv .rm .rmvb .divx"
)
_AUDIO = (
    ".mp3 .m4a .m4b .aac .wav .wave .flac .ogg .oga .opus .wma .aif .aiff .aifc .au .mka .amr .ac3"
    " .caf .weba"
)
_FOREIGN = ".ai .indd .dng .cr2 .cr3 .nef .nrw .arw .orf .rw2 .raf .pef .srw .svs .ndpi"

PHOTO_SUFFIXES = frozenset(_PHOTO.split())
DOCUMENT_SUFFIXES = frozenset({".pdf"})
VIDEO_SUFFIXES = frozenset(_VIDEO.split())
AUDIO_SUFFIXES = frozenset(_AUDIO.split())
SUFFIXES: dict[str, MediaKind] = {
    **dict.fromkeys(sorted(PHOTO_SUFFIXES), "photo"),
    **dict.fromkeys(sorted(DOCUMENT_SUFFIXES), "document"),
    **dict.fromkeys(sorted(VIDEO_SUFFIXES), "video"),
    **dict.fromkeys(sorted(AUDIO_SUFFIXES), "audio"),
}
"""Suffix, lower case with the dot, to the kind that is expected behind it."""

_SHARED_SUFFIXES = frozenset({".ts", ".mts", ".au", ".rm", ".dv", ".asf", ".qt"})
"""Suffixes that other programs use too (TypeScript above all): the content must agree."""

_FOREIGN_SUFFIXES = frozenset(_FOREIGN.split())
"""PDF or TIFF inside, yet not to be read as one: drawings, undeveloped camera pictures, slides of
microscopes."""

HEAD_BYTES = 4096
"""How much of a file is looked at. A PDF's header may stand anywhere in its first 1,024 bytes
(ISO 32000-1, annex H, note 13); three packets of an MPEG transport stream take 612."""

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2")
_AVIF_BRANDS = (b"avif", b"avis")
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MXF = bytes.fromhex("060e2b34020501010d0102")
_QUICKTIME_ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def picture_format(head: bytes) -> str | None:
    """Name the format of a picture by its first bytes.

    Args:
        head: At least the first 64 bytes.

    Returns:
        ``jpeg``, ``png``, ``webp``, ``tiff``, ``gif``, ``bmp``, ``heif``, ``avif``, or None.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "tiff"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head.startswith(b"BM") and head[14:18] in (
        b"\x0c\0\0\0",
        b"\x28\0\0\0",
        b"\x34\0\0\0",
        b"\x38\0\0\0",
        b"\x40\0\0\0",
        b"\x6c\0\0\0",
        b"\x7c\0\0\0",
    ):
        return "bmp"
    if head[4:8] == b"ftyp":
        size = min(int.from_bytes(head[:4], "big"), len(head))
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))]
        if any(brand in _AVIF_BRANDS for brand in brands):
            return "avif"
        if brands[0] in _HEIF_BRANDS:
            return "heif"
    return None


def _is_transport_stream(head: bytes) -> bool:
    """Say whether sync bytes stand at the distance of MPEG-TS (188) or Blu-ray (192) packets."""
    for length, first in ((188, 0), (192, 4)):
        places = range(first, min(len(head), first + 5 * length), length)
        if len(places) >= 3 and all(head[at] == 0x47 for at in places):
            return True
    return False


def _recording_kind(head: bytes, suffix: str) -> MediaKind | None:
    """Tell video from audio where the first bytes suffice; ``ambiguous`` ones are opened later."""
    form = head[8:12]
    if head.startswith((b"RIFF", b"RF64")) and form == b"WAVE":
        return "audio"
    if head.startswith(b"RIFF") and form in (b"AVI ", b"AVIX"):
        return "video"
    if head.startswith(b"FORM") and form in (b"AIFF", b"AIFC"):
        return "audio"
    if head.startswith((b"fLaC", b"ID3", b"#!AMR", b"caff", b".snd", b"ADIF")):
        return "audio"
    if head.startswith(b"FLV\x01"):
        return "video" if len(head) < 5 or head[4] & 1 else "audio"
    if head.startswith((b"\0\0\x01\xba", b"\0\0\x01\xb3", _MXF, b".RMF")):
        return "video"
    if _is_transport_stream(head):
        return "video"
    if suffix in AUDIO_SUFFIXES and len(head) >= 2:
        # A sync word alone is too short to believe without the name (MPEG audio, ADTS, AC-3).
        if head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
            return "audio"
        if head.startswith(b"\x0b\x77"):
            return "audio"
    return None


def _needs_opening(head: bytes) -> bool:
    """Say whether it is a container that holds video or audio alike."""
    if head[4:8] == b"ftyp" or (
        head[4:8] in _QUICKTIME_ATOMS and int.from_bytes(head[:4], "big") < 1 << 31
    ):
        return True
    return head.startswith((b"\x1a\x45\xdf\xa3", b"OggS", _ASF))


def sniff(path: PathLike) -> MediaKind | None:
    """Tell which kind of medium a file is.

    The content decides. A file whose content is unknown keeps the kind that its suffix promises,
    so that opening it gives an error that people get to see; one with an unknown suffix too is no
    medium.

    Args:
        path: A file.

    Returns:
        The kind, or None where it is no medium that Onlooker knows.

    Raises:
        MediaError: It cannot be opened. (An empty file with a media suffix has that suffix's kind.)
    """
    name = as_path(path)
    suffix = name.suffix.lower()
    if suffix in _FOREIGN_SUFFIXES:
        return None
    promised = SUFFIXES.get(suffix)
    try:
        if name.stat().st_size == 0:
            return promised
    except (OSError, ValueError) as error:
        raise MediaError(f"cannot open {shown(name)}: {reason(error)}") from error
    with open_file(name) as file:
        try:
            head = file.read(HEAD_BYTES)
        except OSError as error:
            raise MediaError(f"cannot read {shown(name)}: {reason(error)}") from error
    if picture_format(head) is not None:
        return "photo"
    if b"%PDF-" in head[:1024]:
        return "document"
    kind = _recording_kind(head, suffix)
    if kind is not None:
        return kind
    if _needs_opening(head):
        from onlooker.media.container import recording_kind  # loads FFmpeg: only where needed

        return recording_kind(name) or promised or "video"
    return None if suffix in _SHARED_SUFFIXES else promised
