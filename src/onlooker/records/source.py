"""Where records come from: the medium, and who or what produced them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MediaKind = Literal["video", "audio", "photo", "document"]
MEDIA_KINDS: tuple[MediaKind, ...] = ("video", "audio", "photo", "document")


@dataclass(frozen=True, slots=True, kw_only=True)
class Producer:
    """Who or what made a record.

    Records of one medium, stage and producer are replaced together; the same producer never runs
    twice on the same content.

    Attributes:
        name: ``text.reader``, ``media.subtitles``, ``person`` ….
        version: Changes whenever its output may change.
        weights: Hash of the weights it ran, shortened; empty where it has none.
        kind: ``machine`` (a network guessed it), ``file`` (it stood in the file), ``person``.
    """

    name: str
    version: str
    weights: str = ""
    kind: Literal["machine", "file", "person"] = "machine"

    @property
    def key(self) -> str:
        """One string that is equal exactly where the output is expected to be equal."""
        return f"{self.name}/{self.version}/{self.weights}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What people said about a medium: tags inside the file and sidecar files beside it.

    Attributes:
        title: Title, empty where none is given.
        description: Longer text.
        creators: Names of authors, speakers, artists.
        keywords: Subjects, tags.
        series: Course, album, collection.
        language: BCP 47 tag.
        rights: Licence or terms.
        date: ISO 8601 date or date and time as stated.
        sources: Where each came from (``exif``, ``xmp``, ``container``, ``dublin-core`` …).
    """

    title: str = ""
    description: str = ""
    creators: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    series: str = ""
    language: str = ""
    rights: str = ""
    date: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """What the file itself says, measured, not guessed.

    Attributes:
        kind: Kind of medium.
        width: Width in pixels as shown (after rotation); points for a document's first page; 0
            for audio.
        height: Height, likewise.
        duration_s: Length in seconds, None where there is no time.
        pages: Number of pages, None where there are none.
        captured_at: Capture time as a POSIX time stamp, None where unknown.
        latitude: Place of capture in degrees, None where unknown.
        longitude: Likewise.
        container: Format name (``mov,mp4``, ``jpeg``, ``pdf``).
        video_codec: Name of the codec, empty where there is none.
        audio_codec: Likewise.
        description: What people said about it.
    """

    kind: MediaKind
    width: int = 0
    height: int = 0
    duration_s: float | None = None
    pages: int | None = None
    captured_at: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    container: str = ""
    video_codec: str = ""
    audio_codec: str = ""
    description: Description = field(default_factory=Description)
