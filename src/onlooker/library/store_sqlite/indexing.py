"""Moments in and out of the tables and both full-text indices, always in one transaction.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from onlooker.errors import StoreError
from onlooker.library import ranks
from onlooker.library.folding import fold, fold_spelled, squeeze, words_of
from onlooker.library.store import STAGES
from onlooker.library.store_sqlite import schema
from onlooker.library.store_sqlite.codec import (
    pack_polygons,
    printable,
    printable_name,
    same_place,
    titles_among,
    unpack_facts,
    unpack_moment,
    unpack_path,
)
from onlooker.records import Moment, Producer

PERSON = Producer(name="person", version="1", kind="person")
"""Who makes corrections."""

_SAME_PLACE = 0.5
"""From this overlap on, two records are of the same place (as for detections: PASCAL VOC)."""


def add_moments(
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
        key: producer_id(connection, producer)
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
        rank = ranks.rank_of(moment.kind, title=number in titles, words=length)
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
    count_words(connection, counts)
    return first, first + len(records) - 1, kinds


def drop_moments(connection: sqlite3.Connection, media_id: int, stage: int) -> None:
    """Delete the moments of a stage from the table, both indices and the vocabulary."""
    rows = connection.execute(
        "SELECT id, rank, text FROM moment WHERE media_id = ? AND stage = ?", (media_id, stage)
    ).fetchall()
    if not rows:
        return
    unindex(connection, rows)
    connection.execute("DELETE FROM moment WHERE media_id = ? AND stage = ?", (media_id, stage))
    connection.execute(
        "UPDATE task SET first_id = NULL, last_id = NULL, screen = 0, speech = 0, name = 0, "
        "person = 0 WHERE media_id = ? AND stage = ?",
        (media_id, STAGES[stage]),
    )


def corrected(
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
        "SELECT id, text, original FROM correction WHERE media_id = ? AND stage = ? ORDER BY id",
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


def drop_homeless(connection: sqlite3.Connection, media_ids: Iterable[int | None]) -> list[str]:
    """Remove those media that lie nowhere; return their public ids."""
    gone = []
    for media_id in {m for m in media_ids if m is not None}:
        home = connection.execute(
            "SELECT 1 FROM path WHERE media_id = ? LIMIT 1", (media_id,)
        ).fetchone()
        if home is None:
            gone += drop_media(connection, media_id)
    return gone


def drop_media(connection: sqlite3.Connection, media_id: int) -> list[str]:
    """Remove a medium and all that belongs to it; return its public id, if it was there."""
    for number in range(len(STAGES)):
        drop_moments(connection, media_id, number)
    for table in ("task", "view", "correction", "path"):
        connection.execute(f"DELETE FROM {table} WHERE media_id = ?", (media_id,))
    rows = connection.execute(
        "DELETE FROM media WHERE id = ? RETURNING public_id", (media_id,)
    ).fetchall()
    return [row[0] for row in rows]


def known_media(connection: sqlite3.Connection, media_id: int) -> str:
    """Return the public id of a medium.

    Raises:
        StoreError: It is not in the library.
    """
    row = connection.execute("SELECT public_id FROM media WHERE id = ?", (media_id,)).fetchone()
    if row is None:
        raise StoreError(f"there is no medium {media_id} in the library; it may be removed")
    return str(row[0])


def retitle(connection: sqlite3.Connection, media_id: int) -> None:
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


def producer_id(connection: sqlite3.Connection, producer: Producer) -> int:
    """Return a producer's number, a new one for a new producer."""
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


def count_words(connection: sqlite3.Connection, counts: Counter[str]) -> None:
    """Add to the vocabulary in how many new moments each word stands."""
    _changed(connection)
    connection.executemany(
        "INSERT INTO word VALUES (?, ?) ON CONFLICT (word) DO UPDATE SET n = n + excluded.n",
        sorted(counts.items()),
    )


def _changed(connection: sqlite3.Connection) -> None:
    """Let those who keep the vocabulary in memory know."""
    connection.execute(
        "INSERT INTO meta VALUES ('generation', 1) "
        "ON CONFLICT (key) DO UPDATE SET value = value + 1"
    )


def unindex(connection: sqlite3.Connection, rows: Sequence[tuple[int, int, str]]) -> None:
    """Take moments (id, rank, text) out of both indices and the vocabulary."""
    _changed(connection)
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
