"""A character with the word around it: its shape, its size and what the word's reader saw there.

Lone crops cannot tell "o" from "O" from "0"; beside other letters they can. Three witnesses are
added up as logarithms of probabilities: the character network on the box, how high the box is and
where it stands in the word's crop, and the word recogniser's columns below the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onlooker.text.characters.places import PLACES
from onlooker.text.characters.predict import CLASSES, CharacterClassifier, normalized
from onlooker.text.charset import encode
from onlooker.text.recognition.predict import TextRecognizer

Floats = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]
_COLUMNS = np.array(encode(CLASSES))


@dataclass(frozen=True, kw_only=True)
class ContextConfig:
    """What each witness weighs against the character network, chosen on generated words.

    Attributes:
        lone: The word recogniser's view of the lone crop.
        column: The word recogniser's columns below the box.
        place: Height and place in the word.
        reach: Standard deviation, in half widths of the box, of where the recogniser's column may
            lie off the box's middle.
        floor: Least logarithm of a probability: none is ruled out by one witness.
    """

    lone: float = 0.3
    column: float = 1.5
    place: float = 0.3
    reach: float = 0.5
    floor: float = -9.0


class ContextClassifier:
    """Joins the character network and the word recogniser.

    Args:
        classifier: The character network.
        recognizer: The word recogniser.
        config: Weights.
    """

    def __init__(
        self,
        classifier: CharacterClassifier,
        recognizer: TextRecognizer,
        config: ContextConfig | None = None,
    ) -> None:
        self.classifier = classifier
        self.recognizer = recognizer
        self.config = config or ContextConfig()

    def lone(self, crops: Sequence[npt.NDArray[np.uint8]]) -> Floats:
        """Classify lone crops by both networks → logarithms of probabilities ``(n, 62)``."""
        shape = self.classifier.scores(crops)
        for row, columns in zip(shape, self.recognizer.distributions(crops), strict=True):
            seen = _peak(columns, np.zeros(len(columns), np.float32))
            row += self.config.lone * np.maximum(seen, np.float32(self.config.floor))
        return normalized(shape)

    def in_words(
        self, words: Sequence[npt.NDArray[np.uint8]], boxes: Sequence[Sequence[Box]]
    ) -> list[Floats]:
        """Classify characters of which the word is known.

        Args:
            words: Crops of words, RGB or grey uint8.
            boxes: For each word, boxes of its characters, xyxy in its pixels.

        Returns:
            For each word, logarithms of probabilities ``(n, 62)``.
        """
        config = self.config
        found = []
        columns = self.recognizer.distributions(words)
        for word, some, read in zip(words, boxes, columns, strict=True):
            crops = [word[max(0, y0) : y1, max(0, x0) : x1] for x0, y0, x1, y1 in some]
            total = self.classifier.scores(crops)
            height, width = word.shape[:2]
            for row, (x0, y0, x1, y1) in enumerate(some):
                if len(read):
                    at = (np.arange(len(read)) + 0.5) * width / len(read)
                    off = (at - (x0 + x1) / 2) / max((x1 - x0) / 2, 1.0) / config.reach
                    seen = _peak(read, (-0.5 * off**2).astype(np.float32))
                    total[row] += config.column * np.maximum(seen, config.floor)
                total[row] += config.place * np.maximum(
                    place_scores(y0 / height, y1 / height), config.floor
                )
            found.append(normalized(total))
        return found


def place_scores(top: float, bottom: float) -> Floats:
    """Score how well each class fits a box from ``top`` to ``bottom`` of the word's crop."""
    logs = PLACES.T
    height = np.log(max(bottom - top, 1e-3))
    centre = (top + bottom) / 2
    z = ((height - logs[0]) / logs[1]) ** 2 + ((centre - logs[2]) / logs[3]) ** 2
    scores = -0.5 * z - np.log(logs[1]) - np.log(logs[3])
    return np.asarray(scores - np.logaddexp.reduce(scores), np.float32)


def _peak(columns: Floats, penalty: Floats) -> Floats:
    """Take each class at its best column → logarithms of probabilities ``(62,)``."""
    if not len(columns):
        return np.full(len(CLASSES), -np.log(len(CLASSES)), np.float32)
    best = (columns[:, _COLUMNS] + penalty[:, None]).max(axis=0)
    return np.asarray(best - np.logaddexp.reduce(best), np.float32)
