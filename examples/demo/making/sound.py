"""Speech of the demonstration, by espeak-ng, and the files it ends up in."""

from __future__ import annotations

import io
import subprocess
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE_HZ = 24000


def speak(
    text: str, voice: str = "en-gb", words_per_minute: int = 155, pitch: int = 42
) -> NDArray[np.float32]:
    """Return a sentence as (N,) float32 samples at `RATE_HZ`, silence at its ends cut away."""
    command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "-p", str(pitch)]
    said = subprocess.run([*command, "--stdout", text], check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(said)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16) / np.float32(32768)
        rate_hz = file.getframerate()
    times = np.arange(0, len(samples) / rate_hz, 1 / RATE_HZ)
    samples = np.interp(times * rate_hz, np.arange(len(samples)), samples).astype(np.float32)
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1] + 1] * np.float32(0.8)


def blocks(samples: NDArray[np.float32]) -> Iterator[av.AudioFrame]:
    """Cut samples into frames for an encoder."""
    for at in range(0, len(samples), 1024):
        block = np.clip(samples[None, at : at + 1024], -1, 1).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, at, Fraction(1, RATE_HZ)
        yield frame


def write_opus(path: Path, samples: NDArray[np.float32], tags: dict[str, str]) -> None:
    """Write speech as Opus."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as out:
        out.metadata.update(tags)
        stream = out.add_stream("libopus", rate=RATE_HZ, layout="mono")
        stream.bit_rate = 24000
        resampler = av.AudioResampler(stream.codec_context.format, "mono", RATE_HZ, 480)
        for block in [*blocks(samples), None]:
            for ready in resampler.resample(block):
                out.mux(stream.encode(ready))
        out.mux(stream.encode())


def timestamp(seconds: float, separator: str) -> str:
    """Write a time as subtitle files do."""
    whole, millis = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{separator}{millis:03}"


def srt(cues: list[tuple[float, float, str]]) -> str:
    """Return cues (start, end, text) as SubRip."""
    return "\n".join(
        f"{index}\n{timestamp(start, ',')} --> {timestamp(end, ',')}\n{text}\n"
        for index, (start, end, text) in enumerate(cues, 1)
    )


def vtt(cues: list[tuple[float, float, str]]) -> str:
    """Return cues (start, end, text) as WebVTT."""
    return "WEBVTT\n\n" + "\n".join(
        f"{timestamp(start, '.')} --> {timestamp(end, '.')}\n{text}\n" for start, end, text in cues
    )
