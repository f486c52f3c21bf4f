"""Where in a recording somebody speaks, found as the sound streams by, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from onlooker.runtime.session import open_session

Samples: TypeAlias = NDArray[np.float32]

RATE_HZ = 16000
# What Silero's network was made for: a probability for each 32 ms, looking 4 ms back.
FRAME = 512
CONTEXT = 64

# Speech begins at 0.5 and is over below 0.35: the values that Silero and faster-whisper use.
SPEECH_ON = 0.5
SPEECH_OFF = 0.35
# Kept on both sides, because soft first and last sounds of a sentence lie below the threshold;
# faster-whisper keeps 0.4 s.
PAD_FRAMES = 12
# A pause shorter than twice the padding and a bit is kept whole: cutting there would save nothing.
PAUSE_FRAMES = 2 * PAD_FRAMES + 8
# A click or a cough is shorter than any word: Silero's own default is a quarter of a second.
SHORTEST_FRAMES = 8
# Whisper hears 30 s at a time whether they are full or not, so windows are packed; the last
# second is left empty, so that no word is cut by the edge.
WINDOW_S = 29.0
# A window without any pause is cut at its quietest frame in the last third.
CUT_FROM = 2 / 3

Probabilities: TypeAlias = Callable[[Samples], NDArray[np.float32]]


class SpeechActivity:
    """Silero's voice activity network, fed piece by piece.

    Args:
        path: The ONNX file that comes with faster-whisper (MIT licence), whose inputs are
            ``input (N, 576)`` and a state ``h, c (1, 1, 128)``.

    References:
        Silero VAD, https://github.com/snakers4/silero-vad.
    """

    def __init__(self, path: Path) -> None:
        # One thread: the network is smaller than the cost of handing it around.
        self._session = open_session(path, 1)
        self.reset()

    def reset(self) -> None:
        """Forget the sound heard so far."""
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)
        self._before = np.zeros(CONTEXT, np.float32)

    def __call__(self, samples: Samples) -> NDArray[np.float32]:
        """Return the probability of speech for each frame.

        Args:
            samples: (512 · N,) float32 in [-1, 1] at 16 kHz, following the ones before.

        Returns:
            (N,) float32 in [0, 1].
        """
        if not len(samples):
            return np.zeros(0, np.float32)
        joined = np.concatenate([self._before, samples])
        self._before = joined[-CONTEXT:]
        frames = np.lib.stride_tricks.sliding_window_view(joined, FRAME + CONTEXT)[::FRAME]
        found, self._h, self._c = self._session.run(
            None, {"input": np.ascontiguousarray(frames), "h": self._h, "c": self._c}
        )
        return np.asarray(found, np.float32).reshape(-1)


@dataclass(frozen=True, slots=True)
class Window:
    """Stretches of speech from one recording, packed one after the other.

    Attributes:
        samples: (N,) float32 at 16 kHz, at most `WINDOW_S` long.
        starts_s: Where each stretch begins in the recording.
        offsets_s: Where each stretch begins in `samples`.
    """

    samples: Samples
    starts_s: tuple[float, ...]
    offsets_s: tuple[float, ...]

    def time_s(self, offset_s: float, *, end: bool = False) -> float:
        """Return the time in the recording of a time in `samples`.

        Args:
            offset_s: Seconds from the start of `samples`.
            end: Whether it is the end of something: at a seam it then belongs to the stretch
                before.
        """
        index = int(np.searchsorted(self.offsets_s, offset_s, "left" if end else "right")) - 1
        index = max(index, 0)
        return self.starts_s[index] + offset_s - self.offsets_s[index]


class _Packer:
    """Packs stretches of speech into windows."""

    def __init__(self) -> None:
        self._parts: list[Samples] = []
        self._starts: list[float] = []
        self._length = 0

    def add(self, start: int, samples: Samples) -> Iterator[Window]:
        """Take a stretch of at most a window's length; yield the window that is full."""
        if self._length + len(samples) > WINDOW_S * RATE_HZ:
            yield from self.flush()
        self._parts.append(samples)
        self._starts.append(start / RATE_HZ)
        self._length += len(samples)

    def flush(self) -> Iterator[Window]:
        """Yield what is left."""
        if self._parts:
            lengths = [0, *(len(part) for part in self._parts[:-1])]
            offsets = tuple(float(at) / RATE_HZ for at in np.cumsum(lengths))
            yield Window(np.concatenate(self._parts), tuple(self._starts), offsets)
        self._parts, self._starts, self._length = [], [], 0


