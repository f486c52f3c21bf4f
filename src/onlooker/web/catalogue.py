"""What the pages know of a library: media by opaque id, their files if there, their views."""

from __future__ import annotations

import re
import threading
import time
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from onlooker.errors import MediaError
from onlooker.library.store import Counts, Filters, MediaRow, PathRow, RootRow, Store
from onlooker.records import Moment, View
from onlooker.web.serving import OpenFile
from onlooker.web.wording import printable

if TYPE_CHECKING:
    from onlooker.library.search import SearchResult

_PUBLIC_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VIEWS_KEPT = 256
# Counting a million rows takes a tenth of a second: a page may be that much behind, and counting
# takes at most one part in two hundred of the time.
_COUNTS_FRESH_S = 5.0
_COUNTING_SHARE = 200

FileState = Literal["present", "missing", "offline", "changed"]

_NOTES: dict[FileState, str] = {
    "present": "",
    "missing": "The file is not where it was. What was found in it is still here; "
    "“onlooker update” looks for it again.",
    "offline": "The drive that this file lies on is not there. What was found in it is still "
    "here; connect the drive to play it.",
    "changed": "The file was changed since it was indexed; “onlooker update” takes it up anew.",
}


class LibraryFace(Protocol):
    """What the server needs of a library (`onlooker.library.library.Library` has it)."""

    store: Store
    folder: Path

    def search(
        self, text: str, *, filters: Filters | None = None, limit: int = 20, offset: int = 0
    ) -> SearchResult:
        """Find moments."""

    def close(self) -> None:
        """Release files and connections."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """Where the bytes of a medium are, if they are anywhere.

    Attributes:
        state: Whether they are there.
        path: The file, None unless ``present``.
        note: For people, why not.
    """

    state: FileState
    path: Path | None
    note: str


class Catalogue:
    """Reads a library for the pages; safe to use from several threads."""

    def __init__(self, library: LibraryFace) -> None:
        self.library = library
        self._views: OrderedDict[tuple[object, ...], list[View]] = OrderedDict()
        self._counts: tuple[float, Counts] | None = None
        self._lock = threading.Lock()

    @property
    def store(self) -> Store:
        """The store of the library."""
        return self.library.store

    def medium(self, public_id: str) -> MediaRow | None:
        """Return the medium behind a link, or None."""
        if not _PUBLIC_ID.fullmatch(public_id):
            return None
        return self.store.media_by_public_id(public_id)

    def file(self, media: MediaRow) -> MediaFile:
        """Find the bytes of a medium; only looks, opens nothing."""
        worst: FileState = "missing"
        for row in sorted(media.paths, key=lambda row: row.state != "present"):
            try:
                facts = row.path.stat()
            except (OSError, ValueError):
                if row.state == "offline":
                    worst = "offline"
                continue
            # Other content under the old name must not be shown as this medium.
            if facts.st_size == row.size_bytes:
                return MediaFile("present", row.path, "")
            worst = "changed"
        return MediaFile(worst, None, _NOTES[worst])

    def views(self, media: MediaRow) -> list[View]:
        """Return the views of a medium in order; kept for the next page."""
        key = (media.id, media.public_id, media.views, *(task.finished_at for task in media.tasks))
        with self._lock:
            if key in self._views:
                self._views.move_to_end(key)
                return self._views[key]
        views = self.store.views(media.id)
        with self._lock:
            self._views[key] = views
            while len(self._views) > _VIEWS_KEPT:
                self._views.popitem(last=False)
        return views

    def thumbnail(self, media: MediaRow, index: int) -> OpenFile | None:
        """Open the thumbnail of a view; a link that leads out of the library is not followed."""
        path = self.store.thumbnail(media.id, index)
        if path is None:
            return None
        folder = self.library.folder.resolve()
        if not path.parent.resolve().is_relative_to(folder):
            return None
        try:
            return OpenFile(path, follow=False)
        except MediaError:
            return None

    def has_thumbnail(self, media: MediaRow, index: int) -> bool:
        """Tell whether a view has a thumbnail."""
        return self.store.thumbnail(media.id, index) is not None

    def counts(self) -> Counts:
        """Return the library at a glance, at most some seconds old."""
        kept = self._counts
        if kept is None or time.monotonic() > kept[0]:
            began = time.monotonic()
            counts = self.store.counts()
            took_s = time.monotonic() - began
            fresh_s = max(_COUNTS_FRESH_S, took_s * _COUNTING_SHARE)
            kept = self._counts = (began + fresh_s, counts)
        return kept[1]

    def roots(self) -> list[RootRow]:
        """Return the known folders."""
        return self.store.roots()


def view_of(views: list[View], moment: Moment) -> View | None:
    """Return the view that a moment belongs to: its own, else the one of its time or page."""
    if not views:
        return None
    if moment.view is not None:
        if moment.view < len(views) and views[moment.view].index == moment.view:
            return views[moment.view]
        return next((view for view in views if view.index == moment.view), None)
    if moment.start_s is not None:
        return view_at(views, moment.start_s)
    if moment.page is not None:
        return next((view for view in views if view.page == moment.page), views[0])
    return views[0]


def view_at(views: list[View], time_s: float) -> View | None:
    """Return the view that is seen at a time, None where there is none."""
    if not views:
        return None
    place = bisect_right(views, time_s, key=lambda view: view.start_s or 0.0)
    return views[max(0, place - 1)]


def path_words(row: PathRow) -> str:
    """Return a path for people."""
    return printable(str(row.path))
