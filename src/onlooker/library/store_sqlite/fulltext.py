"""Both full-text indices and the vocabulary: what `onlooker.library.search` asks of the store.

Our query tree is written in FTS5's language here, and only here; every word in it is a folded word
in double quotes.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from onlooker.library import ranks
from onlooker.library.folding import filter_text, squeeze
from onlooker.library.query import And, Node, Not, Or, Term
from onlooker.library.store import Filters, Line, Matches
from onlooker.library.store_sqlite import schema
from onlooker.library.store_sqlite.base import Base
from onlooker.library.store_sqlite.codec import printable
from onlooker.library.store_sqlite.rows import chunks, marks
from onlooker.records import EVIDENCE_KINDS

PREFIX_WORDS = 64
"""How many words, most frequent first, a beginning stands for."""

_SCAN_LIMIT = 200_000
"""Rows of the word index that are looked through for those inside the filters."""
_SCAN_CHUNK = 4_096
_RANGE_QUERIES = 400
"""So many ranges are asked for one by one (some 20 µs each) before a scan is cheaper."""
_PART_LIMIT = 4_000
"""Candidates of the trigram index that are checked against their text."""

Ranges = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


class FullText(Base):
    """What search asks for."""

    def match(self, node: Node, filters: Filters, *, limit: int) -> Matches:
        """Return the best moments that match a tree, best first.

        Args:
            node: What to look for.
            filters: Hard limits.
            limit: How many, for each class of evidence.

        Returns:
            Ids with their ranks. They are the best ones by (class of evidence, length) exactly;
            within one class and length those added first.
        """
        found: list[tuple[int, int]] = []
        more = False
        with self._connections.reading() as connection:
            expression = self._expression(connection, node)
            if not expression:
                return Matches()
            ranges = _ranges(connection, filters)
            # Most queries match few moments: one walk over all classes finds them all. Only the
            # classes that it did not reach the end of are walked by themselves.
            keys: list[int] = []
            complete = 0
            if ranges is None:
                keys, complete = _first_keys(connection, expression, limit)
            for number in range(len(ranks.CLASSES)):
                if filters.kinds and ranks.kind_of(number * ranks.LENGTHS) not in filters.kinds:
                    continue
                if number < complete:
                    some = [key for key in keys if _class_of(key) == number]
                    cut = len(some) > limit
                else:
                    some, cut = _keys(connection, expression, number, ranges, limit)
                more |= cut
                found += [(key >> schema.ID_BITS, key & schema.ID_MASK) for key in some[:limit]]
        return Matches(
            ids=[moment_id for _, moment_id in found], ranks=[rank for rank, _ in found], more=more
        )

    def match_part(self, part: str, filters: Filters, *, limit: int) -> Matches:
        """Return moments whose letters and digits, without spaces, contain some text.

        Args:
            part: Three letters or more; anything but letters and digits is left out.
            filters: Hard limits.
            limit: How many.
        """
        sought = squeeze(part).split(" ")[0]
        if len(sought) < 3:
            return Matches()
        starts = [*range(0, len(sought) - 2, 3), len(sought) - 3]
        grams = dict.fromkeys(sought[start : start + 3] for start in starts)
        expression = " AND ".join(f'"{gram}"' for gram in grams)
        ids: list[int] = []
        its_ranks: list[int] = []
        with self._connections.reading() as connection:
            ranges = _ranges(connection, filters)
            # What the filters leave may be a small stretch of a library full of candidates.
            first, last = 0, schema.ID_MASK
            if ranges is not None:
                if not len(ranges[0]):
                    return Matches()
                first, last = int(ranges[0][0]), int(ranges[1][-1])
            rows = connection.execute(
                "SELECT rowid FROM parts WHERE parts MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?",
                (expression, first, last, _PART_LIMIT + 1),
            ).fetchall()
            more = len(rows) > _PART_LIMIT
            candidates = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
            for chunk in chunks(candidates[_inside(candidates, ranges)].tolist()):
                for moment_id, rank, text in connection.execute(
                    f"SELECT id, rank, text FROM moment WHERE id IN ({marks(chunk)})", chunk
                ):
                    kind = ranks.kind_of(rank)
                    if filters.kinds and kind not in filters.kinds:
                        continue
                    if sought in squeeze(text):
                        ids.append(moment_id)
                        its_ranks.append(rank)
                if len(ids) >= limit:
                    more = True
                    break
        return Matches(ids=ids[:limit], ranks=its_ranks[:limit], more=more)

    def lines_of(self, moment_ids: Iterable[int]) -> dict[int, Line]:
        """Return several moments in short; ids that are not there are left out."""
        found: dict[int, Line] = {}
        with self._connections.reading() as connection:
            for chunk in chunks(moment_ids):
                for row in connection.execute(
                    f"SELECT {_LINE} FROM moment n WHERE n.id IN ({marks(chunk)})", chunk
                ):
                    found[row[0]] = Line(*row)
        return found

    def around(self, moment_ids: Sequence[int], reach: int) -> dict[int, list[Line]]:
        """Return for each moment itself and what stands around it, in reading order."""
        found: dict[int, list[Line]] = {}
        with self._connections.reading() as connection:
            for chunk in chunks(moment_ids):
                for row in connection.execute(
                    f"SELECT a.id, {_LINE} FROM moment a JOIN moment n ON n.id BETWEEN "
                    f"a.id - {int(reach)} AND a.id + {int(reach)} AND n.media_id = a.media_id "
                    f"AND n.stage = a.stage WHERE a.id IN ({marks(chunk)}) ORDER BY a.id, n.id",
                    chunk,
                ):
                    found.setdefault(row[0], []).append(Line(*row[1:]))
        return found

    def word_counts(self, words: Iterable[str]) -> dict[str, int]:
        """Return in how many moments each word stands; words that stand nowhere are left out."""
        wanted = list(dict.fromkeys(words))
        with self._connections.reading() as connection:
            return dict(
                connection.execute(
                    f"SELECT word, n FROM word WHERE word IN ({marks(wanted)})", wanted
                )
            )

    def vocabulary(self) -> tuple[list[str], npt.NDArray[np.int64]]:
        """Return all folded words of the library in order, and in how many moments each stands."""
        with self._connections.reading() as connection:
            words, counts = connection.execute(
                "SELECT group_concat(word, char(10)), group_concat(n) FROM "
                "(SELECT word, n FROM word ORDER BY word)"
            ).fetchone()
        if words is None:
            return [], np.zeros(0, np.int64)
        return words.split("\n"), np.array(counts.split(","), dtype=np.int64)

    def generation(self) -> int:
        """Return a number that is another one after moments have come or gone."""
        with self._connections.reading() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
        return int(row[0]) if row else 0

    def beginnings(self, beginning: str, limit: int = PREFIX_WORDS) -> list[str]:
        """Return the most frequent words that begin with some letters."""
        with self._connections.reading() as connection:
            return _beginnings(connection, beginning, limit)

    def _expression(self, connection: sqlite3.Connection, node: Node) -> str:
        """Write a tree in FTS5's language; "" where nothing can match."""
        if isinstance(node, Term):
            return _term(connection, node)
        if isinstance(node, Or):
            parts = [p for child in node.children if (p := self._expression(connection, child))]
            return f"({' OR '.join(parts)})" if parts else ""
        if isinstance(node, And):
            wanted, unwanted = [], []
            for child in node.children:
                if isinstance(child, Not):
                    part = self._expression(connection, child.child)
                    if part:
                        unwanted.append(part)
                else:
                    part = self._expression(connection, child)
                    if not part:
                        return ""
                    wanted.append(part)
            expression = f"({' AND '.join(wanted)})"
            if unwanted:
                expression = f"({expression} NOT ({' OR '.join(unwanted)}))"
            return expression
        raise ValueError("a Not stands only inside an And")


