"""Making recordings play in a browser: as they are, remuxed, or transcoded.

What Chromium, Firefox and Safari all play is served as it is. A recording whose streams they play
but whose container they do not is remuxed to fragmented MP4 (or WebM, for VP8), which costs next
to nothing. The rest is transcoded to H.264 and AAC.

Times are seconds from the start of the recording, as in `video` and `audio`.

Example:
    >>> playable("lecture.mkv").method  # doctest: +SKIP
    'remux'
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Protocol

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from numpy.typing import NDArray

from onlooker.errors import MediaError
from onlooker.media.audio import frames_of
from onlooker.media.container import (
    STREAM_ERRORS,
    audio_stream,
    failure,
    open_container,
    video_stream,
    zero_s,
)
from onlooker.media.files import PathLike, as_path, open_file, reason, shown

Method = Literal["direct", "remux", "transcode", "frames"]

VIDEO_ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox")
"""H.264 encoders, best first: the wheels of PyAV carry x264; other builds may have another."""

MAX_WIDTH = 4096
"""Widest picture that common H.264 decoders take (level 5.1)."""

KEYFRAME_S = 2.0
"""Longest way between two key frames of what is transcoded: seeking decodes at most this much."""

FRAGMENT_US = 1_000_000
"""Length of a fragment: the first picture is there after about a second of material."""

SOUND_RATE_HZ = 48_000
SOUND_BIT_RATE = 128_000

MAX_SILENCE_S = 60.0
"""Gaps in the sound are filled with silence up to this length at a time; a longer step is a broken
time stamp."""

_GAP_S = 0.1
_CLOCK = Fraction(1, 90_000)
"""Time base of what is encoded: fine enough for any frame rate, varying ones included."""

_PLAIN_PIXELS = frozenset({"yuv420p", "yuvj420p"})
_MP4_SOUND = frozenset({"aac", "mp3", "opus", "flac"})
_WEBM_SOUND = frozenset({"opus", "vorbis"})

_SOUND_TYPES = {
    ("mp3", "mp3"): "audio/mpeg",
    ("mp4", "aac"): "audio/mp4",
    ("mp4", "mp3"): "audio/mp4",
    ("mp4", "flac"): "audio/mp4",
    ("mp4", "opus"): "audio/mp4",
    ("ogg", "vorbis"): "audio/ogg",
    ("ogg", "opus"): "audio/ogg",
    ("webm", "opus"): "audio/webm",
    ("webm", "vorbis"): "audio/webm",
    ("flac", "flac"): "audio/flac",
    ("wav", "pcm_s16le"): "audio/wav",
    ("wav", "pcm_u8"): "audio/wav",
    ("aac", "aac"): "audio/aac",
}
"""(container, codec) of sound that plays as it is → its content type."""

_UNTIMED = frozenset({"avi", "asf", "rm", "mpeg"})
"""Containers whose packets lack the times that remuxing needs."""


class Writable(Protocol):
    """Something that bytes are written to, such as a file or a reply."""

    def write(self, data: bytes, /) -> int | None:
        """Take some bytes; raise to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playability:
    """How a recording comes to play in a browser.

    Attributes:
        direct: Whether the file can be served as it is.
        method: ``direct``, ``remux``, ``transcode``, or ``frames``: nothing but single pictures.
        reason: Why, in words for people.
        content_type: Content type of what is to be served by that method.
    """

    direct: bool
    method: Method
    reason: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        start_s: Time in the recording at which the result begins (its second 0).
        duration_s: Length of the result.
        content_type: Its content type.
    """

    start_s: float
    duration_s: float
    content_type: str


def _encoder() -> str | None:
    for name in VIDEO_ENCODERS:
        try:
            av.Codec(name, "w")
        except (ValueError, LookupError):  # UnknownCodecError is a ValueError
            continue
        return name
    return None


def _container_name(container: Any, path: PathLike) -> str:
    """Name the container as browsers tell them apart."""
    name = container.format.name
    if "mp4" in name.split(","):
        return "mov" if container.metadata.get("major_brand", "").startswith("qt") else "mp4"
    if name.startswith("matroska"):
        with open_file(path) as file:
            # The document type stands within the EBML header, which comes first.
            return "webm" if b"\x42\x82\x84webm" in file.read(128) else "matroska"
    return str(name)


def _codec(stream: Any) -> str:
    return "" if stream is None or stream.codec_context is None else stream.codec_context.name


def _decoder_name(stream: Any) -> str:
    """Name the codec whatever decodes it (``libdav1d`` decodes ``av1``)."""
    if stream is None or stream.codec_context is None:
        return ""
    return str(getattr(stream.codec_context.codec, "canonical_name", None) or _codec(stream))


def _video_reason(stream: Any) -> str:
    """Say why browsers do not play a video stream; empty where they do."""
    name = _decoder_name(stream)
    if name not in ("h264", "vp8", "vp9", "av1"):
        return f"browsers do not play {name or 'its'} video"
    pixels = stream.codec_context.pix_fmt
    if pixels is not None and pixels not in _PLAIN_PIXELS:
        return f"browsers do not all play {name} video of the form {pixels}"
    return ""


def playable(path: PathLike) -> Playability:
    """Decide how a recording comes to play in Chromium, Firefox and Safari.

    Raises:
        MediaError: It is missing, unreadable, empty, damaged, or no recording.
    """
    with open_container(path) as container:
        form = _container_name(container, path)
        picture, sound = video_stream(container), audio_stream(container)
        if picture is None:
            if sound is None:
                raise MediaError(
                    f"cannot play {shown(path)}: there is nothing to see or hear in it"
                )
            return _playable_sound(form, _decoder_name(sound))
        name, sound_name = _decoder_name(picture), _decoder_name(sound)
        if picture.codec_context is None:
            return Playability(
                direct=False,
                method="frames",
                reason="its video codec is not known here",
                content_type="",
            )
        why = _video_reason(picture)
    if why:
        return _transcoded(why)
    if form in _UNTIMED:
        return _transcoded(f"browsers do not play {form} files, and their packets lack times")
    in_webm = name in ("vp8", "vp9", "av1")
    if form == "mp4" and name != "vp8" and (not sound_name or sound_name in _MP4_SOUND):
        return _direct("video/mp4")
    if form == "webm" and in_webm and (not sound_name or sound_name in _WEBM_SOUND):
        return _direct("video/webm")
    if form not in ("mp4", "webm"):
        why = f"browsers do not play {form} files"
    else:
        why = f"browsers do not play {sound_name} sound in it"
    return Playability(
        direct=False,
        method="remux",
        reason=why,
        content_type="video/webm" if name == "vp8" else "video/mp4",
    )


def _direct(content_type: str) -> Playability:
    return Playability(
        direct=True, method="direct", reason="browsers play it", content_type=content_type
    )


def _transcoded(why: str) -> Playability:
    if _encoder() is None:
        return Playability(
            direct=False,
            method="frames",
            reason=f"{why}, and this FFmpeg has no encoder for H.264",
            content_type="",
        )
    return Playability(direct=False, method="transcode", reason=why, content_type="video/mp4")


def _playable_sound(form: str, codec: str) -> Playability:
    content_type = _SOUND_TYPES.get((form, codec))
    if content_type is not None:
        return _direct(content_type)
    why = f"browsers do not play {codec} in {form} files"
    method: Method = "remux" if codec in _MP4_SOUND else "transcode"
    return Playability(direct=False, method=method, reason=why, content_type="audio/mp4")


def keyframe_before(path: PathLike, time_s: float) -> float:
    """Return where `remux` begins when it is asked to begin at a time.

    Args:
        path: A recording.
        time_s: Seconds from its start.

    Returns:
        Time of the last key frame at or before it; of the first one where there is none before.
        Asked for that time again, it returns the same.

    Raises:
        MediaError: It cannot be read, or has no key frame.
    """
    with open_container(path) as container:
        stream = video_stream(container) or audio_stream(container)
        if stream is None:
            raise MediaError(f"cannot play {shown(path)}: there is nothing to see or hear in it")
        for packet in _packets_from(container, (stream,), stream, time_s):
            return max(0.0, _shown_s(packet) - zero_s(container))
    raise MediaError(f"cannot play {shown(path)}: there is no key frame at {time_s:.1f} s")


_TIE_S = 0.001
"""Times are compared this loosely, as containers round them to their own ticks."""


def _shown_s(packet: Any) -> float:
    """Return when a packet's frame is shown, in the container's own time."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return float(stamp * packet.time_base)


