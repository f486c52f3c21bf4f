"""What was found out about media: written a stage at a time, corrected by people."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from onlooker.errors import StoreError
from onlooker.library import ranks
from onlooker.library.folding import filter_text, fold, fold_spelled, squeeze, words_of
from onlooker.library.store import STAGES, Stage, TaskState
from onlooker.library.store_sqlite import schema
from onlooker.library.store_sqlite.base import Base
from onlooker.library.store_sqlite.codec import pack_facts, pack_moment, printable
from onlooker.library.store_sqlite.indexing import (
    PERSON,
    add_moments,
    corrected,
    count_words,
    drop_media,
    drop_moments,
    known_media,
    producer_id,
    retitle,
    unindex,
)
from onlooker.library.store_sqlite.rows import MOMENT_COLUMNS, moment_row
from onlooker.library.store_sqlite.thumbnails import Thumbnails
from onlooker.records import MediaFacts, Moment, Producer, View


class Results(Base):
    """Stages and their records."""

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
            known_media(connection, media_id)
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
            retitle(connection, media_id)

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
                public_id = known_media(connection, media_id)
                if views is not None:
                    self._replace_views(connection, media_id, public_id, views)
                drop_moments(connection, media_id, number)
                records, fixed = corrected(connection, media_id, number, records)
                first, last, kinds = add_moments(connection, media_id, number, records, fixed)
                connection.execute(
                    "INSERT OR REPLACE INTO task (media_id, stage, state, producer, reason, "
                    "seconds, finished_at, first_id, last_id, screen, speech, name, person) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        media_id,
                        stage,
                        state,
                        producer.key,
                        printable(reason),
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

    def put_failure(
        self, media_id: int, stage: Stage, producer: Producer, state: TaskState, reason: str
    ) -> None:
        """Set a stage to ``failed`` or ``skipped`` with its reason, keeping earlier records."""
        with self._lock, self._connections.writing() as connection:
            known_media(connection, media_id)
            connection.execute(
                "INSERT INTO task (media_id, stage, state, producer, reason, finished_at) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (media_id, stage) DO UPDATE SET "
                "state = excluded.state, producer = excluded.producer, reason = excluded.reason, "
                "finished_at = excluded.finished_at",
                (media_id, stage, state, producer.key, printable(reason), time.time()),
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
                    gone += drop_media(connection, media_id)
            self._thumbnails.remove(gone)

    def correct(self, moment_id: int, text: str | None) -> int:
        """Replace the text of a moment by a person's (None: hide it); return the moment's id.

        The moment keeps its number, so that links to it go on working. The record that the machine
        made is remembered with the correction: when the machine goes over the medium again, its
        new record of the same place gives way.
        """
        text = None if text is None else printable(text)
        with self._lock, self._connections.writing() as connection:
            row = connection.execute(
                f"SELECT {MOMENT_COLUMNS} WHERE m.id = ?", (moment_id,)
            ).fetchone()
            if row is None:
                raise StoreError(f"there is no moment {moment_id}; it may have been read anew")
            old = moment_row(row)
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
            unindex(connection, [(moment_id, rank, old.moment.text)])
            if text is None:
                connection.execute("DELETE FROM moment WHERE id = ?", (moment_id,))
                connection.execute(
                    f"UPDATE task SET {old.moment.kind} = {old.moment.kind} - 1 "
                    "WHERE media_id = ? AND stage = ?",
                    (old.media_id, old.stage),
                )
                return moment_id
            rank = ranks.rank_of(
                old.moment.kind,
                title=ranks.class_of(rank) == "title",
                words=len(fold(text).split()),
            )
            connection.execute(
                "UPDATE moment SET text = ?, rank = ?, producer_id = ?, confidence = 1 "
                "WHERE id = ?",
                (text, rank, producer_id(connection, PERSON), moment_id),
            )
            connection.execute(
                "INSERT INTO words (rowid, plain, spelled) VALUES (?, ?, ?)",
                (rank << schema.ID_BITS | moment_id, fold(text), fold_spelled(text)),
            )
            connection.execute(
                "INSERT INTO parts (rowid, squeezed) VALUES (?, ?)", (moment_id, squeeze(text))
            )
            count_words(connection, Counter(words_of(text)))
        return moment_id