_LINE = "n.id, n.media_id, n.rank, n.text, n.start_s, n.end_s, n.page, n.view"


def _term(connection: sqlite3.Connection, term: Term) -> str:
    phrases: list[str] = []
    for words in term.variants:
        if not term.prefix:
            phrases.append(" ".join(words))
            continue
        # FTS5 would join the postings of every word with this beginning: half a library for "s*".
        limit = PREFIX_WORDS if len(words) == 1 else PREFIX_WORDS // 4
        for last in _beginnings(connection, words[-1], limit):
            phrases.append(" ".join((*words[:-1], last)))
    quoted = [f'"{phrase}"' for phrase in dict.fromkeys(phrases)]
    return f"({' OR '.join(quoted)})" if len(quoted) > 1 else "".join(quoted)


def _beginnings(connection: sqlite3.Connection, beginning: str, limit: int) -> list[str]:
    rows = connection.execute(
        "SELECT word FROM word WHERE word >= ? AND word < ? ORDER BY n DESC, word LIMIT ?",
        (beginning, beginning + "\U0010ffff", limit),
    ).fetchall()
    return [row[0] for row in rows]


def _class_of(key: int) -> int:
    return (key >> schema.ID_BITS) // ranks.LENGTHS


def _first_keys(
    connection: sqlite3.Connection, expression: str, limit: int
) -> tuple[list[int], int]:
    """Return the first keys of all, and the class before which they are complete."""
    most = 3 * limit
    rows = connection.execute(
        "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid LIMIT ?", (expression, most)
    ).fetchall()
    keys = [row[0] for row in rows]
    if len(keys) < most:
        return keys, len(ranks.CLASSES)
    return keys, _class_of(keys[-1])


