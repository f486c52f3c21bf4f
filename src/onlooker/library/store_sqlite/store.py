"""The store in a folder: what is written and read."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from onlooker.errors import StoreError
from onlooker.library.folding import (
    FOLD_VERSION,
    filter_text,
    fold,
    fold_spelled,
    squeeze,
    words_of,
)
from onlooker.library.store import (
    STAGES,
    Counts,
    Filters,
    MediaRow,
    MomentRow,
    PathRow,
    Problem,
    RootRow,
    Stage,
    TaskRow,
    TaskState,
)
from onlooker.library.store_sqlite import care, schema
from onlooker.library.store_sqlite.codec import (
    pack_facts,
    pack_moment,
    pack_path,
    pack_polygons,
    printable_name,
    same_place,
    titles_among,
    unpack_facts,
    unpack_moment,
    unpack_path,
    unpack_polygons,
)
from onlooker.library.store_sqlite.connection import Connections, WriterLock, translated
from onlooker.library.store_sqlite.fulltext import FullText, media_conditions
from onlooker.library.store_sqlite.thumbnails import Thumbnails
from onlooker.records import EvidenceKind, MediaFacts, MediaKind, Moment, Producer, View

DATABASE = "library.sqlite3"
LOCK = "library.lock"
THUMBNAILS = "thumbs"
VECTORS = "vectors"

PERSON = Producer(name="person", version="1", kind="person")
"""Who makes corrections."""

_SAME_PLACE = 0.5
"""From this overlap on, two records are of the same place (as for detections: PASCAL VOC)."""

_MOMENT_COLUMNS = (
    "m.id, m.media_id, m.stage, m.rank, p.key, m.start_s, m.end_s, m.page, m.view, m.confidence, "
    "m.field, m.text, m.polygons FROM moment m JOIN producer p ON p.id = m.producer_id"
)
_PATH_COLUMNS = "path, root_id, media_id, size_bytes, mtime_ns, state, reason, beside FROM path"
_MEDIA_COLUMNS = (
    'm.id, m.public_id, m.content_hash, m.kind, m.size_bytes, m.added_at, m."when", m.title, '
    "m.facts FROM media m"
)
_CHUNK = 500  # parameters in one statement; SQLite allows 32,766


class SqliteStore(FullText):
    """The store of one library folder; see `onlooker.library.store.Store`.

    One object may be used by many threads: up to four read at the same time, one writes.
    """

    def __init__(self, folder: Path, connections: Connections) -> None:
        super().__init__(connections)
        self.folder = folder
        self._lock = WriterLock(folder / LOCK)
        self._thumbnails = Thumbnails(folder / THUMBNAILS)
        with connections.reading() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = 'secret'").fetchone()
        if row is None:
            raise StoreError(f"{folder / DATABASE} has no identity; it is damaged")
        self._secret = bytes(row[0])

    # -- life ------------------------------------------------------------------------------------
    @classmethod
    def open(cls, folder: Path, *, create: bool = True, read_only: bool = False) -> SqliteStore:
        """Open the library in a folder.

        Args:
            folder: The library's folder.
            create: Make it where there is none.
            read_only: Never write, not even to bring an older library up to date.

        Raises:
            StoreError: There is no library and none may be made; or it is damaged, newer than this
                program, or cannot be written.
        """
        folder = Path(folder)
        database = folder / DATABASE
        connections = Connections(database, read_only=read_only)
        try:
            with translated(database):
                if not database.exists():
                    if read_only or not create:
                        raise StoreError(
                            f"no library in {folder}; make one with `onlooker add PATH...`"
                        )
                    if folder.exists() and not folder.is_dir():
                        raise StoreError(f"{folder} is a file; a library needs a folder")
                    folder.mkdir(parents=True, exist_ok=True)
                elif database.stat().st_size > 0:
                    _check_version(connections, folder)
                if not read_only:
                    _bring_up_to_date(connections, folder)
                return cls(folder, connections)
        except BaseException:
            connections.close()
            raise

    def close(self) -> None:
        """Release files and connections."""
        self._connections.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def writer(self) -> WriterLock:
        """Return the context manager that makes this process the only writer."""
        return self._lock

    # -- what is known of the file system ----------------------------------------------------------
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
        return _root(row)

    def roots(self) -> list[RootRow]:
        """Return the known folders and files."""
        with self._connections.reading() as connection:
            rows = connection.execute("SELECT id, path, exclude, offline FROM root ORDER BY id")
            return [_root(row) for row in rows.fetchall()]

    def remove_root(self, root_id: int) -> None:
        """Forget a folder, its paths, and media that lie nowhere else."""
        with self._lock:
            with self._connections.writing() as connection:
                touched = connection.execute(
                    "SELECT DISTINCT media_id FROM path WHERE root_id = ?", (root_id,)
                ).fetchall()
                connection.execute("DELETE FROM path WHERE root_id = ?", (root_id,))
                connection.execute("DELETE FROM root WHERE id = ?", (root_id,))
                gone = self._drop_homeless(connection, [row[0] for row in touched])
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
                    f"SELECT {_PATH_COLUMNS} WHERE path > ? AND (? IS NULL OR root_id = ?) "
                    "ORDER BY path LIMIT 1000",
                    (last, root_id, root_id),
                ).fetchall()
            if not rows:
                return
            for row in rows:
                yield _path(row)
            last = rows[-1][0]

    def path(self, path: Path) -> PathRow | None:
        """Return what is known of one path (any bytes, also non-UTF-8 ones)."""
        with self._connections.reading() as connection:
            row = connection.execute(
                f"SELECT {_PATH_COLUMNS} WHERE path = ?", (pack_path(path),)
            ).fetchone()
        return None if row is None else _path(row)

    def put_path(
        self,
        row: PathRow,
        *,
        content_hash: str,
        kind: MediaKind,
        stages: Sequence[Stage],
    ) -> int:
        """Record that a content lies at ``row.path``; return the medium's id."""
        place = pack_path(row.path)
        gone: list[str] = []
        with self._lock:
            with self._connections.writing() as connection:
                known = connection.execute(
                    "SELECT id FROM media WHERE content_hash = ?", (content_hash,)
                ).fetchone()
                if known is None:
                    media_id = self._new_media(connection, row, content_hash, kind)
                else:
                    media_id = int(known[0])
                before = connection.execute(
                    "SELECT media_id, beside FROM path WHERE path = ?", (place,)
                ).fetchone()
                connection.execute(
                    "INSERT OR REPLACE INTO path (path, root_id, media_id, size_bytes, mtime_ns, "
                    "state, reason, beside) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        place,
                        row.root_id,
                        media_id,
                        row.size_bytes,
                        row.mtime_ns,
                        row.state,
                        row.reason,
                        row.beside,
                    ),
                )
                for stage in stages:
                    connection.execute(
                        "INSERT OR IGNORE INTO task (media_id, stage, state) "
                        "VALUES (?, ?, 'pending')",
                        (media_id, stage),
                    )
                if known is not None and (before[1] if before else "") != row.beside:
                    connection.execute(
                        "UPDATE task SET state = 'pending' WHERE media_id = ? AND stage = 'look'",
                        (media_id,),
                    )
                if before is not None and before[0] is not None and before[0] != media_id:
                    gone = self._drop_homeless(connection, [before[0]])
                _retitle(connection, media_id)
            self._thumbnails.remove(gone)
        return media_id

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
                (
                    pack_path(row.path),
                    row.root_id,
                    row.media_id,
                    row.size_bytes,
                    row.mtime_ns,
                    row.state,
                    row.reason,
                    row.beside,
                ),
            )

    def forget_paths(self, paths: Iterable[Path]) -> None:
        """Remove paths that are gone, and media that lie nowhere any more."""
        with self._lock:
            with self._connections.writing() as connection:
                touched: list[int | None] = []
                for path in paths:
                    row = connection.execute(
                        "DELETE FROM path WHERE path = ? RETURNING media_id", (pack_path(path),)
                    ).fetchone()
                    if row is not None:
                        touched.append(row[0])
                gone = self._drop_homeless(connection, touched)
                for media_id in {m for m in touched if m is not None}:
                    _retitle(connection, media_id)
            self._thumbnails.remove(gone)

    def _drop_homeless(
        self, connection: sqlite3.Connection, media_ids: Iterable[int | None]
    ) -> list[str]:
        """Remove those media that lie nowhere; return their public ids."""
        gone = []
        for media_id in {m for m in media_ids if m is not None}:
            home = connection.execute(
                "SELECT 1 FROM path WHERE media_id = ? LIMIT 1", (media_id,)
            ).fetchone()
            if home is None:
                gone += self._drop_media(connection, media_id)
        return gone

    def _drop_media(self, connection: sqlite3.Connection, media_id: int) -> list[str]:
        for number in range(len(STAGES)):
            self._drop_moments(connection, media_id, number)
        for table in ("task", "view", "correction", "path"):
            connection.execute(f"DELETE FROM {table} WHERE media_id = ?", (media_id,))
        rows = connection.execute(
            "DELETE FROM media WHERE id = ? RETURNING public_id", (media_id,)
        ).fetchall()
        return [row[0] for row in rows]

    # -- results -----------------------------------------------------------------------------------
    def pending(
        self, stage: Stage, *, producer: Producer | None = None, newest_first: bool = False
    ) -> list[int]:
        """Return ids of media whose stage is to be done, in a stable order."""
        order = 'm."when" DESC, m.id' if newest_first else "m.id"
        with self._connections.reading() as connection:
            rows = connection.execute(
                "SELECT m.id FROM task t JOIN media m ON m.id = t.media_id WHERE t.stage = ? "
                "AND (t.state = 'pending' OR (? IS NOT NULL AND t.producer <> ?)) AND EXISTS "
                "(SELECT 1 FROM path p WHERE p.media_id = m.id AND p.state = 'present') "
                f"ORDER BY {order}",
                (stage, producer and producer.key, producer and producer.key),
            ).fetchall()
        return [row[0] for row in rows]

    def put_facts(self, media_id: int, facts: MediaFacts, *, file_time: float) -> None:
        """Store facts and description of a medium."""
        said = facts.description
        with self._lock, self._connections.writing() as connection:
            _known_media(connection, media_id)
            connection.execute(
                'UPDATE media SET facts = ?, "when" = ?, duration_s = ?, creators = ?, '
                "series = ?, language = ? WHERE id = ?",
                (
                    pack_facts(facts),
                    file_time if facts.captured_at is None else facts.captured_at,
                    facts.duration_s or 0.0,
                    filter_text("; ".join(said.creators)),
                    filter_text(said.series),
                    said.language.lower(),
                    media_id,
                ),
            )
            _retitle(connection, media_id)

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
        """Replace the records of one stage of one medium, and set its state: one transaction."""
        number = STAGES.index(stage)
        records = [(moment, producer) for moment in moments]
        with self._lock:
            with self._connections.writing() as connection:
                public_id = _known_media(connection, media_id)
                if views is not None:
                    self._replace_views(connection, media_id, public_id, views)
                self._drop_moments(connection, media_id, number)
                records, fixed = self._corrected(connection, media_id, number, records)
                first, last, kinds = self._add_moments(connection, media_id, number, records, fixed)
                connection.execute(
                    "INSERT OR REPLACE INTO task (media_id, stage, state, producer, reason, "
                    "seconds, finished_at, first_id, last_id, screen, speech, name, person) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        media_id,
                        stage,
                        state,
                        producer.key,
                        reason,
                        seconds,
                        time.time(),
                        first,
                        last,
                        kinds["screen"],
                        kinds["speech"],
                        kinds["name"],
                        kinds["person"],
                    ),
                )
            if views is not None:
                self._thumbnails.keep_only(
                    public_id, {name for view in views if (name := Thumbnails.name_of(view))}
                )

    def _replace_views(
        self,
        connection: sqlite3.Connection,
        media_id: int,
        public_id: str,
        views: Sequence[View],
    ) -> None:
        connection.execute("DELETE FROM view WHERE media_id = ?", (media_id,))
        for view in views:
            name = self._thumbnails.write(public_id, view)
            connection.execute(
                "INSERT INTO view (media_id, number, width, height, start_s, end_s, best_s, page, "
                "kind, thumbnail, thumbnail_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    media_id,
                    view.index,
                    view.width,
                    view.height,
                    view.start_s,
                    view.end_s,
                    view.best_s,
                    view.page,
                    view.kind,
                    name,
                    len(view.thumbnail),
                ),
            )

    def _corrected(
        self,
        connection: sqlite3.Connection,
        media_id: int,
        stage: int,
        records: list[tuple[Moment, Producer]],
    ) -> tuple[list[tuple[Moment, Producer]], dict[int, int]]:
        """Apply a person's corrections to new records.

        Returns:
            The records, and which correction (id) stands at which place among them.
        """
        rows = connection.execute(
            "SELECT id, text, original FROM correction WHERE media_id = ? AND stage = ? "
            "ORDER BY id",
            (media_id, stage),
        ).fetchall()
        hidden: set[int] = set()
        fixed: dict[int, int] = {}
        for correction_id, text, packed in rows:
            original = unpack_moment(packed)
            best, overlap = -1, 0.0
            for number, (moment, _) in enumerate(records):
                if number in hidden or number in fixed:
                    continue
                shared = same_place(original, moment)
                # Of several records at one place, as those of one cue, the one with the same text.
                shared += 0.01 * (moment.text == original.text)
                if shared > overlap:
                    best, overlap = number, shared
            if overlap >= _SAME_PLACE:
                if text is None:
                    hidden.add(best)
                    continue
                records[best] = (replace(records[best][0], text=text, confidence=1.0), PERSON)
                fixed[best] = correction_id
            elif text is not None:
                view = _view_at(connection, media_id, original)
                moment = replace(original, text=text, view=view, confidence=1.0)
                fixed[len(records)] = correction_id
                records.append((moment, PERSON))
        kept = [number for number in range(len(records)) if number not in hidden]
        return (
            [records[number] for number in kept],
            {place: fixed[number] for place, number in enumerate(kept) if number in fixed},
        )

    def _add_moments(
        self,
        connection: sqlite3.Connection,
        media_id: int,
        stage: int,
        records: list[tuple[Moment, Producer]],
        fixed: dict[int, int],
    ) -> tuple[int | None, int | None, Counter[str]]:
        """Insert moments in reading order, with both indices and the vocabulary."""
        kinds: Counter[str] = Counter(moment.kind for moment, _ in records)
        if not records:
            return None, None, kinds
        producers = {
            key: _producer_id(connection, producer)
            for key, producer in {producer.key: producer for _, producer in records}.items()
        }
        titles = titles_among([moment for moment, _ in records])
        order = sorted(range(len(records)), key=lambda number: _reading_order(records[number][0]))
        first = _next_moment(connection, len(records))
        counts: Counter[str] = Counter()
        rows: list[tuple[Any, ...]] = []
        words: list[tuple[int, str, str]] = []
        for moment_id, number in enumerate(order, start=first):
            moment, producer = records[number]
            text = printable(moment.text)
            plain, spelled = fold(text), fold_spelled(text)
            length = len(plain.split())
            counts.update(words_of(text))
            rank = schema.rank_of(moment.kind, title=number in titles, words=length)
            rows.append(
                (
                    moment_id,
                    media_id,
                    stage,
                    rank,
                    producers[producer.key],
                    moment.start_s,
                    moment.end_s,
                    moment.page,
                    moment.view,
                    moment.confidence,
                    moment.field or None,
                    text,
                    pack_polygons(moment.polygons),
                )
            )
            words.append((rank << schema.ID_BITS | moment_id, plain, spelled))
            if number in fixed:
                connection.execute(
                    "UPDATE correction SET moment_id = ? WHERE id = ?", (moment_id, fixed[number])
                )
        connection.executemany(
            "INSERT INTO moment (id, media_id, stage, rank, producer_id, start_s, end_s, page, "
            "view, confidence, field, text, polygons) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
            "?)",
            rows,
        )
        words.sort()  # FTS5 writes a new segment whenever a key is smaller than the last one
        connection.executemany("INSERT INTO words (rowid, plain, spelled) VALUES (?, ?, ?)", words)
        connection.executemany(
            "INSERT INTO parts (rowid, squeezed) VALUES (?, ?)",
            ((row[0], squeeze(row[11])) for row in rows),
        )
        _count_words(connection, counts)
        return first, first + len(records) - 1, kinds

    def _drop_moments(self, connection: sqlite3.Connection, media_id: int, stage: int) -> None:
        """Delete the moments of a stage from the table, both indices and the vocabulary."""
        rows = connection.execute(
            "SELECT id, rank, text FROM moment WHERE media_id = ? AND stage = ?", (media_id, stage)
        ).fetchall()
        if not rows:
            return
        _unindex(connection, rows)
        connection.execute("DELETE FROM moment WHERE media_id = ? AND stage = ?", (media_id, stage))
        connection.execute(
            "UPDATE task SET first_id = NULL, last_id = NULL, screen = 0, speech = 0, name = 0, "
            "person = 0 WHERE media_id = ? AND stage = ?",
            (media_id, STAGES[stage]),
        )

    def put_failure(
        self, media_id: int, stage: Stage, producer: Producer, state: TaskState, reason: str
    ) -> None:
        """Set a stage to ``failed`` or ``skipped`` with its reason, keeping earlier records."""
        with self._lock, self._connections.writing() as connection:
            _known_media(connection, media_id)
            connection.execute(
                "INSERT INTO task (media_id, stage, state, producer, reason, finished_at) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (media_id, stage) DO UPDATE SET "
                "state = excluded.state, producer = excluded.producer, reason = excluded.reason, "
                "finished_at = excluded.finished_at",
                (media_id, stage, state, producer.key, reason, time.time()),
            )

    def retry(self, stage: Stage | None = None, media_id: int | None = None) -> int:
        """Make failed and skipped stages pending again; return how many."""
        with self._lock, self._connections.writing() as connection:
            return connection.execute(
                "UPDATE task SET state = 'pending' WHERE state IN ('failed', 'skipped') "
                "AND (? IS NULL OR stage = ?) AND (? IS NULL OR media_id = ?)",
                (stage, stage, media_id, media_id),
            ).rowcount

    def remove_media(self, media_ids: Iterable[int]) -> None:
        """Forget media with all their records, paths and thumbnails."""
        with self._lock:
            gone: list[str] = []
            with self._connections.writing() as connection:
                for media_id in media_ids:
                    gone += self._drop_media(connection, media_id)
            self._thumbnails.remove(gone)

    def correct(self, moment_id: int, text: str | None) -> int:
        """Replace the text of a moment by a person's (None: hide it); return the moment's id.

        The moment keeps its number, so that links to it go on working. The record that the machine
        made is remembered with the correction: when the machine goes over the medium again, its
        new record of the same place gives way.
        """
        with self._lock, self._connections.writing() as connection:
            row = connection.execute(
                f"SELECT {_MOMENT_COLUMNS} WHERE m.id = ?", (moment_id,)
            ).fetchone()
            if row is None:
                raise StoreError(f"there is no moment {moment_id}; it may have been read anew")
            old = _moment(row)
            number = STAGES.index(old.stage)
            known = connection.execute(
                "SELECT id FROM correction WHERE moment_id = ?", (moment_id,)
            ).fetchone()
            if known is None:
                connection.execute(
                    "INSERT INTO correction (media_id, stage, moment_id, text, original, made_at) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (old.media_id, number, moment_id, text, pack_moment(old.moment), time.time()),
                )
            else:
                connection.execute(
                    "UPDATE correction SET text = ?, made_at = ? WHERE id = ?",
                    (text, time.time(), known[0]),
                )
            rank = row[3]
            _unindex(connection, [(moment_id, rank, old.moment.text)])
            if text is None:
                connection.execute("DELETE FROM moment WHERE id = ?", (moment_id,))
                connection.execute(
                    f"UPDATE task SET {old.moment.kind} = {old.moment.kind} - 1 "
                    "WHERE media_id = ? AND stage = ?",
                    (old.media_id, old.stage),
                )
                return moment_id
            text = printable(text)
            rank = schema.rank_of(
                old.moment.kind,
                title=rank // schema.LENGTHS == schema.TITLE_CLASS,
                words=len(fold(text).split()),
            )
            connection.execute(
                "UPDATE moment SET text = ?, rank = ?, producer_id = ?, confidence = 1 "
                "WHERE id = ?",
                (text, rank, _producer_id(connection, PERSON), moment_id),
            )
            connection.execute(
                "INSERT INTO words (rowid, plain, spelled) VALUES (?, ?, ?)",
                (rank << schema.ID_BITS | moment_id, fold(text), fold_spelled(text)),
            )
            connection.execute(
                "INSERT INTO parts (rowid, squeezed) VALUES (?, ?)", (moment_id, squeeze(text))
            )
            _count_words(connection, Counter(words_of(text)))
        return moment_id

    # -- reading -----------------------------------------------------------------------------------
    def media(self, media_id: int) -> MediaRow:
        """Return one medium."""
        found = self.media_of([media_id])
        if media_id not in found:
            raise StoreError(f"there is no medium {media_id} in the library; it may be removed")
        return found[media_id]

    def media_of(self, media_ids: Iterable[int]) -> dict[int, MediaRow]:
        """Return several media by their ids; ids that are not there are left out."""
        ids = list(dict.fromkeys(media_ids))
        found: dict[int, MediaRow] = {}
        with self._connections.reading() as connection:
            for start in range(0, len(ids), _CHUNK):
                chunk = ids[start : start + _CHUNK]
                marks = ",".join("?" * len(chunk))
                rows = connection.execute(
                    f"SELECT {_MEDIA_COLUMNS} WHERE m.id IN ({marks})", chunk
                ).fetchall()
                for medium in _media(connection, rows):
                    found[medium.id] = medium
        return found

    def media_by_public_id(self, public_id: str) -> MediaRow | None:
        """Return the medium behind a link, or None."""
        with self._connections.reading() as connection:
            rows = connection.execute(
                f"SELECT {_MEDIA_COLUMNS} WHERE m.public_id = ?", (printable(public_id),)
            ).fetchall()
            found = _media(connection, rows)
        return found[0] if found else None

    def list_media(
        self,
        filters: Filters | None = None,
        *,
        order: Literal["added", "when", "title"] = "added",
        limit: int | None = None,
        offset: int = 0,
    ) -> list[MediaRow]:
        """Return media, newest or alphabetically first."""
        by = {
            "added": "m.added_at DESC, m.id DESC",
            "when": 'm."when" DESC, m.id DESC',
            "title": "onlooker_fold(m.title), m.title, m.id",
        }[order]
        where, values = media_conditions(filters or Filters(), moments=True)
        with self._connections.reading() as connection:
            rows = connection.execute(
                f"SELECT {_MEDIA_COLUMNS} WHERE {where} ORDER BY {by} LIMIT ? OFFSET ?",
                (*values, -1 if limit is None else limit, offset),
            ).fetchall()
            return _media(connection, rows)

    def views(self, media_id: int) -> list[View]:
        """Return the views of a medium in order, without thumbnail bytes."""
        with self._connections.reading() as connection:
            rows = connection.execute(
                "SELECT number, width, height, start_s, end_s, best_s, page, kind FROM view "
                "WHERE media_id = ? ORDER BY number",
                (media_id,),
            ).fetchall()
        return [
            View(
                index=row[0],
                width=row[1],
                height=row[2],
                start_s=row[3],
                end_s=row[4],
                best_s=row[5],
                page=row[6],
                kind=row[7],
            )
            for row in rows
        ]

    def thumbnail(self, media_id: int, view: int) -> Path | None:
        """Return the file of a view's thumbnail, or None."""
        with self._connections.reading() as connection:
            row = connection.execute(
                "SELECT m.public_id, v.thumbnail FROM view v JOIN media m ON m.id = v.media_id "
                "WHERE v.media_id = ? AND v.number = ?",
                (media_id, view),
            ).fetchone()
        if row is None or not row[1]:
            return None
        return self._thumbnails.path(row[0], row[1])

    def moments(
        self, media_id: int, kinds: Sequence[EvidenceKind] = (), *, view: int | None = None
    ) -> list[MomentRow]:
        """Return the moments of a medium by time, page, then place."""
        with self._connections.reading() as connection:
            rows = connection.execute(
                f"SELECT {_MOMENT_COLUMNS} WHERE m.media_id = ? AND (? IS NULL OR m.view = ?) "
                "ORDER BY m.start_s, m.page, m.view, m.id",
                (media_id, view, view),
            ).fetchall()
        found = [_moment(row) for row in rows]
        return [row for row in found if not kinds or row.moment.kind in kinds]

    def moment(self, moment_id: int) -> MomentRow | None:
        """Return one moment, or None."""
        return self.moments_of([moment_id]).get(moment_id)

    def moments_of(self, moment_ids: Iterable[int]) -> dict[int, MomentRow]:
        """Return several moments by their ids; ids that are not there are left out."""
        ids = list(dict.fromkeys(moment_ids))
        found: dict[int, MomentRow] = {}
        with self._connections.reading() as connection:
            for start in range(0, len(ids), _CHUNK):
                chunk = ids[start : start + _CHUNK]
                marks = ",".join("?" * len(chunk))
                for row in connection.execute(
                    f"SELECT {_MOMENT_COLUMNS} WHERE m.id IN ({marks})", chunk
                ).fetchall():
                    found[row[0]] = _moment(row)
        return found

    def failures(self) -> list[tuple[PathRow | MediaRow, TaskRow | None]]:
        """Return every file or stage that failed or was skipped, with its reason."""
        with self._connections.reading() as connection:
            paths = connection.execute(
                f"SELECT {_PATH_COLUMNS} WHERE state = 'failed' ORDER BY path"
            ).fetchall()
            media = _media(
                connection,
                connection.execute(
                    f"SELECT {_MEDIA_COLUMNS} WHERE m.id IN (SELECT media_id FROM task "
                    "WHERE state IN ('failed', 'skipped')) ORDER BY m.id"
                ).fetchall(),
            )
        found: list[tuple[PathRow | MediaRow, TaskRow | None]] = [(_path(p), None) for p in paths]
        for medium in media:
            found += [(medium, t) for t in medium.tasks if t.state in ("failed", "skipped")]
        return found

    def counts(self) -> Counts:
        """Return the library at a glance."""
        with self._connections.reading() as connection:
            media = dict(connection.execute("SELECT kind, count(*) FROM media GROUP BY kind"))
            duration = connection.execute("SELECT total(duration_s) FROM media").fetchone()[0]
            tasks: dict[str, dict[str, int]] = {}
            for stage, state, number in connection.execute(
                "SELECT stage, state, count(*) FROM task GROUP BY stage, state"
            ):
                tasks.setdefault(stage, {})[state] = number
            kinds = connection.execute(
                "SELECT total(screen), total(speech), total(name), total(person) FROM task"
            ).fetchone()
            states = dict(connection.execute("SELECT state, count(*) FROM path GROUP BY state"))
            thumbnails = connection.execute("SELECT total(thumbnail_bytes) FROM view").fetchone()[0]
        files = (DATABASE, DATABASE + "-wal", DATABASE + "-shm")
        size = sum(
            (self.folder / name).stat().st_size for name in files if (self.folder / name).exists()
        )
        return Counts(
            media=media,
            moments=dict(zip(("screen", "speech", "name", "person"), map(int, kinds), strict=True)),
            tasks=tasks,
            failed_paths=states.get("failed", 0),
            offline_paths=states.get("offline", 0),
            duration_s=duration,
            disk_bytes=size + int(thumbnails),
        )

    # -- care --------------------------------------------------------------------------------------
    def verify(self, *, repair: bool = False) -> list[Problem]:
        """Check the library; mend it too, if asked."""
        if not repair:
            return care.verify(self._connections, self._thumbnails, self._lock)
        with self._lock:
            return care.repair(self._connections, self._thumbnails, self._lock)

    def tidy(self) -> None:
        """Merge what many small writes left behind in the indices; worth it after a long `add`."""
        with self._lock, self._connections.writing() as connection:
            for table in ("words", "parts"):
                connection.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('merge', 2000)")


