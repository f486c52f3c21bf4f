from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from onlooker.errors import MediaError
from onlooker.media.audio import Audio

Recording = Callable[..., Path]


def whole(path: Path, **options: float) -> tuple[float, np.ndarray]:
    """Return the start and all samples; chunks must follow one another without a gap."""
    chunks = list(Audio.open(path).chunks(**options))  # type: ignore[arg-type]
    at = chunks[0][0]
    for start, samples in chunks:
        assert start == pytest.approx(at, abs=1e-6)
        assert samples.dtype == np.float32
        at += len(samples) / 16_000
    return chunks[0][0], np.concatenate([samples for _, samples in chunks])


def pitch_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 16_000 / len(samples))


FORMS = [
    ("a.mp3", "mp3"), ("a.m4a", "aac"), ("a.ogg", "libopus"), ("a.flac", "flac"),
    ("a.wav", "pcm_s16le"), ("a.aac", "aac"), ("a.mka", "ac3"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "codec"), FORMS)
def test_forms(recording: Recording, name: str, codec: str, quiet: None) -> None:
    path = recording(name, video=None, sound=codec, seconds=1.5)
    audio = Audio.open(path)
    assert audio.facts.kind == "audio"
    assert audio.facts.duration_s == pytest.approx(1.5, abs=0.12)
    assert (audio.channels, audio.rate_hz) == (1, 48_000)
    start, samples = whole(path)
    assert start == pytest.approx(0, abs=0.03)
    assert len(samples) / 16_000 == pytest.approx(1.5, abs=0.12)
    assert pitch_hz(samples[4000:20_000]) == pytest.approx(440, abs=2)
    assert np.abs(samples[4000:20_000]).max() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.mov"])
def test_the_sound_of_videos(recording: Recording, name: str) -> None:
    start, samples = whole(recording(name, seconds=1))
    assert start == pytest.approx(0, abs=0.06)
    assert len(samples) / 16_000 == pytest.approx(1, abs=0.06)


def test_chunks_are_bounded_and_exact(recording: Recording) -> None:
    path = recording("a.wav", video=None, sound="pcm_s16le", seconds=1.1)
    chunks = list(Audio.open(path).chunks(chunk_s=0.25))
    assert [len(samples) for _, samples in chunks] == [4000] * 4 + [1600]
    assert [start for start, _ in chunks] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])
    _, samples = whole(path, chunk_s=0.25)
    times = np.arange(len(samples)) / 16_000
    expected = 0.5 * np.sin(2 * np.pi * 440 * times)
    assert np.abs(samples - expected)[100:-100].max() < 0.005  # nothing lost at the joints


def test_other_rates(recording: Recording) -> None:
    path = recording("a.wav", video=None, sound="pcm_s16le", seconds=0.5)
    ((start, samples),) = Audio.open(path).chunks(rate_hz=8000)
    assert (start, len(samples)) == (0.0, 4000)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.m4a", "aac"), ("a.mp3", "mp3")]
)
def test_starting_later(recording: Recording, name: str, codec: str) -> None:
    path = recording(name, video=None, sound=codec, seconds=2)
    start, samples = whole(path, start_s=1.25)
    assert start == pytest.approx(1.25, abs=0.06)
    assert len(samples) / 16_000 == pytest.approx(0.75, abs=0.1)
    assert list(Audio.open(path).chunks(start_s=100)) == []


def test_sound_that_begins_later(recording: Recording) -> None:
    start, samples = whole(recording("a.mkv", seconds=2, sound_start_s=0.8))
    assert start == pytest.approx(0.8, abs=0.05)
    assert len(samples) / 16_000 == pytest.approx(1.2, abs=0.05)


