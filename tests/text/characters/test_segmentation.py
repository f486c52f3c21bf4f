from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from onlooker.text.characters.binarization import binarize
from onlooker.text.characters.metrics import character_metrics, merged
from onlooker.text.characters.predict import CLASSES, CharacterClassifier
from onlooker.text.characters.segmentation import (
    CharacterWordReader,
    SegmentationConfig,
    best_row,
    cuts_of,
    spans_of,
)


def word(text: str) -> np.ndarray:
    picture = np.full((64, 40 * len(text) + 20, 3), 230, np.uint8)
    cv2.putText(picture, text, (12, 50), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (20, 20, 20), 6)
    return picture


class Square:
    """Likes square crops, and calls them by their number of dark columns' runs."""

    def scores(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        rows = np.full((len(crops), len(CLASSES)), -8.0, np.float32)
        for row, crop in zip(rows, crops, strict=True):
            row[CLASSES.index("H")] = -abs(np.log(crop.shape[1] / crop.shape[0]))
        return rows


def test_gaps_are_cut() -> None:
    mask = binarize(word("HOH")).mask
    config = SegmentationConfig()
    cuts = cuts_of(mask, config)
    spans, boxes = spans_of(mask, cuts, config)
    assert len(cuts) >= 4
    assert len(spans) == len(boxes)
    assert all(x0 < x1 and y0 < y1 for x0, y0, x1, y1 in boxes)


def test_the_best_row_covers_the_word() -> None:
    spans = [(0, 1), (1, 2), (2, 3), (0, 2), (1, 3)]
    assert best_row(spans, [-1, -1, -1, -0.5, -3], 3) == [3, 2]
    assert best_row([], [], 0) == []


def test_words_are_read_by_characters() -> None:
    reader = CharacterWordReader(cast(CharacterClassifier, Square()))
    blank = np.full((20, 60, 3), 128, np.uint8)
    found = reader([word("HHH"), blank, np.zeros((0, 5, 3), np.uint8)])
    assert found[0].text == "HHH"
    assert len(found[0].char_spans) == 3
    assert 0 < found[0].confidence <= 1
    assert [one.text for one in found[1:]] == ["", ""]
    assert reader([]) == []


def test_classes_that_look_alike_are_merged() -> None:
    assert merged("0") == merged("O") == "o"
    metrics = character_metrics(["O", "a", "B"], ["0", "A", "B"])
    assert metrics == {"accuracy": 1 / 3, "accuracy_lower": 2 / 3, "accuracy_merged": 2 / 3}
