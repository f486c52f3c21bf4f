"""What indexing a folder would take, from a sample of its files."""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from onlooker.errors import MediaError
from onlooker.library.analyzers import Analysis, Engines, Medium, Progress, analyze
from onlooker.library.scan import STAGES_OF, content_hash, walk
from onlooker.library.store import PathRow, Stage
from onlooker.library.store_sqlite import SqliteStore
from onlooker.media.kind import sniff
from onlooker.records import MEDIA_KINDS, MediaKind

# A stage of a sampled file is stopped after this time and scaled by how far it came.
_MOST_S = 6.0
# A first file is tried for so long and not counted: loading networks and modules is no part of what
# each file takes.
_WARM_UP_S = 1.0
_SAMPLES = 3


@dataclass(slots=True)
class KindEstimate:
    """What one kind of media comes to.

    Attributes:
        files: Number of files.
        bytes: Their size.
        sampled: Number of files that were tried.
        seconds: Estimated time of each stage.
        disk_bytes: Estimated growth of the library.
    """

    files: int = 0
    bytes: int = 0
    sampled: int = 0
    seconds: dict[Stage, float] = field(default_factory=dict)
    disk_bytes: float = 0.0


@dataclass(slots=True)
class Estimate:
    """What all of it comes to."""

    kinds: dict[MediaKind, KindEstimate] = field(default_factory=dict)
    unreadable: int = 0

    @property
    def seconds(self) -> float:
        """Estimated time of all stages."""
        return sum(sum(kind.seconds.values()) for kind in self.kinds.values())

    @property
    def disk_bytes(self) -> float:
        """Estimated growth of the library."""
        return sum(kind.disk_bytes for kind in self.kinds.values())


def estimate(
    paths: list[Path],
    *,
    seed: int = 0,
    on_file: Callable[[Path], None] = lambda _path: None,
) -> Estimate:
    """Try a few files of each kind and scale up by their size.

    Args:
        paths: Files and folders.
        seed: Chooses the sample.
        on_file: Told which file is tried.
    """
    result = Estimate()
    files: dict[MediaKind, list[tuple[Path, int]]] = {kind: [] for kind in MEDIA_KINDS}
    for path in paths:
        top = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 (links stay as named)
        nowhere = Path(os.devnull)

        def unlisted(_folder: Path, _reason: str) -> None:
            result.unreadable += 1

        for file in walk(top, top, (), nowhere, unlisted) if top.is_dir() else (top,):
            try:
                kind, size = sniff(file), file.stat().st_size
            except (OSError, MediaError):
                kind, size = None, 0
            if kind is None or size == 0:
                result.unreadable += 1
            else:
                files[kind].append((file, size))
    engines = Engines()
    for kind, found in files.items():
        if found:
            result.kinds[kind] = _try(kind, found, engines, random.Random(seed), on_file)
    return result


def _try(
    kind: MediaKind,
    files: list[tuple[Path, int]],
    engines: Engines,
    rng: random.Random,
    on_file: Callable[[Path], None],
) -> KindEstimate:
    total = sum(size for _, size in files)
    out = KindEstimate(files=len(files), bytes=total)
    seconds: dict[Stage, float] = dict.fromkeys(STAGES_OF[kind], 0.0)
    sampled_bytes = 0
    disk = 0.0
    sample = rng.sample(files, min(_SAMPLES, len(files)))
    _one(sample[0][0], kind, engines, most_s=_WARM_UP_S)
    for path, size in sample:
        on_file(path)
        taken, grown = _one(path, kind, engines, most_s=_MOST_S)
        for stage, value in taken.items():
            seconds[stage] += value
        disk += grown
        sampled_bytes += size
        out.sampled += 1
    # Time and disk grow with the length of a recording, which grows with its bytes; of photos
    # each costs about the same.
    scale = len(files) / out.sampled if kind == "photo" else total / sampled_bytes
    out.seconds = {stage: value * scale for stage, value in seconds.items()}
    out.disk_bytes = disk * scale
    return out


def _one(
    path: Path, kind: MediaKind, engines: Engines, *, most_s: float
) -> tuple[dict[Stage, float], float]:
    """Run the stages of one file against a throw-away library; return seconds and bytes."""
    taken: dict[Stage, float] = {}
    factor = 1.0
    with tempfile.TemporaryDirectory(prefix="onlooker-estimate-") as folder:
        library = Path(folder) / "library"
        SqliteStore.open(library, create=True).close()
        empty = _disk_bytes(library)
        store = SqliteStore.open(library)
        try:
            with store.writer():
                root = store.add_root(path)
                status = path.stat()
                row = PathRow(
                    path=path, root_id=root.id, size_bytes=status.st_size,
                    mtime_ns=status.st_mtime_ns, media_id=None,
                )  # fmt: skip
                media_id = store.put_path(
                    row, content_hash=content_hash(path), kind=kind, stages=STAGES_OF[kind]
                )
                for stage in STAGES_OF[kind]:
                    began = time.perf_counter()
                    progress = Progress()
                    analysis = _stopped_after(
                        Medium(
                            store.media(media_id), path, lambda: store.moments(media_id), engines
                        ),
                        stage,
                        progress,
                        most_s,
                    )
                    done = progress.fraction if progress.stopped and progress.fraction else 1.0
                    taken[stage] = (time.perf_counter() - began) / done
                    factor = max(factor, 1 / done)
                    if analysis.facts is not None:
                        store.put_facts(media_id, analysis.facts, file_time=status.st_mtime)
                    store.put_result(
                        media_id, stage, engines.producer(stage),
                        moments=analysis.moments, views=analysis.views,
                    )  # fmt: skip
        finally:
            store.close()  # and so the write-ahead log is part of the database
        grown = max(0, _disk_bytes(library) - empty)
    return taken, grown * factor


def _disk_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _stopped_after(medium: Medium, stage: Stage, progress: Progress, most_s: float) -> Analysis:
    timer = threading.Timer(most_s, progress.stop)
    timer.start()
    try:
        return analyze(medium, stage, progress)
    finally:
        timer.cancel()
