"""Decide which frames are decoded: those around which something changes.

A still slide is coded in tiny packets; a new line, a cut or a dissolve in large ones. So the sizes
of the packets, which are read without decoding, tell *where* to look, and the pictures there tell
*what* happened. Of each group of pictures (GOP: a key frame and what refers to it) the first half
second is decoded, every four seconds at least: it shows what moves. The rest is decoded

- around packets that are large for their GOP, and where large ones begin or end,
- where the next key frame shows another picture and nothing explains it,
- as long as something is changing, or a pan or scroll goes on.

Decoding of a GOP ends after the last of these. Frames that no other refers to are left out where
nothing is expected.

References:
    Yeo & Liu 1995, "Rapid scene analysis on compressed video": cuts from coded data.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from onlooker.media.video import Packet, Picture, Video
from onlooker.video.shots.compare import Glance
from onlooker.video.shots.grouping import Grouper

# Beginning of each GOP that is looked at: long enough to see a speaker move.
_PROBE_S = 0.5
# Of GOPs shorter than this, not each is looked into: this often is enough to know what moves.
_PROBE_EVERY_S = 4.0
# How finely is looked where something may change, and where nothing is expected.
_FINE_S = 0.15
_COARSE_S = 0.3
# A frame shown for this long is looked at twice: when it appears and just before it goes.
_LONG_S, _JUST_S = 0.35, 0.001
_SLOW_HZ = 8.0
# Around a large packet: the picture before it, and after it until a quick change has come to rest.
_BEFORE_S, _AFTER_S = 0.35, 0.8
# A packet is large above four times the upper quartile of its GOP, 1.5 % of the key frame (a slide
# of a dozen lines: a few words of one of them) and 300 bytes (a pointer on a still slide).
_LARGE_TIMES, _LARGE_OF_KEY, _LARGE_BYTES = 4.0, 0.015, 300
# Of a picture that moves, only cuts are of interest: nearly a key frame, twice what is usual.
_CUT_TIMES, _CUT_OF_KEY = 2.0, 0.6
# Motion begins or ends where the mean size of a dozen packets is four times that of the next dozen
# or the one before, and at least 0.5 % of the key frame.
_WINDOW, _TURN_TIMES, _TURN_OF_KEY = 12, 4.0, 0.005
# A pan or scroll that shows more new things than this (share of the picture) before the next key
# frame is followed.
_MOST_UNSEEN = 0.3
# Compressed frames that wait for the next key frame are bounded; beyond, all is decoded.
_MOST_BYTES, _MOST_PACKETS = 32_000_000, 8_000
# A key frame earlier than this share of the usual distance was set because the picture changed.
_EARLY = 0.9


@dataclass(slots=True)
class Gop:
    """A key frame, what refers to it, and the key frame after it.

    Attributes:
        packets: In the order of the file.
        begins: Whether it begins with its key frame, or goes on after a part that was too large.
        whole: Whether it ends before the next key frame or the end of the file.
        following: The next key frame, None at the end.
    """

    packets: list[Packet]
    begins: bool
    whole: bool
    following: Packet | None

    @property
    def duration_s(self) -> float:
        """Time to the next key frame, or to its own last frame."""
        end_s = self.following.time_s if self.following else self.packets[-1].time_s
        return end_s - self.packets[0].time_s


def gops(packets: Iterator[Packet]) -> Iterator[Gop]:
    """Group packets by key frames, in bounded memory."""
    waiting: list[Packet] = []
    size = 0
    begins = True
    for packet in packets:
        if packet.is_key and waiting:
            yield Gop(waiting, begins, True, packet)
            waiting, size, begins = [], 0, True
        elif size > _MOST_BYTES or len(waiting) >= _MOST_PACKETS:
            yield Gop(waiting, begins, False, None)
            waiting, size, begins = [], 0, False
        waiting.append(packet)
        size += packet.size
    if waiting:
        yield Gop(waiting, begins, True, None)


def telling_packets(gop: Gop, *, moving: bool) -> list[float]:
    """Return the times of the packets at which something seems to change, sorted.

    Args:
        gop: A group of pictures.
        moving: Whether the picture moves as a whole, so that only cuts are of interest.
    """
    rest = gop.packets[1:] if gop.begins else gop.packets
    if not rest:
        return []
    sizes = np.array([packet.size for packet in rest], np.float64)
    usual = float(np.quantile(sizes, 0.75))
    key = gop.packets[0].size if gop.begins else float(sizes.max())
    if moving:
        least = max(_CUT_TIMES * usual, _CUT_OF_KEY * key)
    else:
        least = max(_LARGE_TIMES * usual, _LARGE_OF_KEY * key, _LARGE_BYTES)
    telling = sizes >= least
    if len(sizes) > 2 * _WINDOW:
        sums = np.concatenate([[0.0], np.cumsum(sizes)])
        means = (sums[_WINDOW:] - sums[:-_WINDOW]) / _WINDOW
        before, after = means[:-_WINDOW], means[_WINDOW:]
        larger = np.maximum(before, after)
        turn = larger > _TURN_TIMES * np.minimum(before, after)
        turn &= larger > max(_TURN_OF_KEY * key, _LARGE_BYTES)
        telling[_WINDOW : _WINDOW + len(turn)] |= turn
    return sorted(rest[index].time_s for index in np.flatnonzero(telling).tolist())


class Sampler:
    """Feeds a grouper with glances at a video."""

    def __init__(self, video: Video, grouper: Grouper) -> None:
        self._video = video
        self._grouper = grouper
        # At few frames a second each of them counts.
        self._slow = video.rate_hz < _SLOW_HZ
        self._looked_s = float("-inf")  # time of the last glance
        self._last: Picture | None = None  # the last decoded picture
        self._contiguous = False  # whether no frame was left out since
        self._gop_s = 0.0  # longest GOP so far
        self._probed_s = float("-inf")  # beginning of the last GOP that was looked into
        self._mean_size = 0.0  # of its packets
        self._ahead: tuple[float, Glance | None] | None = None  # the next key frame and its time
        self._cut = False  # whether the GOP before ended early
        self.end_s = 0.0
        """End of the last frame that was read."""
        self.decoded = 0
        """Frames that were decoded so far."""

    def run(self) -> Iterator[float]:
        """Look at the whole video; yields the time reached, at each group that ended and GOP."""
        for gop in gops(self._video.read_packets()):
            yield from self._look_at(gop)
            self.end_s = max(self.end_s, max(packet.time_s for packet in gop.packets))
            yield self.end_s
        # The last frame lasts as long as the file says, else as long as any.
        self.end_s = max(self.end_s + 1 / self._video.rate_hz, self._video.duration_s)
        if self._last is not None and self._contiguous:
            self._look(self._last, self.end_s - _JUST_S, cut=False)

    def _look_at(self, gop: Gop) -> Iterator[float]:
        video, grouper = self._video, self._grouper
        start_s = gop.packets[0].time_s
        early = gop.following is not None and gop.duration_s < _EARLY * self._gop_s
        if gop.begins and gop.whole:
            if gop.duration_s < _FINE_S and start_s - self._looked_s < _FINE_S:
                # Every frame is a key frame, or nearly: take as many as are needed.
                return
            self._gop_s = max(self._gop_s, gop.duration_s)
            if self._is_known(gop):
                self._contiguous, self._cut = False, early
                return
            self._probed_s, self._mean_size = start_s, _mean_size(gop)
        telling_s: list[float] | None = None  # found when it is known whether the picture moves
        checked: int | None = None
        for packet in gop.packets:
            probing = gop.begins and packet.time_s < start_s + _PROBE_S
            if not probing and telling_s is None:
                telling_s = telling_packets(gop, moving=grouper.is_moving)
            near = probing or grouper.busy or _is_near(packet.time_s, telling_s or ())
            past = not telling_s or packet.time_s > telling_s[-1]
            if gop.whole and not near and past and checked != grouper.recorded:
                if self._is_explained(gop, early):
                    self._contiguous = False
                    break
                # Decode on, until something was found that may be the explanation.
                checked = grouper.recorded
            video.skip("DEFAULT" if near or self._slow else "NONREF")
            searching = checked is not None and not grouper.is_moving
            self._take(video.decode(packet), fine=near or searching)
            if grouper.finished:
                # At once, as each holds a picture.
                yield self._looked_s
        video.skip("DEFAULT")
        if gop.whole:
            contiguous, self._contiguous = self._contiguous, True
            self._take(video.decode(None), fine=True)
            self._contiguous = contiguous
        self._cut = early

    def _is_known(self, gop: Gop) -> bool:
        """Whether a short GOP may be left out altogether, as it goes on like those before."""
        grouper = self._grouper
        if self._cut or grouper.busy or gop.following is None:
            return False
        if gop.following.time_s - self._probed_s > _PROBE_EVERY_S:
            return False
        if telling_packets(gop, moving=grouper.is_moving):
            return False
        mean = _mean_size(gop)
        if max(mean, self._mean_size) > _TURN_TIMES * min(mean, self._mean_size):
            return False
        if grouper.is_moving:
            return grouper.unseen(gop.following.time_s - self._probed_s) < _MOST_UNSEEN
        return not self._differs(gop.packets[0])

    def _differs(self, key: Packet) -> bool:
        """Whether a key frame shows something else than what is known."""
        if self._ahead is None or self._ahead[0] != key.time_s:
            picture = self._video.decode_alone(key)
            self._ahead = key.time_s, Glance.of(picture) if picture is not None else None
        glance = self._ahead[1]
        return glance is not None and self._grouper.differs(glance)

    def _is_explained(self, gop: Gop, early: bool) -> bool:
        """Whether the next key frame shows what is known, so that the rest may be skipped."""
        if gop.following is None:
            # At the end of the file there is no next key frame to tell.
            return False
        if self._grouper.is_moving:
            return self._grouper.unseen(gop.duration_s) < _MOST_UNSEEN
        if early:
            return True
        return not self._differs(gop.following)

    def _take(self, pictures: list[Picture], *, fine: bool) -> None:
        step_s = _FINE_S if fine or self._grouper.busy else _COARSE_S
        for picture in pictures:
            self.decoded += 1
            last, self._last = self._last, picture
            if self._contiguous and last is not None and picture.time_s - last.time_s >= _LONG_S:
                # A frame that is shown for long is a picture that stands still meanwhile.
                self._look(last, last.time_s, cut=False)
                self._look(last, picture.time_s - _JUST_S, cut=False)
            elif picture.time_s - self._looked_s < step_s - 1e-6:
                continue
            cut, self._cut = self._cut and picture.is_key, False
            self._contiguous = True
            self._look(picture, picture.time_s, cut=cut)

    def _look(self, picture: Picture, time_s: float, *, cut: bool) -> None:
        if time_s > self._looked_s:
            self._looked_s = time_s
            self._grouper.see(Glance.of(picture, time_s), cut=cut)


def _mean_size(gop: Gop) -> float:
    """Return the mean size of the packets after the key frame, _LARGE_BYTES at least."""
    rest = gop.packets[1:]
    return max(_LARGE_BYTES, sum(packet.size for packet in rest) / max(1, len(rest)))


def _is_near(time_s: float, telling_s: Sequence[float]) -> bool:
    """Whether one of some times, sorted, is near."""
    place = bisect_left(telling_s, time_s - _AFTER_S)
    return place < len(telling_s) and telling_s[place] - _BEFORE_S <= time_s
