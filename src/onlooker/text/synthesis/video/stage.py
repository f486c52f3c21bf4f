"""What clips are played on: layers over a ground, and a camera over a large picture.

A *shot* can be asked for its picture at any moment and for the text that stands in it; a *clip*
joins shots by cuts and dissolves, and knows each line's track by asking at every frame, without
drawing any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.text.video.datasets import TrueTrack

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Warp = npt.NDArray[np.float64]

MIN_OPACITY = 0.5
MIN_INSIDE = 0.5
JOINED_S = 0.5
"""A line that is away for less than this, at the edge of a shaking picture, goes on."""
MIN_TRACK_S = 0.5
"""A line shown for less is not asked for: people read some four words a second."""
MIN_HEIGHT_PX = 11.0
"""Nor one whose words are lower: small print of a 720p recording has 12."""
MAX_SMEAR = 0.3
"""Nor one that is smeared at every moment by more than this share of its height."""
_STRAIGHT_PX = 0.25
_SMEAR_STEP_PX = 2.0
_MOST_EXPOSURES = 9


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line as it was drawn.

    Attributes:
        key: Names it within the clip; a line that goes on over a cut keeps its key.
        words: What it says.
        polygons: ``(n, 4, 2)`` corners of the words in pixels of its layer.
    """

    key: str
    words: tuple[str, ...]
    polygons: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A line at one moment: its words' corners in the frame, opacity, smear by motion (pixels)."""

    line: Line
    polygons: Floats
    opacity: float
    smear_px: float = 0.0


class Shot(Protocol):
    """A stretch of a clip between two transitions."""

    duration_s: float

    def frame(self, time_s: float) -> Picture:
        """Draw the picture at a moment from the shot's beginning; not to be written to."""

    def seen(self, time_s: float) -> list[Seen]:
        """Say what text stands in it at that moment, hidden lines included."""


@dataclass(slots=True, eq=False)
class Layer:
    """A patch with text on it, laid over the ground.

    Attributes:
        paint: ``(h, w, 3)`` colours.
        alpha: ``(h, w)`` uint8 coverage.
        lines: What it says, in pixels of the patch.
        place: Its left and top at a moment; rounded to whole pixels.
        opacity: Of the whole layer at a moment, in [0, 1].
    """

    paint: Picture
    alpha: Picture
    lines: list[Line]
    place: Callable[[float], tuple[float, float]]
    opacity: Callable[[float], float]


@dataclass(eq=False)
class Layered:
    """A shot of layers over a ground.

    Attributes:
        duration_s: Its length.
        ground: Draws the ground; equal keys mean equal pictures, so that a still one is drawn once.
        layers: From the lowest up.
    """

    duration_s: float
    ground: Callable[[float], tuple[object, Picture]]
    layers: list[Layer]
    _last: tuple[object, Picture] | None = field(default=None, init=False)

    def frame(self, time_s: float) -> Picture:
        """Draw the picture at a moment."""
        key, ground = self.ground(time_s)
        states = []
        for layer in self.layers:
            opacity = round(layer.opacity(time_s), 3)
            x, y = layer.place(time_s)
            states.append((round(x), round(y), opacity))
        whole = (key, tuple(states))
        if self._last is not None and self._last[0] == whole:
            return self._last[1]
        picture = ground.copy()
        for layer, (x, y, opacity) in zip(self.layers, states, strict=True):
            if opacity > 0:
                _lay(picture, layer, x, y, opacity)
        self._last = (whole, picture)
        return picture

    def seen(self, time_s: float) -> list[Seen]:
        """Say what text stands in it."""
        found = []
        for layer in self.layers:
            x, y = layer.place(time_s)
            shift = np.array([round(x), round(y)], np.float64)
            opacity = layer.opacity(time_s)
            found += [Seen(line, line.polygons + shift, opacity) for line in layer.lines]
        return found


