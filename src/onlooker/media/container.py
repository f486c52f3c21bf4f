"""Opening containers of video and sound with FFmpeg (PyAV), safely and quietly.

Only formats on a list of ours are opened: FFmpeg's playlists (HLS, concat, DASH) would read other
files or the network on behalf of a file, and its text-art reader takes any text for a video.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition

from onlooker.errors import MediaError
from onlooker.media.files import PathLike, as_path, open_file, shown
from onlooker.records import MediaKind

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,live_flv,mpeg,mpegvideo,mpegts,ogg,mxf,dv,rm"
    ",wav,w64,mp3,aac,flac,aiff,au,caf,amr,ac3,eac3,dts,h264,hevc,av1,obu,ivf,m4v,nut,tta,wv,ape"
)
"""Demuxers that read one file and nothing else."""

STREAM_ERRORS = (
    av.error.FFmpegError,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    MemoryError,
    LookupError,
    ArithmeticError,
)
"""What PyAV raises on damaged input: FFmpeg's errors, and what a broken header makes plain Python
trip over."""


def failure(path: PathLike, error: BaseException, what: str = "cannot read") -> MediaError:
    """Turn an error of FFmpeg into one that names file and reason."""
    if isinstance(error, FileNotFoundError):
        text = "there is no such file: it was moved or deleted, or its drive is not attached"
    elif isinstance(error, PermissionError):
        text = "permission denied: let this user read it, or exclude it"
    elif isinstance(error, av.error.InvalidDataError | av.error.EOFError):
        text = "it is damaged, cut short, or no recording at all"
    elif isinstance(error, av.error.ArgumentError):
        text = "its format is none that Onlooker opens, or it is damaged"
    elif isinstance(error, av.error.FFmpegError):
        text = error.strerror or type(error).__name__
    else:
        text = str(error) or type(error).__name__
    return MediaError(f"{what} {shown(path)}: {text}")


@contextmanager
def open_container(path: PathLike) -> Iterator[InputContainer]:
    """Open a recording.

    Errors that PyAV raises inside the ``with`` block become `MediaError` too.

    Args:
        path: A file; any name will do.

    Yields:
        The container; closed on leaving.

    Raises:
        MediaError: It cannot be opened, is damaged, or of a format that is not on the list.
    """
    name = as_path(path)
    open_file(name).close()  # says missing, forbidden, empty, and pipes in words
    try:
        # "file:" keeps FFmpeg from taking a name such as "http:x" for an address.
        container = av.open(
            f"file:{name}",
            options={"protocol_whitelist": "file", "format_whitelist": FORMATS},
            metadata_errors="replace",
        )
    except STREAM_ERRORS as error:
        raise failure(name, error, "cannot open") from error
    try:
        yield container
    except MediaError:
        raise
    except av.error.FFmpegError as error:
        raise failure(name, error) from error
    finally:
        container.close()


def video_stream(container: InputContainer) -> Any | None:
    """Return the first stream of moving pictures; a cover picture is none."""
    for stream in container.streams.video:
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
            return stream
    return None


def audio_stream(container: InputContainer) -> Any | None:
    """Return the stream of sound that plays by default, else the first that can be decoded."""
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    for stream in streams:
        if stream.disposition & Disposition.default:
            return stream
    return streams[0] if streams else None


def recording_kind(path: PathLike) -> MediaKind | None:
    """Tell video from audio by the streams inside; None where it cannot be opened."""
    try:
        with open_container(path) as container:
            if video_stream(container) is not None:
                return "video"
            return "audio" if container.streams.audio else None
    except MediaError:
        return None


def duration_s(container: InputContainer) -> float | None:
    """Return the length in seconds, None where the file does not tell."""
    if container.duration is not None and container.duration > 0:
        return float(container.duration) / float(av.time_base)
    lengths = [
        float(stream.duration * stream.time_base)
        for stream in container.streams
        if stream.duration and stream.time_base and stream.duration > 0
    ]
    return max(lengths) if lengths else None


def tags(container: InputContainer) -> dict[str, str]:
    """Return the tags of the container and of its streams, keys in lower case; the former win."""
    merged: dict[str, str] = {}
    for metadata in (container.metadata, *(stream.metadata for stream in container.streams)):
        for key, value in metadata.items():
            if isinstance(value, str) and value.strip():
                merged.setdefault(key.lower(), value.replace("\0", " ").strip())
    return merged


def captured_at(metadata: dict[str, str]) -> float | None:
    """Return the time of recording as a POSIX time stamp.

    Apple's ``creationdate`` carries the zone and the true moment; ``creation_time`` is UTC.

    Args:
        metadata: As `tags` gives it.
    """
    for key in ("com.apple.quicktime.creationdate", "creation_time", "date_recorded"):
        value = metadata.get(key, "")
        if len(value) < 10:
            continue
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            continue
        # Cameras without a clock write the epoch of their format: 1904 (QuickTime) or 1970.
        if moment.year > 1970:
            try:
                return moment.timestamp()
            except (OverflowError, OSError, ValueError):
                continue
    return None


_ISO6709 = re.compile(r"([+-]\d{2}(?:\.\d+)?)([+-]\d{3}(?:\.\d+)?)")


def place(metadata: dict[str, str]) -> tuple[float, float] | None:
    """Return latitude and longitude in degrees from an ISO 6709 tag (``+48.1371+011.5753/``)."""
    for key in ("com.apple.quicktime.location.iso6709", "location", "location-eng"):
        match = _ISO6709.match(metadata.get(key, ""))
        if match:
            latitude, longitude = float(match[1]), float(match[2])
            if plausible_place(latitude, longitude):
                return latitude, longitude
    return None


def plausible_place(latitude: float, longitude: float) -> bool:
    """Say whether a place can be one; exactly (0, 0) is what receivers write without a fix."""
    return (
        math.isfinite(latitude)
        and math.isfinite(longitude)
        and abs(latitude) <= 90
        and abs(longitude) <= 180
        and (latitude, longitude) != (0.0, 0.0)
    )


def zero_s(container: InputContainer) -> float:
    """Return the time stamp that players show as 0: the start of the earliest stream."""
    if container.start_time is None:
        return 0.0
    return float(container.start_time) / float(av.time_base)
