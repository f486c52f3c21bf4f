"""A library in one folder: SQLite in WAL mode, thumbnails as files, a place for vectors.

``library.sqlite3`` holds records and both full-text indices, ``library.lock`` is held by the
process that writes, ``thumbs/`` has a folder for each medium, ``vectors/`` is kept free for
embeddings.

Example:
    >>> store = SqliteStore.open(Path("~/.onlooker").expanduser())   # doctest: +SKIP
    >>> store.counts().moments   # doctest: +SKIP
"""

from onlooker.library.store_sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
