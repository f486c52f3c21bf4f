"""Looking after a library: finding what is wrong in it, and mending what can be mended."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path

from onlooker.errors import StoreError
from onlooker.library import ranks
from onlooker.library.folding import LONGEST_WORD, squeeze, words_of
from onlooker.library.store import STAGES, Problem
from onlooker.library.store_sqlite import schema
from onlooker.library.store_sqlite.connection import Connections, WriterLock, translated
from onlooker.library.store_sqlite.thumbnails import Thumbnails
from onlooker.records import EVIDENCE_KINDS

_INDICES = ("words", "parts")
_SAMPLE = 1_000

_STAGE_NUMBER = (
    "CASE task.stage "
    + " ".join(f"WHEN '{name}' THEN {number}" for number, name in enumerate(STAGES))
    + " END"
)
_OF_TASK = f"FROM moment m WHERE m.media_id = task.media_id AND m.stage = {_STAGE_NUMBER}"


def verify(connections: Connections, thumbnails: Thumbnails, lock: WriterLock) -> list[Problem]:
    """Return what is wrong; only reads.

    While nobody writes, the indices are compared with the text as a whole; else, and where the
    library was opened for reading only, by a sample and by the number of moments of each word.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(translated(connections.database))
        whole = not connections.read_only
        if whole:
            try:
                stack.enter_context(lock)
            except StoreError:
                whole = False  # someone is writing, and shall not wait for us
        connection = stack.enter_context(contextlib.closing(connections.connect()))
        connection.execute("PRAGMA query_only = ON")
        return _problems(connection, connections.database, thumbnails, whole=whole)


def repair(connections: Connections, thumbnails: Thumbnails, lock: WriterLock) -> list[Problem]:
    """Mend what is wrong; return everything that was found, and whether it was mended.

    The indices, the vocabulary and the counts are built anew from the moments; orphans are removed;
    a missing thumbnail or a moment without its view makes the stage that makes it pending again.
    """
    before = verify(connections, thumbnails, lock)
    if not before:
        return []
    with connections.writing() as connection:
        connection.execute("REINDEX")
        _remove_orphans(connection)
        for public_id, name in _missing_thumbnails(connection, thumbnails):
            connection.execute(
                "UPDATE view SET thumbnail = '', thumbnail_bytes = 0 WHERE thumbnail = ? AND "
                "media_id = (SELECT id FROM media WHERE public_id = ?)",
                (name, public_id),
            )
            connection.execute(
                "UPDATE task SET state = 'pending' WHERE stage = 'look' AND "
                "media_id = (SELECT id FROM media WHERE public_id = ?)",
                (public_id,),
            )
        for stage, name in enumerate(STAGES):
            connection.execute(
                "UPDATE task SET state = 'pending' WHERE stage = ? AND media_id IN "
                "(SELECT media_id FROM moment m WHERE m.stage = ? AND m.view IS NOT NULL AND NOT "
                "EXISTS (SELECT 1 FROM view v WHERE v.media_id = m.media_id AND "
                "v.number = m.view))",
                (name, stage),
            )
        connection.execute(
            "UPDATE moment SET view = NULL WHERE view IS NOT NULL AND NOT EXISTS "
            "(SELECT 1 FROM view v WHERE v.media_id = moment.media_id AND v.number = moment.view)"
        )
        rebuild(connection)
    with connections.reading() as connection:
        orphans = _orphan_files(connection, thumbnails)
    for path in orphans:
        path.unlink(missing_ok=True)
    after = {(problem.what, problem.where) for problem in verify(connections, thumbnails, lock)}
    return [replace(p, repaired=(p.what, p.where) not in after) for p in before]