def printable(text: str) -> str:
    """Return text that SQLite can keep: NULs and lone surrogates replaced."""
    if "\0" in text:
        text = text.replace("\0", " ")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
    return text


def _check_version(connections: Connections, folder: Path) -> None:
    with connections.reading() as connection:
        version = schema.version_of(connection)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
    if version and application != schema.APPLICATION_ID:
        raise StoreError(f"{folder / DATABASE} belongs to another program; choose another folder")
    if version > schema.VERSION:
        raise StoreError(
            f"the library {folder} was written by a newer Onlooker (version {version} of the "
            f"store, this one knows {schema.VERSION}); install the newer Onlooker to open it"
        )
    if connections.read_only and version < schema.VERSION:
        raise StoreError(
            f"the library {folder} is of an older version ({version}, now {schema.VERSION}) and "
            f"cannot be brought up to date while it is opened for reading only; open it once "
            f"for writing, for example with `onlooker update`"
        )


def _bring_up_to_date(connections: Connections, folder: Path) -> None:
    """Create or migrate a library, and build the indices anew after a change of folding."""
    database = folder / DATABASE
    if database.exists() and database.stat().st_size > 0:
        with connections.reading() as connection:
            if schema.version_of(connection) == schema.VERSION:
                row = connection.execute("SELECT value FROM meta WHERE key = 'fold'").fetchone()
                if row is not None and row[0] == FOLD_VERSION:
                    return
    lock = WriterLock(folder / LOCK)
    # Two programs may come first at the same time: making an empty library takes milliseconds.
    lock.acquire(wait_s=10.0)
    try:
        connection = connections.connect()
        connection.execute("PRAGMA journal_mode = WAL")
        schema.migrate(connection)
        with connections.writing() as writer:
            known = dict(writer.execute("SELECT key, value FROM meta"))
            if "secret" not in known:
                writer.execute("INSERT INTO meta VALUES ('secret', ?)", (secrets.token_bytes(32),))
            if known.get("fold") != FOLD_VERSION:
                if "fold" in known:
                    care.rebuild(writer)
                writer.execute("INSERT OR REPLACE INTO meta VALUES ('fold', ?)", (FOLD_VERSION,))
        for name in (THUMBNAILS, VECTORS):
            (folder / name).mkdir(exist_ok=True)
    finally:
        lock.release()


