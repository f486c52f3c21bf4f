"""Thumbnails as files: written whole before the row that names them, found again by `verify`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from onlooker.records import View


class Thumbnails:
    """The folder ``thumbs``: ``<first two letters>/<public id>/<view>-<hash>.<ending>``.

    A name holds the hash of its content, so that a file is never written over: whoever reads the
    old records sees the old picture.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def name_of(view: View) -> str:
        """Return the file's name for a view's thumbnail, "" where it has none."""
        if not view.thumbnail:
            return ""
        digest = hashlib.blake2b(view.thumbnail, digest_size=6).hexdigest()
        ending = "webp" if view.thumbnail[8:12] == b"WEBP" else "jpg"
        return f"{view.index}-{digest}.{ending}"

    def home(self, public_id: str) -> Path:
        """Return the folder of a medium."""
        return self.folder / public_id[:2] / public_id

    def path(self, public_id: str, name: str) -> Path:
        """Return the file behind a name."""
        return self.home(public_id) / name

    def write(self, public_id: str, view: View) -> str:
        """Write a view's thumbnail; return its name."""
        name = self.name_of(view)
        if not name:
            return ""
        target = self.path(public_id, name)
        if target.exists() and target.stat().st_size == len(view.thumbnail):
            return name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(name + ".part")
        try:
            draft.write_bytes(view.thumbnail)
            draft.replace(target)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        return name

    def keep_only(self, public_id: str, names: set[str]) -> None:
        """Delete what a medium's folder holds beside these names (after the rows are stored)."""
        home = self.home(public_id)
        with contextlib.suppress(FileNotFoundError):
            for entry in list(home.iterdir()):
                if entry.name not in names:
                    entry.unlink(missing_ok=True)
            if not names:
                home.rmdir()

    def remove(self, public_ids: Iterable[str]) -> None:
        """Delete the folders of media."""
        for public_id in public_ids:
            shutil.rmtree(self.home(public_id), ignore_errors=True)

    def walk(self) -> Iterator[tuple[str, str, Path]]:
        """Iterate over (public id, name, file); files elsewhere have "" for the id."""
        for folder, _, names in os.walk(self.folder):
            parts = Path(folder).relative_to(self.folder).parts
            public_id = parts[1] if len(parts) == 2 and parts[1][:2] == parts[0] else ""
            for name in names:
                yield public_id, name, Path(folder) / name