def rebuild(connection: sqlite3.Connection) -> None:
    """Build both indices, the vocabulary and the counts anew, inside the caller's transaction."""
    for table in _INDICES:
        connection.execute(f"INSERT INTO {table} ({table}) VALUES ('delete-all')")
    # In order of their keys: FTS5 writes a new segment whenever a key is smaller than the last.
    connection.execute(
        "INSERT INTO words (rowid, plain, spelled) SELECT key, plain, spelled FROM moment_words "
        "ORDER BY key"
    )
    connection.execute(
        "INSERT INTO parts (rowid, squeezed) SELECT id, squeezed FROM moment_parts ORDER BY id"
    )
    connection.execute("DELETE FROM word")
    connection.execute("CREATE VIRTUAL TABLE temp.term USING fts5vocab (main, words, row)")
    connection.execute(
        "INSERT INTO word SELECT term, doc FROM temp.term WHERE length(term) <= ?", (LONGEST_WORD,)
    )
    connection.execute("DROP TABLE temp.term")
    for kind in EVIDENCE_KINDS:
        connection.execute(f"UPDATE task SET {kind} = {_counted(kind)}")
    connection.execute(
        f"UPDATE task SET first_id = (SELECT min(m.id) {_OF_TASK}), "
        f"last_id = (SELECT max(m.id) {_OF_TASK})"
    )


def _counted(kind: str) -> str:
    """Return the SQL that counts a task's moments of one kind."""
    numbers = ",".join(str(rank) for rank in range(ranks.RANKS) if ranks.kind_of(rank) == kind)
    return f"(SELECT count(*) {_OF_TASK} AND m.rank IN ({numbers}))"


def _problems(
    connection: sqlite3.Connection, database: Path, thumbnails: Thumbnails, *, whole: bool
) -> list[Problem]:
    found: list[Problem] = []
    for (line,) in connection.execute("PRAGMA integrity_check (20)"):
        if line != "ok":
            found.append(Problem(what=f"the database is damaged: {line}", where=str(database)))
    if found:
        return found  # what follows would only repeat it
    found += _index_problems(connection, database, whole=whole)
    for what, sql in _CHECKS:
        for (where,) in connection.execute(sql):
            shown = where.decode("utf-8", "replace") if isinstance(where, bytes) else str(where)
            found.append(Problem(what=what, where=shown))
    for public_id, name in _missing_thumbnails(connection, thumbnails):
        path = thumbnails.path(public_id, name)
        found.append(Problem(what="a thumbnail is missing or cut off", where=str(path)))
    for path in _orphan_files(connection, thumbnails):
        found.append(Problem(what="a thumbnail belongs to nothing", where=str(path)))
    return found


def _index_problems(
    connection: sqlite3.Connection, database: Path, *, whole: bool
) -> list[Problem]:
    """Compare both full-text indices with the text, and the vocabulary with the index."""
    found: list[Problem] = []
    for table, name in zip(_INDICES, ("words", "part-words"), strict=True):
        if whole:
            try:
                # FTS5 only reads here, but takes the command as an INSERT.
                connection.execute("PRAGMA query_only = OFF")
                connection.execute(
                    f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)"
                )
                wrong = ""
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                wrong = str(error)
            finally:
                connection.execute("PRAGMA query_only = ON")
        else:
            wrong = "a sample is not found"
            with contextlib.suppress(sqlite3.DatabaseError):
                wrong = _sample_problem(connection, table)
        if wrong:
            found.append(
                Problem(what=f"the index of {name} is not in step ({wrong})", where=str(database))
            )
    connection.execute("PRAGMA query_only = OFF")  # it would refuse a temporary table too
    try:
        connection.execute("CREATE VIRTUAL TABLE temp.term USING fts5vocab (main, words, row)")
        different = connection.execute(
            "WITH t AS (SELECT term, doc FROM temp.term WHERE length(term) <= ?) "
            "SELECT count(*) FROM (SELECT * FROM (SELECT word, n FROM word EXCEPT SELECT * FROM t) "
            "UNION ALL SELECT * FROM (SELECT * FROM t EXCEPT SELECT word, n FROM word))",
            (LONGEST_WORD,),
        ).fetchone()[0]
        connection.execute("DROP TABLE temp.term")
    finally:
        connection.execute("PRAGMA query_only = ON")
    if different:
        found.append(
            Problem(what="the vocabulary is not in step with the index", where=str(database))
        )
    return found