def _known_media(connection: sqlite3.Connection, media_id: int) -> str:
    row = connection.execute("SELECT public_id FROM media WHERE id = ?", (media_id,)).fetchone()
    if row is None:
        raise StoreError(f"there is no medium {media_id} in the library; it may be removed")
    return str(row[0])


def _retitle(connection: sqlite3.Connection, media_id: int) -> None:
    """Set the title to what people gave, else to the name of the file."""
    row = connection.execute("SELECT facts FROM media WHERE id = ?", (media_id,)).fetchone()
    if row is None:
        return
    title = printable(unpack_facts(row[0]).description.title.strip())
    if not title:
        place = connection.execute(
            "SELECT path FROM path WHERE media_id = ? ORDER BY state <> 'present', path LIMIT 1",
            (media_id,),
        ).fetchone()
        if place is None:
            return
        title = printable_name(unpack_path(place[0]))
    connection.execute("UPDATE media SET title = ? WHERE id = ?", (title, media_id))


def _producer_id(connection: sqlite3.Connection, producer: Producer) -> int:
    connection.execute(
        "INSERT OR IGNORE INTO producer (key, kind) VALUES (?, ?)", (producer.key, producer.kind)
    )
    row = connection.execute("SELECT id FROM producer WHERE key = ?", (producer.key,)).fetchone()
    return int(row[0])


