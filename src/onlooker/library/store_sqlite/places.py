"""What the store knows of the file system: known folders, paths, and which medium lies where."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from onlooker.errors import StoreError
from onlooker.library.store import Content, PathRow, RootRow, Stage
from onlooker.library.store_sqlite.base import Base
from onlooker.library.store_sqlite.codec import (
    pack_facts,
    pack_path,
    printable,
    printable_name,
)
from onlooker.library.store_sqlite.indexing import drop_homeless, retitle
from onlooker.library.store_sqlite.rows import PATH_COLUMNS, path_row, root_row
from onlooker.records import MediaFacts, MediaKind


class Places(Base):
    """Known folders and paths."""

    def add_root(self, path: Path, exclude: Sequence[str] = ()) -> RootRow:
        """Remember a folder or file (absolute); the same path again updates its patterns."""
        if not path.is_absolute():
            raise StoreError(f"a known folder needs an absolute path, got {path}")
        with self._lock, self._connections.writing() as connection:
            connection.execute(
                "INSERT INTO root (path, exclude) VALUES (?, ?) "
                "ON CONFLICT (path) DO UPDATE SET exclude = excluded.exclude",
                (pack_path(path), json.dumps(list(exclude))),
            )
            row = connection.execute(
                "SELECT id, path, exclude, offline FROM root WHERE path = ?", (pack_path(path),)
            ).fetchone()
        return root_row(row)

    def roots(self) -> list[RootRow]:
        """Return the known folders and files."""
        with self._connections.reading() as connection:
            rows = connection.execute("SELECT id, path, exclude, offline FROM root ORDER BY id")
            return [root_row(row) for row in rows.fetchall()]

    def remove_root(self, root_id: int) -> None:
        """Forget a folder, its paths, and media that lie nowhere else."""
        with self._lock:
            with self._connections.writing() as connection:
                touched = connection.execute(
                    "SELECT DISTINCT media_id FROM path WHERE root_id = ? AND media_id IS NOT NULL",
                    (root_id,),
                ).fetchall()
                connection.execute("DELETE FROM path WHERE root_id = ?", (root_id,))
                connection.execute("DELETE FROM root WHERE id = ?", (root_id,))
                gone = drop_homeless(connection, [row[0] for row in touched])
                for (media_id,) in touched:
                    # What lies elsewhere too has lost a name: it is called, and found, by another.
                    retitle(connection, media_id)
                    connection.execute(
                        "UPDATE task SET state = 'pending' WHERE media_id = ? AND stage = 'look'",
                        (media_id,),
                    )
            self._thumbnails.remove(gone)

    def set_root_offline(self, root_id: int, offline: bool) -> None:
        """Mark a folder and its paths as (not) there; nothing is deleted."""
        before, after = ("present", "offline") if offline else ("offline", "present")
        with self._lock, self._connections.writing() as connection:
            connection.execute("UPDATE root SET offline = ? WHERE id = ?", (offline, root_id))
            connection.execute(
                "UPDATE path SET state = ? WHERE root_id = ? AND state = ?",
                (after, root_id, before),
            )

    def paths(self, root_id: int | None = None) -> Iterator[PathRow]:
        """Iterate over known paths, in order of their bytes."""
        last = b""
        while True:
            with self._connections.reading() as connection:
                rows = connection.execute(
                    f"SELECT {PATH_COLUMNS} WHERE path > ? AND (? IS NULL OR root_id = ?) "
                    "ORDER BY path LIMIT 1000",
                    (last, root_id, root_id),
                ).fetchall()
            if not rows:
                return
            for row in rows:
                yield path_row(row)
            last = rows[-1][0]

    def path(self, path: Path) -> PathRow | None:
        """Return what is known of one path (any bytes, also non-UTF-8 ones)."""
        with self._connections.reading() as connection:
            row = connection.execute(
                f"SELECT {PATH_COLUMNS} WHERE path = ?", (pack_path(path),)
            ).fetchone()
        return None if row is None else path_row(row)

    def put_path(
        self,
        row: PathRow,
        *,
        content_hash: str,
        kind: MediaKind,
        stages: Sequence[Stage],
    ) -> int:
        """Record that a content lies at ``row.path``; return the medium's id."""
        content = Content(row=row, content_hash=content_hash, kind=kind, stages=tuple(stages))
        with self._lock:
            with self._connections.writing() as connection:
                media_id, former = self._put(connection, content)
                gone = drop_homeless(connection, [former])
                for one in (media_id, former):
                    if one is not None:
                        retitle(connection, one)
            self._thumbnails.remove(gone)
        return media_id

    def settle(self, changed: Iterable[Content], gone: Iterable[Path]) -> list[int]:
        """Record changed paths and remove gone ones in one step; return the changed media's ids."""
        with self._lock:
            with self._connections.writing() as connection:
                ids: list[int] = []
                touched: set[int | None] = set()
                for content in changed:
                    media_id, former = self._put(connection, content)
                    ids.append(media_id)
                    touched |= {media_id, former}
                touched |= _forget(connection, gone)
                homeless = drop_homeless(connection, touched)
                for one in touched:
                    if one is not None:
                        retitle(connection, one)
            self._thumbnails.remove(homeless)
        return ids

    def _put(self, connection: sqlite3.Connection, content: Content) -> tuple[int, int | None]:
        """Write one path; return its medium, and the one that lay there before if another."""
        row = content.row
        place = pack_path(row.path)
        known = connection.execute(
            "SELECT id FROM media WHERE content_hash = ?", (content.content_hash,)
        ).fetchone()
        if known is None:
            media_id = self._new_media(connection, row, content.content_hash, content.kind)
        else:
            media_id = int(known[0])
        before = connection.execute(
            "SELECT media_id, beside FROM path WHERE path = ?", (place,)
        ).fetchone()
        connection.execute(
            "INSERT OR REPLACE INTO path (path, root_id, media_id, size_bytes, mtime_ns, "
            "state, reason, beside) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            _columns(row, media_id),
        )
        for stage in content.stages:
            connection.execute(
                "INSERT OR IGNORE INTO task (media_id, stage, state) VALUES (?, ?, 'pending')",
                (media_id, stage),
            )
        if known is not None and (before[1] if before else "") != row.beside:
            connection.execute(
                "UPDATE task SET state = 'pending' WHERE media_id = ? AND stage = 'look'",
                (media_id,),
            )
        former = before[0] if before is not None and before[0] != media_id else None
        return media_id, former

    def _new_media(
        self, connection: sqlite3.Connection, row: PathRow, content_hash: str, kind: MediaKind
    ) -> int:
        # 80 bits: a thousand million media meet with a chance of one in two million.
        public_id = hashlib.blake2b(
            content_hash.encode(), key=self._secret, digest_size=10
        ).hexdigest()
        cursor = connection.execute(
            'INSERT INTO media (public_id, content_hash, kind, size_bytes, added_at, "when", '
            "title, facts) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                public_id,
                content_hash,
                kind,
                row.size_bytes,
                time.time(),
                row.mtime_ns / 1e9,
                printable_name(row.path),
                pack_facts(MediaFacts(kind=kind)),
            ),
        )
        assert cursor.lastrowid is not None  # an INSERT that did not raise has one
        return cursor.lastrowid

    def fail_path(self, row: PathRow) -> None:
        """Record a file that could not be read (``row.state`` = ``failed``, with the reason).

        Where its content was known, the records stay: the file may be readable again tomorrow.
        """
        with self._lock, self._connections.writing() as connection:
            connection.execute(
                "INSERT INTO path (path, root_id, media_id, size_bytes, mtime_ns, state, reason, "
                "beside) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET "
                "root_id = excluded.root_id, size_bytes = excluded.size_bytes, "
                "mtime_ns = excluded.mtime_ns, state = excluded.state, reason = excluded.reason, "
                "beside = excluded.beside",
                _columns(row, row.media_id),
            )

    def forget_paths(self, paths: Iterable[Path]) -> None:
        """Remove paths that are gone, and media that lie nowhere any more."""
        self.settle((), paths)


def _columns(row: PathRow, media_id: int | None) -> tuple[object, ...]:
    """Return the columns of the table ``path``."""
    # 64 bits of nanoseconds end in 2262; file systems hold later dates, mostly broken ones.
    mtime_ns = max(-(2**63), min(row.mtime_ns, 2**63 - 1))
    reason = printable(row.reason)
    place = pack_path(row.path)
    return (place, row.root_id, media_id, row.size_bytes, mtime_ns, row.state, reason, row.beside)


def _forget(connection: sqlite3.Connection, paths: Iterable[Path]) -> set[int | None]:
    """Remove paths; return the media that lay there."""
    touched: set[int | None] = set()
    for path in paths:
        row = connection.execute(
            "DELETE FROM path WHERE path = ? RETURNING media_id", (pack_path(path),)
        ).fetchone()
        if row is not None:
            touched.add(row[0])
    return touched
