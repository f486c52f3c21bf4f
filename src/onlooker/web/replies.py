"""What the API answers; the pages are drawn from the same objects."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from onlooker.library.store import Stage, TaskState
from onlooker.records import EvidenceKind, MediaKind


class Reply(BaseModel):
    """Base of all replies."""

    model_config = ConfigDict(frozen=True)


class ErrorReply(Reply):
    """What went wrong, in a sentence for people."""

    error: str
    status: int


class SnippetReply(Reply):
    """A piece of a moment's text, and which stretches of it match (start, end in characters)."""

    text: str
    marks: list[tuple[int, int]] = []


class PictureReply(Reply):
    """A small picture, and the size of the picture that polygons refer to."""

    url: str
    width: int
    height: int


class MomentReply(Reply):
    """A stretch of text with its place in time, on a page, in a picture."""

    kind: EvidenceKind
    text: str
    start_s: float | None = None
    end_s: float | None = None
    page: int | None = None
    view: int | None = None
    polygons: list[list[tuple[float, float]]] = Field(
        default=[], description="One a word, clockwise from the top left, in pixels of the view."
    )
    confidence: float = 1.0
    field: str = ""
    by: Literal["machine", "file", "person"] = "machine"


class ViewReply(Reply):
    """A photo, a page, or a stretch of video in which the picture stands still."""

    index: int
    kind: str
    width: int
    height: int
    start_s: float | None = None
    end_s: float | None = None
    page: int | None = None
    thumbnail: str | None = None


class StageReply(Reply):
    """How far one stage of one medium is."""

    stage: Stage
    state: TaskState
    reason: str = ""


class MediumReply(Reply):
    """A medium, as listed."""

    id: str
    kind: MediaKind
    title: str
    url: str
    thumbnail: str | None = None
    when: str = Field(description="Capture time, else the file's time; ISO 8601.")
    duration_s: float | None = None
    pages: int | None = None
    width: int = 0
    height: int = 0
    size_bytes: int = 0
    views: int = 0
    creators: list[str] = []
    series: str = ""
    language: str = ""
    stages: list[StageReply] = []


class MediumDetailReply(MediumReply):
    """A medium with everything that is known about it."""

    description: str = ""
    keywords: list[str] = []
    rights: str = ""
    date: str = ""
    container: str = ""
    video_codec: str = ""
    audio_codec: str = ""
    latitude: float | None = None
    longitude: float | None = None
    file_state: Literal["present", "missing", "offline", "changed"] = "present"
    file_note: str = ""
    file_url: str | None = None
    paths: list[str] | None = Field(default=None, description="Null on a read-only server.")


class HitReply(MomentReply):
    """A moment that answers a search."""

    media_id: str
    title: str
    media_kind: MediaKind
    url: str = Field(description="Page that opens at this moment; stable.")
    picture: PictureReply | None = None
    marked: list[list[tuple[float, float]]] = Field(
        default=[], description="Those of the polygons whose words match."
    )
    snippet: SnippetReply
    score: float
    match: str
    why: str


class SearchReply(Reply):
    """The answer to a search."""

    query: str
    total: int
    total_exact: bool
    took_ms: float
    suggestion: str | None = None
    not_looked_at: list[str] = Field(
        default=[], description="What may be missing because it has not been looked at yet."
    )
    hits: list[HitReply]


class MediaListReply(Reply):
    """A stretch of the list of media."""

    media: list[MediumReply]
    offset: int
    more: bool


class ViewsReply(Reply):
    """The views of a medium."""

    views: list[ViewReply]


class MomentsReply(Reply):
    """The moments of a medium by time, page, then place."""

    moments: list[MomentReply]


class StatusReply(Reply):
    """The library at a glance."""

    version: str
    read_only: bool
    media: dict[str, int]
    moments: dict[str, int]
    tasks: dict[str, dict[str, int]]
    failed_files: int
    offline_files: int
    duration_s: float
    not_looked_at: list[str]


class ProblemReply(Reply):
    """A file or stage that failed or was skipped."""

    title: str
    media_id: str | None = None
    url: str | None = None
    kind: MediaKind | None = None
    stage: Stage | None = None
    state: str
    reason: str
    path: str | None = Field(default=None, description="Null on a read-only server.")


class ProblemsReply(Reply):
    """Every file or stage that failed or was skipped."""

    problems: list[ProblemReply]
    total: int


class RetryReply(Reply):
    """How many stages will be tried again by the next ``onlooker update``."""

    retried: int


class PlaybackReply(Reply):
    """How a browser can play a medium.

    ``direct``: the file as it is. ``pieces``: from ``/stream?start=``, one piece after the other.
    ``frames``: only single frames. ``none``: not at all; ``note`` says why.
    """

    method: Literal["direct", "pieces", "frames", "none"]
    note: str = ""
    duration_s: float | None = None


class PieceReply(Reply):
    """A piece of a converted recording, and the times of the recording that it spans."""

    url: str
    start_s: float
    end_s: float
    ready: bool = Field(description="Whether it is whole, so that it can be searched in.")
