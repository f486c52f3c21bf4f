"""From rows to records: the columns that are asked for, and what they become."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from onlooker.library import ranks
from onlooker.library.store import STAGES, MediaRow, MomentRow, PathRow, RootRow, TaskRow
from onlooker.library.store_sqlite.codec import unpack_facts, unpack_path, unpack_polygons
from onlooker.records import Moment

MOMENT_COLUMNS = (
    "m.id, m.media_id, m.stage, m.rank, p.key, m.start_s, m.end_s, m.page, m.view, m.confidence, "
    "m.field, m.text, m.polygons FROM moment m JOIN producer p ON p.id = m.producer_id"
)
PATH_COLUMNS = "path, root_id, media_id, size_bytes, mtime_ns, state, reason, beside FROM path"
MEDIA_COLUMNS = (
    'm.id, m.public_id, m.content_hash, m.kind, m.size_bytes, m.added_at, m."when", m.title, '
    "m.facts FROM media m"
)
_CHUNK = 500  # parameters in one statement; SQLite allows 32,766


def chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    """Cut ids into pieces that one statement can take, each id once."""
    unique = list(dict.fromkeys(ids))
    for start in range(0, len(unique), _CHUNK):
        yield unique[start : start + _CHUNK]


def marks(values: Sequence[object]) -> str:
    """Return a question mark for each value, as an ``IN`` takes them."""
    return ",".join("?" * len(values))


def root_row(row: tuple[Any, ...]) -> RootRow:
    """Return a known folder."""
    return RootRow(
        id=row[0], path=unpack_path(row[1]), exclude=tuple(json.loads(row[2])), offline=bool(row[3])
    )


def path_row(row: tuple[Any, ...]) -> PathRow:
    """Return a path."""
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


def moment_row(row: tuple[Any, ...]) -> MomentRow:
    """Return a moment."""
    return MomentRow(
        id=row[0],
        media_id=row[1],
        stage=STAGES[row[2]],
        producer=row[4],
        moment=Moment(
            kind=ranks.kind_of(row[3]),
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


def media_rows(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> list[MediaRow]:
    """Return media with their paths, tasks and number of views, in the order of the rows."""
    paths: dict[int, list[PathRow]] = {}
    tasks: dict[int, list[TaskRow]] = {}
    views: dict[int, int] = {}
    for chunk in chunks(row[0] for row in rows):
        these = f"({marks(chunk)})"
        for row in connection.execute(
            f"SELECT {PATH_COLUMNS} WHERE media_id IN {these} ORDER BY state <> 'present', path",
            chunk,
        ):
            paths.setdefault(row[2], []).append(path_row(row))
        for row in connection.execute(
            "SELECT media_id, stage, state, producer, reason, seconds, finished_at FROM task "
            f"WHERE media_id IN {these}",
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
            f"SELECT media_id, count(*) FROM view WHERE media_id IN {these} GROUP BY media_id",
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
