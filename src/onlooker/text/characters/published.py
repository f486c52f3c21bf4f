"""The word reader of SceneTextReg as published: characters after binarisation, and CNN with LSTM.

Both read each word, and the surer reading stands. It is kept to be measured
(``benchmarks/scene_text_reg.py``); `onlooker.text.recognition` reads better and faster.

References:
    Yang, Wang, Bartz, Meinel 2016, "SceneTextReg: a real-time video OCR system" (words read by
    CNN and recurrent layers); Yang, Wang, Che, Meinel 2015 (skeleton-based binarisation, then a CNN
    that classifies characters). How both were put together is not published: taking the surer one
    is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from onlooker.records import RecognizedText
from onlooker.text.characters.predict import CharacterClassifier
from onlooker.text.characters.segmentation import CharacterWordReader
from onlooker.text.recognition.predict import TextRecognizer

Picture = npt.NDArray[np.uint8]

#: A CNN whose columns are read by bidirectional LSTM layers, decoded without a language model.
CNN_LSTM = "crnn.synth1"


class PublishedWordReader:
    """Reads crops of words both ways.

    Args:
        characters: Reads words character by character.
        words: Reads words whole.
    """

    def __init__(self, characters: CharacterWordReader, words: TextRecognizer) -> None:
        self._characters = characters
        self._words = words

    @classmethod
    def load(cls, *, threads: int | None = None) -> PublishedWordReader:
        """Load the shipped networks.

        Args:
            threads: Threads that may be used; None: as many as Onlooker may use.

        Raises:
            WeightsError: A file is missing or damaged.
        """
        return cls(
            CharacterWordReader(CharacterClassifier.load(threads=threads)),
            TextRecognizer.load(CNN_LSTM, threads=threads, decoding="greedy"),
        )

    def __call__(self, crops: Sequence[Picture]) -> list[RecognizedText]:
        """Read crops.

        Args:
            crops: Each ``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8, upright text.

        Returns:
            The surer of both readings of each crop, in their order.
        """
        return [
            max(whole, single, key=lambda one: one.confidence)
            for whole, single in zip(self._words(crops), self._characters(crops), strict=True)
        ]
