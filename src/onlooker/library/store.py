"""The store: what a library remembers, behind one interface.

`Store` is what the rest of Onlooker knows; `onlooker.library.store_sqlite.SqliteStore` is the one
that lives in a folder. PostgreSQL comes later behind the same methods; one contract suite
(``tests/contracts/test_store.py``) runs over every implementation.

Rules that every implementation keeps:

* One content is one medium, at however many paths (identity: BLAKE2b-128 of the bytes).
* The records of a (medium, stage) are replaced in one transaction, together with the state of
  that stage: a process killed at any point leaves either the old or the new, never half.
* Records of a person outrank those of machines and survive a new model.
* Only one process writes at a time; readers never wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from onlooker.library.query import Node
from onlooker.records import EvidenceKind, MediaFacts, MediaKind, Moment, Producer, View

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Stage = Literal["look", "read", "hear"]
STAGES: tuple[Stage, ...] = ("look", "read", "hear")
"""Coarse first. ``look``: names, descriptions, subtitles, PDF text, key frames. ``read``: text in
pictures. ``hear``: speech."""

TaskState = Literal["pending", "done", "failed", "skipped"]
"""``skipped`` means that the stage cannot be done with what is installed (``reason`` says why, as
"not heard: no speech engine"); a later run with the means takes it up."""

PathState = Literal["present", "missing", "offline", "failed"]
"""``offline``: the whole known folder is absent (an unplugged drive). ``failed``: the file could
not be read at all; ``reason`` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootRow:
    """A folder or file that was added by name and is rescanned by ``update``."""

    id: int
    path: Path
    exclude: tuple[str, ...] = ()
    offline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRow:
    """One place where a medium lies (or a file that could not be read: ``media_id`` None)."""

    path: Path
    root_id: int
    size_bytes: int
    mtime_ns: int
    media_id: int | None
    state: PathState = "present"
    reason: str = ""
    # Size and time of the files beside it that say more (subtitles, sidecars), so that a change
    # there is seen too.
    beside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What lies at a path now: ``row`` (its ``media_id`` is not looked at) and its content."""

    row: PathRow
    content_hash: str
    kind: MediaKind
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """How far one stage of one medium is."""

    media_id: int
    stage: Stage
    state: TaskState
    producer: str = ""
    reason: str = ""
    seconds: float = 0.0
    finished_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRow:
    """A medium, as listed.

    Attributes:
        id: Number inside the store; never shown to a browser.
        public_id: Opaque, stable id for links (derived from the content and a secret of the
            library, so that it can't be guessed from a file).
        content_hash: BLAKE2b-128, hexadecimal.
        kind: Kind of medium.
        size_bytes: Size of the file.
        added_at: POSIX time stamp.
        when: Capture time, else the file's time, as a POSIX time stamp: what ``--since`` compares.
        title: What to call it: the title given by people, else the file's name.
        facts: Measured facts and what people said.
        paths: Where it lies.
        tasks: State of its stages.
        views: Number of views.
    """

    id: int
    public_id: str
    content_hash: str
    kind: MediaKind
    size_bytes: int
    added_at: float
    when: float
    title: str
    facts: MediaFacts
    paths: tuple[PathRow, ...] = ()
    tasks: tuple[TaskRow, ...] = ()
    views: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentRow:
    """A stored moment with its number, its medium and who made it."""

    id: int
    media_id: int
    stage: Stage
    producer: str
    moment: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Hard limits of a search or listing; None or empty: no limit.

    Attributes:
        kinds: Kinds of evidence.
        media_kinds: Kinds of medium.
        under: Only files at or below this path.
        media_id: Only this medium.
        since: Not older than this POSIX time stamp (capture time, else file time).
        until: Not newer.
        by: Creator, matched without case as a part.
        series: Series, likewise.
        language: Language tag or its beginning.
    """

    kinds: tuple[EvidenceKind, ...] = ()
    media_kinds: tuple[MediaKind, ...] = ()
    under: Path | None = None
    media_id: int | None = None
    since: float | None = None
    until: float | None = None
    by: str = ""
    series: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The library at a glance.

    Attributes:
        media: Number of media by kind.
        moments: Number of moments by kind of evidence.
        tasks: ``tasks[stage][state]`` = number of media.
        failed_paths: Files that could not be read at all.
        offline_paths: Files on drives that are not there.
        duration_s: Total length of recordings.
        disk_bytes: Size of the library folder.
    """

    media: dict[str, int] = field(default_factory=dict)
    moments: dict[str, int] = field(default_factory=dict)
    tasks: dict[str, dict[str, int]] = field(default_factory=dict)
    failed_paths: int = 0
    offline_paths: int = 0
    duration_s: float = 0.0
    disk_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that ``verify`` found; ``repaired`` after a repair that helped."""

    what: str
    where: str
    repaired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Moments that match, as found by an index: ids and ranks of the same length.

    A rank is small where the match says much (see the store); ``more`` says that the limit cut
    some off.
    """

    ids: Sequence[int] = ()
    ranks: Sequence[int] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A moment as search weighs it: its text and place, without polygons."""

    id: int
    media_id: int
    rank: int
    text: str
    start_s: float | None
    end_s: float | None
    page: int | None
    view: int | None


class Store(Protocol):
    """What the library needs of a store. Every method may raise `StoreError`."""

    # -- life ------------------------------------------------------------------------------------
    def close(self) -> None:
        """Release files and connections."""

    def writer(self) -> _Lock:
        """Return a context manager that makes this process the only writer.

        Raises:
            StoreError: On entering, if another process is writing (it says which).
        """

    # -- what is known of the file system ----------------------------------------------------------
    def add_root(self, path: Path, exclude: Sequence[str] = ()) -> RootRow:
        """Remember a folder or file (absolute); the same path again updates its patterns."""

    def roots(self) -> list[RootRow]:
        """Return the known folders and files."""

    def remove_root(self, root_id: int) -> None:
        """Forget a folder, its paths, and media that lie nowhere else."""

    def set_root_offline(self, root_id: int, offline: bool) -> None:
        """Mark a folder and its paths as (not) there; nothing is deleted."""

    def paths(self, root_id: int | None = None) -> Iterator[PathRow]:
        """Iterate over known paths."""

    def path(self, path: Path) -> PathRow | None:
        """Return what is known of one path (any bytes, also non-UTF-8 ones)."""

    def put_path(
        self,
        row: PathRow,
        *,
        content_hash: str,
        kind: MediaKind,
        stages: Sequence[Stage],
    ) -> int:
        """Record that a content lies at ``row.path``; return the medium's id.

        A new content becomes a medium with ``pending`` tasks for ``stages``. If the path had
        another content before, that medium loses the path (and is removed if it was its last).
        A changed ``beside`` makes the ``look`` stage pending again.
        """

    def settle(self, changed: Iterable[Content], gone: Iterable[Path]) -> list[int]:
        """Record changed paths and remove gone ones in one step; return the changed media's ids.

        Media that lie nowhere after all of it are removed: two files that changed places keep
        their records.
        """

    def fail_path(self, row: PathRow) -> None:
        """Record a file that could not be read (``row.state`` = ``failed``, with the reason)."""

    def forget_paths(self, paths: Iterable[Path]) -> None:
        """Remove paths that are gone, and media that lie nowhere any more."""

    # -- results -----------------------------------------------------------------------------------
    def pending(
        self, stage: Stage, *, producer: Producer | None = None, newest_first: bool = False
    ) -> list[int]:
        """Return ids of media whose stage is to be done, in a stable order.

        To be done are: ``pending``; and, where ``producer`` is given, ``done`` or ``skipped`` or
        ``failed`` ones whose recorded producer key differs from it. Media that are only on
        offline or missing paths are left out.
        """

    def put_facts(self, media_id: int, facts: MediaFacts, *, file_time: float) -> None:
        """Store facts and description of a medium."""

    def put_result(
        self,
        media_id: int,
        stage: Stage,
        producer: Producer,
        *,
        moments: Iterable[Moment],
        views: Sequence[View] | None = None,
        seconds: float = 0.0,
        state: TaskState = "done",
        reason: str = "",
    ) -> None:
        """Replace the records of one stage of one medium, and set its state: one transaction.

        ``views`` None keeps the views as they are; else all views of the medium are replaced (the
        ``look`` stage makes them for documents and photos, and for videos).
        ``state`` ``failed`` with moments keeps what could be got (page 7 is broken, the others
        are in).
        """

    def put_failure(
        self, media_id: int, stage: Stage, producer: Producer, state: TaskState, reason: str
    ) -> None:
        """Set a stage to ``failed`` or ``skipped`` with its reason, keeping earlier records."""

    def retry(self, stage: Stage | None = None, media_id: int | None = None) -> int:
        """Make failed and skipped stages pending again; return how many."""

    def remove_media(self, media_ids: Iterable[int]) -> None:
        """Forget media with all their records, paths and thumbnails."""

    def correct(self, moment_id: int, text: str | None) -> int:
        """Replace the text of a moment by a person's (None: hide it); return the new moment's id.

        The correction survives a new run of the machine: its record of the same place is hidden.
        """

    # -- reading -----------------------------------------------------------------------------------
    def media(self, media_id: int) -> MediaRow:
        """Return one medium."""

    def media_by_public_id(self, public_id: str) -> MediaRow | None:
        """Return the medium behind a link, or None."""

    def list_media(
        self,
        filters: Filters | None = None,
        *,
        order: Literal["added", "when", "title"] = "added",
        limit: int | None = None,
        offset: int = 0,
    ) -> list[MediaRow]:
        """Return media, newest or alphabetically first."""

    def views(self, media_id: int) -> list[View]:
        """Return the views of a medium in order, without thumbnail bytes."""

    def thumbnail(self, media_id: int, view: int) -> Path | None:
        """Return the file of a view's thumbnail, or None."""

    def moments(
        self, media_id: int, kinds: Sequence[EvidenceKind] = (), *, view: int | None = None
    ) -> list[MomentRow]:
        """Return the moments of a medium by time, page, then place."""

    def moment(self, moment_id: int) -> MomentRow | None:
        """Return one moment, or None."""

    def failures(self) -> list[tuple[PathRow | MediaRow, TaskRow | None]]:
        """Return every file or stage that failed or was skipped, with its reason."""

    def counts(self) -> Counts:
        """Return the library at a glance."""

    # -- what `onlooker.library.search` asks for ---------------------------------------------------
    def match(self, node: Node, filters: Filters, *, limit: int) -> Matches:
        """Return up to ``limit`` moments of each class of evidence that match, best first."""

    def match_part(self, part: str, filters: Filters, *, limit: int) -> Matches:
        """Return moments whose letters and digits, spaces left out, contain ``part``."""

    def lines_of(self, moment_ids: Iterable[int]) -> dict[int, Line]:
        """Return several moments in short; ids that are not there are left out."""

    def around(self, moment_ids: Sequence[int], reach: int) -> dict[int, list[Line]]:
        """Return for each moment itself and what stands around it, in reading order.

        These are up to ``reach`` moments before and after it of the same medium and stage.
        """

    def moments_of(self, moment_ids: Iterable[int]) -> dict[int, MomentRow]:
        """Return several moments; ids that are not there are left out."""

    def media_of(self, media_ids: Iterable[int]) -> dict[int, MediaRow]:
        """Return several media; ids that are not there are left out."""

    def word_counts(self, words: Iterable[str]) -> dict[str, int]:
        """Return in how many moments each folded word stands; those in none are left out."""

    def vocabulary(self) -> tuple[list[str], npt.NDArray[np.int64]]:
        """Return all folded words in order, and in how many moments each stands."""

    def beginnings(self, beginning: str) -> list[str]:
        """Return the most frequent folded words that begin so: what a prefix stands for."""

    def generation(self) -> int:
        """Return a number that changes when moments come or go."""

    # -- care --------------------------------------------------------------------------------------
    def verify(self, *, repair: bool = False) -> list[Problem]:
        """Check database, indices, thumbnails and orphans; only reads, unless ``repair``."""

    def tidy(self) -> None:
        """Merge what many small writes left behind in the indices; worth it after a long `add`."""


class _Lock(Protocol):
    def __enter__(self) -> object: ...
    def __exit__(self, *exc: object) -> None: ...
