"""The library as people use it from Python."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from onlooker.errors import StoreError
from onlooker.library.ingest import Event, Ingest, Summary
from onlooker.library.store import STAGES, Filters, MediaRow, Problem, RootRow, Stage, Store
from onlooker.media.files import reason as reason_of
from onlooker.media.files import shown

if TYPE_CHECKING:
    from onlooker.library.scan import Scanner
    from onlooker.library.search import SearchResult


def default_folder() -> Path:
    """Return where the library lies when nobody says: ``$ONLOOKER_LIBRARY``, else the user's data.

    Follows the XDG base directory specification on Linux and Apple's conventions on macOS.
    """
    if chosen := os.environ.get("ONLOOKER_LIBRARY"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Onlooker"
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "onlooker"


# Begins the patterns that `Library.remove` adds; a pattern with a folder is taken as a whole path.
_REMOVED = "./"


def _absolute(path: Path | str) -> Path:
    # Links stay as they were named: resolving them would show another path than the person's.
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100


class Library:
    """A folder that remembers media and finds moments in them.

    Example:
        >>> library = Library.open("talks-library")              # doctest: +SKIP
        >>> library.add("Talks")                                  # doctest: +SKIP
        >>> for hit in library.search("gradient descent").hits:   # doctest: +SKIP
        ...     print(hit.media.title, hit.moment.moment.start_s, hit.snippet.text)
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder

    @classmethod
    def open(
        cls, folder: Path | str | None = None, *, create: bool = True, read_only: bool = False
    ) -> Self:
        """Open a library, or make one.

        Args:
            folder: Its folder; None: `default_folder`.
            create: Make it where there is none.
            read_only: Nothing can be changed through this object.

        Raises:
            StoreError: There is none and none may be made, it is corrupt, or made by a newer
                version.
        """
        from onlooker.library.store_sqlite import SqliteStore

        path = _absolute(folder or default_folder())
        return cls(SqliteStore.open(path, create=create, read_only=read_only), path)

    def close(self) -> None:
        """Release files and connections."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- work --------------------------------------------------------------------------------------

    def add(
        self,
        *paths: Path | str,
        exclude: Sequence[str] = (),
        stages: Sequence[Stage] = STAGES,
        until: float | None = None,
        newest_first: bool = False,
        on_event: Callable[[Event], None] = lambda _event: None,
    ) -> Summary:
        """Add files and folders, and do all work that is waiting.

        Args:
            paths: Files or folders; folders are taken with all below them and are remembered for
                `update`.
            exclude: Patterns of files and folders to leave out (``drafts``, ``*.tmp``, ``a/b*``).
                They are remembered with each folder until other ones are given.
            stages: Which passes to do now.
            until: POSIX time stamp after which no further medium is begun.
            newest_first: Begin with the newest media.
            on_event: Told what happens.

        Returns:
            What was found and done; a file that failed is in ``failed``, and does not stop others.

        Raises:
            StoreError: The library cannot be written (another process is at it, the disk is full).
        """
        return self._work(
            [_absolute(path) for path in paths],
            exclude, stages, until, newest_first, on_event,
        )  # fmt: skip

    def update(
        self,
        *,
        stages: Sequence[Stage] = STAGES,
        until: float | None = None,
        newest_first: bool = False,
        retry: bool = False,
        on_event: Callable[[Event], None] = lambda _event: None,
    ) -> Summary:
        """Look at all known folders again, and do all work that is waiting.

        Args:
            stages: Which passes to do now.
            until: POSIX time stamp after which no further medium is begun.
            newest_first: Begin with the newest media.
            retry: Try again what failed or was skipped.
            on_event: Told what happens.
        """
        return self._work(None, (), stages, until, newest_first, on_event, retry=retry)

    def _work(
        self,
        paths: list[Path] | None,
        exclude: Sequence[str],
        stages: Sequence[Stage],
        until: float | None,
        newest_first: bool,
        on_event: Callable[[Event], None],
        retry: bool = False,
    ) -> Summary:
        from onlooker.library.analyzers import Engines
        from onlooker.library.scan import Scanner

        summary = Summary()
        began = time.perf_counter()
        with self.store.writer():
            ingest = Ingest(self.store, Engines(), on_event, until=until)
            scanner = Scanner(
                self.store,
                self.folder,
                on_file=lambda path: on_event(Event(kind="scan", path=path)),
                should_stop=ingest.should_stop,
            )
            try:
                if paths is None:
                    # The deepest first: of two that meet one file, the outer folder keeps it.
                    for root in sorted(self.store.roots(), key=lambda r: -len(r.path.parts)):
                        scanner.scan(root)
                    if retry:
                        self.store.retry()
                else:
                    for path in paths:
                        self._add_path(path, exclude, scanner, summary)
                scanner.finish()
                self._merge_roots()
                found = scanner.result
                summary.failed += [(row.path, row.reason) for row in found.failed]
                summary.offline += found.offline
                for path in found.offline:
                    on_event(Event(kind="offline", path=path, reason="not there now; kept"))
                for path, reason in summary.failed:
                    on_event(Event(kind="failed", path=path, reason=reason))
                ingest.run(summary, stages=stages, newest_first=newest_first)
                self.store.tidy()
            except KeyboardInterrupt:
                # Every result is stored whole, so there is nothing to undo.
                summary.stopped = "interrupted"
                on_event(Event(kind="stopped", reason="interrupted"))
        found = scanner.result
        summary.seen, summary.added = found.seen, found.added
        summary.changed, summary.removed = found.changed, found.removed
        summary.seconds = time.perf_counter() - began
        return summary

    def _add_path(
        self, path: Path, exclude: Sequence[str], scanner: Scanner, summary: Summary
    ) -> None:
        try:
            path.lstat()
        except OSError as error:
            summary.failed.append((path, f"cannot open {shown(path)}: {reason_of(error)}"))
            return
        if path == self.folder or self.folder in path.parents:
            summary.failed.append((path, f"{shown(path)} lies inside the library itself"))
            return
        roots = self.store.roots()
        itself = next((root for root in roots if root.path == path), None)
        around = None if itself else _root_around(path, roots)
        if around is not None:
            if exclude:
                inside = _inside(path.relative_to(around.path).as_posix(), exclude)
                around = self.store.add_root(around.path, (*around.exclude, *inside))
            scanner.scan(around, only=path)
            return
        known = itself.exclude if itself else ()
        # What a person removed stays removed, and patterns stay until others are given.
        removed = tuple(pattern for pattern in known if pattern.startswith(_REMOVED))
        scanner.scan(self.store.add_root(path, (*exclude, *removed) if exclude else known))

    def _merge_roots(self) -> None:
        """Forget folders that were added before one around them, which contains them now."""
        roots = self.store.roots()
        for root in roots:
            around = _root_around(root.path, roots)
            if around is None or os.path.ismount(root.path):
                continue
            # Where a walk was stopped, its paths do not belong to the outer folder yet; and those
            # of an unplugged drive are its own.
            if next(self.store.paths(root.id), None) is None:
                self.store.remove_root(root.id)

    # -- looking -----------------------------------------------------------------------------------

    def search(
        self, text: str, *, filters: Filters | None = None, limit: int = 20, offset: int = 0
    ) -> SearchResult:
        """Find moments.

        Args:
            text: Words, "quoted phrases", prefix*, AND, OR, NOT, parentheses.
            filters: Hard limits.
            limit: At most so many hits.
            offset: Leave out the first so many.

        Raises:
            QueryError: The text is no query.
        """
        from onlooker.library.search import search

        return search(self.store, text, filters or Filters(), limit=limit, offset=offset)

    def media(self, filters: Filters | None = None) -> list[MediaRow]:
        """Return the media of the library, the newest first."""
        return self.store.list_media(filters)

    # -- care --------------------------------------------------------------------------------------

    def remove(self, *paths: Path | str) -> int:
        """Forget files and folders (the files themselves are left alone); return how many media.

        A file inside a known folder is excluded from it, so that the next update does not bring
        it back.

        Raises:
            StoreError: A path is not in the library.
        """
        chosen = [_absolute(path) for path in paths]
        with self.store.writer():
            known = [root.path for root in self.store.roots()]
            known += [row.path for row in self.store.paths()]
            for path in chosen:
                if not any(path == one or path in one.parents for one in known):
                    raise StoreError(f"{shown(path)} is not in this library; see  onlooker list")
            before = len(self.store.list_media())
            for path in chosen:
                self._remove_path(path)
            return before - len(self.store.list_media())

    def _remove_path(self, path: Path) -> None:
        for root in self.store.roots():
            if root.path == path or path in root.path.parents:
                self.store.remove_root(root.id)
            elif root.path in path.parents:
                # Without its wildcards, so that a name with brackets excludes just itself.
                pattern = _REMOVED + _literal(path.relative_to(root.path).as_posix())
                if pattern not in root.exclude:
                    self.store.add_root(root.path, (*root.exclude, pattern))
                below = [
                    row.path
                    for row in self.store.paths(root.id)
                    if row.path == path or path in row.path.parents
                ]
                self.store.forget_paths(below)

    def verify(self, *, repair: bool = False) -> list[Problem]:
        """Check the library; only reads, unless ``repair``."""
        if not repair:
            return self.store.verify()
        with self.store.writer():
            return self.store.verify(repair=True)


def _root_around(path: Path, roots: Sequence[RootRow]) -> RootRow | None:
    """Return the known folder whose walk meets this path anyway."""
    from onlooker.library.scan import ALWAYS_EXCLUDED, excluded
    from onlooker.media.kind import SUFFIXES

    if path.suffix.lower() not in SUFFIXES and not os.path.isdir(path):  # noqa: PTH112 no errors
        return None
    for root in sorted(roots, key=lambda root: -len(root.path.parts)):
        if root.path in path.parents:
            relative = path.relative_to(root.path).as_posix()
            if not excluded(relative, (*ALWAYS_EXCLUDED, *root.exclude)):
                return root
    return None


def _inside(folder: str, patterns: Sequence[str]) -> Iterator[str]:
    """Yield patterns of a folder as patterns of one around it."""
    start = _REMOVED + _literal(folder)
    for pattern in patterns:
        bare = pattern.removeprefix(_REMOVED).rstrip("/")
        yield f"{start}/{bare}"
        if "/" not in bare:
            yield f"{start}/*/{bare}"


def _literal(text: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)
