from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onlooker.text.charset import CHARSET
from onlooker.text.recognition import crops
from onlooker.text.synthesis import corpus as corpus_module
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.corpus import Corpus, formula, number
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.placement import OUTLINE_POINTS
from onlooker.text.synthesis.render import render_stacked
from onlooker.text.synthesis.shards import read_shard, save_shard
from onlooker.text.synthesis.words import WordSynthesizer


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> Corpus:
    words = ["moment", "lecture", "street", "corner", "house"]
    monkeypatch.setattr(corpus_module, "_load_words", lambda language: (words, [5, 4, 3, 2, 1]))
    return Corpus()


def test_everything_drawn_is_in_the_charset(corpus: Corpus) -> None:
    rng = np.random.default_rng(3)
    for _ in range(1000):
        for text in (corpus.word(rng), corpus.line(rng), number(rng), formula(rng)):
            assert text
            assert set(text) <= set(CHARSET), text


def test_cases_are_mixed_as_on_signs(corpus: Corpus) -> None:
    rng = np.random.default_rng(4)
    drawn = [corpus.word(rng) for _ in range(2000)]
    words = [
        text
        for text in drawn
        if text.isalpha() and text.lower() in {"moment", "lecture", "street", "corner", "house"}
    ]
    lower = sum(text.islower() for text in words) / len(words)
    upper = sum(text.isupper() for text in words) / len(words)
    assert 0.35 < lower < 0.5
    assert 0.23 < upper < 0.37


def test_words_come_from_the_frequency_lists() -> None:
    pytest.importorskip("wordfreq", reason="the extra `train` is not installed")
    corpus = Corpus({"de": 1.0})
    rng = np.random.default_rng(5)
    drawn = {corpus.plain_word(rng) for _ in range(3000)}
    assert any("ü" in word for word in drawn)
    assert "und" in drawn


def test_backgrounds_have_the_size_that_was_asked_for() -> None:
    rng = np.random.default_rng(6)
    photo = rng.integers(0, 255, (300, 400, 3), dtype=np.uint8)
    for bank in (BackgroundBank([]), BackgroundBank([photo])):
        for size in ((48, 120), (1, 1), (500, 20)):
            for _ in range(20):
                patch = bank.patch(rng, *size)
                assert patch.shape == (*size, 3)
                assert patch.dtype == np.uint8


def test_word_pictures_are_the_same_for_the_same_seed(corpus: Corpus, bank: FontBank) -> None:
    # The test font has neither accents nor Greek nor mathematics.
    corpus.word = lambda rng: str(rng.integers(0, 99999))  # type: ignore[method-assign]
    corpus.line = lambda rng: "two words"  # type: ignore[method-assign]
    maker = WordSynthesizer(bank, corpus, BackgroundBank([]))
    first = [maker.draw(np.random.default_rng(seed)) for seed in range(60)]
    again = [maker.draw(np.random.default_rng(seed)) for seed in range(60)]
    for one, two in zip(first, again, strict=True):
        assert one.text == two.text
        assert np.array_equal(one.picture, two.picture)
        assert one.picture.shape[0] == 32
        assert one.picture.shape[1] % 8 == 0
        assert int(one.picture.max()) - int(one.picture.min()) >= 5


def test_a_shard_gives_back_what_was_saved(tmp_path: Path, corpus: Corpus, bank: FontBank) -> None:
    corpus.word = lambda rng: "Street"  # type: ignore[method-assign]
    corpus.line = lambda rng: "two words"  # type: ignore[method-assign]
    maker = WordSynthesizer(bank, corpus, BackgroundBank([]))
    rng = np.random.default_rng(0)
    drawn = [maker.draw(rng) for _ in range(20)]
    save_shard(tmp_path / "words-00000.npz", drawn)
    read = list(read_shard(tmp_path / "words-00000.npz"))
    assert [one.text for one in read] == [one.text for one in drawn]
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(read, drawn, strict=True))


def test_short_crops_are_stretched_and_long_ones_squeezed() -> None:
    for height, width in ((20, 100), (48, 60), (31, 257)):
        resized = crops.resize_crop(np.zeros((height, width), np.uint8), 480)
        assert resized.shape == (32, crops.width_for(height, width, 480))
    assert crops.width_for(32, 128, 480) == 128
    assert crops.width_for(32, 32, 480) == 64
    assert crops.width_for(32, 6400, 480) == 480


def test_the_outline_of_a_loose_picture_lies_around_the_ink(corpus: Corpus, bank: FontBank) -> None:
    corpus.word = lambda rng: "Street"  # type: ignore[method-assign]
    corpus.line = lambda rng: "two words"  # type: ignore[method-assign]
    maker = WordSynthesizer(bank, corpus, BackgroundBank([]))
    rng = np.random.default_rng(3)
    turned = 0
    for _ in range(40):
        drawn = maker.draw(rng, loose=True)
        if drawn.outline is None:
            assert drawn.text == ""
            continue
        assert drawn.outline.shape == (2 * OUTLINE_POINTS, 2)
        assert drawn.outline.min() > -0.5
        assert drawn.outline.max() < 1.5
        turned += drawn.outline[0, 0] > drawn.outline[4, 0]  # read from right to left
    assert 2 <= turned <= 25


def test_stacked_letters_are_laid_on_their_side(bank: FontBank) -> None:
    mask = render_stacked("LOW", bank.faces[0], 40).mask
    assert mask.shape[1] > 2 * mask.shape[0]  # three letters side by side
    # The stem of the L, its upright stroke, lies level at the bottom after the quarter turn.
    first = mask[:, : mask.shape[1] // 3]
    assert first[first.shape[0] // 2 :].mean() > first[: first.shape[0] // 2].mean()


def test_some_pictures_say_nothing(corpus: Corpus, bank: FontBank) -> None:
    corpus.word = lambda rng: "Street"  # type: ignore[method-assign]
    corpus.line = lambda rng: "two words"  # type: ignore[method-assign]
    maker = WordSynthesizer(FontBank(bank.faces, foreign=bank.faces), corpus, BackgroundBank([]))
    rng = np.random.default_rng(1)
    texts = [maker.draw(rng).text for _ in range(150)]
    assert 2 <= texts.count("") <= 30
    assert set(texts) == {"", "Street", "two words"}