def _sample_problem(connection: sqlite3.Connection, table: str) -> str:
    """Look up moments, evenly spread, in an index; return what is wrong or ""."""
    first, last = connection.execute("SELECT min(id), max(id) FROM moment").fetchone()
    if first is None:
        return ""
    for number in range(_SAMPLE):
        moment_id, rank, text = connection.execute(
            "SELECT id, rank, text FROM moment WHERE id >= ? LIMIT 1",
            (first + (last - first) * number // _SAMPLE,),
        ).fetchone()
        if table == "words":
            terms, key = sorted(words_of(text)), rank << schema.ID_BITS | moment_id
        else:
            letters = squeeze(text).split(" ")[0]
            terms = sorted({letters[at : at + 3] for at in range(len(letters) - 2)})
            key = moment_id
        if not terms:
            continue
        match = " AND ".join(f'"{term}"' for term in terms[:40])
        if not connection.execute(
            f"SELECT 1 FROM {table} WHERE {table} MATCH ? AND rowid = ?", (match, key)
        ).fetchone():
            return f"moment {moment_id} is not found"
    return ""


_CHECKS = (
    (
        "a medium lies nowhere",
        "SELECT title FROM media m WHERE NOT EXISTS (SELECT 1 FROM path p WHERE p.media_id = m.id)",
    ),
    (
        "a path leads to no medium",
        "SELECT path FROM path p WHERE media_id IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM media m WHERE m.id = p.media_id)",
    ),
    (
        "records belong to no medium",
        "SELECT 'medium ' || media_id FROM (SELECT media_id FROM moment UNION SELECT media_id "
        "FROM view UNION SELECT media_id FROM task UNION SELECT media_id FROM correction) r "
        "WHERE NOT EXISTS (SELECT 1 FROM media m WHERE m.id = r.media_id)",
    ),
    (
        "moments stand on a view that does not exist",
        "SELECT DISTINCT d.title FROM moment m JOIN media d ON d.id = m.media_id "
        "WHERE m.view IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM view v WHERE v.media_id = m.media_id AND v.number = m.view)",
    ),
    (
        "the number of moments is wrong",
        "SELECT d.title || ', ' || task.stage FROM task JOIN media d ON d.id = task.media_id "
        f"WHERE screen + speech + name + person <> (SELECT count(*) {_OF_TASK})",
    ),
)


def _missing_thumbnails(
    connection: sqlite3.Connection, thumbnails: Thumbnails
) -> list[tuple[str, str]]:
    rows = connection.execute(
        "SELECT m.public_id, v.thumbnail, v.thumbnail_bytes FROM view v "
        "JOIN media m ON m.id = v.media_id WHERE v.thumbnail <> ''"
    )
    missing = []
    for public_id, name, size in rows:
        path = thumbnails.path(public_id, name)
        if not path.is_file() or path.stat().st_size != size:
            missing.append((public_id, name))
    return missing


def _orphan_files(connection: sqlite3.Connection, thumbnails: Thumbnails) -> list[Path]:
    """Return the files below ``thumbs`` that no view names (a killed run leaves some)."""
    orphans = []
    known: tuple[str, set[str]] = ("", set())
    for public_id, name, path in thumbnails.walk():
        if known[0] != public_id:
            rows = connection.execute(
                "SELECT v.thumbnail FROM view v JOIN media m ON m.id = v.media_id "
                "WHERE m.public_id = ?",
                (public_id,),
            )
            known = (public_id, {row[0] for row in rows})
        if not public_id or name not in known[1]:
            orphans.append(path)
    return orphans


def _remove_orphans(connection: sqlite3.Connection) -> None:
    """Delete rows that belong to nothing."""
    connection.execute(
        "UPDATE path SET media_id = NULL, state = 'failed', reason = 'its records were lost; "
        "it is read again by the next update' WHERE media_id IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM media m WHERE m.id = path.media_id)"
    )
    connection.execute(
        "DELETE FROM media WHERE NOT EXISTS (SELECT 1 FROM path p WHERE p.media_id = media.id)"
    )
    for table in ("moment", "view", "task", "correction"):
        connection.execute(
            f"DELETE FROM {table} WHERE NOT EXISTS "
            f"(SELECT 1 FROM media m WHERE m.id = {table}.media_id)"
        )
