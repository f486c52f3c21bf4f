"""Open a video: its facts, and its frames with their true times.

Everything is decoded by PyAV (FFmpeg). What costs what, for 720p H.264 on two cores: key frames
alone about 900 times real time (`Video.read_packets` and `Video.decode` of key packets); all frames
40 to 200 times, the more the stiller the picture; one frame at a given time (`Video.frame_at`) is
the decoding from the key frame before it, 0.05 to 0.5 s of work as a rule.

Times are seconds from the start of the file (the earliest of its streams), as a player shows them,
and come from the presentation time stamps, so they are true for variable frame rates too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import av
import cv2
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from onlooker.errors import MediaError
from onlooker.media.container import (
    STREAM_ERRORS,
    captured_at,
    duration_s,
    open_container,
    place,
    tags,
    zero_s,
)
from onlooker.media.files import PathLike, as_path, shown
from onlooker.records import MediaFacts
from onlooker.runtime import threads

Pixels = NDArray[np.uint8]

# 8K (UHD-2, and DCI's wider one). A decoder keeps up to 16 reference pictures: more than this would
# break any bound on memory, and is a damaged or hostile header far more often than a film.
MAX_PIXELS = 8192 * 4320
# Every decoding thread keeps pictures of its own; above 4K they are given up for bounded memory.
_THREADED_PIXELS = 4096 * 2304
# Packets tried before a stream is given up as undecodable: some ten seconds of video.
_PATIENCE = 300
# Before the last second in front of the wanted time, pictures that no other refers to need no
# decoding. Reordering never reaches that far (H.264 allows 16 pictures).
_EXACT_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame of a video.

    Attributes:
        index: Place among the frames of this iteration, from 0.
        time_s: When it is first shown, in seconds from the start of the file.
        pixels: (H, W, 3) uint8 RGB, upright.
    """

    index: int
    time_s: float
    pixels: Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Packet:
    """A compressed frame, in the order of the file.

    Attributes:
        time_s: When its frame is shown, in seconds from the start of the file.
        size: Bytes.
        is_key: Whether decoding can begin here.
        data: The packet of PyAV.
    """

    time_s: float
    size: int
    is_key: bool
    data: Any


