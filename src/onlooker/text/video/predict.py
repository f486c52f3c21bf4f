"""Frames of a video → lines of text, each with its span and its places.

Every frame is compared with the one before on a reduced grey picture; lines are followed by their
strokes (:mod:`~onlooker.text.video.tracking`). Only *key frames* are read: the first, those after
something new has come to rest, and while the picture keeps moving the sharpest of each half second.
A line that is found on a key frame is followed back through the last seconds to the frame in which
it appeared, and forward until its strokes are gone. All readings of a word are put to the vote.

Each frame is decoded once; what is kept of the past is bounded (three seconds of reduced frames, a
dozen whole ones). A key frame is read in a thread of its own while following goes on; its result is
taken in a fixed number of frames later, so that the outcome does not depend on the machine's speed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from onlooker.errors import ConfigError
from onlooker.records import Page, Polygon, TextTrack
from onlooker.runtime import threads
from onlooker.text.video.frames import Kept, Look, PageReader, VideoReaderConfig
from onlooker.text.video.ledger import Ledger
from onlooker.text.video.motion import CameraEstimator, changed_cells, sharpness
from onlooker.text.video.tracking import as_polygons
from onlooker.text.video.voting import vote

_FRESH, _FRESH_CELLS = 4.0, 3
"""Grey levels, and cells of 8 × 8 pixels, by which a picture must differ to be read again."""
_SHARPER = 1.05
"""A sharper frame is read instead of the present one if it is so much sharper."""
_SURE, _REREADS = 0.97, 2
"""A still picture with a word of less confidence is read again, so often."""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line as it is known while the video runs.

    Attributes:
        id: Its number.
        words: What it says so far.
        polygons: Where its words are.
        confidence: Least confidence of a word.
    """

    id: int
    words: tuple[str, ...]
    polygons: tuple[Polygon, ...]
    confidence: float

    @property
    def text(self) -> str:
        """The words, joined by single spaces."""
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Step:
    """What is known after a frame.

    Attributes:
        time_s: Time of the frame.
        look: The frame.
        lines: Lines that are seen in it, as far as they have been read by now.
        ended: Lines that are over.
        key: Whether the reading of a key frame has just been taken in.
    """

    time_s: float
    look: Look
    lines: tuple[ShownLine, ...]
    ended: tuple[TextTrack, ...]
    key: bool


