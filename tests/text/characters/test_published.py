"""The published word reader takes the surer of its two readings."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import pytest

from onlooker.records import RecognizedText
from onlooker.text.characters.published import PublishedWordReader
from onlooker.text.characters.segmentation import CharacterWordReader
from onlooker.text.recognition.predict import TextRecognizer


def saying(*readings: RecognizedText) -> object:
    return lambda crops: list(readings[: len(crops)])


def test_the_surer_reading_stands() -> None:
    reader = PublishedWordReader(
        cast(CharacterWordReader, saying(RecognizedText("one", 0.9), RecognizedText("too", 0.4))),
        cast(TextRecognizer, saying(RecognizedText("ore", 0.5), RecognizedText("two", 0.8))),
    )
    crop = np.zeros((20, 60, 3), np.uint8)
    assert [one.text for one in reader([crop, crop])] == ["one", "two"]
    assert reader([]) == []


@pytest.mark.weights
def test_the_shipped_networks_read_a_clear_word() -> None:
    crop = np.full((48, 190, 3), 235, np.uint8)
    cv2.putText(
        crop, "STATION", (8, 35), cv2.FONT_HERSHEY_DUPLEX, 1.2, (30, 30, 60), 2, cv2.LINE_AA
    )
    (found,) = PublishedWordReader.load(threads=1)([crop])
    assert found.text == "STATION"
    assert found.confidence > 0.8
