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
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from onlooker.errors import ConfigError
from onlooker.records import Page, Polygon, TextTrack, TextWord
from onlooker.runtime import threads
from onlooker.text.video.motion import (
    CameraEstimator,
    Grey,
    Motion,
    changed_cells,
    compose,
    inverse,
    sharpness,
)
from onlooker.text.video.patches import MIN_OPACITY
from onlooker.text.video.tracking import MIN_INSIDE, Slot, Track, Walker, walk
from onlooker.text.video.voting import Reading, vote

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]


class Look(Protocol):
    """A frame that was decoded but not converted (`onlooker.media.video.Picture`)."""

    time_s: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright."""

    @property
    def turns(self) -> int:
        """Quarter turns anticlockwise that make `luma` upright."""

    def pixels(self, max_side: int | None = None) -> Pixels:
        """Return it in colours, upright."""

    def luma(self, max_side: int | None = None) -> Pixels:
        """Return its brightness, reduced, as coded."""


class PageReader(Protocol):
    """Reads a picture (`onlooker.text.TextReader`)."""

    def __call__(self, picture: Pixels, /) -> Page:
        """Return the lines of the picture."""


@dataclass(frozen=True, kw_only=True)
class VideoReaderConfig:
    """How frames are followed and which are read.

    Attributes:
        side: Longer side of the reduced grey frames on which lines are followed.
        max_side: Longer side at which key frames are read.
        max_rate_hz: Frames that come faster are left out.
        key_s: Time between key frames while the picture keeps changing.
        settle: Frames without change after which a new picture has come to rest.
        memory_s: How far back the appearance of a line is looked for.
        ahead: Frames after which the reading of a key frame is taken in.
        window: Last frames among which the sharpest is read while the camera moves.
        lost_s: A line that is not found for longer is gone.
        coast_s: The same while the camera sweeps and everything is smeared.

    Raises:
        ConfigError: A value out of range.
    """

    side: int = 640
    max_side: int = 1280
    max_rate_hz: float = 31.0
    key_s: float = 0.5
    settle: int = 2
    memory_s: float = 3.0
    ahead: int = 6
    window: int = 10
    lost_s: float = 0.4
    coast_s: float = 1.5

    def __post_init__(self) -> None:
        for name in ("side", "max_side", "settle", "ahead", "window"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"VideoReaderConfig.{name} must be 1 or more: {getattr(self, name)}"
                )
        for name in ("max_rate_hz", "key_s", "memory_s", "lost_s", "coast_s"):
            if getattr(self, name) <= 0:
                raise ConfigError(
                    f"VideoReaderConfig.{name} must be above 0: {getattr(self, name)}"
                )


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line as it is known while the video runs: number, text, places of its words."""

    id: int
    text: str
    polygons: tuple[Polygon, ...]


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


