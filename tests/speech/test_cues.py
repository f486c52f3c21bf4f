"""Grouping words into cues."""

from __future__ import annotations

from onlooker.records import SpokenWord
from onlooker.speech.cues import LONGEST_S, cues_of


def spoken(text: str, start_s: float = 0.0, each_s: float = 0.3) -> list[SpokenWord]:
    return [
        SpokenWord(start_s + i * each_s, start_s + (i + 1) * each_s, word, 0.5 + 0.1 * (i % 2))
        for i, word in enumerate(text.split())
    ]


def test_no_words_no_cues() -> None:
    assert list(cues_of([], "en")) == []


def test_sentences_are_cues() -> None:
    cues = list(cues_of(spoken("One bit is enough. We count the bits! Do you see?"), "en"))
    assert [cue.text for cue in cues] == ["One bit is enough.", "We count the bits!", "Do you see?"]
    assert cues[0].start_s == 0.0
    assert cues[0].end_s == cues[1].start_s
    assert all(cue.language == "en" for cue in cues)


def test_one_word_sentences_stay_with_their_neighbours() -> None:
    cues = list(cues_of(spoken("Yes. It is so."), "en"))
    assert [cue.text for cue in cues] == ["Yes. It is so."]


def test_a_pause_ends_a_cue() -> None:
    cues = list(cues_of([*spoken("and then"), *spoken("he came", 5.0)], "en"))
    assert [cue.text for cue in cues] == ["and then", "he came"]


def test_long_speech_without_punctuation_is_split_and_nothing_is_lost() -> None:
    words = spoken("word " * 200)
    cues = list(cues_of(words, "de"))
    assert [word for cue in cues for word in cue.words] == words
    assert all(cue.end_s - cue.start_s <= LONGEST_S for cue in cues)
    assert all(0.5 <= cue.confidence <= 0.6 for cue in cues)