@dataclass(eq=False)
class Pan:
    """A camera moving over a large picture; its shutter is open for part of each frame.

    Attributes:
        duration_s: Its length.
        canvas: The large picture.
        lines: Its text, in pixels of the canvas.
        path: Moment → centre of the view (x, y), zoom (frame pixels per canvas pixel) and turn in
            radians.
        width: Width of the frame.
        height: Height of the frame.
        shutter_s: How long each frame is exposed.
    """

    duration_s: float
    canvas: Picture
    lines: list[Line]
    path: Callable[[float], tuple[float, float, float, float]]
    width: int
    height: int
    shutter_s: float

    def frame(self, time_s: float) -> Picture:
        """Average the views that the open shutter sees."""
        middle = np.array([[[self.width / 2, self.height / 2]]])
        first, last = self._warp(time_s), self._warp(time_s + self.shutter_s)
        centre = cv2.transform(middle, cv2.invertAffineTransform(first))
        smear = float(np.hypot(*(cv2.transform(centre, last) - middle).ravel()))
        count = min(_MOST_EXPOSURES, 1 + int(smear / _SMEAR_STEP_PX))
        total: npt.NDArray[np.float32] | None = None
        for i in range(count):
            warp = self._warp(time_s + self.shutter_s * (i + 0.5) / count)
            view = cv2.warpAffine(
                self.canvas,
                warp,
                (self.width, self.height),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT_101,
            )
            if count == 1:
                return np.asarray(view, np.uint8)
            if total is None:
                total = view.astype(np.float32)
            else:
                cv2.accumulate(view, total)
        assert total is not None
        return np.asarray(cv2.convertScaleAbs(total, alpha=1 / count), np.uint8)

    def seen(self, time_s: float) -> list[Seen]:
        """Say where the text is in the middle of the exposure."""
        warp = self._warp(time_s + self.shutter_s / 2)
        first, last = self._warp(time_s), self._warp(time_s + self.shutter_s)
        found = []
        for line in self.lines:
            corners = line.polygons.reshape(-1, 1, 2)
            centre = corners.mean(axis=0, keepdims=True)
            moved = cv2.transform(centre, last) - cv2.transform(centre, first)
            polygons = cv2.transform(corners, warp).reshape(-1, 4, 2)
            found.append(Seen(line, polygons, 1.0, float(np.hypot(*moved.ravel()))))
        return found

    def _warp(self, time_s: float) -> Warp:
        x, y, zoom, turn = self.path(time_s)
        cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
        return np.array(
            [
                [cos, -sin, self.width / 2 - cos * x + sin * y],
                [sin, cos, self.height / 2 - sin * x - cos * y],
            ]
        )


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrame:
    """A frame of a clip: its number, its time, and its picture ``(H, W, 3)`` uint8 RGB."""

    index: int
    time_s: float
    picture: Picture


