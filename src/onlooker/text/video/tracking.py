"""A line that is followed from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from onlooker.records import Polygon, TextLine, TextTrack, TextWord
from onlooker.text.video.motion import (
    STILL,
    Affine,
    Grey,
    Motion,
    Points,
    apply,
    compose,
    flow,
    inverse,
    shifted,
)
from onlooker.text.video.patches import MIN_OPACITY, Check, Template
from onlooker.text.video.voting import Reading, vote

Floats = npt.NDArray[np.float64]

MIN_INSIDE = 0.5
"""A line is seen while half of its area, or more, lies inside the picture."""
_WHOLE = 0.97
_SURE_OPACITY, _SURE_LIKENESS = 0.8, 0.7
_PACE_PX = 0.2
"""A line that moved by less in the last step stands still."""
_KEPT_PX = 0.15
"""Places that differ by less are the same, in pixels of the reduced frame."""
_STRAY_PX = 1.0
_SAME = 0.5
_SAME_TEXT = 0.7
_TELLING_PX = 1.0
"""A camera that moved by less does not tell whether a line moves with it."""
_SEARCHES = 3
"""So many frames long a line that is lost is looked for far off."""
_BRIGHTER = 1.2
"""A line whose strokes have gained so much was fading in when it was first read."""


@dataclass(slots=True, eq=False)
class Slot:
    """A word of a line.

    Attributes:
        polygon: Where it stands in the line's first frame.
        readings: What key frames gave.
        misses: Key frames on which it was not found.
        faded_s: Since when its strokes are gone, while those of the line are there.
        changed_s: Since when they are no more what they were.
    """

    polygon: Floats
    readings: list[Reading] = field(default_factory=list)
    misses: int = 0
    faded_s: float | None = None
    changed_s: float | None = None


@dataclass(slots=True, eq=False)
class Walker:
    """Something that is followed: a template, and where it is.

    Attributes:
        template: Its strokes.
        pose: Map from the template's frame to the present one.
        check: How it was last found.
        pace: By how much it moved in the last step (x, y).
        with_camera: How often it moved with the camera, less how often it did not.
        blind: Steps since it was last found.
    """

    template: Template
    pose: Affine
    check: Check
    pace: Floats = field(default_factory=lambda: np.zeros(2))
    with_camera: int = 0
    blind: int = 0


def walk(
    walkers: Sequence[Walker], before: Grey, after: Grey, motion: Motion, *, backwards: bool = False
) -> None:
    """Follow walkers from one frame to the next, or to the one before.

    Each possible motion (none, that of the line's own points, the camera's, the last step again) is
    tried, and the one under which the strokes are found best is taken.

    Args:
        walkers: What to follow; changed in place.
        before: The frame in which they are.
        after: The frame to follow them to.
        motion: What changed between the two, in the order of time.
        backwards: Whether ``after`` is the earlier frame.
    """
    moving: list[Walker] = []
    for walker in walkers:
        if not motion.touches(walker.template.box(walker.pose)):
            walker.pace = np.zeros(2)
            continue
        if motion.camera is None:
            found = walker.template.check(after, walker.pose)
            if found.opacity >= _SURE_OPACITY and found.likeness >= _SURE_LIKENESS:
                _settle(walker, walker.pose, found)
                continue
        moving.append(walker)
    if not moving:
        return
    camera = motion.camera
    if camera is not None and backwards:
        camera = inverse(camera)
    starts = [apply(walker.pose, walker.template.points.astype(np.float64)) for walker in moving]
    ends, good = flow(before, after, np.concatenate(starts).astype(np.float32))
    at = 0
    for walker, start in zip(moving, starts, strict=True):
        part = slice(at, at + len(start))
        at += len(start)
        _follow(walker, after, camera, _own_motion(start, ends[part], good[part]))


def _own_motion(start: Floats, end: Points, good: npt.NDArray[np.bool_]) -> Floats | None:
    """Return the shift on which a line's own points agree."""
    if good.sum() < 3:
        return None
    steps = end[good] - start[good]
    middle = np.median(steps, axis=0)
    agree = (np.abs(steps - middle) < _STRAY_PX).all(axis=1)
    if agree.sum() < max(3, 0.4 * len(start)):
        return None
    return np.asarray(steps[agree].mean(axis=0), np.float64)


