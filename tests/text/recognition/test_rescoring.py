from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from onlooker.errors import ConfigError, WeightsError
from onlooker.hub import choose
from onlooker.text.charset import NUM_CLASSES, encode
from onlooker.text.recognition import calibration
from onlooker.text.recognition.calibration import Calibration
from onlooker.text.recognition.decoding import decode_greedy, log_softmax
from onlooker.text.recognition.language_model import LanguageModel
from onlooker.text.recognition.lexicon import Lexicon
from onlooker.text.recognition.predict import DECODINGS, TextRecognizer
from onlooker.text.recognition.rescoring import Rescorer, RescoringConfig
from onlooker.text.recognition.weights import LANGUAGE_MODEL, WEIGHTS


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel.load(choose(WEIGHTS, LANGUAGE_MODEL))


def logits_for(*columns: dict[str, float]) -> np.ndarray:
    """Make logits from the probabilities of each column; "" is the blank."""
    logits = np.full((len(columns), NUM_CLASSES), np.log(1e-7), np.float32)
    for at, column in enumerate(columns):
        for character, value in column.items():
            logits[at, encode(character)[0] if character else 0] = np.log(value)
    return logits


def written(text: str, doubt: dict[int, dict[str, float]] | None = None) -> np.ndarray:
    """Make the logits of a text that is clear but for some characters."""
    columns: list[dict[str, float]] = [{"": 0.999}]
    for index, character in enumerate(text):
        columns += [(doubt or {}).get(index, {character: 0.999}), {"": 0.999}]
    return logits_for(*columns)


def read(model: LanguageModel, logits: np.ndarray, lexicon: Lexicon | None = None) -> str:
    (greedy,) = decode_greedy(logits[None])
    return Rescorer(model, lexicon)(logits, greedy).text


@pytest.mark.weights
@pytest.mark.parametrize(
    ("likely", "unlikely"),
    [
        ("street", "strcet"),
        ("Street", "sTreet"),
        ("DOOR", "D0OR"),
        ("shopping", "sh0pping"),
        ("don't", "dqn't"),
        ("100", "1O0"),
        ("Öffnung", "Öffnvng"),
        ("the end", "theend"),
    ],
)
def test_words_and_numbers_are_likelier_than_slips(
    model: LanguageModel, likely: str, unlikely: str
) -> None:
    first, second = model([likely, unlikely])
    assert first > second


@pytest.mark.weights
def test_scores_do_not_depend_on_company(model: LanguageModel) -> None:
    texts = ["", "a", "Xq7-9", "straße", "日本", "α", "  ", "x" * 60]
    together = model(texts)
    assert np.isfinite(together).all()
    assert together[0] == 0
    assert [LanguageModel.load(choose(WEIGHTS, LANGUAGE_MODEL))([t])[0] for t in texts] == (
        pytest.approx(together.tolist())
    )


@pytest.mark.weights
def test_among_codes_the_picture_decides(model: LanguageModel) -> None:
    values = model(["B7X", "K7Q", "Z3D"])
    assert np.ptp(values) < 0.5


@pytest.mark.weights
def test_probabilities_of_words_sum_to_at_most_one(model: LanguageModel) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    pairs = [a + b for a in letters for b in letters]
    assert 0 < np.exp(model(list(letters) + pairs)).sum() < 1


@pytest.mark.weights
def test_doubtful_letters_go_with_the_word(model: LanguageModel) -> None:
    doubt = {3: {"c": 0.55, "e": 0.44}}
    assert read(model, written("strcet", doubt)) == "street"
    sure = {3: {"c": 0.9999, "e": 0.00001}}
    assert read(model, written("strcet", sure)) == "strcet"
    assert read(model, written("DOvN", {2: {"v": 0.5, "W": 0.49}})) == "DOWN"


@pytest.mark.weights
def test_lines_are_weighed_word_by_word(model: LanguageModel) -> None:
    doubt = {3: {"c": 0.55, "e": 0.44}, 8: {"c": 0.55, "o": 0.44}}
    logits = written("strcet dcor", doubt)
    (greedy,) = decode_greedy(logits[None])
    again = Rescorer(model)(logits, greedy)
    assert again.text == "street door"
    assert len(again.char_spans) == len(again.char_confidences) == len(again.text)
    ends = [end for span in again.char_spans for end in span]
    assert ends == sorted(ends)
    assert 0 < again.confidence < 1


