"""Words with their times → cues of about a sentence, as they are searched and shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onlooker.records.speech import SpeechCue, SpokenWord

SENTENCE_ENDS = (".", "!", "?", "…", "。", "？", "！")
# A subtitle is read in at most seven seconds (BBC subtitle guidelines); a hit should point there.
LONGEST_S = 7.0
# A pause that separates two thoughts.
PAUSE_S = 0.8
# "Yes." or "3." does not stand alone where speech runs on.
FEWEST_WORDS = 3


def cues_of(words: Iterable[SpokenWord], language: str) -> Iterator[SpeechCue]:
    """Group words into cues: at pauses, at ends of sentences, and when a cue grows too long.

    Args:
        words: In the order of time.
        language: BCP 47 tag.

    Example:
        >>> words = [SpokenWord(0.0, 0.4, "Good", 0.9), SpokenWord(0.4, 0.8, "morning.", 0.9)]
        >>> [cue.text for cue in cues_of(words, "en")]
        ['Good morning.']
    """
    held: list[SpokenWord] = []
    for word in words:
        if held and _ends(held, word):
            yield _cue(held, language)
            held = []
        held.append(word)
    if held:
        yield _cue(held, language)


def _ends(held: list[SpokenWord], after: SpokenWord) -> bool:
    last = held[-1]
    return (
        after.start_s - last.end_s >= PAUSE_S
        or after.end_s - held[0].start_s > LONGEST_S
        or (len(held) >= FEWEST_WORDS and last.text.rstrip("\"'”’)").endswith(SENTENCE_ENDS))
    )


def _cue(words: list[SpokenWord], language: str) -> SpeechCue:
    return SpeechCue(
        start_s=words[0].start_s,
        end_s=max(word.end_s for word in words),
        text=" ".join(word.text for word in words),
        words=tuple(words),
        confidence=sum(word.confidence for word in words) / len(words),
        language=language,
    )
