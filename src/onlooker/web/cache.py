"""A folder of converted files with a bound: the least recently used ones make room."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from pathlib import Path

_PART = ".part"


class CacheFolder:
    """Files by key in one folder, not more than so many bytes.

    Args:
        parent: The library's folder. Where it cannot be written, or its ``cache`` is a link that
            leads out of it, a folder for temporary files is used and removed on `close`.
        max_bytes: Bound; a single larger file is kept until the next one comes.
    """

    def __init__(self, parent: Path, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._temporary = False
        folder = parent / "cache" / "web"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            outside = not folder.resolve().is_relative_to(parent.resolve())
            if outside or not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(folder)
        except OSError:
            folder = Path(tempfile.mkdtemp(prefix="onlooker-"))
            self._temporary = True
        self.folder = folder
        for left in folder.glob(f"*{_PART}"):  # of a process that was killed
            left.unlink(missing_ok=True)

    def find(self, key: str) -> Path | None:
        """Return the file of a key, and remember that it was used; None where there is none."""
        path = self.folder / key
        try:
            os.utime(path, follow_symlinks=False)
        except OSError:
            return None
        return path

    def part(self, key: str) -> Path:
        """Return where to write a file before it is complete."""
        return self.folder / f"{key}{_PART}"

    def keep(self, key: str) -> Path:
        """Take a complete file in under its key, and make room."""
        path = self.folder / key
        self.part(key).replace(path)
        self.make_room(keep=path)
        return path

    def make_room(self, *, keep: Path | None = None) -> None:
        """Remove the least recently used files until the rest fits."""
        with self._lock:
            found: list[tuple[float, int, Path]] = []
            for entry in os.scandir(self.folder):
                if entry.is_file(follow_symlinks=False) and not entry.name.endswith(_PART):
                    facts = entry.stat(follow_symlinks=False)
                    found.append((facts.st_mtime, facts.st_size, Path(entry.path)))
            total = sum(size for _, size, _ in found)
            for _, size, path in sorted(found):
                if total <= self._max_bytes:
                    return
                if path != keep:
                    path.unlink(missing_ok=True)
                    total -= size

    def close(self) -> None:
        """Remove the folder if it was a temporary one."""
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