class Picture:
    """A decoded frame that has not been converted: looking at it costs only what is asked for."""

    __slots__ = ("_frame", "is_key", "time_s")

    def __init__(self, frame: Any, time_s: float) -> None:
        self._frame = frame
        self.time_s = time_s
        self.is_key = bool(frame.key_frame)

    @property
    def turns(self) -> int:
        """Quarter turns anticlockwise that make it upright."""
        return round((self._frame.rotation or 0) / 90) % 4

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, upright."""
        width, height = self._frame.width, self._frame.height
        return (height, width) if self.turns % 2 else (width, height)

    def pixels(self, max_side: int | None = None) -> Pixels:
        """Convert to colours.

        Args:
            max_side: Largest side in pixels; larger pictures are reduced.

        Returns:
            (H, W, 3) uint8 RGB, upright.
        """
        frame = self._frame
        width, height = _reduced(frame.width, frame.height, max_side)
        pixels: Pixels = frame.to_ndarray(
            format="rgb24", width=width, height=height, interpolation="AREA"
        )
        return np.ascontiguousarray(np.rot90(pixels, self.turns)) if self.turns else pixels

    def luma(self, max_side: int | None = None) -> Pixels:
        """Return the brightness, as coded (not turned upright), cheaply.

        Args:
            max_side: Largest side in pixels; larger pictures are reduced.

        Returns:
            (H, W) uint8, black to white as coded (video range or full range).
        """
        frame = self._frame
        width, height = _reduced(frame.width, frame.height, max_side)
        name = frame.format.name
        if name.startswith(("yuv", "nv", "gray")) and frame.format.components[0].bits == 8:
            # A view on the decoder's own memory: 0.2 ms for 720p, a tenth of a conversion.
            plane = frame.planes[0]
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            luma = rows[: frame.height, : frame.width]
            if (width, height) == (frame.width, frame.height):
                return luma.copy()
            smaller = cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA)
            return np.asarray(smaller, np.uint8)
        return np.asarray(
            frame.to_ndarray(format="gray", width=width, height=height, interpolation="AREA"),
            np.uint8,
        )


def _reduced(width: int, height: int, max_side: int | None) -> tuple[int, int]:
    """Return the size with the largest side at most ``max_side``."""
    longest = max(width, height)
    if max_side is None or longest <= max_side:
        return width, height
    return max(1, round(width * max_side / longest)), max(1, round(height * max_side / longest))


class Video:
    """A video file, open for reading; a context manager. Not to be shared between threads.

    Example:
        >>> with Video.open(Path("lecture.mp4")) as video:  # doctest: +SKIP
        ...     frame = video.frame_at(61.5)
    """

    def __init__(self, path: Path, container: Any, stream: Any) -> None:
        """Use `Video.open`."""
        self._path = path
        self._opened = ExitStack()
        self._container = container
        self._stream = stream
        self._zero_s = zero_s(container)
        self._lost = False  # whether a packet since the last key frame was broken
        self._aside: Any = None  # a second decoder, for key frames by themselves
        first = _first_picture(path, container, stream)
        width, height = first.size
        self._first_s = first.time_s
        self._duration_s = duration_s(container) or 0.0
        audio = next(iter(container.streams.audio), None)
        metadata = tags(container)
        latitude, longitude = place(metadata) or (None, None)
        self.facts = MediaFacts(
            kind="video",
            width=width,
            height=height,
            duration_s=self._duration_s or None,
            captured_at=captured_at(metadata),
            latitude=latitude,
            longitude=longitude,
            container=container.format.name,
            video_codec=stream.codec_context.name,
            audio_codec=audio.codec_context.name if audio and audio.codec_context else "",
        )
        self.broken_packets = 0
        """Packets that were skipped so far because they are corrupt."""

    @classmethod
    def open(cls, path: PathLike) -> Video:
        """Open a video and decode its first frame.

        Streams that are a picture attached to a recording (cover art) are not video. Of several
        video streams the default one is taken, then the largest.

        Raises:
            MediaError: The file is missing, unreadable, no recording, cut off before its index, has
                no video stream, no frame that can be decoded, or absurd dimensions.
        """
        name = as_path(path)
        with ExitStack() as stack:
            container = stack.enter_context(open_container(name))
            stream = _choose_stream(name, container)
            _check_size(name, stream.codec_context.width, stream.codec_context.height)
            _set_threads(stream)
            for other in container.streams:
                if other.index != stream.index:
                    other.discard = av.stream.Discard.all
            video = cls(name, container, stream)
            video._opened = stack.pop_all()
        return video

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def duration_s(self) -> float:
        """Length in seconds as the file states it; 0 where it states none."""
        return self._duration_s

    @property
    def rate_hz(self) -> float:
        """Frames a second, on average, as the file states it; 25 where it states none."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate else 25.0

    def frames(
        self,
        start_s: float = 0.0,
        end_s: float | None = None,
        *,
        max_side: int | None = None,
    ) -> Iterator[Frame]:
        """Iterate over the frames shown within a span, the one shown at its start included.

        Args:
            start_s: Start of the span in seconds.
            end_s: Its end (exclusive), None: the end of the video.
            max_side: Largest side in pixels; larger frames are reduced.
        """
        index = 0
        before: Picture | None = None
        for picture in self.pictures(start_s):
            if end_s is not None and picture.time_s >= end_s:
                break
            if picture.time_s <= start_s:
                before = picture
                continue
            if before is not None:
                yield Frame(index, before.time_s, before.pixels(max_side))
                index, before = index + 1, None
            yield Frame(index, picture.time_s, picture.pixels(max_side))
            index += 1
        if before is not None and (end_s is None or start_s < end_s):
            yield Frame(index, before.time_s, before.pixels(max_side))

    def frame_at(self, time_s: float, *, max_side: int | None = None) -> Frame:
        """Return the frame that is shown at a time: exactly that one, whatever the frame rate.

        Args:
            time_s: Seconds; before the first frame it is the first, after the last the last.
            max_side: Largest side in pixels; larger frames are reduced.

        Raises:
            MediaError: No frame can be decoded there any more.
        """
        picture, ended = self._shown_at(time_s, exact_from_s=time_s - _EXACT_S)
        if ended:
            # At the end of the file the last frame may be one that was left out.
            picture, _ = self._shown_at(time_s, exact_from_s=None)
        if picture is None:
            raise MediaError(
                f"{shown(self._path)}: no frame can be decoded at {time_s:.2f} s; "
                "the file seems to be damaged there"
            )
        return Frame(0, picture.time_s, picture.pixels(max_side))

    def _shown_at(self, time_s: float, exact_from_s: float | None) -> tuple[Picture | None, bool]:
        """Return the frame shown at a time, and whether the file ended there."""
        last: Picture | None = None
        for picture in self.pictures(time_s, exact_from_s=exact_from_s):
            if picture.time_s > time_s:
                return last or picture, False
            last = picture
        return last, True

    def pictures(
        self, start_s: float = 0.0, *, exact_from_s: float | None = None
    ) -> Iterator[Picture]:
        """Decode in order of time, from the last key frame at or before a time.

        Args:
            start_s: Where to begin, in seconds; what lies between the key frame and it comes too.
            exact_from_s: Before this time, pictures that no other refers to may be left out.
        """
        context = self._stream.codec_context
        start = self.read_packets(start_s)
        try:
            if exact_from_s is not None:
                context.skip_frame = "NONREF"
            yielded = False
            for packet in start:
                if exact_from_s is not None and packet.time_s >= exact_from_s:
                    context.skip_frame, exact_from_s = "DEFAULT", None
                for picture in self.decode(packet):
                    yielded = True
                    yield picture
            context.skip_frame = "DEFAULT"
            for picture in self.decode(None):
                yielded = True
                yield picture
            if not yielded and start_s > self._first_s:
                # Nothing can be decoded after this time: what is shown is the last frame before.
                yield from self._last_pictures(start_s)
        finally:
            context.skip_frame = "DEFAULT"

    def _last_pictures(self, start_s: float) -> Iterator[Picture]:
        step_s = 10.0
        while start_s > self._first_s:
            start_s = max(self._first_s, start_s - step_s)
            step_s *= 2
            found = False
            for packet in self.read_packets(start_s):
                for picture in self.decode(packet):
                    found = True
                    yield picture
            for picture in self.decode(None):
                found = True
                yield picture
            if found:
                return

    def read_packets(self, start_s: float = 0.0) -> Iterator[Packet]:
        """Read the compressed frames without decoding them, from a key frame on.

        Reading costs next to nothing beside decoding; sizes and key marks tell where something
        changes. Packets without a time (broken ones) are left out; a file that is cut off ends
        early.

        Args:
            start_s: It begins with a key frame that is shown at or before this time, the last one
                where the container's index tells, or with the first.
        """
        back_s = 0.0
        while True:
            wanted_s = start_s - back_s
            packets = self._packets_from(wanted_s)
            first = next((packet for packet in packets if packet.is_key), None)
            # Some containers land behind the wanted time, or amid a group of pictures.
            late = first is None or first.time_s > start_s
            if not late or wanted_s <= self._first_s:
                break
            back_s = max(1.0, back_s * 4)
        if first is not None:
            yield first
            yield from packets

    def _packets_from(self, start_s: float) -> Iterator[Packet]:
        """Read packets from about a time."""
        self._seek(start_s)
        rest = self._demux()
        while True:
            try:
                packet = next(rest)
            except StopIteration:
                return
            except STREAM_ERRORS:
                self.broken_packets += 1
                return
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None or not packet.size:
                continue
            yield Packet(
                float(stamp * packet.time_base) - self._zero_s,
                packet.size,
                bool(packet.is_keyframe),
                packet,
            )

    def _demux(self) -> Iterator[Any]:
        demuxed: Iterator[Any] = self._container.demux(self._stream)
        return demuxed

    def decode(self, packet: Packet | None) -> list[Picture]:
        """Decode one packet; the pictures that become ready come back, in order of time.

        A corrupt packet is skipped, with what refers to it, and counted in `broken_packets`.

        Args:
            packet: From `read_packets`, in order from a key frame; None: flush the last pictures,
                after which decoding may begin anew at any key frame.
        """
        context = self._stream.codec_context
        if packet is not None:
            self._lost = self._lost and not packet.is_key
            if self._lost:
                return []
        try:
            frames = context.decode(packet.data if packet is not None else None)
        except EOFError:
            return []
        except STREAM_ERRORS:
            # What refers to a broken frame would be nonsense, out of order at times. So what came
            # before is fetched, and decoding goes on at the next key frame.
            self.broken_packets += 1
            frames = self._drain()
            context.flush_buffers()
            self._lost = True
        if packet is None:
            context.flush_buffers()
            self._lost = False
        # Flushed frames carry no time base of their own; that of the stream holds for all.
        time_base = self._stream.time_base
        pictures = []
        for frame in frames:
            stamp = frame.pts if frame.pts is not None else frame.dts
            if stamp is None:
                continue
            pictures.append(Picture(frame, float(stamp * time_base) - self._zero_s))
        return pictures

    def _drain(self) -> list[Any]:
        try:
            return list(self._stream.codec_context.decode(None))
        except STREAM_ERRORS:
            return []

    def decode_alone(self, packet: Packet) -> Picture | None:
        """Decode a key frame by itself, without disturbing what `decode` is in the middle of.

        Returns:
            None where it is corrupt.
        """
        if self._aside is None:
            context = self._stream.codec_context
            aside = av.CodecContext.create(context.codec.name, "r")
            aside.extradata = context.extradata
            aside.thread_count = 1
            self._aside = aside
        try:
            frames = [*self._aside.decode(packet.data), *self._aside.decode(None)]
        except STREAM_ERRORS:
            self.broken_packets += 1
            frames = []
        self._aside.flush_buffers()
        return Picture(frames[0], packet.time_s) if frames else None

    def skip(self, level: Literal["DEFAULT", "NONREF", "NONKEY"]) -> None:
        """Choose what `decode` leaves out: nothing, what no other frame refers to, all but keys."""
        self._stream.codec_context.skip_frame = level

    def _seek(self, start_s: float) -> None:
        stream = self._stream
        if start_s <= self._first_s:
            # Before everything: where decoding order differs from that of time, going to the time
            # of the first frame may land behind its packet.
            start_s -= 10.0
        ticks = int((start_s + self._zero_s) / float(stream.time_base))
        try:
            self._container.seek(ticks, stream=stream, backward=True)
        except STREAM_ERRORS:
            try:
                self._container.seek(0, backward=True)
            except STREAM_ERRORS as error:
                raise MediaError(
                    f"{shown(self._path)}: cannot go to {start_s:.2f} s ({error}); "
                    "the file seems to be damaged"
                ) from error
        stream.codec_context.flush_buffers()
        self._lost = False