@pytest.mark.weights
def test_formulas_stay_as_they_are(model: LanguageModel) -> None:
    assert read(model, written("x = lcg(y)", {5: {"c": 0.55, "o": 0.44}})) == "x = lcg(y)"


@pytest.mark.weights
def test_a_lexicon_draws_readings_to_its_words(model: LanguageModel, tmp_path: Path) -> None:
    logits = written("Zorbnik", {4: {"n": 0.7, "m": 0.2}, 6: {"k": 0.8, "x": 0.15}})
    assert read(model, logits) == "Zorbnik"
    path = tmp_path / "words.txt"
    path.write_text("\ufeffzorbmik\r\nother\n\n", encoding="utf-8")
    lexicon = Lexicon.read(path)
    assert len(lexicon) == 2
    assert read(model, logits, lexicon) == "Zorbmik"
    # What the picture shows clearly is not overruled.
    assert read(model, written("Kiosk"), lexicon) == "Kiosk"


def test_a_lexicon_says_what_it_cannot_use(tmp_path: Path) -> None:
    mixed = Lexicon(["東京", "Tokyo Tower"])
    assert mixed.unwritable == ("東京",)
    assert "TOWER" in mixed
    assert "(tokyo)" in mixed
    assert "東京" not in mixed
    assert mixed.near("!?") == []
    with pytest.raises(ConfigError, match="no word that the reader can write"):
        Lexicon(["東京", ""])
    with pytest.raises(ConfigError, match=r"none\.txt cannot be read"):
        Lexicon.read(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes("Größe".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        Lexicon.read(tmp_path / "latin.txt")
    with pytest.raises(ConfigError, match="beam"):
        RescoringConfig(beam=0)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.npz"
    path.write_bytes(b"not a model")
    with pytest.raises(WeightsError, match=r"broken\.npz is no language model"):
        LanguageModel.open(path)


@pytest.mark.weights
def test_ranks_are_probabilities(model: LanguageModel) -> None:
    logits = written("strcet", {3: {"c": 0.55, "e": 0.44}})
    ranked = Rescorer(model).rank(log_softmax(logits), "strcet")
    assert [one.text for one in ranked[:2]] == ["street", "strcet"]
    values = [one.probability for one in ranked]
    assert values == sorted(values, reverse=True)
    assert 0 < sum(values) <= 1 + 1e-6


@pytest.mark.weights
def test_decodings_are_chosen_by_name() -> None:
    blank = np.full((20, 60, 3), 255, np.uint8)
    reader = TextRecognizer.load(threads=1)
    assert len(reader.n_best([blank, blank[:0]], 3)[0]) <= 3
    assert reader.n_best([blank, blank[:0]])[1] == []
    with pytest.raises(ConfigError, match="n_best needs"):
        TextRecognizer.load(decoding="greedy", threads=1).n_best([blank])
    with pytest.raises(ConfigError, match="did you mean 'greedy'"):
        TextRecognizer.load(decoding="gredy")
    with pytest.raises(ConfigError, match="needs the decoding 'lm'"):
        TextRecognizer.load(decoding="greedy", lexicon=Lexicon(["a"]))


def test_calibration_is_monotone_and_bounded() -> None:
    fitted = Calibration(0.3, 1.0, 0.5)
    values = [fitted(c, 5) for c in np.linspace(0, 1, 50)]
    assert values == sorted(values)
    assert values[0] == 0
    assert values[-1] > 0.99
    assert fitted(0.9, 3) > fitted(0.9, 9)
    assert fitted(0.9, 0) == 0


def test_every_recogniser_is_calibrated() -> None:
    for name, weights in WEIGHTS.items():
        if name != LANGUAGE_MODEL:
            for decoding in DECODINGS:
                assert Calibration.load(weights, decoding) is not None, (
                    f"run recipes/text.recognition/ctc/calibrate.py: {name} has changed"
                )


def test_a_calibration_of_other_weights_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = next(one for name, one in WEIGHTS.items() if name != LANGUAGE_MODEL)
    path = tmp_path / "calibration.json"
    monkeypatch.setattr(calibration, "PATH", path)
    path.write_text(json.dumps({weights.name: {"sha256": "other", "maps": {}}}))
    assert Calibration.load(weights, "lm") is None
    path.write_text("{")
    with pytest.raises(WeightsError, match=r"calibration\.json is missing or damaged"):
        Calibration.load(weights, "lm")
