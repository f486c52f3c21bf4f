"""Walk the known folders and tell the store what lies where.

A renamed file keeps its records (same content), a file edited in place becomes a new medium, a
drive that is not there is offline rather than deleted, and a folder link is never followed, so
that no walk goes in circles.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from onlooker.errors import MediaError
from onlooker.library.analyzers import LOOK, names
from onlooker.library.store import STAGES, Content, Filters, PathRow, RootRow, Stage, Store
from onlooker.library.store_sqlite.base import DATABASE, LOCK
from onlooker.media.files import reason as reason_of
from onlooker.media.files import shown
from onlooker.media.kind import SUFFIXES, sniff
from onlooker.media.sidecars import stamp
from onlooker.records import MediaKind

# Folders that hold copies, caches and versions of other tools, never a person's media.
ALWAYS_EXCLUDED = (
    ".*",
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "node_modules",
    "__pycache__",
    "*.part",
    "*.crdownload",
)
_BLOCK_BYTES = 1 << 20

STAGES_OF: dict[MediaKind, tuple[Stage, ...]] = {
    "video": STAGES,
    "audio": ("look", "hear"),
    "photo": ("look", "read"),
    "document": ("look", "read"),
}


@dataclass(slots=True)
class ScanResult:
    """What a walk found."""

    seen: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: list[PathRow] = field(default_factory=list)
    offline: list[Path] = field(default_factory=list)


def content_hash(path: Path) -> str:
    """Return the BLAKE2b-128 of a file's bytes, hexadecimal.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def excluded(relative: str, patterns: Sequence[str]) -> bool:
    """Return whether a path below a root is left out.

    A pattern without ``/`` is matched with every part of the path, one with ``/`` with the whole
    (``*`` crosses folders there, as in ``.gitignore``'s ``**``).
    """
    parts = relative.split("/")
    for pattern in patterns:
        bare = pattern.rstrip("/")
        if "/" in bare:
            bare = bare.removeprefix("./")
            if fnmatch.fnmatch(relative, bare) or fnmatch.fnmatch(relative, f"{bare}/*"):
                return True
        elif any(fnmatch.fnmatch(part, bare) for part in parts):
            return True
    return False


def walk(
    root: Path,
    top: Path,
    exclude: Sequence[str],
    skip: Path,
    failed: Callable[[Path, str], None],
    mounted: Callable[[Path], None] | None = None,
) -> Iterator[Path]:
    """Iterate over the media files below a folder in a stable order.

    Args:
        root: The absolute folder that patterns are relative to.
        top: Where to begin: the root or a folder below it.
        exclude: Patterns of the user, on top of `ALWAYS_EXCLUDED`.
        skip: A folder that is never entered (the library itself).
        failed: Called with each folder that cannot be listed, and why.
        mounted: Called with each drive that is mounted below, instead of entering it.
    """
    patterns = (*ALWAYS_EXCLUDED, *exclude)
    stack = [top]
    while stack:
        folder = stack.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            failed(folder, f"the folder {shown(folder)} cannot be listed: {reason_of(error)}")
            continue
        if {DATABASE, LOCK} <= {entry.name for entry in entries}:
            continue  # a library: its thumbnails are no photos
        folders = []
        for entry in entries:
            path = Path(entry.path)
            relative = path.relative_to(root).as_posix()
            if excluded(relative, patterns) or path == skip:
                continue
            if entry.is_dir(follow_symlinks=False):
                if mounted is not None and os.path.ismount(path):
                    mounted(path)
                else:
                    folders.append(path)
            elif path.suffix.lower() in SUFFIXES and not _is_folder_link(entry):
                yield path
        stack.extend(reversed(folders))


