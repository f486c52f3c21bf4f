"""Makers of small recordings, whose every frame tells its number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

BITS = 6
"""Each frame shows its number as so many black and white stripes, which survive any encoding."""

ODD_NAMES = (
    b"plain",
    b"two\nlines",
    b"\"quotes\" and 'more'",
    "emoji 😀 ünï".encode(),
    b"not utf-8 \xff\xfe",
    b"-dash %03d http:x",
    b"semi;colon,comma [x] {y} $HOME `id`",
)
"""Names of files that must work everywhere; the suffix is added by the test."""


def stripes(number: int, width: int, height: int) -> np.ndarray:
    """Draw a number: one stripe for each bit, the lowest at the left, white for 1."""
    bits = [number >> bit & 1 for bit in range(BITS)]
    columns = np.repeat(np.array(bits, np.uint8) * 255, width // BITS)
    row = np.pad(columns, (0, width - len(columns)))
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))


def number_in(grey: np.ndarray) -> int:
    """Read the number that `stripes` drew from a grey picture."""
    stripe = grey.shape[1] // BITS
    return sum(
        int(grey[:, bit * stripe + 2 : (bit + 1) * stripe - 2].mean() > 128) << bit
        for bit in range(BITS)
    )


def make_recording(
    path: Path,
    *,
    seconds: float = 2.0,
    rate: int = 25,
    size: tuple[int, int] = (64, 48),
    video: str | None = "libx264",
    pix_fmt: str = "yuv420p",
    gop: int = 10,
    sound: str | None = "aac",
    sound_start_s: float = 0.0,
    form: str | None = None,
    tags: dict[str, str] | None = None,
    language: str = "",
    cover: bool = False,
    reorder: int = 0,
) -> Path:
    """Write a recording: each frame tells its number, the sound is 440 Hz at half volume."""
    with path.open("wb") as file, av.open(file, "w", format=form or _form(path)) as out:
        out.metadata.update(tags or {})
        picture = cover_stream = hearing = None
        if video is not None:
            picture = out.add_stream(video, rate=rate)
            picture.width, picture.height = size
            picture.pix_fmt = pix_fmt
            picture.codec_context.gop_size = gop
            if video == "libx264":
                picture.codec_context.options = {
                    "preset": "ultrafast", "crf": "10", "bf": str(reorder), "b-adapt": "0",
                }  # fmt: skip
        if sound is not None:
            hearing = out.add_stream(sound, rate=48_000, layout="mono")
            if language:
                hearing.metadata["language"] = language
        if cover:
            cover_stream = out.add_stream("mjpeg", rate=1)
            cover_stream.width, cover_stream.height, cover_stream.pix_fmt = 32, 32, "yuvj420p"
            cover_stream.disposition = av.stream.Disposition.attached_pic
        if cover_stream is not None:
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 99, np.uint8), "rgb24")
            out.mux(cover_stream.encode(frame.reformat(format="yuvj420p")))
            out.mux(cover_stream.encode(None))
        if picture is not None:
            for number in range(round(seconds * rate)):
                pixels = stripes(number, *size)
                frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=pix_fmt)
                frame.pts, frame.time_base = number, Fraction(1, rate)
                out.mux(picture.encode(frame))
            out.mux(picture.encode(None))
        if hearing is not None:
            times = np.arange(round((seconds - sound_start_s) * 48_000)) / 48_000
            wave = (0.5 * np.sin(2 * np.pi * 440 * times) * 32767).astype(np.int16)
            for at in range(0, len(wave), 4800):
                block = av.AudioFrame.from_ndarray(wave[None, at : at + 4800], "s16", "mono")
                block.sample_rate, block.time_base = 48_000, Fraction(1, 48_000)
                block.pts = at + round(sound_start_s * 48_000)
                out.mux(hearing.encode(block))
            out.mux(hearing.encode(None))
    return path


def _form(path: Path) -> str:
    return {
        ".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".ts": "mpegts",
        ".avi": "avi", ".mp3": "mp3", ".ogg": "ogg", ".wav": "wav", ".flac": "flac", ".m4a": "mp4",
        ".aac": "adts", ".mka": "matroska",
    }[path.suffix]  # fmt: skip


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of recordings in a fresh folder: ``recording("talk.mkv", seconds=1)``."""

    def make(name: str, **options: object) -> Path:
        return make_recording(tmp_path / name, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def read_number() -> Callable[[np.ndarray], int]:
    """Return the reader of the number that a frame of `recording` shows."""
    return number_in


@pytest.fixture(params=ODD_NAMES, ids=range(len(ODD_NAMES)))
def odd_name(request: pytest.FixtureRequest) -> str:
    """Name without suffix that tests what programs do to names."""
    return os.fsdecode(request.param)


@pytest.fixture
def quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Fail where anything, C libraries included, writes to the terminal."""
    yield
    caught = capfd.readouterr()
    assert caught.out == ""
    assert caught.err == ""


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Take away the right to read a file; skips where rights do not bind (root)."""
    path.chmod(0)
    try:
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
        yield
    finally:
        path.chmod(0o600)