def _is_timed(packet: Any) -> bool:
    return bool(packet.size) and (packet.pts is not None or packet.dts is not None)


def _packets_from(
    container: Any, streams: tuple[Any, ...], lead: Any, time_s: float
) -> Iterator[Any]:
    """Yield packets from the last key packet of ``lead`` at or before a time on.

    Packets of other streams that come before it in the file are dropped. Seeking is rough in some
    formats: where the first key packet comes too late, the search begins earlier, and from the
    first one it goes on to the last one that is not too late.
    """
    zero = zero_s(container)
    for other in container.streams:
        if other not in streams:
            other.discard = av.stream.Discard.all
    limit = time_s + zero + _TIE_S
    for back_s in (0.0, 2.0, 10.0, 60.0, float("inf")):
        target = max(0.0, time_s - back_s)
        try:
            if time_s > 0 or back_s > 0:
                # Asked for its very first time, a transport stream lands behind it.
                at = target + zero + _TIE_S if target > 0 else zero - 10.0
                container.seek(int(at / lead.time_base), stream=lead)
        except STREAM_ERRORS:
            if back_s != float("inf"):
                continue
        packets = (packet for packet in container.demux(*streams) if _is_timed(packet))
        held: list[Any] = []
        late = False
        for packet in packets:
            leads = packet.stream.index == lead.index
            if leads and packet.is_keyframe and (not held or _shown_s(packet) <= limit):
                late = not held and target > 0 and _shown_s(packet) > limit
                held = [packet]
                if late:
                    break
            elif held:
                held.append(packet)
            # Frames are stored ahead of their time: half a second past it, no key frame is missed.
            if held and leads and _shown_s(packet) > limit + 0.5:
                break
        if late or (not held and target > 0):
            continue
        yield from held
        yield from packets
        return


