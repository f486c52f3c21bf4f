"""What is in the store: media, views, moments, failures and counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from onlooker.errors import StoreError
from onlooker.library.store import Counts, Filters, MediaRow, MomentRow, PathRow, TaskRow
from onlooker.library.store_sqlite.base import DATABASE, Base
from onlooker.library.store_sqlite.codec import printable
from onlooker.library.store_sqlite.fulltext import media_conditions
from onlooker.library.store_sqlite.rows import (
    MEDIA_COLUMNS,
    MOMENT_COLUMNS,
    PATH_COLUMNS,
    chunks,
    marks,
    media_rows,
    moment_row,
    path_row,
)
from onlooker.records import EvidenceKind, View


class Listing(Base):
    """Reading, beside searching."""

    def media(self, media_id: int) -> MediaRow:
        """Return one medium."""
        found = self.media_of([media_id])
        if media_id not in found:
            raise StoreError(f"there is no medium {media_id} in the library; it may be removed")
        return found[media_id]

    def media_of(self, media_ids: Iterable[int]) -> dict[int, MediaRow]:
        """Return several media by their ids; ids that are not there are left out."""
        found: dict[int, MediaRow] = {}
        with self._connections.reading() as connection:
            for chunk in chunks(media_ids):
                rows = connection.execute(
                    f"SELECT {MEDIA_COLUMNS} WHERE m.id IN ({marks(chunk)})", chunk
                ).fetchall()
                for medium in media_rows(connection, rows):
                    found[medium.id] = medium
        return found

    def media_by_public_id(self, public_id: str) -> MediaRow | None:
        """Return the medium behind a link, or None."""
        with self._connections.reading() as connection:
            rows = connection.execute(
                f"SELECT {MEDIA_COLUMNS} WHERE m.public_id = ?", (printable(public_id),)
            ).fetchall()
            found = media_rows(connection, rows)
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
                f"SELECT {MEDIA_COLUMNS} WHERE {where} ORDER BY {by} LIMIT ? OFFSET ?",
                (*values, -1 if limit is None else limit, offset),
            ).fetchall()
            return media_rows(connection, rows)

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
                f"SELECT {MOMENT_COLUMNS} WHERE m.media_id = ? AND (? IS NULL OR m.view = ?) "
                "ORDER BY m.start_s, m.page, m.view, m.id",
                (media_id, view, view),
            ).fetchall()
        found = [moment_row(row) for row in rows]
        return [row for row in found if not kinds or row.moment.kind in kinds]

    def moment(self, moment_id: int) -> MomentRow | None:
        """Return one moment, or None."""
        return self.moments_of([moment_id]).get(moment_id)

    def moments_of(self, moment_ids: Iterable[int]) -> dict[int, MomentRow]:
        """Return several moments by their ids; ids that are not there are left out."""
        found: dict[int, MomentRow] = {}
        with self._connections.reading() as connection:
            for chunk in chunks(moment_ids):
                for row in connection.execute(
                    f"SELECT {MOMENT_COLUMNS} WHERE m.id IN ({marks(chunk)})", chunk
                ).fetchall():
                    found[row[0]] = moment_row(row)
        return found

    def failures(self) -> list[tuple[PathRow | MediaRow, TaskRow | None]]:
        """Return every file or stage that failed or was skipped, with its reason."""
        with self._connections.reading() as connection:
            paths = connection.execute(
                f"SELECT {PATH_COLUMNS} WHERE state = 'failed' ORDER BY path"
            ).fetchall()
            media = media_rows(
                connection,
                connection.execute(
                    f"SELECT {MEDIA_COLUMNS} WHERE m.id IN (SELECT media_id FROM task "
                    "WHERE state IN ('failed', 'skipped')) ORDER BY m.id"
                ).fetchall(),
            )
        found: list[tuple[PathRow | MediaRow, TaskRow | None]] = [
            (path_row(p), None) for p in paths
        ]
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