def _keys(
    connection: sqlite3.Connection,
    expression: str,
    rank_class: int,
    ranges: Ranges | None,
    limit: int,
) -> tuple[list[int], bool]:
    """Return the first keys of one class of evidence, and whether there are more."""
    sql = (
        "SELECT rowid FROM words WHERE words MATCH ? AND rowid >= ? AND rowid <= ? "
        "ORDER BY rowid LIMIT ?"
    )
    first = (rank_class * ranks.LENGTHS) << schema.ID_BITS
    last = ((rank_class + 1) * ranks.LENGTHS << schema.ID_BITS) - 1
    if ranges is None:
        rows = connection.execute(sql, (expression, first, last, limit + 1)).fetchall()
        return [row[0] for row in rows[:limit]], len(rows) > limit
    if len(ranges[0]) * ranks.LENGTHS <= _RANGE_QUERIES:
        found: list[int] = []
        for length in range(ranks.LENGTHS):
            base = (rank_class * ranks.LENGTHS + length) << schema.ID_BITS
            for start, end in zip(ranges[0].tolist(), ranges[1].tolist(), strict=True):
                left = limit + 1 - len(found)
                some = connection.execute(sql, (expression, base + start, base + end, left))
                found += [row[0] for row in some]
                if len(found) > limit:
                    return found[:limit], True
        return found, False
    found = []
    scanned = 0
    cursor = connection.execute(sql, (expression, first, last, _SCAN_LIMIT))
    while rows := cursor.fetchmany(_SCAN_CHUNK):
        keys = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        found += keys[_inside(keys & schema.ID_MASK, ranges)].tolist()
        scanned += len(rows)
        if len(found) > limit:
            cursor.close()
            return found[:limit], True
    return found, scanned >= _SCAN_LIMIT


def _inside(ids: npt.NDArray[np.int64], ranges: Ranges | None) -> npt.NDArray[np.bool_]:
    """Return which ids lie in one of the ranges."""
    if ranges is None:
        return np.ones(len(ids), dtype=bool)
    if not len(ranges[0]):
        return np.zeros(len(ids), dtype=bool)
    at = np.searchsorted(ranges[0], ids, side="right") - 1
    inside: npt.NDArray[np.bool_] = (at >= 0) & (ids <= ranges[1][at])
    return inside


def _ranges(connection: sqlite3.Connection, filters: Filters) -> Ranges | None:
    """Return the ranges of moment ids that the filters on media allow, None for all."""
    where, values = media_conditions(filters, moments=False)
    if where == "1":
        return None
    rows = connection.execute(
        "SELECT t.first_id, t.last_id FROM task t JOIN media m ON m.id = t.media_id "
        f"WHERE t.first_id IS NOT NULL AND {where} ORDER BY t.first_id",
        values,
    ).fetchall()
    table = np.array(rows, dtype=np.int64).reshape(-1, 2)
    if len(table):
        # Media that were added one after the other make one range.
        apart = np.flatnonzero(table[1:, 0] > table[:-1, 1] + 1)
        starts = table[np.concatenate(([0], apart + 1)), 0]
        ends = table[np.concatenate((apart, [len(table) - 1])), 1]
        return starts, ends
    return table[:, 0], table[:, 1]


def media_conditions(filters: Filters, *, moments: bool) -> tuple[str, list[object]]:
    """Write filters as a condition on the table ``media m``.

    Args:
        filters: The filters.
        moments: Turn ``kinds`` too into a condition: media that have such evidence.
    """
    parts: list[str] = []
    values: list[object] = []
    if filters.media_kinds:
        parts.append(f"m.kind IN ({marks(filters.media_kinds)})")
        values += filters.media_kinds
    if filters.media_id is not None:
        parts.append("m.id = ?")
        values.append(filters.media_id)
    if filters.since is not None:
        parts.append('m."when" >= ?')
        values.append(filters.since)
    if filters.until is not None:
        parts.append('m."when" <= ?')
        values.append(filters.until)
    for column, text in (("creators", filters.by), ("series", filters.series)):
        sought = filter_text(text)
        if text.strip():
            parts.append(f"instr(m.{column}, ?) > 0" if sought else "0")
            values += [sought] if sought else []
    if filters.language:
        parts.append("substr(m.language, 1, ?) = ?")
        sought = printable(filters.language).lower()
        values += [len(sought), sought]
    if filters.under is not None:
        place = os.fsencode(filters.under)
        below = place.rstrip(b"/") + b"/"
        parts.append(
            "EXISTS (SELECT 1 FROM path u WHERE u.media_id = m.id AND "
            "(u.path = ? OR (u.path >= ? AND u.path < ?)))"
        )
        values += [place, below, below[:-1] + b"0"]  # "0" follows "/" in ASCII
    if moments and filters.kinds:
        # Column names: nothing but what we know may come here.
        any_of = " + ".join(f"t.{kind}" for kind in EVIDENCE_KINDS if kind in filters.kinds) or "0"
        parts.append(f"EXISTS (SELECT 1 FROM task t WHERE t.media_id = m.id AND {any_of} > 0)")
    return " AND ".join(parts) or "1", values