def _next_moment(connection: sqlite3.Connection, number: int) -> int:
    """Reserve ids that follow each other and were never used."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'next_moment'").fetchone()
    first = int(row[0]) if row else 1
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('next_moment', ?)", (first + number,))
    return first


def _reading_order(moment: Moment) -> tuple[int, float, int]:
    return (moment.page or 0, -1.0 if moment.start_s is None else moment.start_s, moment.view or 0)


def _count_words(connection: sqlite3.Connection, counts: Counter[str]) -> None:
    connection.executemany(
        "INSERT INTO word VALUES (?, ?) ON CONFLICT (word) DO UPDATE SET n = n + excluded.n",
        sorted(counts.items()),
    )


def _unindex(connection: sqlite3.Connection, rows: Sequence[tuple[int, int, str]]) -> None:
    """Take moments (id, rank, text) out of both indices and the vocabulary."""
    counts: Counter[str] = Counter()
    for _, _, text in rows:
        counts.update(words_of(text))
    connection.executemany(
        "INSERT INTO words (words, rowid, plain, spelled) VALUES ('delete', ?, ?, ?)",
        sorted(
            (rank << schema.ID_BITS | moment_id, fold(text), fold_spelled(text))
            for moment_id, rank, text in rows
        ),
    )
    connection.executemany(
        "INSERT INTO parts (parts, rowid, squeezed) VALUES ('delete', ?, ?)",
        sorted((moment_id, squeeze(text)) for moment_id, _, text in rows),
    )
    ordered = sorted(counts.items())
    connection.executemany(
        "UPDATE word SET n = n - ? WHERE word = ?", ((number, word) for word, number in ordered)
    )
    connection.executemany(
        "DELETE FROM word WHERE word = ? AND n <= 0", ((word,) for word, _ in ordered)
    )


def _view_at(connection: sqlite3.Connection, media_id: int, moment: Moment) -> int | None:
    """Return the view of a medium that shows a moment now, or None."""
    if moment.view is None:
        return None
    row = connection.execute(
        "SELECT number FROM view WHERE media_id = ? AND (page IS ? AND (? IS NULL OR "
        "(start_s <= ? AND (end_s IS NULL OR end_s > ?)))) ORDER BY number <> ? LIMIT 1",
        (media_id, moment.page, *(moment.start_s,) * 3, moment.view),
    ).fetchone()
    return None if row is None else int(row[0])


def _root(row: tuple[Any, ...]) -> RootRow:
    return RootRow(
        id=row[0], path=unpack_path(row[1]), exclude=tuple(json.loads(row[2])), offline=bool(row[3])
    )


def _path(row: tuple[Any, ...]) -> PathRow:
    return PathRow(
        path=unpack_path(row[0]),
        root_id=row[1],
        media_id=row[2],
        size_bytes=row[3],
        mtime_ns=row[4],
        state=row[5],
        reason=row[6],
        beside=row[7],
    )


def _moment(row: tuple[Any, ...]) -> MomentRow:
    return MomentRow(
        id=row[0],
        media_id=row[1],
        stage=STAGES[row[2]],
        producer=row[4],
        moment=Moment(
            kind=schema.kind_of(row[3]),
            start_s=row[5],
            end_s=row[6],
            page=row[7],
            view=row[8],
            confidence=row[9],
            field=row[10] or "",
            text=row[11],
            polygons=unpack_polygons(row[12]),
        ),
    )


def _media(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> list[MediaRow]:
    """Return media with their paths, tasks and number of views, in the order of the rows."""
    paths: dict[int, list[PathRow]] = {}
    tasks: dict[int, list[TaskRow]] = {}
    views: dict[int, int] = {}
    ids = [row[0] for row in rows]
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        marks = ",".join("?" * len(chunk))
        for row in connection.execute(
            f"SELECT {_PATH_COLUMNS} WHERE media_id IN ({marks}) ORDER BY state <> 'present', path",
            chunk,
        ):
            paths.setdefault(row[2], []).append(_path(row))
        for row in connection.execute(
            "SELECT media_id, stage, state, producer, reason, seconds, finished_at FROM task "
            f"WHERE media_id IN ({marks})",
            chunk,
        ):
            tasks.setdefault(row[0], []).append(
                TaskRow(
                    media_id=row[0],
                    stage=row[1],
                    state=row[2],
                    producer=row[3],
                    reason=row[4],
                    seconds=row[5],
                    finished_at=row[6],
                )
            )
        for media_id, number in connection.execute(
            f"SELECT media_id, count(*) FROM view WHERE media_id IN ({marks}) GROUP BY media_id",
            chunk,
        ):
            views[media_id] = number
    return [
        MediaRow(
            id=row[0],
            public_id=row[1],
            content_hash=row[2],
            kind=row[3],
            size_bytes=row[4],
            added_at=row[5],
            when=row[6],
            title=row[7],
            facts=unpack_facts(row[8]),
            paths=tuple(paths.get(row[0], ())),
            tasks=tuple(sorted(tasks.get(row[0], ()), key=lambda t: STAGES.index(t.stage))),
            views=views.get(row[0], 0),
        )
        for row in rows
    ]