@dataclass(eq=False)
class Clip:
    """Shots one after another: frames can be drawn any number of times, tracks are exact.

    Attributes:
        kind: What sort of clip it is.
        width: Width in pixels.
        height: Height in pixels.
        rate_hz: Frames a second.
        shots: What is shown.
        dissolves_s: Length of the dissolve at the end of each shot but the last; 0 is a cut.
        noise: Standard deviation of the sensor's noise, in grey levels.
        seed: Of that noise.
    """

    kind: str
    width: int
    height: int
    rate_hz: float
    shots: Sequence[Shot]
    dissolves_s: Sequence[float]
    noise: float = 0.0
    seed: int = 0

    @property
    def count(self) -> int:
        """Number of frames."""
        return max(1, round(sum(shot.duration_s for shot in self.shots) * self.rate_hz))

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.count / self.rate_hz

    def frames(self) -> Iterator[ClipFrame]:
        """Draw the frames in order."""
        for index in range(self.count):
            yield self.frame(index)

    def frame(self, index: int) -> ClipFrame:
        """Draw one frame; any may be asked for, in any order.

        Args:
            index: Its number, from 0 to ``count`` - 1.
        """
        time_s = index / self.rate_hz
        playing = self._playing(time_s)
        picture = playing[0][0].frame(playing[0][1])
        if len(playing) > 1:
            other, at_s, share = playing[1]
            picture = np.asarray(
                cv2.addWeighted(picture, 1 - share, other.frame(at_s), share, 0), np.uint8
            )
        if self._grains is not None:
            # The same grain, moved about: drawing a new one costs more than all the rest.
            dy, dx = (index * 37) % self.height, (index * 101) % self.width
            grain = np.roll(self._grains, (dy, dx), axis=(0, 1))
            picture = np.asarray(cv2.add(picture, grain, dtype=cv2.CV_8U), np.uint8)
        return ClipFrame(index, time_s, picture)

    @cached_property
    def tracks(self) -> tuple[TrueTrack, ...]:
        """Every line that is to be seen, with its span and places."""
        running: dict[str, _Run] = {}
        done: list[_Run] = []
        for index in range(self.count):
            there = {seen.line.key: seen for seen in self._seen(index / self.rate_hz)}
            shown = {
                key: seen
                for key, seen in there.items()
                if seen.opacity >= MIN_OPACITY and self._inside(seen.polygons) >= MIN_INSIDE
            }
            for key in [key for key in running if key not in shown]:
                run = running[key]
                if key in there and index - run.last < JOINED_S * self.rate_hz:
                    run.wait(there[key])
                else:
                    done.append(running.pop(key))
            for key, seen in shown.items():
                running.setdefault(key, _Run(seen.line.words, index)).add(index, seen)
        done += running.values()
        done.sort(key=lambda run: (run.first, run.polygons[0][0, 0, 1], run.polygons[0][0, 0, 0]))
        return tuple(run.track(number, self.rate_hz) for number, run in enumerate(done))

    def _playing(self, time_s: float) -> list[tuple[Shot, float, float]]:
        """Return the shots at a moment: shot, time from its beginning, share of the second."""
        start_s = 0.0
        for i, shot in enumerate(self.shots):
            end_s = start_s + shot.duration_s
            last = i == len(self.shots) - 1
            half_s = 0.0 if last else self.dissolves_s[i] / 2
            if last or time_s < end_s - half_s:
                return [(shot, time_s - start_s, 1.0)]
            if time_s < end_s + half_s:
                share = (time_s - (end_s - half_s)) / (2 * half_s)
                following = self.shots[i + 1]
                return [(shot, time_s - start_s, 1.0), (following, time_s - end_s, share)]
            start_s = end_s
        raise AssertionError("a clip has a shot at each moment")

    def _seen(self, time_s: float) -> list[Seen]:
        playing = self._playing(time_s)
        if len(playing) == 1:
            return playing[0][0].seen(playing[0][1])
        (first, first_s, _), (second, second_s, share) = playing
        before = {seen.line.key: seen for seen in first.seen(first_s)}
        found = []
        for seen in second.seen(second_s):
            old = before.pop(seen.line.key, None)
            opacity = share * seen.opacity + ((1 - share) * old.opacity if old else 0.0)
            found.append(Seen(seen.line, seen.polygons, opacity, seen.smear_px))
        for old in before.values():
            found.append(Seen(old.line, old.polygons, (1 - share) * old.opacity, old.smear_px))
        return found

    def _inside(self, polygons: Floats) -> float:
        """Return the share of a line's area, by upright boxes of its words, in the picture."""
        low, high = polygons.min(axis=1), polygons.max(axis=1)  # (n, 2)
        size = (self.width, self.height)
        kept = np.clip(high, 0, size) - np.clip(low, 0, size)
        return float(kept.prod(axis=1).sum() / max((high - low).prod(axis=1).sum(), 1e-9))

    @cached_property
    def _grains(self) -> npt.NDArray[np.int16] | None:
        if self.noise <= 0:
            return None
        rng = np.random.default_rng(self.seed)
        shape = (self.height, self.width, 3)
        return np.rint(rng.normal(0, self.noise, shape)).astype(np.int16)