class VideoTextReader:
    """Reads the text of a video; see `load`.

    Args:
        reader: Reads single pictures.
        config: How frames are followed.

    Example:
        >>> from onlooker.media.video import Video             # doctest: +SKIP
        >>> reader = VideoTextReader.load()                    # doctest: +SKIP
        >>> with Video.open("clip.mp4") as video:              # doctest: +SKIP
        ...     for track in reader(video.pictures()):
        ...         print(track.start_s, track.end_s, track.text)
    """

    def __init__(self, reader: PageReader, *, config: VideoReaderConfig | None = None) -> None:
        self.reader = reader
        self.config = config or VideoReaderConfig()

    @classmethod
    def load(cls, *, config: VideoReaderConfig | None = None) -> VideoTextReader:
        """Load the shipped networks; one thread reads while another one follows.

        Raises:
            WeightsError: Weights are missing or damaged.
        """
        from onlooker.text.pipeline import TextReader

        return cls(TextReader.load(threads=max(1, threads() - 1)), config=config)

    def __call__(self, looks: Iterable[Look]) -> list[TextTrack]:
        """Read a whole video → its lines by the time at which they appear."""
        found = [track for step in self.steps(looks) for track in step.ended]
        return sorted(found, key=lambda track: (track.start_s, track.id))

    def steps(self, looks: Iterable[Look]) -> Iterator[Step]:
        """Read frame by frame; after the last frame comes one step more, with all that was open.

        Args:
            looks: Frames in order of time.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="onlooker-read") as pool:
            run = _Run(self.reader, self.config, pool if threads() > 1 else None)
            last: Look | None = None
            for look in looks:
                if last is not None and look.time_s - last.time_s < 1 / self.config.max_rate_hz:
                    continue
                last = look
                yield run.step(look)
            if last is not None:
                yield run.end(last)


class _Run:
    """One pass over a video."""

    def __init__(
        self, reader: PageReader, config: VideoReaderConfig, pool: ThreadPoolExecutor | None
    ) -> None:
        self.reader = reader
        self.config = config
        self.pool = pool
        self.ledger = Ledger(config)
        self.looks: deque[tuple[Kept, Look]] = deque(maxlen=config.window)
        self.camera = CameraEstimator()
        self.pending: tuple[Kept, Future[Page] | Page, float] | None = None
        self.key: Kept | None = None
        self.rereads = 0
        self.still = 0
        self.index = -1

    def step(self, look: Look) -> Step:
        """Take in a frame."""
        self.index += 1
        grey = np.ascontiguousarray(np.rot90(look.luma(self.config.side), look.turns))
        before = self.ledger.kept[-1] if self.ledger.kept else None
        if before is not None and before.grey.shape != grey.shape:
            raise ConfigError("the size of the frames changes within the video")
        motion = self.camera.between(before.grey, grey) if before is not None else None
        frame = Kept(self.index, look.time_s, grey, motion)
        if motion is not None:
            self.still = self.still + 1 if motion.still else 0
            if motion.camera is not None:
                frame.sharpness = sharpness(grey)
        self.looks.append((frame, look))
        self.ledger.follow(frame)
        key = self._take_in(wait=False)
        self._choose_key(frame)
        self.ledger.forget(look.time_s)
        return self._step(look, key=key)

    def end(self, look: Look) -> Step:
        """Close what is open after the last frame."""
        self._take_in(wait=True)
        last = self.ledger.kept[-1]
        if self.key is None or self._fresh(last, self.key):
            self._read(last, look)
            self._take_in(wait=True)
        return self._step(look, key=True, last=True)

    def _step(self, look: Look, *, key: bool, last: bool = False) -> Step:
        height, width = self.ledger.kept[-1].grey.shape
        factor = look.size[0] / width
        results = [track.result(factor, width, height) for track in self.ledger.collect(last=last)]
        done = tuple(result for result in results if result is not None)
        lines = []
        for track in self.ledger.tracks:
            if track.lost_s is not None:
                continue
            votes = [vote(slot.readings) for slot in track.slots]
            lines.append(
                ShownLine(
                    track.id,
                    tuple(text for text, _ in votes),
                    as_polygons(track.polygons() * factor),
                    min(confidence for _, confidence in votes),
                )
            )
        return Step(look.time_s, look, tuple(lines), done, key)

    def _fresh(self, frame: Kept, key: Kept) -> bool:
        """Say whether a frame shows what the last key frame did not."""
        return int(changed_cells(key.grey, frame.grey, _FRESH).sum()) >= _FRESH_CELLS

    def _choose_key(self, frame: Kept) -> None:
        if self.pending is not None:
            return
        if self.key is None:
            self._read(frame, self.looks[-1][1])
            return
        since_s = frame.time_s - self.key.time_s
        moving = self.still < self.config.settle
        if moving and since_s < self.config.key_s:
            return
        if not self._fresh(frame, self.key):
            unsure = any(
                len(slot.readings) <= _REREADS and max(r.confidence for r in slot.readings) < _SURE
                for track in self.ledger.tracks
                for slot in track.slots
            )
            if not unsure or since_s < 2 * self.config.key_s or self.rereads >= _REREADS:
                return
            self.rereads += 1
        else:
            self.rereads = 0
        chosen, look = frame, self.looks[-1][1]
        if moving and frame.motion is not None and frame.motion.camera is not None:
            for kept, one in self.looks:
                late = kept.time_s >= self.key.time_s + 0.5 * self.config.key_s
                if late and kept.sharpness > _SHARPER * chosen.sharpness:
                    chosen, look = kept, one
        self._read(chosen, look)

    def _read(self, frame: Kept, look: Look) -> None:
        """Begin to read a frame."""
        pixels = look.pixels(self.config.max_side)
        factor = frame.grey.shape[1] / pixels.shape[1]
        self.key = frame
        if self.pool is None:
            self.pending = (frame, self.reader(pixels), factor)
        else:
            self.pending = (frame, self.pool.submit(self.reader, pixels), factor)

    def _take_in(self, *, wait: bool) -> bool:
        """Take in what was read, when its time has come."""
        if self.pending is None:
            return False
        frame, page, factor = self.pending
        if not wait and self.index < frame.index + self.config.ahead:
            return False
        self.pending = None
        self.ledger.take_in(frame, page.result() if isinstance(page, Future) else page, factor)
        return True