@dataclass(slots=True, eq=False)
class _Kept:
    """A frame of the last seconds."""

    index: int
    time_s: float
    grey: Grey
    motion: Motion | None  # from the frame before
    sharpness: float = 0.0


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
        self.kept: deque[_Kept] = deque()
        self.looks: deque[tuple[int, Look]] = deque(maxlen=config.window)
        self.tracks: list[Track] = []
        self.over: list[Track] = []
        self.camera = CameraEstimator()
        self.pending: tuple[_Kept, Future[Page] | Page, float] | None = None
        self.key: _Kept | None = None
        self.rereads = 0
        self.still = 0
        self.count = 0
        self.index = -1
        self.interval_s = 0.04

    # Frames ------------------------------------------------------------------------------------

    def step(self, look: Look) -> Step:
        """Take in a frame."""
        self.index += 1
        grey = np.ascontiguousarray(np.rot90(look.luma(self.config.side), look.turns))
        before = self.kept[-1] if self.kept else None
        if before is not None and before.grey.shape != grey.shape:
            raise ConfigError("the size of the frames changes within the video")
        motion = None
        if before is not None:
            self.interval_s = min(max(look.time_s - before.time_s, 1e-3), 1.0)
            motion = self.camera.between(before.grey, grey)
        frame = _Kept(self.index, look.time_s, grey, motion)
        self.kept.append(frame)
        self.looks.append((self.index, look))
        ended: list[Track] = []
        if before is not None and motion is not None:
            self.still = self.still + 1 if motion.still else 0
            if motion.camera is not None:
                frame.sharpness = sharpness(grey)
            if not motion.still:
                walk([track.walker for track in self.tracks], before.grey, grey, motion)
            ended = self._judge(frame, motion)
        key = self._take_in(wait=False)
        self._choose_key(frame)
        self._forget(look.time_s)
        return self._step(look, ended, key=key)

    def end(self, look: Look) -> Step:
        """Close what is open after the last frame."""
        self._take_in(wait=True)
        if self.key is None or (self.kept and self._fresh(self.kept[-1], self.key)):
            self._read(self.kept[-1], look)
            self._take_in(wait=True)
        for track in self.tracks:
            track.end_s = (
                track.lost_s if track.lost_s is not None else look.time_s + self.interval_s
            )
        ended, self.tracks = self.tracks, []
        return self._step(look, ended, key=True)

    def _step(self, look: Look, ended: Sequence[Track], *, key: bool) -> Step:
        factor = look.size[0] / self.kept[-1].grey.shape[1]
        lines = []
        for track in self.tracks:
            if track.lost_s is None:
                text = " ".join(vote(slot.readings)[0] for slot in track.slots)
                lines.append(ShownLine(track.id, text, _polygons(track.polygons() * factor)))
        ended = [*ended, *self.over]
        self.over = []
        done = [result for track in ended if (result := track.result(factor)) is not None]
        return Step(look.time_s, look, tuple(lines), tuple(done), key)

    def _judge(self, frame: _Kept, motion: Motion) -> list[Track]:
        """Say which lines are still there; return those that are over."""
        height, width = frame.grey.shape
        ended: list[Track] = []
        for track in self.tracks:
            track.note(frame.index, frame.time_s)
            inside = track.inside(width, height)
            if inside < MIN_INSIDE:
                track.end_s = frame.time_s
                ended.append(track)
                continue
            check = track.walker.check
            if check.there:
                track.lost_s = None
                self._judge_words(track, frame.time_s)
                continue
            if inside < 0.9 and np.abs(track.walker.pace).max() > 0.2:
                continue
            if track.lost_s is None:
                track.lost_s = frame.time_s
            sweeping = motion.camera is not None and track.walker.with_camera > 0
            patience = self.config.coast_s if sweeping else self.config.lost_s
            if frame.time_s - track.lost_s > patience or motion.lost:
                track.end_s = track.lost_s
                ended.append(track)
        if ended:
            self.tracks = [track for track in self.tracks if track.end_s is None]
        return ended

    def _judge_words(self, track: Track, time_s: float) -> None:
        opacities = track.walker.check.words
        for slot, opacity in zip(track.slots, opacities, strict=False):
            if opacity >= MIN_OPACITY:
                slot.faded_s = None
            elif slot.faded_s is None:
                slot.faded_s = time_s

    def _forget(self, time_s: float) -> None:
        while self.kept and self.kept[0].time_s < time_s - self.config.memory_s:
            self.kept.popleft()
        for track in self.tracks:
            track.forget(self.kept[0].index)

    # Key frames --------------------------------------------------------------------------------

    def _fresh(self, frame: _Kept, key: _Kept) -> bool:
        """Say whether a frame shows what the last key frame did not."""
        return int(changed_cells(key.grey, frame.grey, 4.0).sum()) >= 3

    def _choose_key(self, frame: _Kept) -> None:
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
                len(slot.readings) < 3 and max(r.confidence for r in slot.readings) < 0.97
                for track in self.tracks
                for slot in track.slots
            )
            if not unsure or since_s < 2 * self.config.key_s or self.rereads >= 2:
                return
            self.rereads += 1
        else:
            self.rereads = 0
        chosen, look = frame, self.looks[-1][1]
        if moving and frame.motion is not None and frame.motion.camera is not None:
            by_index = {kept.index: kept for kept in self.kept}
            for index, one in self.looks:
                kept = by_index.get(index)
                if kept is None or kept.time_s < self.key.time_s + 0.5 * self.config.key_s:
                    continue
                if kept.sharpness > 1.05 * chosen.sharpness:
                    chosen, look = kept, one
        self._read(chosen, look)

    def _read(self, frame: _Kept, look: Look) -> None:
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
        self._merge(frame, page.result() if isinstance(page, Future) else page, factor)
        return True

    def _merge(self, key: _Kept, page: Page, factor: float) -> None:
        """Match what was read with the lines that are followed; the rest are new lines."""
        height, width = key.grey.shape
        present = [track for track in self.tracks if key.index in track.recent]
        places = {track: track.polygons(track.recent[key.index]) for track in present}
        lines = [
            [(word, np.asarray(_four(word.polygon), np.float64) * factor) for word in line.words]
            for line in page.lines
        ]
        words = [(i, word, polygon) for i, line in enumerate(lines) for word, polygon in line]
        pairs = _matches(words, places)
        seen: dict[Track, list[tuple[int, int]]] = {}
        for number, (track, slot) in pairs.items():
            seen.setdefault(track, []).append((number, slot))
        renewed: list[Track] = []
        for track, hits in seen.items():
            if self._other_text(track, hits, words):
                renewed.append(track)
        floors: dict[int, float] = {}
        for track in renewed:
            gone_s = self._replace(track)
            for number, _ in seen.pop(track):
                del pairs[number]
                floors[words[number][0]] = gone_s
        for track in [t for t in seen if t.lost_s is not None and t.lost_s <= key.time_s]:
            # Where a line went, another may stand now.
            if not _same_text(track, seen[track], words):
                for number, _ in seen.pop(track):
                    del pairs[number]
        owners: dict[int, dict[Track, int]] = {}
        for number, (track, _) in pairs.items():
            owner = owners.setdefault(words[number][0], {})
            owner[track] = owner.get(track, 0) + 1
        for track in present:
            if track not in seen:
                if (
                    track not in renewed
                    and track.inside(width, height, track.recent[key.index]) > 0.97
                ):
                    track.misses += 1
                continue
            self._confirm(track, seen[track], words, key)
        self._grow(words, pairs, owners, key)
        fresh: list[Track] = []
        for number in range(len(lines)):
            if number in owners:
                continue
            alone = [w for w in words if w[0] == number]
            if not alone:
                continue
            fresh.append(self._begin(alone, key))
            fresh[-1].floor_s = floors.get(number, float("-inf"))
        again = [t for t in seen if t.brighter and self.kept[0].time_s < t.start_s - 0.2]
        for track in again:
            track.start_s = key.time_s
        self._retrace([*fresh, *again], key)
        self._catch_up(fresh, key)
        self.tracks += fresh

    def _reading(self, word: TextWord, polygon: Floats, key: _Kept) -> Reading:
        """Return what a word's reading counts: little at the edge of the picture."""
        height, width = key.grey.shape
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        cut = (low < 1.5).any() or (high > (width - 1.5, height - 1.5)).any()
        return Reading(word.text, word.confidence, key.time_s, 0.05 if cut else 1.0)

    def _other_text(
        self, track: Track, hits: list[tuple[int, int]], words: list[tuple[int, TextWord, Floats]]
    ) -> bool:
        """Say whether other words stand where the line was: its strokes went, and it reads new."""
        for number, slot in hits:
            one = track.slots[slot]
            if one.faded_s is None:
                continue
            known, read = vote(one.readings)[0], words[number][1].text
            if Levenshtein.normalized_similarity(known.casefold(), read.casefold()) < 0.6:
                return True
        return False

    def _replace(self, track: Track) -> float:
        """End a line where another one took its place, and return when."""
        track.end_s = min(slot.faded_s for slot in track.slots if slot.faded_s is not None)
        self.tracks.remove(track)
        self.over.append(track)
        return track.end_s

    def _confirm(
        self,
        track: Track,
        hits: list[tuple[int, int]],
        words: list[tuple[int, TextWord, Floats]],
        key: _Kept,
    ) -> None:
        """Add the readings of a key frame to a line."""
        back = inverse(track.recent[key.index])
        there = track.polygons(track.recent[key.index])
        offsets = [
            words[number][2].mean(axis=0) - there[slot].mean(axis=0) for number, slot in hits
        ]
        off = np.median(offsets, axis=0)
        # What was led blindly is put right; what was followed by its strokes is exact already.
        if track.lost_s is not None and np.abs(off).max() > 1.0:
            track.correct(off, key.index)
            back = inverse(track.recent[key.index])
        if track.lost_s is not None and track.lost_s <= key.time_s:
            track.lost_s = None
        track.hits += 1
        hit = {slot for _, slot in hits}
        for number, slot in hits:
            _, word, polygon = words[number]
            reading = self._reading(word, polygon, key)
            one = track.slots[slot]
            one.readings.append(reading)
            if reading.trust >= max((r.trust for r in one.readings[:-1]), default=0.0):
                one.polygon = np.asarray(polygon @ back[:, :2].T + back[:, 2])
            if reading.weight > track.best[0]:
                track.best = (reading.weight, key.time_s)
        for slot, one in enumerate(track.slots):
            if slot not in hit:
                one.misses += 1
        track.anchor(key.grey, key.index, now=self.index)

    def _grow(
        self,
        words: list[tuple[int, TextWord, Floats]],
        pairs: dict[int, tuple[Track, int]],
        owners: dict[int, dict[Track, int]],
        key: _Kept,
    ) -> None:
        """Add words that are new on a line that is known: typed text, a line coming in."""
        grown: set[Track] = set()
        for number, (line, word, polygon) in enumerate(words):
            if number in pairs or line not in owners:
                continue
            track = max(owners[line], key=lambda t: (owners[line][t], -t.id))
            back = inverse(track.recent[key.index])
            here = np.asarray(polygon @ back[:, :2].T + back[:, 2])
            slot = len(track.slots)
            track.slots.append(Slot(here, [self._reading(word, polygon, key)]))
            pairs[number] = (track, slot)
            grown.add(track)
        for track in grown:
            track.order()
            track.anchor(key.grey, key.index, now=self.index, always=True)

    def _begin(self, line: list[tuple[int, TextWord, Floats]], key: _Kept) -> Track:
        self.count += 1
        polygons = np.stack([polygon for _, _, polygon in line])
        readings = [self._reading(word, polygon, key) for _, word, polygon in line]
        return Track(self.count, key.index, key.time_s, key.grey, polygons, readings)

    # Back and forth ----------------------------------------------------------------------------

    def _retrace(self, tracks: Sequence[Track], key: _Kept) -> None:
        """Follow lines back from a key frame to where they appeared."""
        frames = [kept for kept in self.kept if kept.index <= key.index]
        height, width = key.grey.shape
        open_: list[
            tuple[Track, Walker, list[float], list[npt.NDArray[np.float64]], list[int]]
        ] = []
        for track in tracks:
            pose = compose(track.recent[key.index], inverse(track.base))
            template = track.walker.template
            walker = Walker(template, pose, template.check(key.grey, pose))
            walker.with_camera = track.walker.with_camera
            open_.append((track, walker, [], [], [0]))
            track.start_s = min(track.start_s, key.time_s)
        for later, earlier in pairwise(reversed(frames)):
            if not open_:
                break
            motion = later.motion
            assert motion is not None
            if not motion.still:
                walk([w for _, w, *_ in open_], later.grey, earlier.grey, motion, backwards=True)
            going = []
            for entry in open_:
                track, walker, times, poses, blind = entry
                pose = compose(walker.pose, track.base)
                inside = track.inside(width, height, pose)
                if inside < MIN_INSIDE:
                    continue
                if earlier.time_s < track.floor_s:
                    continue
                coasting = (motion.camera is not None and walker.with_camera > 0) or (
                    inside < 0.97 and np.abs(walker.pace).max() > 0.2
                )
                if walker.check.there:
                    blind[0] = 0
                    track.start_s = min(track.start_s, earlier.time_s)
                elif (
                    coasting
                    and not motion.lost
                    and blind[0] < self.config.coast_s / self.interval_s
                ):
                    blind[0] += 1
                    if inside < 0.97 or motion.camera is not None:
                        track.start_s = min(track.start_s, earlier.time_s)
                elif blind[0] < 2 and not motion.lost:
                    blind[0] += 1
                else:
                    continue
                times.append(earlier.time_s)
                poses.append(pose)
                going.append(entry)
            for entry in open_:
                if entry not in going:
                    self._began(entry)
            open_ = going
        for entry in open_:
            self._began(entry)

    def _began(
        self,
        entry: tuple[Track, Walker, list[float], list[npt.NDArray[np.float64]], list[int]],
    ) -> None:
        track, walker, times, poses, _ = entry
        track.prepend(times, poses)
        track.walker.with_camera = walker.with_camera
        if np.abs(track.walker.pace).max() == 0:
            track.walker.pace = -walker.pace

    def _catch_up(self, tracks: Sequence[Track], key: _Kept) -> None:
        """Follow new lines from the key frame to the present one."""
        frames = [kept for kept in self.kept if kept.index >= key.index]
        for before, after in pairwise(frames):
            assert after.motion is not None
            if not after.motion.still:
                walk([t.walker for t in tracks], before.grey, after.grey, after.motion)
            for track in tracks:
                track.note(after.index, after.time_s)
                if track.walker.check.there:
                    track.lost_s = None
                elif track.lost_s is None:
                    track.lost_s = after.time_s


