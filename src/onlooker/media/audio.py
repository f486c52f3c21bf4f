"""Sound: recordings → mono samples with their times, in chunks of bounded size.

Example:
    >>> for start_s, samples in Audio.open("talk.mp3").chunks():  # doctest: +SKIP
    ...     print(start_s, samples.shape)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from onlooker.errors import MediaError
from onlooker.media.container import (
    STREAM_ERRORS,
    audio_stream,
    captured_at,
    duration_s,
    failure,
    open_container,
    tags,
    zero_s,
)
from onlooker.media.files import PathLike, as_path, shown
from onlooker.records import MediaFacts

Samples = NDArray[np.float32]

GAP_S = 0.2
"""Time stamps of sound jitter by milliseconds; a step of more than this is a gap in the recording.
It becomes silence where it is short, else a new chunk begins behind it."""

MAX_SILENCE_S = 5.0


@dataclass(frozen=True)
class Audio:
    """The sound of a recording, be it audio or video.

    Nothing is kept open between calls, so that it can be shared and kept.

    Attributes:
        path: The file.
        facts: What the file says; ``kind`` is ``audio`` for a video's sound too.
        channels: Number of channels.
        rate_hz: Samples a second in the file.
    """

    path: Path
    facts: MediaFacts
    channels: int
    rate_hz: int

    @classmethod
    def open(cls, path: PathLike) -> Audio:
        """Look into a recording.

        Raises:
            MediaError: It is missing, unreadable, empty, damaged, no recording, or has no sound
                that can be decoded.
        """
        with open_container(path) as container:
            stream = _stream(container, path)
            metadata = tags(container)
            return cls(
                path=as_path(path),
                facts=MediaFacts(
                    kind="audio",
                    duration_s=duration_s(container),
                    captured_at=captured_at(metadata),
                    container=container.format.name,
                    audio_codec=stream.codec_context.name,
                ),
                channels=int(stream.codec_context.layout.nb_channels),
                rate_hz=int(stream.codec_context.sample_rate),
            )

    def __enter__(self) -> Audio:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: there is nothing open. The three kinds of media open alike."""

    def chunks(
        self, rate_hz: int = 16_000, chunk_s: float = 30.0, start_s: float = 0.0
    ) -> Iterator[tuple[float, Samples]]:
        """Decode, mix down to one channel and resample.

        Damaged packets are passed over; a file that is cut short ends early.

        Args:
            rate_hz: Samples a second of the result.
            chunk_s: Length of a chunk; the last one, and one before a long gap, may be shorter.
            start_s: Where to begin.

        Yields:
            Start in seconds from the start of the recording, and the samples: ``(N,)`` float32,
            nominally in [-1, 1].

        Raises:
            MediaError: The file cannot be opened any more, or nothing in it can be decoded.
            ValueError: A number is out of range.
        """
        if rate_hz < 1 or chunk_s <= 0 or start_s < 0:
            raise ValueError(f"out of range: {rate_hz=} {chunk_s=} {start_s=}")
        whole = max(1, round(chunk_s * rate_hz))
        buffer = np.empty(whole, np.float32)
        filled = 0
        begin = start_s
        any_sound = False
        with open_container(self.path) as container:
            for time_s, piece in _pieces(container, self.path, rate_hz, start_s):
                any_sound = True
                now = begin + filled / rate_hz
                late = round((time_s - now) * rate_hz)
                if filled == 0 and late > 0:
                    begin, late = time_s, 0
                if 0 < late <= MAX_SILENCE_S * rate_hz:
                    piece = np.concatenate([np.zeros(late, np.float32), piece])
                elif late > 0:
                    yield begin, buffer[:filled].copy()
                    begin, filled = time_s, 0
                while piece.size:
                    taken = min(piece.size, whole - filled)
                    buffer[filled : filled + taken] = piece[:taken]
                    filled += taken
                    piece = piece[taken:]
                    if filled == whole:
                        yield begin, buffer.copy()
                        begin, filled = begin + whole / rate_hz, 0
        if filled:
            yield begin, buffer[:filled].copy()
        if not any_sound and start_s == 0:
            raise MediaError(
                f"cannot read {shown(self.path)}: nothing in its sound"
                f" ({self.facts.audio_codec}) can be decoded"
            )


