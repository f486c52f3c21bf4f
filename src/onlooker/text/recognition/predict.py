"""Crops of words and lines → what they say."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.errors import WeightsError
from onlooker.hub import choose, resolve
from onlooker.records.text import RecognizedText
from onlooker.runtime.session import open_session
from onlooker.text.charset import CHARSET, NUM_CLASSES, encode
from onlooker.text.recognition.weights import WEIGHTS

if TYPE_CHECKING:
    import onnxruntime

Crop = npt.NDArray[np.uint8]

HEIGHT_PX = 32
WIDTH_STEP_PX = 8
MIN_WIDTH_PX = 16
#: Longer lines are squeezed: 1,600 pixels are some 130 letters, and cost 40 ms.
MAX_WIDTH_PX = 1600
#: Total width of crops that run at once: some 40 MB of activations.
BATCH_WIDTH_PX = 4096
#: Grey levels added to the deviation, so that an even surface is not blown up to noise.
_FLOOR = 4.0


def standardize(pictures: Crop) -> npt.NDArray[np.float32]:
    """Bring crops ``(N, 32, W)`` uint8 to zero mean and unit deviation each → float32.

    Light and contrast of the photo drop out here, so that the network need not learn them.
    """
    values = pictures.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    values /= values.std(axis=(1, 2), keepdims=True) + np.float32(_FLOOR)
    return values


def resize_crop(crop: Crop) -> Crop:
    """Bring a crop, grey or RGB, to grey ``(32, W)``, W the multiple of 8 nearest to its shape."""
    grey = crop if crop.ndim == 2 else cv2.cvtColor(crop[:, :, :3], cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    wanted = round(width * HEIGHT_PX / height / WIDTH_STEP_PX) * WIDTH_STEP_PX
    target = min(max(wanted, MIN_WIDTH_PX), MAX_WIDTH_PX)
    shrinks = height > HEIGHT_PX
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (target, HEIGHT_PX), interpolation=how), np.uint8)


class TextRecognizer:
    """Reads crops; see :meth:`load`.

    Example:
        >>> recognizer = TextRecognizer.load()  # doctest: +SKIP
        >>> recognizer([crop])[0].text  # doctest: +SKIP
        'EXIT'
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._session: onnxruntime.InferenceSession = open_session(path, threads)
        shape = self._session.get_outputs()[0].shape
        if shape[-1] != NUM_CLASSES:
            raise WeightsError(
                f"{path} writes {shape[-1]} classes, but the charset has {NUM_CLASSES}; "
                "the network belongs to another version"
            )
        self._input = self._session.get_inputs()[0].name
        self._lock = threading.Lock()

    @classmethod
    def load(cls, name: str = "ctc.synth1", *, threads: int | None = None) -> TextRecognizer:
        """Load weights by name.

        Args:
            name: A key of ``WEIGHTS``.
            threads: Threads inside one call; None: as many as Onlooker may use.

        Raises:
            WeightsError: Unknown name, or the file is missing or damaged.
        """
        return cls(resolve(choose(WEIGHTS, name)), threads=threads)

    def __call__(self, crops: Sequence[Crop]) -> list[RecognizedText]:
        """Read crops.

        Args:
            crops: Each ``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8, upright text. A crop without
                any pixel reads as empty text with confidence 0.

        Returns:
            One record a crop, in their order.
        """
        found = [RecognizedText(text="", confidence=0.0)] * len(crops)
        for indices, logits in self._run(crops):
            for index, one in zip(indices, decode_greedy(logits), strict=True):
                found[index] = one
        return found

    def classify(self, crops: Sequence[Crop], characters: str) -> list[str]:
        """Say which of ``characters`` each crop of a single character shows.

        Args:
            crops: As for reading.
            characters: The choices, all in the charset.

        Returns:
            One character a crop: the one whose probability is highest in any column.
        """
        choices = np.array(encode(characters))
        found = [""] * len(crops)
        for indices, logits in self._run(crops):
            odds = logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)
            best = odds[:, :, choices].max(axis=1).argmax(axis=1)
            for index, one in zip(indices, best.tolist(), strict=True):
                found[index] = characters[one]
        return found

    def _run(self, crops: Sequence[Crop]) -> Iterator[tuple[list[int], npt.NDArray[np.float32]]]:
        """Run crops in batches of equal width → their indices, logits (n, T, classes)."""
        by_width: dict[int, list[tuple[int, Crop]]] = {}
        for index, crop in enumerate(crops):
            if crop.size:
                resized = resize_crop(crop)
                by_width.setdefault(resized.shape[1], []).append((index, resized))
        for width, group in by_width.items():
            step = max(1, BATCH_WIDTH_PX // width)
            for start in range(0, len(group), step):
                part = group[start : start + step]
                batch = standardize(np.stack([picture for _, picture in part]))[:, None]
                with self._lock:
                    (logits,) = self._session.run(None, {self._input: batch})
                yield [index for index, _ in part], logits


def decode_greedy(logits: npt.NDArray[np.float32]) -> list[RecognizedText]:
    """Decode logits ``(N, T, classes)`` by the best class of each column (best path of CTC).

    The confidence is the geometric mean of the characters' probabilities, each taken at its best
    column; a character spans from half-way to its left neighbour to half-way to its right.

    References:
        Graves et al. 2006, "Connectionist temporal classification", section 3.2.
    """
    best = logits.argmax(axis=2)  # (N, T)
    top = logits.max(axis=2)
    columns = logits.shape[1]
    found = []
    for row in range(len(logits)):
        classes = best[row]
        starts = np.flatnonzero((classes != 0) & (classes != np.concatenate(([0], classes[:-1]))))
        if starts.size == 0:
            found.append(RecognizedText(text="", confidence=0.0))
            continue
        log_probabilities, centres = [], []
        for start in starts.tolist():
            end = start + 1
            while end < columns and classes[end] == classes[start]:
                end += 1
            at = start + int(top[row, start:end].argmax())
            peak = logits[row, at]
            log_probabilities.append(float(peak.max() - _log_sum_exp(peak)))
            centres.append((start + end) / 2)
        text = "".join(CHARSET[classes[s] - 1] for s in starts.tolist())
        spans = _spans(centres, columns)
        lead = len(text) - len(text.lstrip())
        trail = len(text.rstrip())
        confidence = float(np.exp(np.mean(log_probabilities)))
        found.append(
            RecognizedText(
                text=text[lead:trail],
                confidence=confidence if lead < trail else 0.0,
                char_spans=tuple(spans[lead:trail]),
            )
        )
    return found


def _log_sum_exp(values: npt.NDArray[np.float32]) -> float:
    peak = float(values.max())
    return peak + float(np.log(np.exp(values - peak).sum()))


def _spans(centres: list[float], columns: int) -> list[tuple[float, float]]:
    """Divide the line between neighbouring centres; the outer ends mirror the inner ones."""
    if len(centres) == 1:
        half = min(centres[0], columns - centres[0], 4.0)
        return [((centres[0] - half) / columns, (centres[0] + half) / columns)]
    middles = [(a + b) / 2 for a, b in itertools.pairwise(centres)]
    first = max(0.0, 2 * centres[0] - middles[0])
    last = min(float(columns), 2 * centres[-1] - middles[-1])
    edges = [first, *middles, last]
    return [(a / columns, b / columns) for a, b in itertools.pairwise(edges)]