def _follow(walker: Walker, after: Grey, camera: Affine | None, own: Floats | None) -> None:
    """Try the motions that are possible; without any that fits, go where the line was led."""
    tries = [walker.pose]
    if np.abs(walker.pace).max() > _PACE_PX:
        tries.insert(0, shifted(walker.pose, walker.pace))
    if own is not None:
        tries.insert(0, shifted(walker.pose, own))
    if camera is not None:
        # The likeliest first: where the strokes are found well, no other needs to be tried.
        tries.insert(0 if walker.with_camera > 0 else len(tries), compose(camera, walker.pose))
    checks: list[Check] = []
    for pose in tries:
        checks.append(walker.template.check(after, pose))
        if checks[-1].opacity >= _SURE_OPACITY and checks[-1].likeness >= _SURE_LIKENESS:
            break
    merits = [check.likeness * min(check.opacity, 1.0) for check in checks]
    best = int(np.argmax(merits))
    pose, found = tries[best], checks[best]
    if found.there:
        before = walker.pose
        _settle(walker, pose, found)
        if camera is not None:
            middle = walker.template.middle
            led = apply(compose(camera, before), middle)
            if np.abs(led - apply(before, middle)).max() > _TELLING_PX:
                agrees = np.abs(apply(walker.pose, middle) - led).max() < _TELLING_PX / 2
                vote = 1 if agrees else -1
                walker.with_camera = int(np.clip(walker.with_camera + vote, -5, 5))
        return
    walker.blind += 1
    faint = found.likeness >= _SURE_LIKENESS  # it fades, and is not elsewhere
    if walker.with_camera <= 0 and walker.blind <= _SEARCHES and not faint:
        far = walker.template.search(after, walker.pose)
        if far is not None:
            _settle(walker, far, walker.template.check(after, far))
            return
    if camera is not None and walker.with_camera > 0:
        pose = compose(camera, walker.pose)
    elif own is not None and np.abs(own).max() > 0.2:
        pose = shifted(walker.pose, own)
    else:
        pose = shifted(walker.pose, walker.pace)
    walker.pose = pose
    walker.check = found


def _settle(walker: Walker, pose: Affine, found: Check) -> None:
    middle = walker.template.middle
    before = apply(walker.pose, middle)
    if np.abs(found.shift).max() > 0.3:
        pose = shifted(pose, found.shift)
    walker.pace = apply(pose, middle) - before
    walker.pose = pose
    walker.check = found
    walker.blind = 0


