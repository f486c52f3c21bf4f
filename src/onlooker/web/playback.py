"""Makes recordings play that a browser can't play as they are, piece by piece, on request.

A file whose streams are fine but whose container is not is copied into a fragmented MP4 as a
whole. Others are transcoded in pieces on a fixed grid, one at a time; a piece is sent while it is
being made. All of it lies in a bounded `CacheFolder`, and two who ask for the same share one job.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Literal

import anyio
import anyio.to_thread

from onlooker.errors import MediaError, OnlookerError
from onlooker.library.store import MediaRow
from onlooker.web.cache import CacheFolder
from onlooker.web.catalogue import Catalogue
from onlooker.web.replies import PlaybackReply
from onlooker.web.settings import WebSettings

PIECE_S = 60.0
"""Length of a piece."""

GRID_S = 0.1
"""Pieces begin at multiples of this: where somebody jumps to, to the frame. A second visit to the
same hit finds the piece of the first."""

_JUDGED_KEPT = 512
_WAITING_MOST = 4
# A repacked copy may take this share of the cache; longer recordings are done in pieces.
_WHOLE_SHARE = 0.5
# A piece that nobody watches any more is finished if it can be within this, else given up.
_UNWATCHED_S = 60.0
_CHUNK_BYTES = 128 * 1024
_POLL_S = 0.05


class BusyError(OnlookerError):
    """Too many pieces are waiting to be made."""


class _GivenUpError(OSError):
    """Nobody wants the piece any more."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a recording that is or will be in the cache.

    Attributes:
        key: Its file in the cache.
        method: How it is made.
        path: The recording.
        content_type: Of what is made.
        start_s: Where it begins in the recording.
        end_s: Where it ends (None: at the end).
    """

    key: str
    method: Literal["remux", "transcode"]
    path: Path
    content_type: str
    start_s: float
    end_s: float | None


class Job:
    """A piece being made."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.done = threading.Event()
        self.error: str = ""
        self.watchers = 0
        self.seen_at = time.monotonic()

    @property
    def failed(self) -> bool:
        """Whether it ended without a file."""
        return self.done.is_set() and bool(self.error)


@dataclass(frozen=True, slots=True)
class _Judged:
    method: str
    note: str
    content_type: str