def speech_windows(
    chunks: Iterable[tuple[float, Samples]], activity: Probabilities
) -> Iterator[Window]:
    """Cut silence and noise away and pack what is left into windows for a recogniser.

    Holds about a window of sound at a time, however long the recording is.

    Args:
        chunks: (start in seconds, (N,) float32 at 16 kHz), in the order of time. Where one begins
            later than the one before ended, there is a gap, and speech ends before it.
        activity: Probability of speech for each 512 samples (`SpeechActivity`).

    Yields:
        Windows in the order of time.
    """
    packer = _Packer()
    sound = np.zeros(0, np.float32)
    speech = np.zeros(0, np.float32)
    start = 0  # of `sound` in the recording, in samples

    def cut(frames: int) -> None:
        nonlocal sound, speech, start
        sound, speech = sound[frames * FRAME :], speech[frames:]
        start += frames * FRAME

    def settle(final: bool) -> Iterator[Window]:
        """Hand over every stretch that is complete."""
        longest = int(WINDOW_S * RATE_HZ) // FRAME
        while True:
            loud = np.flatnonzero(speech >= SPEECH_ON)
            first = int(loud[0]) if len(loud) else len(speech)
            if first > PAD_FRAMES:
                cut(first - PAD_FRAMES)
                first = PAD_FRAMES
            if not len(loud):
                return
            end = _end_of_speech(speech, first)
            if end is None and len(speech) <= longest and not final:
                return
            stop = len(speech) if end is None else min(len(speech), end + PAD_FRAMES)
            if stop > longest:
                begin = int(longest * CUT_FROM)
                quiet = np.convolve(speech[begin:longest], np.ones(5) / 5, "valid")
                stop = begin + 2 + int(np.argmin(quiet))
            if np.count_nonzero(speech[:stop] >= SPEECH_OFF) >= SHORTEST_FRAMES:
                yield from packer.add(start, sound[: stop * FRAME])
            cut(stop)

    def close() -> Iterator[Window]:
        """Take the last, incomplete frame and hand over all."""
        nonlocal sound, speech
        rest = len(sound) - len(speech) * FRAME
        if rest:
            sound = np.concatenate([sound, np.zeros(FRAME - rest, np.float32)])
            speech = np.concatenate([speech, activity(sound[-FRAME:])])
        yield from settle(final=True)

    for start_s, samples in chunks:
        begins = round(start_s * RATE_HZ)
        if abs(begins - (start + len(sound))) > RATE_HZ // 10:
            yield from close()
            sound, speech, start = np.zeros(0, np.float32), np.zeros(0, np.float32), begins
        sound = np.concatenate([sound, samples])
        known = len(speech) * FRAME
        complete = (len(sound) - known) // FRAME * FRAME
        speech = np.concatenate([speech, activity(sound[known : known + complete])])
        yield from settle(final=False)
    yield from close()
    yield from packer.flush()


def _end_of_speech(speech: NDArray[np.float32], first: int) -> int | None:
    """Return the frame at which a pause of `PAUSE_FRAMES` begins, None where there is none yet."""
    quiet = 0
    for index in range(first, len(speech)):
        # What has fallen below SPEECH_OFF stays silence until it rises above SPEECH_ON.
        silent = speech[index] < (SPEECH_ON if quiet else SPEECH_OFF)
        quiet = quiet + 1 if silent else 0
        if quiet >= PAUSE_FRAMES:
            return index + 1 - quiet
    return None