class Track:
    """A line of text while it is seen.

    Args:
        id: Its number.
        index: Number of the frame in which it was read.
        time_s: Time of that frame.
        grey: That frame, reduced.
        polygons: ``(n, 4, 2)`` corners of its words there.
        readings: What they say.
    """

    def __init__(
        self,
        id: int,
        index: int,
        time_s: float,
        grey: Grey,
        polygons: Floats,
        readings: Sequence[Reading],
    ) -> None:
        self.id = id
        self.slots = [Slot(p, [r]) for p, r in zip(polygons, readings, strict=True)]
        self.base = STILL  # from the first frame to the template's
        template = Template(grey, polygons)
        self.walker = Walker(template, STILL, template.check(grey, STILL))
        self.start_s = time_s
        self.floor_s = float("-inf")
        self.brighter = False
        self.joins: dict[int, int] = {}
        self.lost_s: float | None = None
        self.end_s: float | None = None
        self.best = (readings[0].weight, time_s)
        self.looks = 1
        self.hits = 1
        self.misses = 0
        self.recent: dict[int, Affine] = {index: STILL}
        self.times: list[float] = [time_s]
        self.poses: list[Affine] = [STILL]
        self._held_s = time_s

    @property
    def pose(self) -> Affine:
        """The map from its first frame to the present one."""
        return compose(self.walker.pose, self.base)

    def polygons(self, pose: Affine | None = None) -> Floats:
        """Return where its words are → ``(n, 4, 2)``."""
        return apply(self.pose if pose is None else pose, np.stack([s.polygon for s in self.slots]))

    def inside(self, width: int, height: int, pose: Affine | None = None) -> float:
        """Return the share of its area that lies inside the reduced frame."""
        polygons = self.polygons(pose)
        low, high = polygons.min(axis=1), polygons.max(axis=1)
        kept = np.clip(high, 0, (width, height)) - np.clip(low, 0, (width, height))
        return float(kept.prod(axis=1).sum() / max((high - low).prod(axis=1).sum(), 1e-9))

    def note(self, index: int, time_s: float) -> None:
        """Remember where it is now."""
        pose = self.pose
        self.recent[index] = pose
        corners = self.slots[0].polygon
        if np.abs(apply(pose, corners) - apply(self.poses[-1], corners)).max() > _KEPT_PX:
            if self._held_s > self.times[-1]:
                self.times.append(self._held_s)
                self.poses.append(self.poses[-1])
            self.times.append(time_s)
            self.poses.append(pose)
        self._held_s = time_s

    def prepend(self, times: Sequence[float], poses: Sequence[Affine]) -> None:
        """Add where it was before it was read, from the latest moment to the earliest."""
        corners = self.slots[0].polygon
        for time_s, pose in zip(times, poses, strict=True):
            if time_s >= self.times[0]:
                continue
            if np.abs(apply(pose, corners) - apply(self.poses[0], corners)).max() > _KEPT_PX:
                self.times.insert(0, time_s)
                self.poses.insert(0, pose)

    def order(self) -> None:
        """Put the words into the order in which the line runs."""
        first = self.slots[0].polygon
        along = first[1] - first[0]
        self.slots.sort(key=lambda slot: float(slot.polygon.mean(axis=0) @ along))

    def anchor(self, grey: Grey, index: int, *, now: int, always: bool = False) -> None:
        """Take the strokes anew from a frame that was read, if they are clearer there.

        Args:
            grey: The reduced frame.
            index: Its number.
            now: Number of the present frame, which may be a little later.
            always: Whether to take them even where they are fainter.
        """
        pose = self.recent[index]
        template = Template(grey, self.polygons(pose))
        gain = template.strength / max(self.walker.template.strength, 1e-6)
        self.brighter = gain > _BRIGHTER
        if not always and (template.energy <= 0 or gain < 0.8):
            return
        present = self.recent.get(now, self.pose)
        self.base = pose
        self.walker.template = template
        self.walker.pose = compose(present, inverse(pose))

    def fades(self, grey: Grey, index: int) -> bool:
        """Say whether it is where it was in a frame, but too faint to count."""
        pose = compose(self.recent[index], inverse(self.base))
        found = self.walker.template.check(grey, pose)
        return found.opacity < MIN_OPACITY and found.likeness >= _SURE_LIKENESS

    def correct(self, by: Floats, index: int) -> None:
        """Shift it, as it was found elsewhere than it was believed to be, from a frame on."""
        for number in self.recent:
            if number >= index:
                self.recent[number] = shifted(self.recent[number], by)
        self.walker.pose = shifted(self.walker.pose, by)

    def forget(self, before: int) -> None:
        """Drop what is known of frames that are not kept any more."""
        for number in [n for n in self.recent if n < before]:
            del self.recent[number]

    def absorb(self, other: Track, index: int) -> None:
        """Take in another part of the same line.

        Args:
            other: The part; not to be used any more.
            index: Number of a frame of which both know their places.
        """
        moved = compose(inverse(self.recent[index]), other.recent[index])
        for slot in other.slots:
            slot.polygon = apply(moved, slot.polygon)
            self.slots.append(slot)
        self.start_s = min(self.start_s, other.start_s)
        self.best = max(self.best, other.best)
        self.hits = max(self.hits, other.hits)
        self.misses = min(self.misses, other.misses)
        self.order()

    @property
    def last_s(self) -> float:
        """The last moment of which it is known where it was."""
        return self._held_s if self.end_s is None else self.end_s

    def pose_at(self, time_s: float) -> Affine:
        """Return where it was at a moment."""
        after = int(np.searchsorted(self.times, time_s + 1e-6))
        return self.poses[max(0, after - 1)]

    def continues(self, old: Track) -> bool:
        """Say whether another line, that is over, is the same: in its place, with its words."""
        time_s = min(old.last_s, old.best[1] if old.best[1] >= self.start_s else old.last_s)
        if not self.start_s <= time_s:
            return False
        mine, theirs = self.polygons(self.pose_at(time_s)), old.polygons(old.pose_at(time_s))
        for slot, here in zip(self.slots, mine, strict=True):
            for other, there in zip(old.slots, theirs, strict=True):
                low = np.maximum(here.min(axis=0), there.min(axis=0))
                high = np.minimum(here.max(axis=0), there.max(axis=0))
                size = (here.max(axis=0) - here.min(axis=0)).prod()
                if np.maximum(high - low, 0).prod() < _SAME * size:
                    continue
                texts = vote(slot.readings)[0], vote(other.readings)[0]
                if Levenshtein.normalized_similarity(*texts) >= _SAME_TEXT:
                    return True
        return False

    def resume(self, old: Track) -> None:
        """Go on with what is known of a line that was given up: its number, beginning, readings."""
        self.id = old.id
        time_s = min(old.last_s, old.best[1]) if old.best[1] >= self.start_s else old.last_s
        mine, theirs = self.polygons(self.pose_at(time_s)), old.polygons(old.pose_at(time_s))
        missing: list[Slot] = []
        for other, there in zip(old.slots, theirs, strict=True):
            off = np.abs(mine.mean(axis=1) - there.mean(axis=0)).max(axis=1)
            nearest = int(off.argmin())
            if off[nearest] < np.ptp(there, axis=0).min():
                slot = self.slots[nearest]
                slot.readings = [*other.readings, *slot.readings]
            else:
                other.polygon = apply(inverse(self.pose_at(time_s)), there)
                missing.append(other)
        self.slots += missing
        self.order()
        if old.start_s < self.start_s:
            self.start_s = old.start_s
            between = compose(inverse(old.pose_at(time_s)), self.pose_at(time_s))
            earlier = [i for i, t in enumerate(old.times) if t < self.times[0]]
            self.poses = [compose(old.poses[i], between) for i in earlier] + self.poses
            self.times = [old.times[i] for i in earlier] + self.times
        self.best = max(self.best, old.best)
        self.hits += old.hits

    def trim(self, width: int, height: int) -> None:
        """Let it begin and end with half of its area in the picture, as far as is known now."""
        assert self.end_s is not None
        if len(self.times) < 2:
            return
        inside = [self.inside(width, height, pose) >= MIN_INSIDE for pose in self.poses]
        # Of several stays in the picture, the one in which it was read best.
        best = int(np.argmin(np.abs(np.array(self.times) - self.best[1])))
        if all(inside) or not inside[best]:
            return
        first = last = best
        while first > 0 and inside[first - 1]:
            first -= 1
        while last < len(inside) - 1 and inside[last + 1]:
            last += 1
        if first > 0:
            self.start_s = max(self.start_s, self.times[first])
        if last < len(inside) - 1:
            self.end_s = min(self.end_s, self.times[last + 1])

    def result(self, factor: float, width: int, height: int) -> TextTrack | None:
        """Return the record, or None where nothing certain was read.

        Args:
            factor: Pixels of the frame per pixel of the reduced frame.
            width: Width of the reduced frame.
            height: Its height.
        """
        assert self.end_s is not None
        self.slots = [slot for slot in _apart(self.slots) if not _doubtful(slot)]
        slots = self.slots
        if not slots or (self.hits == 1 and self.misses >= 2):
            return None
        self.trim(width, height)
        end_s = max(self.end_s, self.start_s)
        kept = [i for i, t in enumerate(self.times) if self.start_s - 1e-6 <= t <= end_s + 1e-6]
        if not kept:
            kept = [len(self.times) - 1]
        every = np.stack([s.polygon for s in slots])
        places = tuple(as_polygons(apply(self.poses[i], every) * factor) for i in kept)
        times = tuple(self.times[i] for i in kept)
        best_s = min(max(self.best[1], self.start_s), end_s)
        track = TextTrack(
            id=self.id,
            line=TextLine(()),
            start_s=self.start_s,
            end_s=end_s,
            best_s=best_s,
            times_s=times,
            places=places,
            readings=tuple(tuple((r.text, r.confidence) for r in s.readings) for s in slots),
        )
        words = []
        for slot, polygon in zip(slots, track.places_at(best_s), strict=True):
            text, confidence = vote(slot.readings)
            words.append(TextWord(text, polygon, confidence))
        return TextTrack(
            id=track.id,
            line=TextLine(tuple(words)),
            start_s=track.start_s,
            end_s=track.end_s,
            best_s=best_s,
            times_s=times,
            places=places,
            readings=track.readings,
        )


def _apart(slots: Sequence[Slot]) -> list[Slot]:
    """Keep the best read of words that lie on each other: they are parts of one that came in."""
    kept: list[Slot] = []
    # Longer readings tell more: a part of a word, or the first of two, may be read more often.
    for slot in sorted(slots, key=lambda slot: -sum(r.weight * len(r.text) for r in slot.readings)):
        low, high = slot.polygon.min(axis=0), slot.polygon.max(axis=0)
        for other in kept:
            lower, higher = other.polygon.min(axis=0), other.polygon.max(axis=0)
            shared = np.maximum(np.minimum(high, higher) - np.maximum(low, lower), 0).prod()
            if shared > _SAME * min((high - low).prod(), (higher - lower).prod()):
                break
        else:
            kept.append(slot)
    return [slot for slot in slots if slot in kept]


def _doubtful(slot: Slot) -> bool:
    return len(slot.readings) == 1 and slot.misses >= 3


def as_polygons(corners: Floats) -> tuple[Polygon, ...]:
    """Return corners ``(n, 4, 2)`` as polygons."""
    return tuple(tuple((float(x), float(y)) for x, y in word) for word in corners)
