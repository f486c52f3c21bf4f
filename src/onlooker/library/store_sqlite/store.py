"""The store in a folder: opened, brought up to date, checked, closed."""

from __future__ import annotations

import secrets
from pathlib import Path

from onlooker.errors import StoreError
from onlooker.library.folding import FOLD_VERSION
from onlooker.library.store import Problem
from onlooker.library.store_sqlite import care, schema
from onlooker.library.store_sqlite.base import DATABASE, LOCK, THUMBNAILS, VECTORS
from onlooker.library.store_sqlite.connection import Connections, WriterLock, translated
from onlooker.library.store_sqlite.fulltext import FullText
from onlooker.library.store_sqlite.listing import Listing
from onlooker.library.store_sqlite.places import Places
from onlooker.library.store_sqlite.results import Results


class SqliteStore(Places, Results, Listing, FullText):
    """The store of one library folder; see `onlooker.library.store.Store`.

    One object may be used by many threads: up to four read at the same time, one writes.
    """

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


def _check_version(connections: Connections, folder: Path) -> None:
    with connections.reading() as connection:
        version = schema.version_of(connection)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if (version or tables) and application != schema.APPLICATION_ID:
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