def _is_folder_link(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:
        return False


def _was_deleted(file: Path) -> bool:
    """Return whether a file is gone from a folder that is there, rather than with its drive.

    The mount point that an unplugged drive leaves behind is empty.
    """
    try:
        file.lstat()
    except FileNotFoundError:
        try:
            with os.scandir(file.parent) as listing:
                return any(True for _ in listing)
        except OSError:
            return False
    except OSError:
        return False
    return False


class Scanner:
    """Brings the store's picture of the file system up to date, one root at a time.

    New files are recorded as they are met. What replaces or ends something known waits until
    `finish`: only then is it clear where a content that left its path lies now.

    Args:
        store: Where to tell it.
        library_folder: The library's own folder, left out of every walk.
        on_file: Called with each file that is looked at.
        should_stop: Asked between files.
    """

    def __init__(
        self,
        store: Store,
        library_folder: Path,
        *,
        on_file: Callable[[Path], None] = lambda _path: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._library_folder = library_folder
        self._on_file = on_file
        self._should_stop = should_stop
        self._renamed: set[int] = set()
        self._changed: list[Content] = []
        self._gone: list[Path] = []
        self._ended: list[int] = []
        self._scanned: set[int] = set()
        self.result = ScanResult()

    def scan(self, root: RootRow, only: Path | None = None) -> None:
        """Walk one root and record what was found, changed, renamed and removed.

        Args:
            root: A known folder or file.
            only: Look no further than this folder or file below it.
        """
        top = only or root.path
        if only is None:
            if root.id in self._scanned:
                return
            self._scanned.add(root.id)
        known = {row.path: row for row in self._store.paths(root.id)}
        if set(known) == {root.path} and _was_deleted(root.path):
            self._end(root, known)
            return
        if not self._is_there(root.path, known):
            self._store.set_root_offline(root.id, True)
            self.result.offline.append(root.path)
            return
        if root.offline:
            self._store.set_root_offline(root.id, False)
        if only is not None:
            known = {path: row for path, row in known.items() if path == top or top in path.parents}
        seen: set[Path] = set()
        unlisted: list[Path] = []
        drives: list[Path] = []

        def folder_failed(folder: Path, reason: str) -> None:
            unlisted.append(folder)
            self._fail(folder, root, 0, 0, "", reason)
            seen.add(folder)

        files: Iterator[Path]
        if top.is_dir():
            files = walk(
                root.path, top, root.exclude, self._library_folder, folder_failed, drives.append
            )
        else:
            files = iter((top,))
        for path in files:
            if self._should_stop():
                return  # what was not walked is not gone
            seen.add(path)
            self._on_file(path)
            self._look_at(path, root, known.get(path) or self._store.path(path))
        gone = [
            path
            for path in known
            if path not in seen
            and not any(folder in path.parents for folder in (*unlisted, *drives))
        ]
        media = [m for path in gone if (m := known[path].media_id) is not None]
        self._renamed.update(media)
        self._gone += gone
        self.result.removed += len(media)
        for drive in drives:
            self._scan_drive(drive, root)

    def _scan_drive(self, drive: Path, around: RootRow) -> None:
        """Scan a drive mounted in a known folder as one of its own: it may be unplugged alone."""
        known = next((root.exclude for root in self._store.roots() if root.path == drive), ())
        names = (pattern for pattern in around.exclude if "/" not in pattern)
        self.scan(self._store.add_root(drive, tuple(dict.fromkeys((*known, *names)))))

    def _end(self, root: RootRow, known: dict[Path, PathRow]) -> None:
        """Forget a file that was added by its own name."""
        media = [row.media_id for row in known.values() if row.media_id is not None]
        self._renamed.update(media)
        self._gone += known
        self._ended.append(root.id)
        self.result.removed += len(media)

    def finish(self) -> None:
        """Record what was replaced and what is gone, after all roots were scanned.

        Where a scan was stopped nothing is done: a content that seems gone may lie in what was
        not walked.
        """
        if self._should_stop():
            return
        self._renamed.update(self._store.settle(self._changed, self._gone))
        for root_id in self._ended:
            self._store.remove_root(root_id)
        self._changed.clear()
        self._gone.clear()
        self._ended.clear()
        self._look_again_at_renamed()

    @staticmethod
    def _is_there(top: Path, known: dict[Path, PathRow]) -> bool:
        try:
            if top.is_dir():
                # An unplugged drive often leaves its empty mount point behind.
                with os.scandir(top) as listing:
                    return not known or any(True for _ in listing)
            return top.exists() or (not known and top.parent.is_dir())
        except OSError:
            return False

    def _look_at(self, path: Path, root: RootRow, known: PathRow | None) -> None:
        self.result.seen += 1
        size = mtime = 0
        beside = ""
        try:
            status = path.stat()
            size, mtime = status.st_size, status.st_mtime_ns
            beside = stamp(path)
            # A file that failed is tried again: rights change without a new time.
            sound = known is not None and known.media_id is not None and known.state != "failed"
            if known and sound and (known.size_bytes, known.mtime_ns) == (size, mtime):
                self._unchanged(replace(known, root_id=root.id, beside=beside), known)
                return
            content = self._content(path, root, status, beside)
        except FileNotFoundError:
            why = "it is a link that leads nowhere" if path.is_symlink() else "it vanished"
            self._fail(path, root, size, mtime, beside, f"cannot open {shown(path)}: {why}")
        except OSError as error:
            reason = f"cannot read {shown(path)}: {reason_of(error)}"
            self._fail(path, root, size, mtime, beside, reason)
        except MediaError as error:
            self._fail(path, root, size, mtime, beside, str(error))
        else:
            if known and known.media_id is not None:
                self._changed.append(content)
                self.result.changed += 1
                return
            self._renamed.add(self._store.put_path(
                content.row, content_hash=content.content_hash, kind=content.kind,
                stages=content.stages,
            ))  # fmt: skip
            if known:
                self.result.changed += 1
            else:
                self.result.added += 1

    def _content(self, path: Path, root: RootRow, status: os.stat_result, beside: str) -> Content:
        """Read a file and tell what it is.

        Raises:
            MediaError: It is no medium, or changes at this moment.
            OSError: It cannot be read.
        """
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(f"{shown(path)} is not a regular file")
        if status.st_size == 0:
            raise MediaError(f"{shown(path)} is empty (0 bytes)")
        kind = sniff(path)
        if kind is None:
            raise MediaError(
                f"{shown(path)} is not a video, photo, PDF or audio file that can be opened"
            )
        digest = content_hash(path)
        after = path.stat()
        if (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            raise MediaError(f"{shown(path)} was changed while it was read; run the update again")
        row = PathRow(
            path=path, root_id=root.id, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns,
            media_id=None, beside=beside,
        )  # fmt: skip
        return Content(row=row, content_hash=digest, kind=kind, stages=STAGES_OF[kind])

    def _unchanged(self, now: PathRow, known: PathRow) -> None:
        """Record what changed around a file whose bytes did not: files beside it, its root."""
        assert known.media_id is not None
        if now.beside == known.beside:
            self.result.unchanged += 1
        else:
            self.result.changed += 1
        if now == known:
            return
        medium = self._store.media(known.media_id)
        self._store.put_path(
            now,
            content_hash=medium.content_hash,
            kind=medium.kind,
            stages=STAGES_OF[medium.kind],
        )

    def _look_again_at_renamed(self) -> None:
        """Have media looked at again whose recorded names are not those they have now."""
        for media_id in self._renamed:
            medium = next(iter(self._store.list_media(Filters(media_id=media_id))), None)
            if medium is None:
                continue
            recorded = {row.moment.text for row in self._store.moments(media_id, ("name",))}
            if recorded and recorded != set(names(medium)):
                self._store.put_failure(media_id, "look", LOOK, "pending", "renamed")
        self._renamed.clear()

    def _fail(
        self, path: Path, root: RootRow, size: int, mtime: int, beside: str, reason: str
    ) -> None:
        row = PathRow(
            path=path, root_id=root.id, size_bytes=size, mtime_ns=mtime, media_id=None,
            state="failed", reason=reason, beside=beside,
        )  # fmt: skip
        self._store.fail_path(row)
        self.result.failed.append(row)