@dataclass(slots=True, eq=False)
class _Run:
    """A line while it is seen, frame by frame."""

    words: tuple[str, ...]
    first: int
    last: int = -1
    polygons: list[Floats] = field(default_factory=list)
    smears: list[float] = field(default_factory=list)
    waiting: list[Seen] = field(default_factory=list)

    def add(self, index: int, seen: Seen) -> None:
        """Take in a frame that shows it, and those before that nearly did."""
        for one in (*self.waiting, seen):
            self.polygons.append(one.polygons)
            self.smears.append(one.smear_px)
        self.waiting = []
        self.last = index

    def wait(self, seen: Seen) -> None:
        """Remember a frame that does not show it; it may come back."""
        self.waiting.append(seen)

    def track(self, number: int, rate_hz: float) -> TrueTrack:
        every = np.stack(self.polygons)  # (frames, n, 4, 2)
        times = (self.first + np.arange(len(every))) / rate_hz
        kept = _telling(every)
        heights = np.ptp(every[:, :, :, 1], axis=2).max(axis=1)  # of the tallest word
        smears = np.asarray(self.smears)
        legible = (heights >= MIN_HEIGHT_PX) & (smears <= MAX_SMEAR * heights)
        said = any(c.isalnum() for word in self.words for c in word)
        return TrueTrack(
            id=number,
            words=self.words,
            start_s=float(times[0]),
            end_s=float(times[-1] + 1 / rate_hz),
            ignore=not said or len(every) < MIN_TRACK_S * rate_hz or not bool(legible.any()),
            times_s=times[kept],
            polygons=every[kept],
        )


def _telling(every: Floats) -> list[int]:
    """Choose frames between which places move evenly, to a quarter of a pixel."""
    kept, start = [0], 0
    last = len(every) - 1
    while start < last:
        end = start + 1
        while end < last and _straight(every[start : end + 2]):
            end += 1
        kept.append(end)
        start = end
    if len(kept) == 2 and np.abs(every[0] - every[-1]).max() < 1e-9:
        return [0]
    return kept


def _straight(part: Floats) -> bool:
    share = np.linspace(0, 1, len(part))[:, None, None, None]
    even = (1 - share) * part[0] + share * part[-1]
    return bool(np.abs(part - even).max() <= _STRAIGHT_PX)


def _lay(picture: Picture, layer: Layer, x: int, y: int, opacity: float) -> None:
    """Blend a layer into the picture, as far as it lies inside."""
    rows, columns = picture.shape[:2]
    h, w = layer.alpha.shape
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, columns), min(y + h, rows)
    if left >= right or top >= bottom:
        return
    inner = (slice(top - y, bottom - y), slice(left - x, right - x))
    alpha = layer.alpha[inner].astype(np.float32) * np.float32(opacity / 255)
    part = picture[top:bottom, left:right]
    part[:] = np.rint(part + (layer.paint[inner] - part.astype(np.float32)) * alpha[:, :, None])


def hang(
    canvas: Picture,
    layer: Layer,
    flat: npt.NDArray[np.float32],
    corners: npt.NDArray[np.float32],
) -> list[Line]:
    """Warp a layer onto the canvas; returns its lines there."""
    warp = cv2.getPerspectiveTransform(flat, corners)
    low = np.floor(corners.min(axis=0)).astype(int)
    high = np.ceil(corners.max(axis=0)).astype(int) + 1
    shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]], np.float64)
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    inside = np.full(layer.alpha.shape, 255, np.uint8)
    alpha = cv2.warpPerspective(np.minimum(layer.alpha, inside), shift @ warp, size)
    paint = cv2.warpPerspective(
        layer.paint, shift @ warp, size, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float32)
    part = canvas[low[1] : high[1], low[0] : high[0]]
    share = (alpha / np.float32(255))[:, :, None]
    part[:] = np.rint(part + (paint - part) * share)
    found = []
    for line in layer.lines:
        moved = cv2.perspectiveTransform(line.polygons.reshape(-1, 1, 2), warp)
        found.append(Line(line.key, line.words, moved.reshape(-1, 4, 2)))
    return found


def with_inset(
    ground: Callable[[float], tuple[object, Picture]],
    film: Callable[[float], tuple[object, Picture]],
    start_s: float,
    x: int,
    y: int,
) -> Callable[[float], tuple[object, Picture]]:
    """Lay a film over a part of a ground."""

    def both(time_s: float) -> tuple[object, Picture]:
        key, picture = ground(time_s)
        film_key, part = film(start_s + time_s)
        picture = picture.copy()
        picture[y : y + part.shape[0], x : x + part.shape[1]] = part
        return (key, film_key), picture

    return both
