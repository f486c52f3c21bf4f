"""Binarised words → characters → text: many cuts, of which the best row is chosen.

Cuts are proposed where the ink has gaps or is thin, more than there are characters; each piece
between two cuts is classified, and the row of pieces that fits best is found by dynamic
programming. Over-segmentation is the way of Bissacco et al. 2013, "PhotoOCR"; the costs are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.records.text import RecognizedText
from onlooker.text.characters.binarization import BinaryWord, binarize
from onlooker.text.characters.context import place_scores
from onlooker.text.characters.predict import CLASSES, CharacterClassifier

Mask = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class SegmentationConfig:
    """How pieces are made and weighed; chosen on generated and some development words.

    Attributes:
        thin: A column with so little ink, over the word's height, may be cut.
        narrowest: Least width of a character, over the height of its word.
        widest: Largest width.
        pieces: Most pieces between cuts that one character may take.
        gain: Added to the logarithm of the probability of each character; higher: more cuts.
        place: What a character's height and place in the word weigh when its class is chosen.
        margin: Room left around a piece, over its height, as the classifier learnt it.
        binary: Classify the binarised picture; otherwise the grey one.
    """

    thin: float = 0.22
    narrowest: float = 0.08
    widest: float = 1.5
    pieces: int = 4
    gain: float = 0.4
    place: float = 0.5
    margin: float = 0.1
    binary: bool = True


class CharacterWordReader:
    """Reads words character by character: the same face as `TextRecognizer`.

    Args:
        classifier: Tells characters apart.
        config: How words are cut.
    """

    def __init__(
        self, classifier: CharacterClassifier, config: SegmentationConfig | None = None
    ) -> None:
        self.classifier = classifier
        self.config = config or SegmentationConfig()

    def __call__(self, crops: Sequence[npt.NDArray[np.uint8]]) -> list[RecognizedText]:
        """Read crops of upright words; letters and figures only.

        Returns:
            One record a crop; an empty one where no ink was found.
        """
        return [
            self._read(binarize(crop)) if crop.size else RecognizedText(text="", confidence=0.0)
            for crop in crops
        ]

    def _read(self, word: BinaryWord) -> RecognizedText:
        config = self.config
        cuts = cuts_of(word.mask, config)
        spans, boxes = spans_of(word.mask, cuts, config)
        if not spans:
            return RecognizedText(text="", confidence=0.0)
        shown = word.grey
        if config.binary:  # soft edges, as pictures have them
            shown = np.asarray(cv2.GaussianBlur(255 - 255 * word.mask, (0, 0), 1.0), np.uint8)
        scores = self.classifier.scores([_cut(shown, box, config.margin) for box in boxes])
        best = scores.max(axis=1)
        row = best_row(spans, best + config.gain, len(cuts) - 1)
        high = word.mask.shape[0]
        likely = [
            scores[i] + config.place * place_scores(boxes[i][1] / high, boxes[i][3] / high)
            for i in row
        ]
        text = "".join(CLASSES[int(one.argmax())] for one in likely)
        width = word.mask.shape[1]
        return RecognizedText(
            text=text,
            confidence=float(np.exp(np.mean([best[i] for i in row]))) if row else 0.0,
            char_spans=tuple((boxes[i][0] / width, boxes[i][2] / width) for i in row),
        )


def cuts_of(mask: Mask, config: SegmentationConfig) -> list[int]:
    """Propose where characters begin and end → columns, ascending; fewer than two without ink."""
    ink = mask.sum(axis=0)
    filled = np.flatnonzero(ink)
    rows = np.flatnonzero(mask.any(axis=1))
    if not filled.size:
        return []
    first, last = int(filled[0]), int(filled[-1]) + 1
    height = int(rows[-1] - rows[0] + 1)
    apart = max(2, round(config.narrowest * height))
    cuts = [first]
    column = first + 1
    while column < last:
        if ink[column] == 0:  # the middle of a gap
            end = column
            while end < last and ink[end] == 0:
                end += 1
            cuts.append((column + end) // 2)
            column = end
            continue
        low, high = max(first, column - apart), min(last, column + apart + 1)
        around = ink[low:high]
        lowest = ink[column] == around.min() and int(around.argmin()) == column - low
        if lowest and ink[column] <= config.thin * height:
            cuts.append(column)
        column += 1
    return [*dict.fromkeys(cuts), last]


def spans_of(
    mask: Mask, cuts: Sequence[int], config: SegmentationConfig
) -> tuple[list[tuple[int, int]], list[Box]]:
    """List pieces that may be characters → (first cut, last cut) of each, their boxes of ink."""
    spans: list[tuple[int, int]] = []
    boxes: list[Box] = []
    if len(cuts) < 2:
        return spans, boxes
    rows = np.flatnonzero(mask.any(axis=1))
    height = int(rows[-1] - rows[0] + 1)
    for start in range(len(cuts) - 1):
        for end in range(start + 1, min(len(cuts), start + config.pieces + 1)):
            part = mask[:, cuts[start] : cuts[end]]
            inked, high = np.flatnonzero(part.any(axis=0)), np.flatnonzero(part.any(axis=1))
            if not inked.size:
                continue
            width = int(inked[-1] - inked[0] + 1)
            if end > start + 1 and width > config.widest * height:
                break
            spans.append((start, end))
            left = cuts[start] + int(inked[0])
            boxes.append((left, int(high[0]), left + width, int(high[-1]) + 1))
    return spans, boxes


def best_row(spans: Sequence[tuple[int, int]], scores: npt.ArrayLike, last: int) -> list[int]:
    """Find the row of pieces from cut 0 to cut ``last`` with the best sum → their indices.

    Example:
        >>> best_row([(0, 1), (1, 2), (0, 2)], [-0.1, -0.1, -0.9], 2)
        [0, 1]
    """
    values = np.asarray(scores, np.float64)
    reached = np.full(last + 1, -np.inf)
    reached[0] = 0.0
    came = [-1] * (last + 1)
    for index in sorted(range(len(spans)), key=lambda i: spans[i]):
        start, end = spans[index]
        if reached[start] + values[index] > reached[end]:
            reached[end] = reached[start] + values[index]
            came[end] = index
    row: list[int] = []
    at = last
    while at > 0 and came[at] >= 0:
        row.append(came[at])
        at = spans[came[at]][0]
    return row[::-1]


def _cut(picture: Mask, box: Box, margin: float) -> Mask:
    x0, y0, x1, y1 = box
    more = max(1, round(margin * (y1 - y0)))
    around = cv2.copyMakeBorder(picture, more, more, more, more, cv2.BORDER_REPLICATE)
    return np.asarray(around[y0 : y1 + 2 * more, x0 : x1 + 2 * more], np.uint8)
