from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlooker.records.text import RecognizedText
from onlooker.text.charset import BLANK, CHARSET, NUM_CLASSES, encode
from onlooker.text.recognition.decoding import (
    align,
    beam_search,
    decode_greedy,
    log_softmax,
    score_texts,
)
from onlooker.text.recognition.spans import contrast, divide, snap


def random_logits(seed: int, columns: int, classes: str = "ab") -> np.ndarray:
    """Make logits in which only the blank and a few characters are likely."""
    rng = np.random.default_rng(seed)
    logits = np.full((columns, NUM_CLASSES), -30.0, np.float32)
    some = [BLANK, *encode(classes)]
    logits[:, some] = rng.normal(0, 2, (columns, len(some)))
    return logits


def by_brute_force(log_probabilities: np.ndarray, classes: str = "ab") -> dict[str, float]:
    """Sum over every path."""
    sums: dict[str, float] = {}
    for path in itertools.product([BLANK, *encode(classes)], repeat=len(log_probabilities)):
        merged = [c for c, before in zip(path, (None, *path), strict=False) if c != before]
        text = "".join(CHARSET[c - 1] for c in merged if c != BLANK)
        value = float(log_probabilities[np.arange(len(path)), path].sum())
        sums[text] = float(np.logaddexp(sums.get(text, -math.inf), value))
    return sums


def slow_greedy(row: np.ndarray) -> tuple[str, float]:
    """Decode one crop column by column."""
    odds = log_softmax(row)
    text, peaks, highest, last = "", [], 0.0, BLANK
    for column in range(len(row)):
        best = int(row[column].argmax())
        if best != BLANK and best != last:
            text += CHARSET[best - 1]
            peaks.append(odds[column, best])
            highest = row[column, best]
        elif best != BLANK and row[column, best] > highest:
            peaks[-1] = odds[column, best]
            highest = row[column, best]
        last = best
    return text, float(np.exp(np.mean(peaks))) if peaks else 0.0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**30), st.integers(1, 6))
def test_exact_scores_and_beams_agree_with_all_paths(seed: int, columns: int) -> None:
    log_probabilities = log_softmax(random_logits(seed, columns))
    truth = by_brute_force(log_probabilities)
    texts = list(truth)
    assert score_texts(log_probabilities, texts) == pytest.approx(
        [truth[text] for text in texts], abs=1e-4
    )
    found = beam_search(log_probabilities, beam=200)
    assert found[0].text == max(truth, key=lambda text: truth[text])
    # Classes below one in ten thousand extend no prefix, so a little may be missing.
    assert found[0].log_probability == pytest.approx(truth[found[0].text], abs=0.02)
    values = [one.log_probability for one in found]
    assert values == sorted(values, reverse=True)


def test_a_text_longer_than_the_crop_has_no_probability() -> None:
    log_probabilities = log_softmax(random_logits(1, 3))
    assert score_texts(log_probabilities, ["abab", "aa", "aaa"])[[0, 2]].tolist() == [-math.inf] * 2
    assert np.isfinite(score_texts(log_probabilities, ["aa"])).all()
    assert score_texts(log_probabilities, []).shape == (0,)
    assert align(log_probabilities, "aaa") is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**30), st.integers(1, 12), st.integers(1, 4))
def test_greedy_decoding_agrees_with_a_plain_loop(seed: int, columns: int, count: int) -> None:
    logits = np.stack([random_logits(seed + i, columns, "ab ") for i in range(count)])
    for row, read in zip(logits, decode_greedy(logits), strict=True):
        text, confidence = slow_greedy(row)
        assert read.text == text.strip()
        if read.text:
            assert read.confidence == pytest.approx(confidence, rel=1e-4)
            assert len(read.char_spans) == len(read.char_confidences) == len(read.text)


def test_nothing_is_decoded_from_nothing() -> None:
    assert decode_greedy(np.zeros((0, 5, NUM_CLASSES), np.float32)) == []
    assert decode_greedy(np.zeros((1, 0, NUM_CLASSES), np.float32)) == [RecognizedText("", 0.0)]


def test_alignment_of_the_best_path_is_the_best_path() -> None:
    a, b = encode("ab")
    logits = np.zeros((8, NUM_CLASSES), np.float32)
    logits[np.arange(8), [0, a, a, 0, 0, b, b, 0]] = 9.0
    (greedy,) = decode_greedy(logits[None])
    aligned = align(log_softmax(logits), "ab")
    assert aligned is not None
    assert np.array(aligned.char_spans) == pytest.approx(np.array(greedy.char_spans))
    assert aligned.confidence == pytest.approx(greedy.confidence, rel=1e-5)
    other = align(log_softmax(logits), "bb")
    assert other is not None
    assert other.confidence < greedy.confidence


def test_wide_letters_get_more_room() -> None:
    spans = divide("iW", np.array([5.0, 10.0]), 20)
    assert spans[0][1] == spans[1][0]
    assert spans[1][1] - spans[1][0] > 1.5 * (spans[0][1] - spans[0][0])
    (alone,) = divide("x", np.array([0.1]), 20)
    assert 0 <= alone[0] < alone[1] <= 1


def test_borders_are_drawn_to_gaps_in_the_ink() -> None:
    picture = np.full((1, 32, 80), 255, np.uint8)
    picture[0, 8:24, 4:34] = 0
    picture[0, 8:24, 38:76] = 0  # the gap lies at 36 of 80
    borders = contrast(picture)
    assert borders.shape == (1, 81)
    assert borders[0, 36] == 0
    assert borders[0, 20] == 1
    (first, second) = snap([(0.05, 0.5), (0.5, 0.95)], borders[0])
    assert first[1] == second[0] == pytest.approx(36 / 80, abs=0.03)
    assert (first[0], second[1]) == (0.05, 0.95)
    assert snap([(0.2, 0.4)], borders[0]) == [(0.2, 0.4)]
    assert snap([], borders[0]) == []
    even = contrast(np.full((1, 32, 80), 9, np.uint8))
    assert snap([(0.0, 0.5), (0.5, 1.0)], even[0])[0][1] == pytest.approx(0.5)
