"""Speech that was heard: words with their times, and the cues they form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word that was heard.

    Attributes:
        start_s: Start in the recording.
        end_s: End (exclusive).
        text: The word with its punctuation, without surrounding spaces.
        confidence: Probability in [0, 1].
    """

    start_s: float
    end_s: float
    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class SpeechCue:
    """About a sentence of speech, as a subtitle would show it.

    Attributes:
        start_s: Start of its first word.
        end_s: End of its last word (exclusive).
        text: Its words, joined by single spaces.
        words: Its words in the order of time.
        confidence: Mean confidence of the words.
        language: BCP 47 tag of the language that was heard.
    """

    start_s: float
    end_s: float
    text: str
    words: tuple[SpokenWord, ...]
    confidence: float
    language: str
