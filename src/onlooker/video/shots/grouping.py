"""Turn glances at a video into stable groups: what stands still, what grows, what moves.

A group is in one of three states. *Still*: the picture equals the group's last recorded state
outside the regions that move. *Changing*: it no longer does, and has not come to rest. *Moving*:
the picture moves as a whole. A change that comes to rest is a build step where all ink of the
earlier picture is still there, and a new group otherwise.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from onlooker.records import BuildStep, StableSpan
from onlooker.video.shots import compare
from onlooker.video.shots.compare import Glance, Mask

# Two glances further apart than this tell nothing about motion between them, unless it is one
# picture that was shown all the time.
NEAR_S = 0.7
# A picture has come to rest when it stood this long: text must be seen that long to be read.
REST_S = 0.35
# A blank picture between two slides is a part of their transition unless it stays.
_BLANK_REST_S = 2.0
# A change that has not come to rest by now is motion. Dissolves and animations last up to a second.
RESTLESS_S = 2.0
# Share of the textured blocks that move when the picture moves as a whole, and when it is at rest:
# a speaker's inset is up to a quarter of the picture.
_WHOLE = 0.5
_REST = 0.3
# A region moves on its own when its blocks moved in six pairs of glances in a row, nearly a second,
# which is longer than a dissolve; or in many pairs before. What is counted fades with each pair.
# The slow count fades by half in 46 pairs, so that a speaker who moves in one of eight is known.
_RECENT, _RECENT_MOST, _RECENT_FADES = 6.0, 12.0, 0.8
_LASTING, _LASTING_FADES = 8.0, 0.985
_MOST_INSET = 0.35  # share of the picture that one moving region may cover
# Reading is bounded: new groups cost a token each. Slides and cuts: one in 1.5 s on average, ten at
# once. Within a shot: where a pan or scroll renewed two fifths of the picture, and not within 1.5
# s; else after 20, 30, 45 and then every 60 s.
_GROUP_S, _GROUP_BURST = 1.5, 10
_PAN_S, _PAN_NEW, _PAN_SURE = 1.5, 0.4, 0.7
_AGAIN_S, _AGAIN_GROWS, _AGAIN_MOST_S = 20.0, 1.5, 60.0
# Two frames of one shot correlate better than this once a pan is undone.
_RELATED = 0.5


@dataclass(slots=True)
class _Group:
    """A group that is still growing."""

    start_s: float
    kind: Literal["slide", "shot"]
    shot: int
    best: Glance
    score: float
    scored_s: float
    steps: list[BuildStep] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Finished:
    """A group that has ended, and the glance at its best frame."""

    span: StableSpan
    best: Glance


class Grouper:
    """Collects glances, in order of time, and hands out groups as they end."""

    def __init__(self) -> None:
        self.finished: deque[Finished] = deque()
        self._state: Literal["still", "changing", "moving"] = "changing"
        self._count = 0
        self._group: _Group | None = None
        self._state_of: Glance | None = None  # the last recorded state of a still group
        self._previous: Glance | None = None
        self._changed_s = 0.0  # first glance that differs
        self._cut = False  # whether the change began with a cut
        self._rest_s: float | None = None  # since when the picture stands still
        self._fresh = True  # whether the group has not been found to be still or moving
        self._panned = (0.0, 0.0)  # how far since the picture was last read, in pictures
        self._jumped_s = 0.0  # last glance before which frames were left out
        self._unlike = False  # whether it was unlike the one before
        self._pan_hz = (0.0, 0.0)  # how fast, in pictures a second
        self.recorded = 0
        """Changes that were recorded so far: groups begun and steps."""
        self._recent = np.zeros((1, 1), np.float32)
        self._lasting = np.zeros((1, 1), np.float32)
        self._share = 0.0  # share of the textured blocks that moved last
        self._tokens = float(_GROUP_BURST)
        self._token_s = 0.0
        self._looked_s = 0.0  # when the current shot was last found worth reading
        self._again_s = _AGAIN_S  # after which time it is read again

    @property
    def busy(self) -> bool:
        """Whether something is changing now, so that the next frames are needed."""
        return self._state == "changing" or (self._state == "moving" and self._rest_s is not None)

    @property
    def is_moving(self) -> bool:
        """Whether the picture moves as a whole."""
        return self._state == "moving"

    def unseen(self, duration_s: float) -> float:
        """Return which share of the picture a pan or scroll renews in some time."""
        return _new((self._pan_hz[0] * duration_s, self._pan_hz[1] * duration_s))

    def differs(self, glance: Glance) -> bool:
        """Whether a picture is another than the group's, outside moving regions."""
        if self._state != "still" or self._state_of is None:
            return False
        return compare.compare(self._state_of.luma, glance.luma, self._ignored()).counts

    def see(self, glance: Glance, *, cut: bool = False) -> None:
        """Take the next glance.

        Args:
            glance: Later than those before.
            cut: The encoder began anew here, which it does where the picture changes at once.
        """
        previous = self._previous
        if previous is not None and previous.luma.shape != glance.luma.shape:
            # The stream changed its size in mid-flow: nothing can be compared across that.
            shot = self._group.shot + 1 if self._group is not None else 0
            self.end(glance.time_s)
            self._begin_stream(glance, shot)
            return
        if previous is None or self._group is None:
            self._begin_stream(glance, 0)
            return
        near = glance.time_s - previous.time_s <= NEAR_S or glance.picture is previous.picture
        if near:
            self._watch_motion(previous, glance)
        rests = near and self._share < _REST and not self._differ(previous, glance)
        if self._state == "still":
            self._see_still(previous, glance, rests, near)
        elif self._state == "changing":
            self._see_changing(previous, glance, rests)
        else:
            self._see_moving(previous, glance, rests, near, cut)
        self._previous = glance

    def end(self, end_s: float) -> None:
        """End the last group."""
        if self._group is not None:
            self._finish(end_s)
        self._group = self._previous = None

    def _begin_stream(self, glance: Glance, shot: int) -> None:
        rows_columns = compare.grid(glance.luma.shape)
        self._recent = np.zeros(rows_columns, np.float32)
        self._lasting = np.zeros(rows_columns, np.float32)
        self._previous = self._state_of = glance
        # Whether it stands still or moves is not known yet; the group is there from the start.
        self._state, self._rest_s, self._fresh = "changing", None, True
        self._changed_s = glance.time_s
        self._cut = False
        self._token_s = self._looked_s = glance.time_s
        self._group = _Group(glance.time_s, "shot", shot, glance, 0.0, glance.time_s)

    def _watch_motion(self, previous: Glance, glance: Glance) -> None:
        moved = compare.moved_blocks(previous.luma, glance.luma)
        textured = previous.textured | glance.textured
        self._share = float((moved & textured).sum() / max(1, int(textured.sum())))
        if compare.spread(moved) < _MOST_INSET:
            # On a slide with little else, most of what there is to see is in the speaker's inset.
            self._share = 0.0
        faded = self._recent * np.float32(_RECENT_FADES)
        self._recent = np.where(moved, np.minimum(self._recent + 1, _RECENT_MOST), faded)
        self._lasting *= np.float32(_LASTING_FADES)
        if self._share < _WHOLE:
            # A picture that moves as a whole says nothing about where an inset would be.
            self._lasting += moved

    def _ignored(self) -> Mask:
        """Return the blocks of regions that move on their own."""
        moving = (self._recent >= _RECENT) | (self._lasting >= _LASTING)
        return compare.filled(moving, _MOST_INSET)

    def _differ(self, a: Glance, b: Glance) -> bool:
        return compare.compare(a.luma, b.luma, self._ignored()).counts

    def _see_still(self, previous: Glance, glance: Glance, rests: bool, near: bool) -> None:
        assert self._group is not None and self._state_of is not None
        if self._differ(self._state_of, glance):
            self._state = "changing"
            self._changed_s = glance.time_s
            # After frames that were left out because nothing went on in them, it is sudden.
            self._cut = not near or self._is_cut(previous, glance)
            self._rest_s = None
            return
        if self._group.kind == "slide" and self._group.score == 0.0:
            self._score(glance)
        elif rests:
            # The one before, because it is known to be followed by the same: the beginning of a
            # dissolve is never taken.
            self._score(previous)

    def _see_changing(self, previous: Glance, glance: Glance, rests: bool) -> None:
        if rests:
            if self._rest_s is None:
                self._rest_s = previous.time_s
            needed_s = _BLANK_REST_S if compare.is_blank(glance.luma) else REST_S
            if glance.time_s - self._rest_s >= needed_s:
                self._settle(glance)
            return
        self._rest_s = None
        if self._share >= _WHOLE:
            self._follow(previous, glance, near=True)
        if self._fresh:
            self._score(glance)
        if glance.time_s - self._changed_s > RESTLESS_S and self._share >= _REST:
            self._begin(self._changed_s, "shot", glance, new_shot=self._cut)
            self._state = "moving"

    def _settle(self, glance: Glance) -> None:
        assert self._group is not None and self._state_of is not None and self._rest_s is not None
        before, ignored = self._state_of, self._ignored()
        if self._fresh:
            self._state, self._fresh, self._state_of = "still", False, glance
            self._group.kind, self._group.score = "slide", 0.0
            self._score(glance)
            return
        change = compare.compare(before.luma, glance.luma, ignored)
        self._state = "still"
        if not change.counts:
            return
        if self._group.kind == "slide" and compare.grew(before.luma, glance.luma, ignored):
            width, height = glance.picture.size
            places = compare.boxes(change.where, width, height, glance.picture.turns)
            box = (
                min(b[0] for b in places),
                min(b[1] for b in places),
                max(b[2] for b in places),
                max(b[3] for b in places),
            )
            self.recorded += 1
            self._group.steps.append(BuildStep(time_s=self._changed_s, box=box))
            self._state_of = glance
            self._group.score = 0.0
            self._score(glance)
            return
        # A cut is at its first frame, a dissolve or animation in its middle.
        quick = self._rest_s - self._changed_s <= REST_S
        start_s = self._changed_s if quick else (self._changed_s + self._rest_s) / 2
        self._begin(start_s, "slide", glance, new_shot=True)

    def _see_moving(
        self, previous: Glance, glance: Glance, rests: bool, near: bool, cut: bool
    ) -> None:
        assert self._group is not None
        likeness = self._follow(previous, glance, near)
        if near:
            cut = self._share >= _WHOLE and likeness < _RELATED
        else:
            self._jumped_s = glance.time_s
            self._unlike = compare.shift(previous.luma, glance.luma)[2] < _RELATED
        if cut:
            self._begin(glance.time_s, "shot", glance, new_shot=True)
            # What the new shot is, a slide or moving too, shows when it rests or does not.
            self._state, self._fresh, self._rest_s = "changing", True, None
            self._changed_s, self._cut = glance.time_s, True
            self._recent[:] = 0
            self._lasting[:] = 0
            return
        if rests:
            if self._rest_s is None:
                self._rest_s = previous.time_s
            if glance.time_s - self._rest_s >= 2 * REST_S:
                # Did it come to rest, or was there a cut in what was left out before?
                cut_before = self._unlike and self._rest_s == self._jumped_s
                self._begin(self._rest_s, "slide", glance, new_shot=cut_before)
                self._state = "still"
            return
        self._rest_s = None
        again_s = glance.time_s - self._looked_s
        if not near:
            return
        if (again_s >= _PAN_S and _new(self._panned) >= _PAN_NEW) or again_s >= self._again_s:
            self._again_s = min(_AGAIN_MOST_S, self._again_s * _AGAIN_GROWS)
            self._begin(glance.time_s, "shot", glance, new_shot=False)
            return
        self._score(glance)

    def _follow(self, previous: Glance, glance: Glance, near: bool) -> float:
        """Add up a pan or scroll, and return how well the pictures correlate."""
        gap_s = glance.time_s - previous.time_s
        likeness = 0.0
        if near and gap_s > 0:
            right, down, likeness = compare.shift(previous.luma, glance.luma)
            sure = likeness >= _PAN_SURE
            self._pan_hz = (right / gap_s, down / gap_s) if sure else (0.0, 0.0)
        self._panned = (
            self._panned[0] + self._pan_hz[0] * gap_s,
            self._panned[1] + self._pan_hz[1] * gap_s,
        )
        return likeness

    def _is_cut(self, previous: Glance, glance: Glance) -> bool:
        """Whether two pictures in a row are unrelated."""
        if self._share < _WHOLE:
            return False
        return compare.shift(previous.luma, glance.luma)[2] < _RELATED

    def _score(self, glance: Glance) -> None:
        """Take a glance as the group's best where it is sharper, or as sharp and later."""
        group = self._group
        assert group is not None
        if group.score and glance.time_s - group.scored_s < 0.5:
            return
        group.scored_s = glance.time_s
        score = compare.sharpness(glance.picture.luma(2 * compare.GLANCE_PX))
        # Later is fuller: strokes of a pen are too small to be steps.
        if score >= group.score * (0.97 if group.kind == "slide" else 1.02):
            group.best, group.score = glance, max(score, 1e-6)

    def _begin(
        self, start_s: float, kind: Literal["slide", "shot"], glance: Glance, *, new_shot: bool
    ) -> None:
        """Begin a group, where the bound on reading allows one."""
        assert self._group is not None
        shot = self._group.shot + new_shot
        if new_shot:
            self._again_s = _AGAIN_S
        self._tokens = min(_GROUP_BURST, self._tokens + (glance.time_s - self._token_s) / _GROUP_S)
        self._token_s = glance.time_s
        self._state_of = glance
        self._looked_s = glance.time_s
        self._panned = (0.0, 0.0)
        self.recorded += 1
        if self._fresh or self._tokens < 1:
            if not self._fresh:
                self._group.score = 0.0
            self._fresh = False
            self._group.kind = kind
            self._score(glance)
            return
        self._tokens -= 1
        self._finish(start_s)
        self._group = _Group(start_s, kind, shot, glance, 0.0, glance.time_s)
        self._score(glance)

    def _finish(self, end_s: float) -> None:
        group = self._group
        assert group is not None
        picture = group.best.picture
        width, height = picture.size
        moving = self._lasting >= _LASTING
        regions = compare.boxes(compare.filled(moving, _MOST_INSET), width, height, picture.turns)
        span = StableSpan(
            index=self._count,
            start_s=group.start_s,
            end_s=max(end_s, group.start_s),
            best_s=group.best.time_s,
            kind=group.kind,
            shot=group.shot,
            steps=tuple(group.steps),
            moving=regions if group.kind == "slide" else (),
        )
        self._count += 1
        self.finished.append(Finished(span, group.best))


def _new(panned: tuple[float, float]) -> float:
    """Return which share of the picture is new after a pan."""
    return 1 - max(0.0, 1 - abs(panned[0])) * max(0.0, 1 - abs(panned[1]))