def _matches(
    words: list[tuple[int, TextWord, Floats]], places: dict[Track, Floats]
) -> dict[int, tuple[Track, int]]:
    """Pair words with words of known lines, the best overlaps first."""
    slots = [(track, i) for track, polygons in places.items() for i in range(len(polygons))]
    if not slots or not words:
        return {}
    known = _boxes(np.concatenate(list(places.values())))
    read = _boxes(np.stack([polygon for _, _, polygon in words]))
    low = np.maximum(known[None, :, :2], read[:, None, :2])
    high = np.minimum(known[None, :, 2:], read[:, None, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    area = (known[:, 2:] - known[:, :2]).prod(axis=1)
    other = (read[:, 2:] - read[:, :2]).prod(axis=1)
    overlap = shared / np.maximum(area[None] + other[:, None] - shared, 1e-9)
    pairs: dict[int, tuple[Track, int]] = {}
    used: set[int] = set()
    for flat in np.argsort(-overlap, axis=None, kind="stable").tolist():
        number, slot = divmod(flat, len(slots))
        if overlap[number, slot] < 0.3:
            break
        if number not in pairs and slot not in used:
            pairs[number] = slots[slot]
            used.add(slot)
    return pairs


def _same_text(
    track: Track, hits: list[tuple[int, int]], words: list[tuple[int, TextWord, Floats]]
) -> bool:
    """Say whether the words that were read are those of the line, give or take some letters."""
    likeness = [
        Levenshtein.normalized_similarity(
            vote(track.slots[slot].readings)[0].casefold(), words[number][1].text.casefold()
        )
        for number, slot in hits
    ]
    return float(np.median(likeness)) >= 0.5


def _boxes(polygons: Floats) -> Floats:
    return np.concatenate([polygons.min(axis=1), polygons.max(axis=1)], axis=1)


def _four(polygon: Polygon) -> Polygon:
    from onlooker.text.lines import corners_of

    corners = corners_of(polygon)
    return tuple((float(x), float(y)) for x, y in corners)


def _polygons(corners: Floats) -> tuple[Polygon, ...]:
    return tuple(tuple((float(x), float(y)) for x, y in word) for word in corners)
