from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from onlooker.errors import ConfigError
from onlooker.metrics import EvaluationConfig
from onlooker.text.characters.crops import network_input, squared
from onlooker.text.characters.predict import CLASSES, CharacterClassifier
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.characters import (
    CharacterSynthesizer,
    draw_characters,
    loosened,
    write_characters,
)
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.fonts import FontBank, inspect


def word(text: str) -> np.ndarray:
    picture = np.full((56, 34 * len(text) + 10, 3), 235, np.uint8)
    cv2.putText(picture, text, (6, 44), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (25, 25, 25), 5)
    return picture


@pytest.fixture(scope="module")
def synthesizer(tmp_path_factory: pytest.TempPathFactory) -> CharacterSynthesizer:
    pytest.importorskip("wordfreq", reason="the extra `train` is not installed")
    from PIL import ImageFont

    path = tmp_path_factory.mktemp("fonts") / "aileron.ttf"
    path.write_bytes(ImageFont.load_default(20).path.getvalue())  # type: ignore[union-attr]
    return CharacterSynthesizer(FontBank(inspect([path])), Corpus({"en": 1.0}), BackgroundBank([]))


def test_boxes_stand_on_the_characters(synthesizer: CharacterSynthesizer) -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        drawn = synthesizer.draw_word(rng)
        height, width = drawn.picture.shape
        assert len(drawn.boxes) == len(drawn.text)
        middles = (drawn.boxes[:, :2] + drawn.boxes[:, 2:]) / 2
        assert (middles > -1).all()
        assert (middles < (width + 1, height + 1)).all()
        cut = loosened(rng, drawn.boxes[0], height, width)
        assert cut is None or (0 <= cut[0] < cut[2] <= width and 0 <= cut[1] < cut[3] <= height)


def test_a_seed_draws_the_same_characters(
    synthesizer: CharacterSynthesizer, tmp_path: Path
) -> None:
    one = draw_characters(synthesizer, np.random.default_rng(3), 40)
    two = draw_characters(synthesizer, np.random.default_rng(3), 40)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert one["pixels"].shape[1:] == (32, 32)
    assert one["labels"].max() < len(CLASSES)
    (path,) = write_characters(synthesizer, tmp_path, shards=1, per_shard=10, seed=1)
    with np.load(path) as shard:
        assert len(shard["labels"]) >= 10


def test_the_shape_of_a_crop_is_kept() -> None:
    picture, shape = squared(np.zeros((40, 10, 3), np.uint8))
    assert picture.shape == (32, 32)
    assert shape == 0.25
    inputs = network_input(picture[None], np.array([shape], np.float32))
    assert inputs.shape == (1, 2, 32, 32)
    assert np.allclose(inputs[0, 1], np.log(0.25))


@pytest.mark.weights
def test_characters_are_classified_alone_and_in_words(tmp_path: Path) -> None:
    from onlooker.text.characters.evaluate import evaluate

    classifier = CharacterClassifier.load(threads=1)
    crops = [word(c) for c in "RKA4"]
    found = classifier([*crops, np.zeros((0, 3, 3), np.uint8)])
    assert "".join(one.character for one in found) == "RKA4"
    assert classifier(crops[:1])[0].confidence == pytest.approx(found[0].confidence, abs=1e-4)
    assert classifier([]) == []

    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), word("REAL")[:, :, ::-1])
    rows = [f"a.png\t{4 + 34 * i},4,{38 + 34 * i},52\t{c}\n" for i, c in enumerate("REA")]
    (tmp_path / "chars.tsv").write_text("".join(rows) + "a.png\t0,0,5,5\t?\n")
    report = evaluate(EvaluationConfig(data=tmp_path))
    assert (report.task, report.n) == ("text.characters", 3)
    assert set(report.metrics) == {
        "accuracy",
        "accuracy_lower",
        "accuracy_merged",
        "accuracy_cnn",
        "accuracy_in_word",
    }
    (tmp_path / "chars.tsv").write_text("a.png\t0,0,5,5\t?\n")
    with pytest.raises(ConfigError, match="no letter or figure"):
        evaluate(EvaluationConfig(data=tmp_path))


@pytest.mark.slow
def test_a_network_learns_a_few_characters(
    synthesizer: CharacterSynthesizer, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from onlooker.text.characters.train import train_from_recipe

    list(write_characters(synthesizer, tmp_path / "shards", shards=1, per_shard=64, seed=1))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'export = "{tmp_path}/cnn.onnx"\n[model]\nchannels = [8, 8, 16, 16]\nblocks = [0, 0, 0]\n'
        f'[data]\nshards = "{tmp_path}/shards"\nheld_out = 0\nbatch = 32\n'
        f'[train]\nout = "{tmp_path}/run"\nminutes = 0.1\nthreads = 1\n'
    )
    train_from_recipe(recipe, [])
    assert len(CharacterClassifier(tmp_path / "cnn.onnx")([word("A")])) == 1
