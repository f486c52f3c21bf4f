"""All lines of a video: those that are followed, and those that are over.

What was read on a key frame is matched with the lines that are followed; a line that is new is
followed back to the frame in which it appeared, and forward to the present one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from onlooker.records import Page
from onlooker.text.video.frames import Kept, VideoReaderConfig
from onlooker.text.video.matching import (
    FoundWord,
    hidden_words,
    is_cut,
    match_words,
    same_text,
    words_of,
)
from onlooker.text.video.motion import Affine, Motion, apply, compose, inverse
from onlooker.text.video.patches import MIN_OPACITY
from onlooker.text.video.tracking import MIN_INSIDE, Slot, Track, Walker, walk
from onlooker.text.video.voting import Reading, vote

Floats = npt.NDArray[np.float64]

_WHOLE, _NEARLY_WHOLE = 0.97, 0.9
"""Shares inside the picture from which a line is all there, or should be found by its strokes."""
_MOVES_PX = 0.2
_MOST_BLIND = 2
"""So many frames may fail (a flash, a broken one) on the way back to where a line appeared."""
_CHANGED = 0.85
"""A word of a still line has changed if its strokes are found by less than this share."""
_LIKE_ITSELF = 0.9
_TOGETHER_S = 0.3
"""Parts of a line appear within this time of each other."""
_OTHER = 0.6
"""Readings less like than this are of other words."""
_SURE = 0.95
_CUT_TRUST = 0.05
"""What the reading of a word counts that may be cut off by the edge of the picture."""


@dataclass(slots=True, eq=False)
class _Trail:
    """A line on its way back, and where it was."""

    track: Track
    walker: Walker
    times: list[float] = field(default_factory=list)
    poses: list[Affine] = field(default_factory=list)
    blind: int = 0


class Ledger:
    """Keeps the lines of a video.

    Attributes:
        config: How lines are followed.
        kept: Frames of the last seconds, the present one last.
        tracks: Lines that are followed.
    """

    def __init__(self, config: VideoReaderConfig) -> None:
        self.config = config
        self.kept: deque[Kept] = deque()
        self.tracks: list[Track] = []
        self._over: list[Track] = []
        self._limbo: list[Track] = []  # over, but not for so long that they could not come back
        self._count = 0

    @property
    def interval_s(self) -> float:
        """Time between the last two frames."""
        if len(self.kept) < 2:
            return 0.04
        return float(np.clip(self.kept[-1].time_s - self.kept[-2].time_s, 1e-3, 1.0))

    def follow(self, frame: Kept) -> None:
        """Follow all lines to a frame, the next one, and say which are still there."""
        before = self.kept[-1] if self.kept else None
        self.kept.append(frame)
        if before is None or frame.motion is None:
            return
        if not frame.motion.still:
            walkers = [track.walker for track in self.tracks]
            walk(walkers, before.grey, frame.grey, frame.motion)
        self._judge(frame, frame.motion)

    def collect(self, *, last: bool = False) -> list[Track]:
        """Return the lines that are over for good, once; after the last frame all."""
        if last:
            for track in self.tracks:
                end_s = self.kept[-1].time_s + self.interval_s
                track.end_s = track.lost_s if track.lost_s is not None else end_s
            self._over += self.tracks
            self.tracks = []
        self._limbo += self._over
        self._over = []
        since_s = float("inf") if last else self.kept[0].time_s
        done = [track for track in self._limbo if track.last_s < since_s]
        self._limbo = [track for track in self._limbo if track.last_s >= since_s]
        return done

    def _judge(self, frame: Kept, motion: Motion) -> None:
        """Say which lines are still there."""
        height, width = frame.grey.shape
        for track in self.tracks:
            track.note(frame.index, frame.time_s)
            inside = track.inside(width, height)
            if inside < MIN_INSIDE:
                track.end_s = frame.time_s
                continue
            check = track.walker.check
            if check.there:
                track.lost_s = None
                self._judge_words(track, frame.time_s, motion)
                continue
            if inside < _NEARLY_WHOLE and np.abs(track.walker.pace).max() > _MOVES_PX:
                continue  # going out: a part of it says little
            if track.lost_s is None:
                track.lost_s = frame.time_s
            sweeping = motion.camera is not None and track.walker.with_camera > 0
            patience = self.config.coast_s if sweeping else self.config.lost_s
            if frame.time_s - track.lost_s > patience or motion.lost:
                track.end_s = track.lost_s
        self._over += [track for track in self.tracks if track.end_s is not None]
        self.tracks = [track for track in self.tracks if track.end_s is None]

    def _judge_words(self, track: Track, time_s: float, motion: Motion) -> None:
        check = track.walker.check
        # Of a line that fades as a whole, no word has changed: it stays like itself.
        fade = min(check.opacity, 1.0) if check.likeness >= _LIKE_ITSELF else 1.0
        opacities = check.words / fade
        for slot, opacity in zip(track.slots, opacities, strict=False):
            if motion.camera is not None or opacity >= _CHANGED:
                slot.changed_s = None
            elif slot.changed_s is None:
                slot.changed_s = time_s
            if opacity >= MIN_OPACITY:
                slot.faded_s = None
            elif slot.faded_s is None:
                slot.faded_s = time_s

    def forget(self, time_s: float) -> None:
        """Drop frames that are too old."""
        while self.kept and self.kept[0].time_s < time_s - self.config.memory_s:
            self.kept.popleft()
        for track in self.tracks:
            track.forget(self.kept[0].index)

    def take_in(self, key: Kept, page: Page, factor: float) -> None:
        """Match what was read with the lines that are followed; the rest are new lines."""
        height, width = key.grey.shape
        present = [track for track in self.tracks if key.index in track.recent]
        places = {track: track.polygons(track.recent[key.index]) for track in present}
        words = words_of(page, factor)
        pairs = match_words(words, places, (width, height))
        live = {t: places[t] for t in present if t.lost_s is None and t.walker.check.there}
        known = hidden_words(words, live) - set(pairs)
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
                floors[words[number].line] = gone_s
        for track in [t for t in seen if t.lost_s is not None and t.lost_s <= key.time_s]:
            # Where a line went, another may stand now.
            if not same_text(track, seen[track], words):
                for number, _ in seen.pop(track):
                    del pairs[number]
        # What is still read of a line that fades out does not keep it.
        fading = [t for t in seen if t.lost_s is not None and t.fades(key.grey, key.index)]
        lines_fading = {words[number].line for t in fading for number, _ in seen.pop(t)}
        pairs = {n: pair for n, pair in pairs.items() if pair[0] not in fading}
        known |= {n for n, word in enumerate(words) if word.line in lines_fading} - set(pairs)
        owners: dict[int, dict[Track, int]] = {}
        for number, (track, _) in pairs.items():
            owner = owners.setdefault(words[number].line, {})
            owner[track] = owner.get(track, 0) + 1
        for track in present:
            if track not in seen:
                if (
                    track not in renewed
                    and track.inside(width, height, track.recent[key.index]) > _WHOLE
                ):
                    track.misses += 1
                continue
            self._confirm(track, seen[track], words, key)
        self._grow([None if i in known else w for i, w in enumerate(words)], pairs, owners, key)
        fresh: list[Track] = []
        for number in range(len(page.lines)):
            if number in owners:
                continue
            alone = [w for i, w in enumerate(words) if w.line == number and i not in known]
            if not alone:
                continue
            fresh.append(self._begin(alone, key))
            fresh[-1].floor_s = floors.get(number, float("-inf"))
        again = [t for t in seen if t.brighter and self.kept[0].time_s < t.start_s - 0.2]
        for track in again:
            track.start_s = key.time_s
        self._retrace([*fresh, *again], key)
        for track in fresh:
            if track.floor_s == float("-inf"):
                self._come_back(track, key)
        self._catch_up(fresh, key)
        self.tracks += fresh
        for owner in owners.values():
            self._join(list(owner), key)

    def _join(self, parts: list[Track], key: Kept) -> None:
        """Make one line of parts that were read as one and came together."""
        parts = sorted((t for t in parts if t in self.tracks), key=lambda t: (t.start_s, t.id))
        for first, second in pairwise(parts):
            joint = first.joins.get(second.id, 0) + 1
            first.joins[second.id] = joint
            pace = np.abs(first.walker.pace - second.walker.pace).max()
            moves = np.abs(first.walker.pace).max() > 0.3
            together = abs(first.start_s - second.start_s) <= _TOGETHER_S or (moves and pace < 0.2)
            if joint >= 2 and together:
                first.absorb(second, key.index)
                first.anchor(key.grey, key.index, now=self.kept[-1].index, always=True)
                self.tracks.remove(second)
                return

    def _reading(self, word: FoundWord, key: Kept) -> Reading:
        """Return what a word's reading counts: little at the edge of the picture."""
        trust = _CUT_TRUST if is_cut(word.polygon, self._size) else 1.0
        length = float(np.linalg.norm(word.polygon[1] - word.polygon[0]))
        return Reading(word.text, word.confidence, key.time_s, trust, length)

    @property
    def _size(self) -> tuple[int, int]:
        """Width and height of the reduced frames."""
        height, width = self.kept[-1].grey.shape
        return width, height

    def _other_text(
        self, track: Track, hits: list[tuple[int, int]], words: Sequence[FoundWord]
    ) -> bool:
        """Say whether other words stand where the line was: its strokes went, and it reads new.

        Of a number a stroke may go ("49", "50"): there the figures tell.
        """
        for number, slot in hits:
            one, word = track.slots[slot], words[number]
            if one.faded_s is None and one.changed_s is None:
                continue
            if max(r.trust for r in one.readings) < 0.5 or is_cut(word.polygon, self._size):
                continue  # a part of a word
            known = vote(one.readings)[0]
            if Levenshtein.normalized_similarity(known.casefold(), word.text.casefold()) < _OTHER:
                return True
            before, after = _figures(known), _figures(word.text)
            if before != after and len(before) == len(after) and word.confidence >= _SURE:
                return True
        return False

    def _replace(self, track: Track) -> float:
        """End a line where another one took its place, and return when."""
        gone = [slot.changed_s if slot.faded_s is None else slot.faded_s for slot in track.slots]
        track.end_s = min(time_s for time_s in gone if time_s is not None)
        self.tracks.remove(track)
        self._over.append(track)
        return track.end_s

    def _confirm(
        self,
        track: Track,
        hits: list[tuple[int, int]],
        words: Sequence[FoundWord],
        key: Kept,
    ) -> None:
        """Add the readings of a key frame to a line."""
        back = inverse(track.recent[key.index])
        there = track.polygons(track.recent[key.index])
        offsets = [
            words[number].polygon.mean(axis=0) - there[slot].mean(axis=0) for number, slot in hits
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
            word = words[number]
            reading = self._reading(word, key)
            one = track.slots[slot]
            one.readings.append(reading)
            if reading.trust >= max((r.trust for r in one.readings[:-1]), default=0.0):
                one.polygon = apply(back, word.polygon)
            if reading.weight > track.best[0]:
                track.best = (reading.weight, key.time_s)
        for slot, one in enumerate(track.slots):
            if slot not in hit:
                one.misses += 1
        track.anchor(key.grey, key.index, now=self.kept[-1].index)

    def _grow(
        self,
        words: Sequence[FoundWord | None],
        pairs: dict[int, tuple[Track, int]],
        owners: dict[int, dict[Track, int]],
        key: Kept,
    ) -> None:
        """Add words that are new on a line that is known: typed text, a line coming in."""
        grown: set[Track] = set()
        for number, word in enumerate(words):
            if word is None or number in pairs or word.line not in owners:
                continue
            owner = owners[word.line]
            most = max(owner.values())
            track = min((t for t in owner if owner[t] == most), key=lambda t: t.id)
            back = inverse(track.recent[key.index])
            here = apply(back, word.polygon)
            slot = len(track.slots)
            track.slots.append(Slot(here, [self._reading(word, key)]))
            pairs[number] = (track, slot)
            grown.add(track)
        for track in grown:
            track.order()
            track.anchor(key.grey, key.index, now=self.kept[-1].index, always=True)

    def _begin(self, line: Sequence[FoundWord], key: Kept) -> Track:
        self._count += 1
        polygons = np.stack([word.polygon for word in line])
        readings = [self._reading(word, key) for word in line]
        return Track(self._count, key.index, key.time_s, key.grey, polygons, readings)

    # Back and forth ----------------------------------------------------------------------------

    def _retrace(self, tracks: Sequence[Track], key: Kept) -> None:
        """Follow lines back from a key frame to where they appeared."""
        frames = [kept for kept in self.kept if kept.index <= key.index]
        trails: list[_Trail] = []
        for track in tracks:
            pose = compose(track.recent[key.index], inverse(track.base))
            template = track.walker.template
            walker = Walker(template, pose, template.check(key.grey, pose))
            walker.with_camera = track.walker.with_camera
            trails.append(_Trail(track, walker))
            track.start_s = min(track.start_s, key.time_s)
        ended: list[_Trail] = []
        for later, earlier in pairwise(reversed(frames)):
            motion = later.motion
            assert motion is not None
            if not motion.still:
                walkers = [trail.walker for trail in trails]
                walk(walkers, later.grey, earlier.grey, motion, backwards=True)
            going = [trail for trail in trails if self._goes_back(trail, earlier, motion)]
            ended += [trail for trail in trails if trail not in going]
            trails = going
            if not trails:
                break
        for trail in (*ended, *trails):
            track, walker = trail.track, trail.walker
            track.prepend(trail.times, trail.poses)
            track.walker.with_camera = walker.with_camera
            if np.abs(track.walker.pace).max() == 0:
                track.walker.pace = -walker.pace

    def _goes_back(self, trail: _Trail, frame: Kept, motion: Motion) -> bool:
        """Say whether a line was there in an earlier frame, or may have been, and note where."""
        track, walker = trail.track, trail.walker
        pose = compose(walker.pose, track.base)
        inside = track.inside(*self._size, pose)
        if inside < MIN_INSIDE or frame.time_s < track.floor_s:
            return False
        sweeping = motion.camera is not None and walker.with_camera > 0
        coming = inside < _WHOLE and np.abs(walker.pace).max() > _MOVES_PX
        if walker.check.there:
            trail.blind = 0
            track.start_s = min(track.start_s, frame.time_s)
        elif motion.lost:
            return False
        elif (sweeping or coming) and trail.blind < self.config.coast_s / self.interval_s:
            trail.blind += 1
            track.start_s = min(track.start_s, frame.time_s)
        elif trail.blind < _MOST_BLIND:
            trail.blind += 1
        else:
            return False
        trail.times.append(frame.time_s)
        trail.poses.append(pose)
        return True

    def _come_back(self, track: Track, key: Kept) -> None:
        """Let a line that was given up too early go on, where a new one turns out to be it."""
        for old in self._limbo:
            if track.start_s > old.last_s or not track.continues(old):
                continue
            track.resume(old)
            track.anchor(key.grey, key.index, now=key.index, always=True)
            self._limbo.remove(old)
            return

    def _catch_up(self, tracks: Sequence[Track], key: Kept) -> None:
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


def _figures(text: str) -> list[str]:
    return [c for c in text if c.isdecimal()]
