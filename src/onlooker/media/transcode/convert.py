"""A recording → fragmented MP4 or WebM, by copying its packets or by encoding it anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import av
from av.bitstream import BitStreamFilterContext

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
from onlooker.media.files import PathLike, shown
from onlooker.media.transcode.encoders import PictureEncoder, SoundEncoder, quarter_turns
from onlooker.media.transcode.output import Writable, opened_output
from onlooker.media.transcode.packets import packets_from, shown_s
from onlooker.media.transcode.playability import MP4_SOUND, WEBM_SOUND, decoder_name


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
        form = "webm" if decoder_name(picture) == "vp8" else "mp4"
        copies = MP4_SOUND if form == "mp4" else WEBM_SOUND
        streams = tuple(stream for stream in (picture, sound) if stream is not None)
        kind = "video" if picture is not None else "audio"
        zero = zero_s(container)
        with opened_output(out, form) as muxer, _as_media_errors(path):
            targets: dict[int, Any] = {}
            encoder: SoundEncoder | None = None
            unwrap: BitStreamFilterContext | None = None
            if picture is not None:
                targets[picture.index] = muxer.add_stream_from_template(picture)
            if sound is not None and decoder_name(sound) in copies:
                targets[sound.index] = muxer.add_stream_from_template(sound)
                if decoder_name(sound) == "aac" and container.format.name in ("mpegts", "aac"):
                    # There each packet carries its own header, which MP4 keeps once.
                    unwrap = BitStreamFilterContext("aac_adtstoasc", sound)
            base_s = end_s = 0.0
            begun = False
            ended: set[int] = set()
            for packet in packets_from(container, streams, lead, start_s):
                now_s = shown_s(packet)
                if not begun:
                    base_s, begun = now_s, True
                    if sound is not None and sound.index not in targets:
                        encoder = SoundEncoder(muxer, form, max(0.0, base_s - zero), zero)
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
        with opened_output(out, "mp4") as muxer, _as_media_errors(path):
            pictures = None
            if picture is not None:
                pictures = PictureEncoder(
                    muxer, picture, start_s, end_s, zero, max_height, _turns_of_file(path)
                )
            sounds = SoundEncoder(muxer, "mp4", start_s, zero, end_s) if sound else None
            for packet in packets_from(container, streams, lead, start_s):
                try:
                    frames = packet.decode()
                except STREAM_ERRORS:
                    continue  # a damaged packet costs itself
                for frame in frames:
                    if pictures is not None and packet.stream is picture:
                        pictures.feed(frame)
                    elif sounds is not None:
                        sounds.feed(frame)
                at_s = shown_s(packet) - zero
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


def _turns_of_file(path: PathLike) -> int:
    """Return the quarter turns of the first frame that can be decoded."""
    with open_container(path) as container:
        for frame in frames_of(container, video_stream(container), path):
            return quarter_turns(frame)
    return 0