@contextmanager
def _output(out: PathLike | Writable, form: str) -> Iterator[Any]:
    """Open a muxer onto a file (which appears only when it is whole) or a file-like object."""
    options = (
        {
            # No seeking back: the header comes first, then fragments that stand for themselves.
            "movflags": "frag_keyframe+empty_moov+delay_moov+default_base_moof",
            "frag_duration": str(FRAGMENT_US),
        }
        if form == "mp4"
        else {"live": "1", "cluster_time_limit": "1000"}
    )
    if hasattr(out, "write"):
        sink = _Sink(out)
        with sink.own_errors(), av.open(sink, "w", format=form, options=options) as muxer:
            yield muxer
        return
    final = as_path(out)
    partial = final.with_name(f"{final.name}.{os.getpid()}.part")
    try:
        with (
            partial.open("wb") as file,
            (sink := _Sink(file)).own_errors(),
            av.open(sink, "w", format=form, options=options) as muxer,
        ):
            yield muxer
        partial.replace(final)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError) and not isinstance(error, av.error.FFmpegError):
            raise MediaError(f"cannot write {shown(final)}: {reason(error)}") from error
        raise


class _Sink:
    """A file-like object without seeking, so that the muxer writes strictly forwards."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self._error: BaseException | None = None

    def write(self, data: bytes) -> int:
        """Pass a block on; after an error nothing more, as the muxer still closes its file."""
        block = bytes(data)
        if self._error is None:
            try:
                self._out.write(block)
            except BaseException as error:
                self._error = error
                raise
        return len(block)

    @contextmanager
    def own_errors(self) -> Iterator[None]:
        """Raise the error of the reader instead of what the muxer makes of it."""
        try:
            yield
        finally:
            if self._error is not None:
                raise self._error


def remux(
    path: PathLike, out: PathLike | Writable, start_s: float = 0.0, duration_s: float | None = None
) -> Written:
    """Copy a recording into fragmented MP4 (WebM for VP8) without encoding its pictures anew.

    The result begins at the key frame at or before the start (`keyframe_before` tells which in
    advance). Sound that browsers do not play is encoded to AAC.

    Args:
        path: A recording whose `playable` method is ``remux`` or ``direct``.
        out: A file, which appears when it is whole, or an object with ``write``.
        start_s: Where to begin, in seconds.
        duration_s: How much to copy; None for all.

    Raises:
        MediaError: It cannot be read or written, or its streams do not fit.
        OSError: What ``out.write`` raises, unchanged.
    """
    _check_span(start_s, duration_s)
    with open_container(path) as container:
        picture, sound = video_stream(container), audio_stream(container)
        lead = picture or sound
        if lead is None:
            raise MediaError(f"cannot play {shown(path)}: there is nothing to see or hear in it")
        form = "webm" if _decoder_name(picture) == "vp8" else "mp4"
        copies = _MP4_SOUND if form == "mp4" else _WEBM_SOUND
        streams = tuple(stream for stream in (picture, sound) if stream is not None)
        kind = "video" if picture is not None else "audio"
        zero = zero_s(container)
        with _output(out, form) as muxer, _as_media_errors(path):
            targets: dict[int, Any] = {}
            encoder: _SoundEncoder | None = None
            unwrap: BitStreamFilterContext | None = None
            if picture is not None:
                targets[picture.index] = muxer.add_stream_from_template(picture)
            if sound is not None and _decoder_name(sound) in copies:
                targets[sound.index] = muxer.add_stream_from_template(sound)
                if _decoder_name(sound) == "aac" and container.format.name in ("mpegts", "aac"):
                    # There each packet carries its own header, which MP4 keeps once.
                    unwrap = BitStreamFilterContext("aac_adtstoasc", sound)
            base_s = end_s = 0.0
            begun = False
            ended: set[int] = set()
            for packet in _packets_from(container, streams, lead, start_s):
                now_s = _shown_s(packet)
                if not begun:
                    base_s, begun = now_s, True
                    if sound is not None and sound.index not in targets:
                        encoder = _SoundEncoder(muxer, form, max(0.0, base_s - zero), zero)
                if duration_s is not None and now_s - base_s >= duration_s:
                    ended.add(packet.stream.index)
                    if len(ended) == len(streams) or now_s - base_s > duration_s + 10:
                        break
                    continue
                if encoder is not None and sound is not None and packet.stream.index == sound.index:
                    encoder.feed_packet(packet)
                    continue
                if now_s < base_s:
                    continue  # sound from before, or frames that refer to what is not there
                target = targets[packet.stream.index]
                shift = round(base_s / float(packet.time_base))
                packet.pts = None if packet.pts is None else packet.pts - shift
                packet.dts = None if packet.dts is None else packet.dts - shift
                length = float((packet.duration or 0) * packet.time_base)
                end_s = max(end_s, now_s - base_s + length)
                if unwrap is not None and target is targets.get(sound.index if sound else -1):
                    copies_of = unwrap.filter(packet)
                else:
                    copies_of = [packet]
                for copy in copies_of:
                    copy.stream = target
                    muxer.mux(copy)
            if not begun:
                raise MediaError(f"cannot play {shown(path)}: there is no key frame in it")
            if encoder is not None:
                encoder.finish()
    return Written(max(0.0, base_s - zero), end_s, f"{kind}/{form}")


def transcode(
    path: PathLike,
    out: PathLike | Writable,
    start_s: float = 0.0,
    duration_s: float | None = None,
    max_height: int = 720,
) -> Written:
    """Encode a recording anew as fragmented MP4 with H.264 and AAC, which every browser plays.

    The result begins exactly at the start: with the frame that is shown then.

    Args:
        path: A recording.
        out: A file, which appears when it is whole, or an object with ``write``.
        start_s: Where to begin, in seconds.
        duration_s: How much to encode; None for all.
        max_height: Largest height in pixels; smaller pictures keep theirs.

    Raises:
        MediaError: It cannot be read, decoded or written, or there is no encoder.
        OSError: What ``out.write`` raises, unchanged.
    """
    _check_span(start_s, duration_s)
    if max_height < 2:
        raise ValueError(f"max_height must be at least 2, got {max_height}")
    end_s = float("inf") if duration_s is None else start_s + duration_s
    with open_container(path) as container:
        picture, sound = video_stream(container), audio_stream(container)
        if picture is not None and picture.codec_context is None:
            raise MediaError(f"cannot play {shown(path)}: its video codec is not known here")
        lead = picture or sound
        if lead is None:
            raise MediaError(f"cannot play {shown(path)}: there is nothing to see or hear in it")
        streams = tuple(stream for stream in (picture, sound) if stream is not None)
        zero = zero_s(container)
        with _output(out, "mp4") as muxer, _as_media_errors(path):
            pictures = None
            if picture is not None:
                pictures = _PictureEncoder(
                    muxer, picture, start_s, end_s, zero, max_height, _turns_of_file(path)
                )
            sounds = _SoundEncoder(muxer, "mp4", start_s, zero, end_s) if sound else None
            for packet in _packets_from(container, streams, lead, start_s):
                try:
                    frames = packet.decode()
                except STREAM_ERRORS:
                    continue  # a damaged packet costs itself
                for frame in frames:
                    if pictures is not None and packet.stream is picture:
                        pictures.feed(frame)
                    elif sounds is not None:
                        sounds.feed(frame)
                at_s = _shown_s(packet) - zero
                if at_s > end_s + 10 or (
                    (pictures is None or pictures.done) and (sounds is None or sounds.done)
                ):
                    break
            if pictures is not None:
                for frame in _last_frames(picture):
                    pictures.feed(frame)
                pictures.finish()
            if sounds is not None:
                sounds.finish()
            lengths = [encoder.length_s for encoder in (pictures, sounds) if encoder is not None]
            if max(lengths) <= 0:
                raise MediaError(
                    f"cannot play {shown(path)} from {start_s:.1f} s: nothing there can be decoded"
                )
    kind = "video" if picture is not None else "audio"
    return Written(start_s, max(lengths), f"{kind}/mp4")


def _check_span(start_s: float, duration_s: float | None) -> None:
    if not start_s >= 0 or (duration_s is not None and not duration_s > 0):
        raise ValueError(f"a start >= 0 and a duration > 0 were expected: {start_s=} {duration_s=}")


@contextmanager
def _as_media_errors(path: PathLike) -> Iterator[None]:
    try:
        yield
    except av.error.FFmpegError as error:
        raise failure(path, error, "cannot convert") from error


def _last_frames(stream: Any) -> list[Any]:
    try:
        return list(stream.codec_context.decode(None))
    except STREAM_ERRORS:
        return []


class _PictureEncoder:
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
        name = _encoder()
        if name is None:
            raise MediaError(f"this FFmpeg has no encoder for H.264 ({', '.join(VIDEO_ENCODERS)})")
        self._muxer, self._source = muxer, source
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
        turns = _quarter_turns(frame)
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


def _quarter_turns(frame: Any) -> int:
    """Return how many quarter turns anticlockwise make a frame upright."""
    return round((frame.rotation or 0) / 90) % 4


def _turns_of_file(path: PathLike) -> int:
    """Return the quarter turns of the first frame that can be decoded."""
    with open_container(path) as container:
        for frame in frames_of(container, video_stream(container), path):
            return _quarter_turns(frame)
    return 0


def _rate(source: Any) -> Fraction:
    rate = source.average_rate or source.guessed_rate or Fraction(25)
    return Fraction(rate).limit_denominator(1001) if 1 <= rate <= 120 else Fraction(25)


class _SoundEncoder:
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