def with_gap(path: Path, gap_s: float) -> Path:
    with av.open(str(path), "w", format="matroska") as out:
        stream = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.full((1, 1600), 8000, np.int16), "s16", "mono")
            frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
            frame.pts = number * 1600 + (round(gap_s * 16_000) if number >= 10 else 0)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_a_short_gap_becomes_silence(tmp_path: Path) -> None:
    _, samples = whole(with_gap(tmp_path / "a.mka", 1.5))
    assert len(samples) / 16_000 == pytest.approx(3.5, abs=0.01)
    assert np.abs(samples[16_100:39_900]).max() == 0
    assert samples[41_000] == pytest.approx(8000 / 32768, abs=0.01)


def test_a_long_gap_begins_a_new_chunk(tmp_path: Path) -> None:
    chunks = list(Audio.open(with_gap(tmp_path / "a.mka", 5000.0)).chunks())
    assert [(round(start, 2), len(samples)) for start, samples in chunks] == [
        (0.0, 16_000),
        (5001.0, 16_000),
    ]


def test_stereo_is_mixed_down(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=16_000, layout="stereo")
        samples = np.tile(np.array([16_000, 0], np.int16), 3200)[None]
        frame = av.AudioFrame.from_ndarray(samples, "s16", "stereo")
        frame.sample_rate = 16_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    ((_, mono),) = Audio.open(path).chunks()
    assert mono.shape == (3200,)
    assert mono[1000] == pytest.approx(8000 / 32768, abs=0.01)


def test_not_a_number_becomes_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_f32le", rate=16_000, layout="mono")
        samples = np.full((1, 3200), np.nan, np.float32)
        frame = av.AudioFrame.from_ndarray(samples, "flt", "mono")
        frame.sample_rate = 16_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    ((_, mono),) = Audio.open(path).chunks()
    assert np.isfinite(mono).all()


def test_cover_art_is_no_video(recording: Recording) -> None:
    path = recording("a.m4a", video=None, cover=True, seconds=0.5)
    assert Audio.open(path).facts.audio_codec == "aac"
    assert len(whole(path)[1]) > 6000


def test_no_sound(recording: Recording) -> None:
    with pytest.raises(MediaError, match=r"a\.mp4 has no sound"):
        Audio.open(recording("a.mp4", sound=None, seconds=0.2))


def test_values_out_of_range(recording: Recording) -> None:
    audio = Audio.open(recording("a.wav", video=None, sound="pcm_s16le", seconds=0.1))
    for options in ({"rate_hz": 0}, {"chunk_s": 0}, {"start_s": -1}):
        with pytest.raises(ValueError, match="out of range"):
            next(audio.chunks(**options))  # type: ignore[arg-type]


def test_capture_time(recording: Recording) -> None:
    tags = {"creation_time": "2023-06-15T12:30:10.000000Z"}
    audio = Audio.open(recording("a.m4a", video=None, seconds=0.2, tags=tags))
    assert audio.facts.captured_at == 1686832210.0


@pytest.mark.parametrize(("name", "codec"), FORMS)
def test_cut_short_and_overwritten(
    recording: Recording, name: str, codec: str, quiet: None
) -> None:
    path = recording(name, video=None, sound=codec, seconds=0.6)
    data = path.read_bytes()
    random = np.random.default_rng(5)
    attempts = [data[: len(data) * part // 5] for part in range(1, 5)]
    for _ in range(6):
        damaged = bytearray(data)
        for at in random.integers(0, len(damaged), 10):
            damaged[at] = random.integers(0, 256)
        attempts.append(bytes(damaged))
    for attempt in attempts:
        path.write_bytes(attempt)
        try:
            with Audio.open(path) as audio:
                total = sum(len(samples) for _, samples in audio.chunks())
            assert total < 16_000 * 3600
        except MediaError as error:
            assert name in str(error)


def test_vanishing(recording: Recording) -> None:
    audio = Audio.open(recording("a.wav", video=None, sound="pcm_s16le", seconds=0.1))
    audio.path.unlink()
    with pytest.raises(MediaError, match="no such file"):
        next(audio.chunks())


def test_odd_names(recording: Recording, odd_name: str) -> None:
    path = recording(f"{odd_name}.wav", video=None, sound="pcm_s16le", seconds=0.1)
    assert len(whole(path)[1]) == 1600
