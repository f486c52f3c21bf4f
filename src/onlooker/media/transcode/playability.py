"""What browsers play, and what a recording needs so that they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import av

from onlooker.errors import MediaError
from onlooker.media.container import audio_stream, open_container, video_stream
from onlooker.media.files import PathLike, open_file, shown

Method = Literal["direct", "remux", "transcode", "frames"]

VIDEO_ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox")
"""H.264 encoders, best first: the wheels of PyAV carry x264; other builds may have another."""

_PLAIN_PIXELS = frozenset({"yuv420p", "yuvj420p"})
MP4_SOUND = frozenset({"aac", "mp3", "opus", "flac"})
WEBM_SOUND = frozenset({"opus", "vorbis"})
"""Codecs of sound that browsers play in each container."""

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
            return _playable_sound(form, decoder_name(sound))
        name, sound_name = decoder_name(picture), decoder_name(sound)
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
    if form == "mp4" and name != "vp8" and (not sound_name or sound_name in MP4_SOUND):
        return _direct("video/mp4")
    if form == "webm" and in_webm and (not sound_name or sound_name in WEBM_SOUND):
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


def _video_reason(stream: Any) -> str:
    """Say why browsers do not play a video stream; empty where they do."""
    name = decoder_name(stream)
    if name not in ("h264", "vp8", "vp9", "av1"):
        return f"browsers do not play {name or 'its'} video"
    pixels = stream.codec_context.pix_fmt
    if pixels is not None and pixels not in _PLAIN_PIXELS:
        return f"browsers do not all play {name} video of the form {pixels}"
    return ""


def _direct(content_type: str) -> Playability:
    return Playability(
        direct=True, method="direct", reason="browsers play it", content_type=content_type
    )


def _transcoded(why: str) -> Playability:
    if encoder_name() is None:
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
    method: Method = "remux" if codec in MP4_SOUND else "transcode"
    return Playability(direct=False, method=method, reason=why, content_type="audio/mp4")


def encoder_name() -> str | None:
    """Return the best H.264 encoder that this FFmpeg has, None where it has none."""
    """Return the best H.264 encoder that this FFmpeg has, None where it has none."""
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


def decoder_name(stream: Any) -> str:
    """Name the codec whatever decodes it (``libdav1d`` decodes ``av1``)."""
    if stream is None or stream.codec_context is None:
        return ""
    context = stream.codec_context
    return str(getattr(context.codec, "canonical_name", None) or context.name)
