from __future__ import annotations

import numpy as np
import pytest

from onlooker.classification.datasets import read_split
from onlooker.classification.evaluate import evaluate
from onlooker.classification.predict import ImageClassifier
from onlooker.errors import ConfigError
from onlooker.metrics import EvaluationConfig


class Knowing:
    """Knows the classes by the mean of a picture's red; not those of one class."""

    height = width = 32
    classes = ("b", "a", "c", "d", "e", "f", "g")

    def __init__(self, answers):
        self.answers = answers

    def __call__(self, pictures):
        logits = np.zeros((len(pictures), len(self.classes)), np.float32)
        for row, picture in zip(logits, pictures, strict=True):
            row[self.classes.index(self.answers[picture.tobytes()])] = 9
        return logits


def test_accuracy_is_the_share_of_right_answers(shapes_folder, monkeypatch, tmp_path):
    data = read_split(shapes_folder, "dev")
    names = [data.classes[label] for label in data.labels]
    answers = {p.tobytes(): name for p, name in zip(data.pictures, names, strict=True)}
    wrong = data.pictures[0].tobytes()
    answers[wrong] = next(name for name in data.classes if name != names[0])
    file = tmp_path / "knowing.onb"
    file.write_bytes(b"what is hashed")
    model = Knowing(answers)
    model.classes = (*reversed(data.classes), "another")
    monkeypatch.setattr(ImageClassifier, "load", classmethod(lambda cls, name: cls(model, file)))
    report = evaluate(EvaluationConfig(data=shapes_folder, model=str(file)))
    assert report.n == len(data)
    assert report.split == "dev"
    assert report.metrics["top1"] == pytest.approx(1 - 1 / len(data))
    one = evaluate(EvaluationConfig(data=shapes_folder, model=str(file), limit=1))
    assert (one.n, one.metrics["top1"]) == (1, 0.0)
    model.classes = ("another", "and another")
    with pytest.raises(ConfigError, match="does not know"):
        evaluate(EvaluationConfig(data=shapes_folder, model=str(file)))
