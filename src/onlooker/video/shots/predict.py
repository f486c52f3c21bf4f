"""Find the stable groups of a video: `segment`, and the coarse first look `coarse_groups`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from onlooker.media.video import Frame, Pixels, Video
from onlooker.records import StableSpan
from onlooker.video.shots import compare
from onlooker.video.shots.compare import Glance
from onlooker.video.shots.grouping import Finished, Grouper
from onlooker.video.shots.sampling import Sampler

READ_PX = 1920
"""Largest side of the pictures handed out: text that matters is legible in full HD."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StableGroup(StableSpan):
    """A stable span with its best frame.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, upright, its largest side at most as asked for.
    """

    pixels: Pixels

    @property
    def span(self) -> StableSpan:
        """The record, without pixels."""
        values = {field.name: getattr(self, field.name) for field in fields(StableSpan)}
        return StableSpan(**values)


def segment(
    video: Video,
    *,
    max_side: int = READ_PX,
    on_progress: Callable[[float], None] | None = None,
) -> Iterator[StableGroup]:
    """Find the stretches of a video whose text needs to be read once, in one pass over the file.

    The spans cover the video without gaps. Slides that build up are one group with its steps,
    shown at its fullest; what moves on its own (a speaker's picture) is ignored; a picture that
    moves as a whole gives a group a shot, and further ones in bounded number where it shows new
    things. Groups come as soon as they have ended.

    Decoding is spent where something changes. At 720p, by the processor time of two cores, the test
    lectures of `benchmarks/ingest.py` take 170 to 270 times real time, still slides more, a picture
    in motion whose packets tell nothing as long as decoding it all, some 50 times. Memory: the
    compressed frames between two key frames (32 MB at most) and a few pictures.

    Args:
        video: Open; it is read from its start.
        max_side: Largest side of the pictures handed out.
        on_progress: Called with the share that is done, in [0, 1].
    """
    grouper = Grouper()
    sampler = Sampler(video, grouper)
    for time_s in sampler.run():
        if on_progress is not None and video.duration_s:
            on_progress(min(1.0, time_s / video.duration_s))
        yield from _hand_out(grouper, max_side)
    grouper.end(sampler.end_s)
    yield from _hand_out(grouper, max_side)


def _hand_out(grouper: Grouper, max_side: int) -> Iterator[StableGroup]:
    while grouper.finished:
        yield _with_pixels(grouper.finished.popleft(), max_side)


def _with_pixels(finished: Finished, max_side: int) -> StableGroup:
    values = {field.name: getattr(finished.span, field.name) for field in fields(StableSpan)}
    return StableGroup(**values, pixels=finished.best.picture.pixels(max_side))


def keyframes(
    video: Video, *, every_s: float = 0.0, max_side: int | None = None
) -> Iterator[Frame]:
    """Decode the key frames only: some 900 times real time at 720p on one core.

    Args:
        video: Open; it is read from its start.
        every_s: Least distance in seconds; where key frames are dense, others are left out.
        max_side: Largest side in pixels.
    """
    for index, glance in enumerate(_key_glances(video, every_s)):
        yield Frame(index, glance.time_s, glance.picture.pixels(max_side))


def _key_glances(video: Video, every_s: float) -> Iterator[Glance]:
    last_s = float("-inf")
    for packet in video.read_packets():
        if not packet.is_key or packet.time_s - last_s < every_s:
            continue
        picture = video.decode_alone(packet)
        if picture is not None:
            last_s = picture.time_s
            yield Glance.of(picture)


def coarse_groups(
    video: Video, *, max_side: int = 640, every_s: float = 2.0
) -> Iterator[StableGroup]:
    """Group key frames that look alike: a first strip of pictures, cheap but inexact.

    Only key frames are decoded (some 900 times real time at 720p on one core), so starts are late
    by up to the distance of key frames (10 s at x264's defaults), and what comes and goes between
    two of them is missed.

    Args:
        video: Open; it is read from its start.
        max_side: Largest side of the pictures handed out.
        every_s: Least distance of the key frames that are looked at.
    """
    first: Glance | None = None
    best: Glance | None = None
    index = 0
    ends_s = 0.0

    def group(start: Glance, shown: Glance, end_s: float) -> StableGroup:
        return StableGroup(
            index=index,
            start_s=start.time_s,
            end_s=max(end_s, start.time_s),
            best_s=shown.time_s,
            kind="shot",
            shot=index,
            pixels=shown.picture.pixels(max_side),
        )

    for glance in _key_glances(video, every_s):
        ends_s = glance.time_s
        if first is None or best is None:
            first = best = glance
        elif _is_other(best, glance):
            yield group(first, best, glance.time_s)
            first = best = glance
            index += 1
        else:
            best = glance
    if first is not None and best is not None:
        yield group(first, best, max(video.duration_s, ends_s))


def _is_other(a: Glance, b: Glance) -> bool:
    if a.luma.shape != b.luma.shape:
        return True
    nothing = compare.moved_blocks(a.luma, a.luma)
    loss = compare.ink_lost(a.luma, b.luma, nothing)
    # A third: a speaker's inset alone changes less.
    return loss.pixels > 100 and loss.share > 0.35
