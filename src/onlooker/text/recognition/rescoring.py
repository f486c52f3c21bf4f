"""Doubtful readings looked at again: what the picture says, weighed with what texts are likely.

The score of a text is ``log p(text | picture) + a log p(text) + b length``, and ``c`` more where it
is in the lexicon. The picture's network was trained on single crops and knows little of words; the
length term makes up for the language model's liking of short texts.

References:
    Graves and Jaitly 2014, "Towards end-to-end speech recognition with recurrent neural networks"
    (language model, weight and insertion bonus beside CTC).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.records.text import RecognizedText
from onlooker.text.charset import GREEK, MATHS, encode
from onlooker.text.recognition.decoding import (
    align,
    beam_search,
    decode_greedy,
    log_softmax,
    score_texts,
)
from onlooker.text.recognition.language_model import LanguageModel
from onlooker.text.recognition.lexicon import Lexicon

Floats = npt.NDArray[np.float32]

(_SPACE,) = encode(" ")
#: Signs of formulas, which follow rules of their own: a text with one is left as it was read.
_FORMULA = frozenset(GREEK + MATHS + "=|<>^{}[]~·")


@dataclass(frozen=True, kw_only=True)
class RescoringConfig:
    """How a picture, a language and a lexicon are weighed.

    The weights were chosen on held-out rendered crops
    (``recipes/text.recognition/ctc/calibrate.py SHARD --grid``).

    Attributes:
        language: Weight of log p(text).
        length: Bonus for each character.
        lexicon: Bonus for a word of the lexicon.
        doubtful: Readings with at least this confidence are left alone,
        hopeless: and so are those with less than this: noise that no language mends.
        gap: A line is decoded word by word where a space has this probability.
        beam: Texts that are weighed.

    Raises:
        ConfigError: A value out of range.
    """

    language: float = 0.4
    length: float = 2.0
    lexicon: float = 6.0
    doubtful: float = 0.995
    hopeless: float = 0.3
    gap: float = 0.8
    beam: int = 16

    def __post_init__(self) -> None:
        if self.language < 0 or self.lexicon < 0 or self.beam < 1:
            raise ConfigError(
                "language and lexicon must be 0 or more and beam 1 or more, not "
                f"{self.language}, {self.lexicon}, {self.beam}"
            )


@dataclass(frozen=True, slots=True)
class Ranked:
    """A text that a crop may say.

    Attributes:
        text: The text.
        probability: Of it, among all that were weighed, times what the picture leaves to these.
    """

    text: str
    probability: float


class Rescorer:
    """Decodes crops with a language model, and a lexicon if there is one."""

    def __init__(
        self,
        model: LanguageModel,
        lexicon: Lexicon | None = None,
        config: RescoringConfig | None = None,
    ) -> None:
        self.model = model
        self.lexicon = lexicon
        self.config = config or RescoringConfig()

    def rank(self, log_probabilities: Floats, best_path: str) -> list[Ranked]:
        """List what one word's crop may say, likeliest first.

        Args:
            log_probabilities: ``(T, classes)``.
            best_path: What greedy decoding says.
        """
        config = self.config
        sums: dict[str, float] = {}
        for one in beam_search(log_probabilities, config.beam):
            text = one.text.strip()
            sums[text] = float(np.logaddexp(sums.get(text, -np.inf), one.log_probability))
        if self.lexicon is not None:
            more = [text for text in self.lexicon.near(best_path) if text not in sums]
            for text, value in zip(more, score_texts(log_probabilities, more), strict=True):
                if value > -np.inf:
                    sums[text] = float(value)
        texts = list(sums)
        of_picture = np.array([sums[text] for text in texts])
        scores = of_picture + config.language * self.model(texts)
        scores += config.length * np.array([len(text) for text in texts])
        if self.lexicon is not None:
            scores += config.lexicon * np.array([text in self.lexicon for text in texts])
        # What these texts leave of the picture's probability is for texts that nobody weighed.
        seen = min(1.0, float(np.exp(of_picture).sum()))
        shares = np.exp(scores - scores.max())
        shares *= seen / shares.sum()
        order = sorted(range(len(texts)), key=lambda i: (-shares[i], texts[i]))
        return [Ranked(texts[i], float(shares[i])) for i in order]

    def __call__(self, logits: Floats, greedy: RecognizedText) -> RecognizedText:
        """Decode one crop again.

        Args:
            logits: ``(T, classes)``.
            greedy: What greedy decoding made of it.

        Returns:
            The same where it is sure, hopeless, or a formula; else the likeliest text. Its
            confidence is, as ever, the geometric mean over its characters, here of the probability
            of the whole.
        """
        if (
            not greedy.text
            or not self.config.hopeless <= greedy.confidence < self.config.doubtful
            or not _FORMULA.isdisjoint(greedy.text)
        ):
            return greedy
        parts = self._words(logits)
        if len(parts) == 1:
            return self._word(logits, greedy)
        words = []
        for first, last in parts:
            (word,) = decode_greedy(logits[None, first:last])
            if word.text and word.confidence < self.config.doubtful:
                word = self._word(logits[first:last], word)
            if word.text:
                words.append((first, last, word))
        return _joined(words, len(logits))

    def _word(self, logits: Floats, greedy: RecognizedText) -> RecognizedText:
        log_probabilities = log_softmax(logits)
        best = self.rank(log_probabilities, greedy.text)[0]
        if not best.text:
            return RecognizedText(text="", confidence=0.0)
        aligned = greedy if best.text == greedy.text else align(log_probabilities, best.text)
        if aligned is None:
            return greedy
        return replace(aligned, confidence=best.probability ** (1 / len(best.text)))

    def _words(self, logits: Floats) -> list[tuple[int, int]]:
        """Cut a line at its clear spaces → first and last column of each word."""
        space = logits.argmax(axis=1) == _SPACE
        if not space.any():
            return [(0, len(logits))]
        clear = np.exp(log_softmax(logits)[:, _SPACE]) >= self.config.gap
        parts, start = [], 0
        for column in range(len(logits) + 1):
            ends = column == len(logits) or bool(clear[column])
            if ends and column > start:
                parts.append((start, column))
            if ends:
                start = column + 1
        return parts or [(0, len(logits))]


def _joined(words: Sequence[tuple[int, int, RecognizedText]], columns: int) -> RecognizedText:
    """Put the words of a line together again."""
    if not words:
        return RecognizedText(text="", confidence=0.0)
    spans: list[tuple[float, float]] = []
    characters: list[float] = []
    total, letters = 0.0, 0
    for first, last, word in words:
        share = (last - first) / columns
        left = first / columns
        placed = [(left + a * share, left + b * share) for a, b in word.char_spans]
        if spans:
            spans.append((spans[-1][1], max(spans[-1][1], placed[0][0])))
            characters.append(1.0)
        spans += placed
        characters += word.char_confidences
        total += float(np.log(max(word.confidence, 1e-12))) * len(word.text)
        letters += len(word.text)
    return RecognizedText(
        text=" ".join(word.text for _, _, word in words),
        confidence=float(np.exp(total / letters)),
        char_spans=tuple(spans),
        char_confidences=tuple(characters),
    )
