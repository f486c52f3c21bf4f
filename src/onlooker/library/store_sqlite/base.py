"""What every part of the SQLite store stands on: the folder, its connections and its lock."""

from __future__ import annotations

from pathlib import Path

from onlooker.errors import StoreError
from onlooker.library.store_sqlite.connection import Connections, WriterLock
from onlooker.library.store_sqlite.thumbnails import Thumbnails

DATABASE = "library.sqlite3"
LOCK = "library.lock"
THUMBNAILS = "thumbs"
VECTORS = "vectors"


class Base:
    """An opened library folder."""

    def __init__(self, folder: Path, connections: Connections) -> None:
        self.folder = folder
        self._connections = connections
        self._lock = WriterLock(folder / LOCK)
        self._thumbnails = Thumbnails(folder / THUMBNAILS)
        with connections.reading() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = 'secret'").fetchone()
        if row is None:
            raise StoreError(f"{folder / DATABASE} has no identity; it is damaged")
        self._secret = bytes(row[0])
