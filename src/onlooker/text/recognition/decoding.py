"""Logits of the recogniser → text: best path, prefix beam search, exact scores, alignment.

All functions take the logits of the network, columns × classes, class 0 being CTC's blank.

References:
    Graves et al. 2006, "Connectionist temporal classification" (best path, forward algorithm);
    Hannun et al. 2014, "First-pass large vocabulary continuous speech recognition using
    bi-directional recurrent DNNs" (prefix beam search).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from onlooker.records.text import RecognizedText
from onlooker.text.charset import BLANK, CHARSET, encode
from onlooker.text.recognition.spans import divide

Floats = npt.NDArray[np.float32]

#: Prefixes kept at each column; with twice as many, no other word came first on generated crops.
BEAM = 12
#: Classes less likely than this in a column do not extend a prefix there, save the best few.
_LEAST = math.log(1e-4)
_CLASSES = 6
#: A column that is blank with this probability ends no prefix and begins none.
_IDLE = math.log(0.9995)
_NEVER = -math.inf


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reading of a crop.

    Attributes:
        text: What it says.
        log_probability: log p(text | picture), summed over alignments.
    """

    text: str
    log_probability: float


def log_softmax(logits: Floats) -> Floats:
    """Turn logits (…, classes) into log probabilities."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    norm: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return norm


def decode_greedy(logits: Floats) -> list[RecognizedText]:
    """Decode logits ``(N, T, classes)`` by the best class of each column (best path of CTC).

    The confidence is the geometric mean of the characters' probabilities, each taken at its best
    column; `onlooker.text.recognition.spans` says where characters are taken to stand.

    References:
        Graves et al. 2006, section 3.2.
    """
    count, columns, _ = logits.shape
    if not count or not columns:
        return [RecognizedText(text="", confidence=0.0)] * count
    classes = logits.argmax(axis=2)  # (N, T)
    top = np.take_along_axis(logits, classes[:, :, None], axis=2).ravel()
    opens = np.ones((count, columns), bool)
    opens[:, 1:] = classes[:, 1:] != classes[:, :-1]
    starts = np.flatnonzero(opens)
    ends = np.append(starts[1:], count * columns)
    written = classes.ravel()[starts] != BLANK
    # The first column of each run at which the run is surest.
    highest = np.repeat(np.maximum.reduceat(top, starts), ends - starts)
    at_peak = np.flatnonzero(top == highest)
    peaks = at_peak[np.searchsorted(at_peak, starts[written])]
    starts, ends = starts[written], ends[written]
    flat = logits.reshape(count * columns, -1)[peaks]
    shifted = flat - top[peaks, None]
    log_probabilities = -np.log(np.exp(shifted).sum(axis=1), dtype=np.float64)
    rows = starts // columns
    bounds = np.searchsorted(rows, np.arange(count + 1)).tolist()
    characters = [CHARSET[c - 1] for c in classes.ravel()[starts].tolist()]
    return [
        _assemble(
            "".join(characters[first:last]),
            log_probabilities[first:last],
            starts[first:last] - row * columns,
            ends[first:last] - row * columns,
            columns,
        )
        for row, (first, last) in enumerate(itertools.pairwise(bounds))
    ]


def _assemble(
    text: str,
    log_probabilities: npt.NDArray[np.float64],
    starts: npt.NDArray[np.intp],
    ends: npt.NDArray[np.intp],
    columns: int,
) -> RecognizedText:
    """Make the record of a text whose characters stand at the given columns."""
    lead = len(text) - len(text.lstrip())
    trail = len(text.rstrip())
    if lead >= trail:
        return RecognizedText(text="", confidence=0.0)
    return RecognizedText(
        text=text[lead:trail],
        confidence=math.exp(float(log_probabilities.mean())),
        char_spans=tuple(divide(text, (starts + ends) / 2, columns)[lead:trail]),
        char_confidences=tuple(np.exp(log_probabilities[lead:trail]).tolist()),
    )


def beam_search(log_probabilities: Floats, beam: int = BEAM) -> list[Candidate]:
    """Find the likeliest texts by CTC prefix beam search, likeliest first.

    Args:
        log_probabilities: Of one crop ``(T, classes)``; see `log_softmax`.
        beam: Prefixes kept at each column, and texts returned at most.
    """
    # Prefix → log probabilities of its alignments that end in a blank, in its last class, in any.
    beams: dict[tuple[int, ...], tuple[float, float, float]] = {(): (0.0, _NEVER, 0.0)}
    best = np.argpartition(-log_probabilities, _CLASSES, axis=1)[:, :_CLASSES]
    likely = np.take_along_axis(log_probabilities, best, axis=1)
    for column, values, blank in zip(
        best.tolist(), likely.tolist(), log_probabilities[:, BLANK].tolist(), strict=True
    ):
        if blank > _IDLE:
            beams = {p: (all_ + blank, _NEVER, all_ + blank) for p, (_, _, all_) in beams.items()}
            continue
        row = dict(zip(column, values, strict=True))
        extending = [(c, v) for c, v in row.items() if c != BLANK and v > _LEAST]
        kept = {
            p: (all_ + blank, ends_class + row.get(p[-1], _NEVER) if p else _NEVER)
            for p, (_, ends_class, all_) in beams.items()
        }
        grown: list[tuple[float, tuple[int, ...], float, float]] = []
        for prefix, (ends_blank, _, all_) in beams.items():
            last = prefix[-1] if prefix else BLANK
            for symbol, value in extending:
                start = (ends_blank if symbol == last else all_) + value
                longer = (*prefix, symbol)
                if longer in kept:
                    before, ends_class = kept[longer]
                    kept[longer] = before, _add(ends_class, start)
                else:  # from no other prefix
                    grown.append((start, longer, _NEVER, start))
        grown += [(_add(b, c), prefix, b, c) for prefix, (b, c) in kept.items()]
        if len(grown) > beam:
            grown.sort(key=itemgetter(0), reverse=True)
        beams = {prefix: (b, c, all_) for all_, prefix, b, c in grown[:beam]}
    found = sorted(((all_, prefix) for prefix, (_, _, all_) in beams.items()), reverse=True)
    return [
        Candidate("".join(CHARSET[c - 1] for c in prefix), value)
        for value, prefix in found
        if value > _NEVER
    ]


def _add(a: float, b: float) -> float:
    """Compute log(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    return a if b == _NEVER or a == _NEVER else a + math.log1p(math.exp(b - a))


def score_texts(log_probabilities: Floats, texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Compute log p(text | picture) exactly, by CTC's forward algorithm, for many texts at once.

    Args:
        log_probabilities: Of one crop ``(T, classes)``.
        texts: Over the charset.

    Returns:
        ``(len(texts),)``; -inf where the text needs more columns than there are.
    """
    if not texts:
        return np.empty(0)
    length = max(len(text) for text in texts)
    labels = np.zeros((len(texts), 2 * length + 1), np.intp)  # blank, c, blank, c, … blank
    for row, text in enumerate(texts):
        labels[row, 1 : 2 * len(text) : 2] = encode(text)
    # Two states back may be skipped over where a blank lies between two different characters.
    skips = np.zeros(labels.shape, bool)
    skips[:, 2:] = (labels[:, 2:] != BLANK) & (labels[:, 2:] != labels[:, :-2])
    emitted = log_probabilities.astype(np.float64)[:, labels]  # (T, N, S)
    alpha = np.full((len(texts), labels.shape[1] + 2), _NEVER)  # two pads on the left
    alpha[:, 2] = emitted[0, :, 0]
    if length:
        alpha[:, 3] = np.where(labels[:, 1] != BLANK, emitted[0, :, 1], _NEVER)
    for column in emitted[1:]:
        skipped = np.where(skips, alpha[:, :-2], _NEVER)
        stayed = np.logaddexp(alpha[:, 2:], alpha[:, 1:-1])
        alpha[:, 2:] = np.logaddexp(stayed, skipped) + column
    ends = np.array([2 * len(text) + 2 for text in texts])
    rows = np.arange(len(texts))
    final = alpha[rows, ends]
    before = np.where(ends > 2, alpha[rows, ends - 1], _NEVER)
    total: npt.NDArray[np.float64] = np.logaddexp(final, before)
    return total


def align(log_probabilities: Floats, text: str) -> RecognizedText | None:
    """Find where the characters of a text stand: its likeliest alignment (Viterbi).

    Args:
        log_probabilities: Of one crop ``(T, classes)``.
        text: Over the charset, not empty.

    Returns:
        The record, its confidence as that of `decode_greedy`; None where the text needs more
        columns than there are.
    """
    labels = np.zeros(2 * len(text) + 1, np.intp)
    labels[1::2] = encode(text)
    columns, states = len(log_probabilities), len(labels)
    skips = np.zeros(states, bool)
    skips[2:] = (labels[2:] != BLANK) & (labels[2:] != labels[:-2])
    emitted = log_probabilities[:, labels].astype(np.float64)  # (T, S)
    best = np.full(states, _NEVER)
    best[:2] = emitted[0, :2]
    steps = np.zeros((columns, states), np.int8)
    for t in range(1, columns):
        options = np.full((3, states), _NEVER)
        options[0] = best
        options[1, 1:] = best[:-1]
        options[2, 2:] = np.where(skips[2:], best[:-2], _NEVER)
        steps[t] = options.argmax(axis=0)
        best = options.max(axis=0) + emitted[t]
    state = states - 1 if best[-1] >= best[-2] else states - 2
    if best[state] == _NEVER:
        return None
    path = np.empty(columns, np.intp)
    for t in range(columns - 1, -1, -1):
        path[t] = state
        state -= int(steps[t, state])
    at = [np.flatnonzero(path == 2 * i + 1) for i in range(len(text))]
    peaks = [float(emitted[where, 2 * i + 1].max()) for i, where in enumerate(at)]
    return _assemble(
        text,
        np.array(peaks),
        np.array([where[0] for where in at]),
        np.array([where[-1] + 1 for where in at]),
        columns,
    )