def _choose_stream(path: Path, container: Any) -> Any:
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if not stream.disposition & still]
    # A stream without a decoder has no codec context in PyAV.
    known = [s for s in streams if s.codec_context is not None]
    if not known:
        if streams:
            what = "a video codec that is not known here"
        elif len(container.streams.video):
            what = "no video stream, only an attached picture (cover art)"
        else:
            what = "no video stream"
        raise MediaError(f"{shown(path)} has {what}; a recording of sound is added as audio")

    def rank(stream: Any) -> tuple[bool, int]:
        context = stream.codec_context
        return bool(stream.disposition & Disposition.default), context.width * context.height

    return max(known, key=rank)


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise MediaError(
            f"{shown(path)} states frames of {width} × {height} pixels; at most "
            f"{MAX_PIXELS // 1_000_000} megapixels (8K) are read: reduce it, or check whether the "
            "file is damaged"
        )


def _set_threads(stream: Any) -> None:
    context = stream.codec_context
    many = context.width * context.height <= _THREADED_PIXELS
    context.thread_count = threads() if many else 1
    context.thread_type = "AUTO" if many else "SLICE"


def _first_picture(path: Path, container: Any, stream: Any) -> Picture:
    start_s = zero_s(container)
    tried = 0
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except EOFError:
                break
            except STREAM_ERRORS:
                frames = []
            for frame in frames:
                stamp = frame.pts if frame.pts is not None else frame.dts
                if stamp is not None:
                    return Picture(frame, float(stamp * frame.time_base) - start_s)
            tried += 1
            if tried >= _PATIENCE:
                break
    except STREAM_ERRORS:
        pass
    raise MediaError(
        f"{shown(path)}: no frame of its video can be decoded; the file is damaged or cut off"
    )