class Playback:
    """Decides how media are played, and converts."""

    def __init__(self, catalogue: Catalogue, settings: WebSettings, cache: CacheFolder) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._cache = cache
        self._judged: OrderedDict[str, _Judged] = OrderedDict()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._closed = False
        self._worker: threading.Thread | None = None
        self._running: Job | None = None

    # -- judging -----------------------------------------------------------------------------------

    def plan(self, media: MediaRow) -> PlaybackReply:
        """Say how a medium can be played here and now."""
        if media.kind not in {"video", "audio"}:
            return PlaybackReply(method="none")
        file = self._catalogue.file(media)
        if file.path is None:
            return PlaybackReply(method="none", duration_s=media.facts.duration_s)
        judged = self._judge(media, file.path)
        method, note = judged.method, judged.note
        plan: Literal["direct", "pieces", "frames", "none"] = "pieces"
        if method == "direct":
            plan = "direct"
        elif method == "frames":
            plan = "frames" if media.kind == "video" else "none"
        return PlaybackReply(method=plan, note=note, duration_s=media.facts.duration_s)

    def _judge(self, media: MediaRow, path: Path) -> _Judged:
        key = f"{media.content_hash}/{media.size_bytes}"
        kept = self._judged.get(key)
        if kept is not None:
            return kept
        from onlooker.media.transcode import playable

        try:
            found = playable(path)
            judged = _Judged(found.method, _note(found.method, found.reason), found.content_type)
        except MediaError as error:
            # Not kept: a drive may only be slow to wake.
            words = _last_words(str(error), path)
            return _Judged("frames", f"It cannot be played: {words}.", "")
        self._judged[key] = judged
        while len(self._judged) > _JUDGED_KEPT:
            self._judged.popitem(last=False)
        return judged

    def content_type(self, media: MediaRow, path: Path) -> str:
        """Return the type of a recording that plays as it is; empty for others."""
        judged = self._judge(media, path)
        return judged.content_type if judged.method == "direct" else ""

    # -- pieces ------------------------------------------------------------------------------------

    def piece(self, media: MediaRow, start_s: float) -> Piece | None:
        """Return the piece in which a time lies; None where nothing has to be converted.

        Raises:
            MediaError: The recording can't be read.
        """
        file = self._catalogue.file(media)
        if file.path is None or media.kind not in {"video", "audio"}:
            return None
        judged = self._judge(media, file.path)
        if judged.method not in {"remux", "transcode"}:
            return None
        method: Literal["remux", "transcode"] = "remux" if judged.method == "remux" else "transcode"
        if method == "remux" and media.size_bytes < (
            self._settings.cache_mb * 1_000_000 * _WHOLE_SHARE
        ):
            key = self._key(media, method, 0.0, whole=True)
            return Piece(key, method, file.path, judged.content_type, 0.0, None)
        duration = media.facts.duration_s
        start = max(0.0, start_s)
        if duration:
            start = min(start, max(0.0, duration - 1.0))
        start = round(start / GRID_S) * GRID_S
        key = self._key(media, method, start)
        if method == "remux":
            from onlooker.media.transcode import keyframe_before

            start = keyframe_before(file.path, start)
        end: float | None = start + PIECE_S
        if duration and start + PIECE_S >= duration:
            end = None
        return Piece(key, method, file.path, judged.content_type, start, end)

    def _key(self, media: MediaRow, method: str, start_s: float, *, whole: bool = False) -> str:
        length = "whole" if whole else f"{PIECE_S:g}"
        what = (
            f"{media.public_id}/{media.size_bytes}/{method}/{start_s:g}/{length}/"
            f"{self._settings.convert_height}"
        )
        return hashlib.blake2b(what.encode(), digest_size=16).hexdigest()

    def find(self, piece: Piece) -> Path | None:
        """Return the file of a piece if it is there already."""
        return self._cache.find(piece.key)

    def begin(self, piece: Piece) -> Job:
        """Begin to make a piece, or join those who wait for it.

        Raises:
            BusyError: Too many others are waiting.
        """
        with self._lock:
            job = self._jobs.get(piece.key)
            if job is not None:
                return job
            if len(self._jobs) >= _WAITING_MOST:
                idle = next(
                    (j for j in self._jobs.values() if not j.watchers and j is not self._running),
                    None,
                )
                if idle is None:
                    raise BusyError(
                        "Several videos are being converted just now; try again shortly."
                    )
                del self._jobs[idle.piece.key]
                idle.error = "given up for another one"
                idle.done.set()
            job = Job(piece)
            self._jobs[piece.key] = job
            if self._worker is None:
                self._worker = threading.Thread(
                    target=self._work, name="onlooker-convert", daemon=True
                )
                self._worker.start()
            self._news.notify()
            return job

    def _work(self) -> None:
        while True:
            with self._lock:
                while not self._jobs and not self._closed:
                    self._news.wait()
                if self._closed:
                    return
                # Who asked last is looking at the screen now; a piece that is being watched for
                # goes before one that was only prepared.
                jobs = list(self._jobs.values())
                job = next((j for j in reversed(jobs) if j.watchers), jobs[-1])
                self._running = job
            error = self._make(job)
            with self._lock:
                self._running = None
                self._jobs.pop(job.piece.key, None)
                job.error = error
                job.done.set()

    def _wanted(self, job: Job) -> bool:
        """Whether somebody still waits for a job that is being made."""
        if self._closed:
            return False
        if job.watchers:
            return True
        alone_s = time.monotonic() - job.seen_at
        # Others wait: what nobody looks at gives way at once.
        return alone_s < (0.5 if len(self._jobs) > 1 else _UNWATCHED_S)

    def _make(self, job: Job) -> str:
        from onlooker.media import transcode

        piece = job.piece
        if self._cache.find(piece.key) is not None:  # it was finished while this one was asked for
            return ""
        part = self._cache.part(piece.key)
        length = None if piece.end_s is None else piece.end_s - piece.start_s
        try:
            with part.open("wb", buffering=0) as file:
                sink = _Sink(file, lambda: self._wanted(job))
                if piece.method == "remux":
                    transcode.remux(piece.path, sink, piece.start_s, length)
                else:
                    height = self._settings.convert_height
                    transcode.transcode(piece.path, sink, piece.start_s, length, height)
            self._cache.keep(piece.key)
        except _GivenUpError:
            part.unlink(missing_ok=True)
            return "nobody was waiting for it any more"
        except OnlookerError as error:
            part.unlink(missing_ok=True)
            return _last_words(str(error), piece.path)
        except OSError as error:
            # Most likely the disk is full; what is there already can be made again.
            part.unlink(missing_ok=True)
            return f"the converted video cannot be written ({error.strerror or error})"
        except Exception:
            logging.getLogger(__name__).exception("converting %s failed", piece.path)
            part.unlink(missing_ok=True)
            return "the conversion failed; the server’s log tells more"
        return ""

    async def follow(self, job: Job) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a piece while it is being made.

        The first chunk comes when there is one; `Job.failed` tells before that whether there will
        be none.
        """
        with self._lock:
            job.watchers += 1
        descriptor = -1
        position = 0
        try:
            while True:
                over = job.done.is_set()
                if descriptor < 0:
                    descriptor = self._open_part(job)
                if descriptor >= 0:
                    chunk = await anyio.to_thread.run_sync(
                        os.pread, descriptor, _CHUNK_BYTES, position
                    )
                    if chunk:
                        position += len(chunk)
                        yield chunk
                        continue
                if over:
                    return
                await anyio.sleep(_POLL_S)
        finally:
            if descriptor >= 0:
                os.close(descriptor)
            with self._lock:
                job.watchers -= 1
                job.seen_at = time.monotonic()

    def _open_part(self, job: Job) -> int:
        for path in (self._cache.part(job.piece.key), self._cache.folder / job.piece.key):
            try:
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                continue
        return -1

    def close(self) -> None:
        """Stop taking work; a piece being made is finished by a thread that ends with us."""
        with self._lock:
            self._closed = True
            self._news.notify_all()
        self._cache.close()


class _Sink:
    """Takes what a converter writes, and stops it when nobody wants it any more."""

    def __init__(self, file: FileIO, wanted: Callable[[], bool]) -> None:
        self._file = file
        self._wanted = wanted

    def write(self, data: bytes, /) -> int:
        """Write; raise to stop."""
        if not self._wanted():
            raise _GivenUpError
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]
        return len(data)


def _note(method: str, reason: str) -> str:
    if method == "direct" or not reason:
        return ""
    done = {
        "remux": "It is repacked for the browser, without loss",
        "transcode": "It is converted for the browser while you watch",
        "frames": "Only single frames can be shown",
    }[method]
    return f"{done}: {reason.rstrip('.')}."


def _last_words(message: str, path: Path) -> str:
    """Return what an error says without the path it begins with."""
    for form in (str(path), path.name):
        message = message.replace(form, "the file")
    return message.rstrip(".")
