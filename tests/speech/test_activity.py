"""Cutting silence away and packing speech, with a stand-in for the network."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlooker.speech.activity import FRAME, RATE_HZ, WINDOW_S, Window, speech_windows


def loudness(samples: np.ndarray) -> np.ndarray:
    """Call speech what is loud."""
    return np.abs(samples.reshape(-1, FRAME)).mean(axis=1).astype(np.float32)


def recording(spans: list[tuple[float, float]], length_s: float) -> np.ndarray:
    """Return silence with ones in the given spans (seconds)."""
    sound = np.zeros(round(length_s * RATE_HZ), np.float32)
    for start_s, end_s in spans:
        sound[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)] = 1
    return sound


def pieces(sound: np.ndarray, chunk_s: float) -> Iterator[tuple[float, np.ndarray]]:
    step = round(chunk_s * RATE_HZ)
    for at in range(0, len(sound), step):
        yield at / RATE_HZ, sound[at : at + step]


def loud_spans(windows: list[Window]) -> list[tuple[float, float]]:
    """Return where ones are heard, in the time of the recording, joined over seams."""
    spans: list[tuple[float, float]] = []
    for window in windows:
        edges = [*(round(o * RATE_HZ) for o in window.offsets_s), len(window.samples)]
        for begin, end in itertools.pairwise(edges):
            loud = np.flatnonzero(window.samples[begin:end] > 0.5)
            if not len(loud):
                continue
            first = window.time_s((begin + loud[0]) / RATE_HZ)
            last = window.time_s((begin + loud[-1] + 1) / RATE_HZ, end=True)
            if spans and first - spans[-1][1] < 1e-3:
                spans[-1] = (spans[-1][0], last)
            else:
                spans.append((first, last))
    return spans


def test_silence_gives_nothing() -> None:
    assert list(speech_windows(pieces(np.zeros(RATE_HZ * 40, np.float32), 30), loudness)) == []
    assert list(speech_windows([], loudness)) == []


def test_short_noise_is_no_speech() -> None:
    assert list(speech_windows(pieces(recording([(3, 3.1)], 6), 30), loudness)) == []


def test_stretches_are_packed_and_keep_their_times() -> None:
    truth = [(2.0, 4.0), (10.0, 13.0), (50.0, 52.0)]
    windows = list(speech_windows(pieces(recording(truth, 60), 30), loudness))
    assert len(windows) == 1, "7 s of speech fit one window"
    assert len(windows[0].samples) < 10 * RATE_HZ
    assert loud_spans(windows) == pytest.approx([pytest.approx(span, abs=1e-3) for span in truth])


def test_speech_without_a_pause_is_cut_at_its_quietest() -> None:
    sound = recording([(0, 70)], 70)
    quiet = round(22.4 * RATE_HZ)
    sound[quiet - FRAME * 2 : quiet + FRAME * 2] = 0.6
    windows = list(speech_windows(pieces(sound, 30), loudness))
    assert all(len(window.samples) <= WINDOW_S * RATE_HZ for window in windows)
    assert windows[1].starts_s[0] == pytest.approx(22.4, abs=0.15)
    assert sum(len(window.samples) for window in windows) == pytest.approx(len(sound), abs=FRAME)


def test_a_gap_in_the_sound_ends_speech_and_keeps_times() -> None:
    one = np.ones(2 * RATE_HZ, np.float32)
    windows = list(speech_windows([(0.0, one), (100.0, one)], loudness))
    starts = [start for window in windows for start in window.starts_s]
    assert starts == [0.0, 100.0]


def test_a_time_at_a_seam_belongs_to_the_side_it_is_asked_for() -> None:
    window = Window(np.zeros(RATE_HZ * 4, np.float32), (10.0, 50.0), (0.0, 2.0))
    assert window.time_s(2.0, end=True) == 12.0
    assert window.time_s(2.0) == 50.0
    assert window.time_s(0.0, end=True) == 10.0


@settings(max_examples=25, deadline=None)
@given(
    gaps=st.lists(st.tuples(st.floats(2, 20), st.floats(0.5, 25)), min_size=1, max_size=5),
    chunk_s=st.sampled_from([0.7, 5.0, 30.0]),
)
def test_all_speech_is_kept_at_its_time(gaps: list[tuple[float, float]], chunk_s: float) -> None:
    truth, at = [], 0.0
    for silence_s, speech_s in gaps:
        truth.append((at + silence_s, at + silence_s + speech_s))
        at += silence_s + speech_s
    windows = list(speech_windows(pieces(recording(truth, at + 1), chunk_s), loudness))
    assert all(len(window.samples) <= WINDOW_S * RATE_HZ for window in windows)
    found = loud_spans(windows)
    assert len(found) == len(truth)
    for (a, b), (c, d) in zip(found, truth, strict=True):
        assert a == pytest.approx(c, abs=1e-3)
        assert b == pytest.approx(d, abs=1e-3)
