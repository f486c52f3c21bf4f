"""Decoded pictures and sound → streams that every browser plays."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from onlooker.errors import MediaError
from onlooker.media.container import STREAM_ERRORS
from onlooker.media.transcode.playability import VIDEO_ENCODERS, encoder_name

MAX_WIDTH = 4096
"""Widest picture that common H.264 decoders take (level 5.1)."""

KEYFRAME_S = 2.0
"""Longest way between two key frames of what is transcoded: seeking decodes at most this much."""

SOUND_RATE_HZ = 48_000
SOUND_BIT_RATE = 128_000

MAX_SILENCE_S = 60.0
"""Gaps in the sound are filled with silence up to this length at a time; a longer step is a broken
time stamp."""

_GAP_S = 0.1

_CLOCK = Fraction(1, 90_000)
"""Time base of what is encoded: fine enough for any frame rate, varying ones included."""


class PictureEncoder:
    """Decoded frames → upright, reduced, H.264."""

    def __init__(
        self,
        muxer: Any,
        source: Any,
        start_s: float,
        end_s: float,
        zero: float,
        max_height: int,
        turns: int,
    ) -> None:
        name = encoder_name()
        if name is None:
            raise MediaError(f"this FFmpeg has no encoder for H.264 ({', '.join(VIDEO_ENCODERS)})")
        self._muxer = muxer
        self._start_s, self._end_s, self._zero = start_s, end_s, zero
        self._max_height = max_height
        self._name = name
        self._stream: Any = None
        self._graph: Any = None
        self._form: tuple[Any, ...] = ()
        self._waiting: tuple[float, Any] | None = None
        self._last_pts = self._encoded_pts = -1
        self._rate_hz = float(_rate(source))
        self.done = False
        self.length_s = 0.0
        # The muxer writes its header with the first packet: all streams must be there by then.
        self._stream = muxer.add_stream(name, rate=_rate(source))
        context = self._stream.codec_context
        context.time_base = _CLOCK
        context.pix_fmt = "yuv420p"
        context.gop_size = max(1, round(KEYFRAME_S * float(_rate(source))))
        context.options = (
            # Fast enough for two cores at 720p; 23 is x264's own measure of good quality.
            {"preset": "veryfast", "crf": "23", "profile": "high"} if name == "libx264" else {}
        )
        context.width, context.height = self._size(source.codec_context, turns)

    def _size(self, picture: Any, turns: int) -> tuple[int, int]:
        """Return the size as shown: square pixels, upright, even, bounded."""
        aspect = picture.sample_aspect_ratio or Fraction(1, 1)
        if not Fraction(1, 10) <= aspect <= 10:
            aspect = Fraction(1, 1)
        width, height = float(picture.width * aspect), float(picture.height)
        if turns % 2:
            width, height = height, width
        scale = min(1.0, self._max_height / height, MAX_WIDTH / width)
        return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)

    def feed(self, frame: Any) -> None:
        """Take a decoded frame; frames come in the order in which they are shown."""
        if frame.pts is None or self.done:
            return
        time_s = float(frame.pts * frame.time_base) - self._zero
        if time_s >= self._end_s:
            self.done = True
            return
        if time_s <= self._start_s:
            self._waiting = (self._start_s, frame)  # it may be the one that is shown at the start
            return
        self._flush_waiting()
        self._encode(time_s, frame)

    def _flush_waiting(self) -> None:
        if self._waiting is not None:
            time_s, frame = self._waiting
            self._waiting = None
            self._encode(time_s, frame)

    def _encode(self, time_s: float, frame: Any) -> None:
        pts = max(self._last_pts + 1, round((time_s - self._start_s) * 90_000))
        self._last_pts = pts
        self.length_s = pts / 90_000 + 1 / self._rate_hz
        turns = quarter_turns(frame)
        form = (frame.width, frame.height, frame.format.name, turns, frame.interlaced_frame)
        if form != self._form:
            self._drain()
            self._form = form
        frame.pts, frame.time_base = pts, _CLOCK
        if self._graph is None:
            self._graph = self._build(frame, turns)
        self._graph.push(frame)
        self._pull()

    def _pull(self) -> None:
        """Encode what comes out of the filters; deinterlacing holds one frame back."""
        while True:
            try:
                ready = self._graph.pull()
            except (BlockingIOError, EOFError):  # wants another frame; has no more
                return
            pts = max(self._encoded_pts + 1, round(ready.pts * ready.time_base / _CLOCK))
            ready.pts, ready.time_base = pts, _CLOCK
            ready.pict_type = 0  # the source's key frames need not be ours
            self._encoded_pts = pts
            self._muxer.mux(self._stream.encode(ready))

    def _drain(self) -> None:
        if self._graph is not None:
            self._graph.push(None)
            self._pull()
            self._graph = None

    def _build(self, frame: Any, turns: int) -> Any:
        context = self._stream.codec_context
        graph = av.filter.Graph()
        last = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        steps: list[tuple[str, str]] = []
        if frame.interlaced_frame:
            steps.append(("bwdif", "mode=send_frame:deint=interlaced"))
        steps += {1: [("transpose", "cclock")], 2: [("hflip", ""), ("vflip", "")],
                  3: [("transpose", "clock")]}.get(turns, [])  # fmt: skip
        steps.append(("scale", f"{context.width}:{context.height}:flags=bicubic:out_range=tv"))
        steps.append(("setsar", "1"))
        steps.append(("format", "yuv420p"))
        for name, arguments in steps:
            step = graph.add(name, arguments) if arguments else graph.add(name)
            last.link_to(step)
            last = step
        last.link_to(graph.add("buffersink"))
        graph.configure()
        return graph

    def finish(self) -> None:
        """Encode what is still waiting, and close the stream."""
        self._flush_waiting()
        self._drain()
        if self._last_pts >= 0:
            self._muxer.mux(self._stream.encode(None))


def quarter_turns(frame: Any) -> int:
    """Return how many quarter turns anticlockwise make a frame upright."""
    return round((frame.rotation or 0) / 90) % 4


def _rate(source: Any) -> Fraction:
    rate = source.average_rate or source.guessed_rate or Fraction(25)
    return Fraction(rate).limit_denominator(1001) if 1 <= rate <= 120 else Fraction(25)


class SoundEncoder:
    """Decoded frames of sound → 48 kHz stereo without gaps → AAC (Opus in WebM)."""

    def __init__(
        self, muxer: Any, form: str, start_s: float, zero: float, end_s: float = float("inf")
    ) -> None:
        self._muxer = muxer
        self._start_s, self._end_s, self._zero = start_s, end_s, zero
        self._stream = muxer.add_stream(
            "aac" if form == "mp4" else "libopus", rate=SOUND_RATE_HZ, layout="stereo"
        )
        self._stream.codec_context.bit_rate = SOUND_BIT_RATE
        self._resampler: Any = None
        self._written = 0
        self._clock = 0.0
        self.done = False

    @property
    def length_s(self) -> float:
        """Seconds written so far."""
        return self._written / SOUND_RATE_HZ

    def feed_packet(self, packet: Any) -> None:
        """Decode a packet and take its frames; a damaged one is passed over."""
        try:
            frames = packet.decode()
        except STREAM_ERRORS:
            return
        for frame in frames:
            self.feed(frame)

    def feed(self, frame: Any) -> None:
        """Take a decoded frame."""
        if self.done or not frame.samples or not frame.sample_rate:
            return
        time_s = self._clock
        if frame.pts is not None:
            time_s = float(frame.pts * frame.time_base) - self._zero
        self._clock = time_s + frame.samples / frame.sample_rate
        frame.pts = None
        try:
            if self._resampler is None:
                self._resampler = av.AudioResampler("fltp", "stereo", SOUND_RATE_HZ)
            pieces = self._resampler.resample(frame)
        except STREAM_ERRORS:  # the sound changed its form: begin anew with the next frame
            self._resampler = None
            return
        for piece in pieces:
            self._place(time_s, piece.to_ndarray())
            time_s += piece.samples / SOUND_RATE_HZ

    def _place(self, time_s: float, samples: NDArray[np.float32]) -> None:
        """Write samples where they belong, silence before them, nothing from before the start."""
        late = round((time_s - self._start_s) * SOUND_RATE_HZ) - self._written
        if late < 0 and (self._written == 0 or -late > _GAP_S * SOUND_RATE_HZ):
            samples = samples[:, -late:]
        elif 0 < late <= MAX_SILENCE_S * SOUND_RATE_HZ and (
            self._written == 0 or late > _GAP_S * SOUND_RATE_HZ
        ):
            samples = np.concatenate([np.zeros((2, late), np.float32), samples], axis=1)
        if self._end_s != float("inf"):
            left = round((self._end_s - self._start_s) * SOUND_RATE_HZ) - self._written
            if samples.shape[1] >= left:
                samples = samples[:, : max(0, left)]
                self.done = True
        if samples.shape[1] == 0:
            return
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", "stereo")
        frame.sample_rate = SOUND_RATE_HZ
        frame.time_base = Fraction(1, SOUND_RATE_HZ)
        frame.pts = self._written
        self._written += samples.shape[1]
        self._muxer.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Close the stream."""
        if self._written:
            self._muxer.mux(self._stream.encode(None))
