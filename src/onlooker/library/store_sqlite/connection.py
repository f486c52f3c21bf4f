"""Connections to one SQLite library: one that writes, a few that read, and the writer's lock."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import queue
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onlooker.errors import StoreError
from onlooker.library.folding import fold, fold_spelled, squeeze

READERS = 4
"""Connections that read at the same time; a fifth waits some milliseconds for its turn."""
_READ_CACHE_KIB = 24 * 1024
_WRITE_CACHE_KIB = 64 * 1024
# The writer's lock keeps other programs of ours away; this is for recovery after a crash and for
# people who look into the file with a tool of their own.
_BUSY_MS = 10_000


def error_of(
    error: sqlite3.Error | OSError | UnicodeEncodeError | OverflowError, database: Path
) -> StoreError:
    """Return the error a person can act on."""
    if isinstance(error, UnicodeEncodeError | OverflowError):
        return StoreError(
            f"{database}: a number beyond 64 bits, or text that is no Unicode, is not in any "
            f"library ({error})"
        )
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _full(database)
        return StoreError(f"{database.parent}: {error.strerror or error} ({error.filename})")
    code = getattr(error, "sqlite_errorcode", None) or 0
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return _full(database)
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreError(
            f"{database} is damaged or no library ({error}). What can be mended, "
            f"`onlooker verify --repair` mends; else restore the folder from a copy, or delete it "
            f"and add your files again"
        )
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"{database} is held by another program ({error}); try again later")
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StoreError(f"{database} cannot be written ({error}); check its permissions")
    if primary == sqlite3.SQLITE_CANTOPEN:
        return StoreError(
            f"{database} cannot be opened; check that it exists, and that you may read it and "
            f"write in its folder (only searching works without)"
        )
    return StoreError(f"{database}: {error}")


def _full(database: Path) -> StoreError:
    return StoreError(
        f"no space left on the disk that holds {database.parent}. What was stored before is "
        f"safe; make room and run the same command again"
    )


@contextmanager
def translated(database: Path) -> Iterator[None]:
    """Turn errors of SQLite and the file system, and values they cannot take, into `StoreError`."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeEncodeError, OverflowError) as error:
        raise error_of(error, database) from error


class WriterLock:
    """The right to write a library, held by one process (or one store object in it) at a time.

    It is a lock of the kernel (``flock``) on ``library.lock``, so that it ends with its process,
    however that ends. The file says who holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._depth = 0
        self._file: int | None = None

    def acquire(self, wait_s: float = 0.0) -> None:
        """Take the lock, or count one more use of it.

        Raises:
            StoreError: Another process holds it, or its file cannot be written.
        """
        with self._guard:
            if self._depth == 0:
                try:
                    self._file = self._take(time.monotonic() + wait_s)
                except OSError as error:
                    raise error_of(error, self._path) from error
            self._depth += 1

    def release(self) -> None:
        """Give back one use."""
        with self._guard:
            self._depth -= 1
            if self._depth == 0 and self._file is not None:
                os.close(self._file)
                self._file = None

    def __enter__(self) -> WriterLock:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def _take(self, deadline: float) -> int:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        holder = os.read(handle, 300).decode("utf-8", "replace").strip()
                        raise StoreError(
                            f"another process is writing to the library {self._path.parent}: "
                            f"{holder or 'unknown'}. Wait until it has finished, or stop it"
                        ) from None
                    time.sleep(0.05)
            command = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            try:
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"process {os.getpid()} ({command}) since {since}\n".encode(), 0)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
            return handle
        except BaseException:
            os.close(handle)
            raise


class Connections:
    """One connection that writes and up to `READERS` that read, shared by all threads."""

    def __init__(self, database: Path, *, read_only: bool) -> None:
        self.database = database
        self.read_only = read_only
        self._immutable = False
        self._write_guard = threading.RLock()
        self._writer: sqlite3.Connection | None = None
        self._in_transaction = False
        self._idle: queue.LifoQueue[sqlite3.Connection | None] = queue.LifoQueue()
        for _ in range(READERS):
            self._idle.put(None)
        self._all: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that reads; it sees what was committed before."""
        with translated(self.database):
            connection = self._idle.get()
            try:
                self._refuse_if_closed()
                if connection is None:
                    connection = self._open_reader()
                yield connection
            finally:
                self._idle.put(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection that writes, inside one transaction; a nested call joins it."""
        with translated(self.database), self._write_guard:
            self._refuse_if_closed()
            if self.read_only:
                raise StoreError(f"the library {self.database.parent} was opened for reading only")
            if self._writer is None:
                self._writer = self.connect(cache_kib=_WRITE_CACHE_KIB)
            if self._in_transaction:
                yield self._writer
                return
            self._writer.execute("BEGIN IMMEDIATE")
            self._in_transaction = True
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                # SQLite itself rolls back after a full disk.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                self._in_transaction = False

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StoreError(f"the library {self.database.parent} was closed")

    def connect(self, *, cache_kib: int = _READ_CACHE_KIB) -> sqlite3.Connection:
        """Open one more connection with our settings and functions."""
        name = self.database.absolute().as_uri()
        if self._immutable:
            name += "?immutable=1"
        elif self.read_only:
            name += "?mode=ro"
        else:
            name += "?mode=rwc"
        connection = sqlite3.connect(
            name, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_MS / 1000
        )
        for function, call in (
            ("onlooker_fold", fold),
            ("onlooker_spelled", fold_spelled),
            ("onlooker_squeeze", squeeze),
        ):
            connection.create_function(function, 1, call, deterministic=True)
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        connection.execute("PRAGMA foreign_keys = OFF")
        if not self.read_only:
            connection.execute("PRAGMA secure_delete = OFF")
            connection.execute("PRAGMA synchronous = NORMAL")  # in WAL mode: never half, always old
            connection.execute("PRAGMA journal_size_limit = 67108864")
        self._all.append(connection)
        return connection

    def _open_reader(self) -> sqlite3.Connection:
        if self.read_only and not self._immutable:
            self._immutable = self._stands_still()
        connection = self.connect()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _stands_still(self) -> bool:
        """Return whether the library lies where nothing can be written.

        There is no room then for the files beside a database in WAL mode; with no log left over,
        nobody is writing and it can be read as it is.
        """
        if os.access(self.database.parent, os.W_OK):
            return False
        log = self.database.with_name(self.database.name + "-wal")
        if log.exists() and log.stat().st_size:
            return False
        name = self.database.absolute().as_uri() + "?mode=ro"
        with contextlib.closing(sqlite3.connect(name, uri=True)) as probe:
            try:
                probe.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except sqlite3.OperationalError:
                return True
        return False

    def close(self) -> None:
        """Close every connection."""
        with self._write_guard:
            self._closed = True
            for connection in self._all:
                connection.close()
            self._all.clear()
            self._writer = None