def _stream(container: Any, path: PathLike) -> Any:
    stream = audio_stream(container)
    if stream is None:
        raise MediaError(f"{shown(path)} has no sound that can be decoded")
    context = stream.codec_context
    if not context.sample_rate or context.layout.nb_channels < 1:
        raise MediaError(f"cannot read {shown(path)}: its sound has no sample rate or no channels")
    return stream


def _pieces(
    container: Any, path: PathLike, rate_hz: int, start_s: float
) -> Iterator[tuple[float, Samples]]:
    """Yield resampled pieces with the time they belong to, none before ``start_s``."""
    stream = _stream(container, path)
    stream.thread_type = "NONE"  # sound decodes some 500 times faster than it plays on one thread
    for other in container.streams:
        if other.index != stream.index:
            other.discard = av.stream.Discard.all
    zero = zero_s(container)
    if start_s > 0:
        try:
            # A little early: decoders of sound need some packets before they are exact.
            early = max(0.0, start_s - 0.5) + zero
            container.seek(int(early / stream.time_base), stream=stream)
        except STREAM_ERRORS:
            pass  # cannot seek: decode from the start and drop
    resampler = None
    gain = 1.0
    clock: float | None = None  # time of the next sample that comes out
    expected: float | None = None  # time of the next frame that goes in
    for frame in frames_of(container, stream, path):
        if not frame.samples or not frame.sample_rate:
            continue
        # FFmpeg adds two channels at 1/sqrt(2) each, which can exceed full scale: make it the mean.
        gain = 0.5**0.5 if frame.layout.nb_channels == 2 else 1.0
        length = frame.samples / frame.sample_rate
        time_s = float(frame.pts * frame.time_base) - zero if frame.pts is not None else expected
        if time_s is None:
            time_s = 0.0
        if expected is None or time_s - expected > GAP_S:
            if resampler is not None and clock is not None:
                yield from _trimmed(_samples(_run(resampler, None), gain), clock, start_s, rate_hz)
            resampler, clock, expected = None, time_s, time_s
        frame.pts = None  # the resampler would fill what it takes for gaps
        try:
            if resampler is None:
                resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
            out = _run(resampler, frame)
        except STREAM_ERRORS:  # the sound changed its form: begin anew
            try:
                resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
                out = _run(resampler, frame)
            except STREAM_ERRORS:
                resampler = None
                out = []
        expected += length
        samples = _samples(out, gain)
        assert clock is not None
        yield from _trimmed(samples, clock, start_s, rate_hz)
        clock += samples.size / rate_hz
    if resampler is not None and clock is not None:
        yield from _trimmed(_samples(_run(resampler, None), gain), clock, start_s, rate_hz)


def _run(resampler: Any, frame: Any) -> list[Any]:
    return list(resampler.resample(frame))


def _samples(frames: list[Any], gain: float) -> Samples:
    parts = [frame.to_ndarray().reshape(-1) for frame in frames]
    if not parts:
        return np.empty(0, np.float32)
    joined = np.concatenate(parts).astype(np.float32, copy=False)
    joined = np.nan_to_num(joined * np.float32(gain), nan=0.0, posinf=0.0, neginf=0.0)
    clipped: Samples = np.clip(joined, -1.0, 1.0)
    return clipped


def _trimmed(
    samples: Samples, time_s: float, start_s: float, rate_hz: int
) -> Iterator[tuple[float, Samples]]:
    """Cut off what lies before the start; yield nothing where nothing is left."""
    early = round((start_s - time_s) * rate_hz)
    if early > 0:
        samples, time_s = samples[early:], start_s
    if samples.size:
        yield time_s, samples


def frames_of(container: Any, stream: Any, path: PathLike) -> Iterator[Any]:
    """Decode the frames of one stream; damaged packets are passed over, a cut-off end ends it.

    Raises:
        MediaError: The file cannot be read (a drive that fails), as opposed to being damaged.
    """
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.InvalidDataError, av.error.EOFError):
            return
        except STREAM_ERRORS as error:
            raise failure(path, error) from error
        try:
            frames = packet.decode()
        except STREAM_ERRORS:
            continue
        yield from frames
