"""A library in one folder: SQLite in WAL mode, thumbnails as files, a place for vectors.

library.sqlite3   records and both full-text indices
library.lock      held by the process that writes
thumbs/           <first two letters>/<public id>/<view>-<hash>.<ending>
vectors/          kept free for embeddings

store = SqliteStore.open(Path("~/.onlooker").expanduser())
store.counts()
"""

from onlooker.library.store_sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
