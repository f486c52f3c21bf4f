from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from onlooker.cli import evaluate as module
from onlooker.cli.main import main
from onlooker.hub import Weights
from onlooker.records import Page, TextLine, TextWord
from onlooker.text import pipeline
from onlooker.text.detection.methods import DEFAULT, weights_of
from onlooker.text.spotting import evaluate as spotting
from onlooker.text.spotting.metrics import TrueWord


def run(capsys, *args):
    with pytest.raises(SystemExit) as done:
        main(["evaluate", *map(str, args)])
    out = capsys.readouterr()
    return done.value.code, out.out, out.err


DB = weights_of(DEFAULT)
BOX = ((10, 10), (60, 10), (60, 30), (10, 30))


@pytest.fixture
def scenes(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    lines = []
    for index, text in enumerate(("Exit", "Other")):
        Image.new("RGB", (100, 60), "white").save(tmp_path / f"images/{index}.png")
        entry = {
            "image": f"images/{index}.png",
            "words": [{"polygon": BOX, "text": text, "ignore": False}],
        }
        lines.append(json.dumps(entry))
    (tmp_path / "annotations.jsonl").write_text("\n".join(lines))

    def reader(pixels):
        line = TextLine((TextWord("EXIT", BOX, 0.9),))
        return Page(pixels.shape[1], pixels.shape[0], (line,))

    monkeypatch.setattr(pipeline.TextReader, "load", classmethod(lambda cls, **_: reader))
    weights = [Weights(name=n, file=n, sha256=n * 3, licence="Apache-2.0") for n in ("a", "b")]
    monkeypatch.setattr(spotting, "shipped_weights", lambda: weights)
    return tmp_path


def test_spotting_as_json(capsys, scenes, monkeypatch):
    monkeypatch.chdir(scenes.parent)
    code, out, err = run(capsys, "text.spotting", "--data", scenes.name, "--json")
    assert (code, err) == (0, "")
    values = json.loads(out)
    assert values.pop("seconds") >= 0
    assert values == {
        "task": "text.spotting",
        "data": scenes.name,
        "split": None,
        "model": {"name": f"{DB.name}+b", "sha256": f"{DB.sha256}+bbb"},
        "n": 2,
        "metrics": {
            "hmean": 0.5,
            "precision": 0.5,
            "recall": 0.5,
            "words_recall": 0.5,
            "words_precision": 0.5,
            "words_hmean": 0.5,
        },
    }


def test_for_people_and_with_a_limit(capsys, scenes):
    code, out, _ = run(capsys, "text.spotting", "--data", scenes, "--limit", 1)
    assert code == 0
    assert "n = 1" in out
    assert "words_hmean      1.0000" in out
    assert all(len(line) <= 80 or str(scenes) in line for line in out.splitlines())


def test_split_is_refused(capsys, scenes):
    code, _, err = run(capsys, "text.spotting", "--data", scenes, "--split", "dev")
    assert code == 1
    assert "no splits" in err


def test_missing_folder_and_labels(capsys, tmp_path):
    code, _, err = run(capsys, "text.spotting", "--data", tmp_path / "none")
    assert code == 1
    assert "not a folder" in err
    code, _, err = run(capsys, "text.spotting", "--data", tmp_path)
    assert code == 1
    assert "annotations.jsonl" in err


def test_unknown_task_is_wrong_usage_and_names_the_known(capsys, tmp_path):
    code, _, err = run(capsys, "text.spoting", "--data", tmp_path)
    assert code == 2
    assert "text.spotting" in err


@pytest.mark.parametrize("task", list(module.TASKS))
def test_every_task_of_the_table_is_there_and_refuses_what_is_no_folder(capsys, tmp_path, task):
    code, _, err = run(capsys, task, "--data", tmp_path / "none")
    assert code == 1
    assert "none" in err
    code, _, err = run(capsys, task, "--data", tmp_path)
    assert code == 1
    assert str(tmp_path) in err


def test_decoding_is_for_recognition(capsys, scenes):
    code, _, err = run(capsys, "text.spotting", "--data", str(scenes), "--decoding", "greedy")
    assert code == 2
    assert "are for text.recognition" in err


@pytest.mark.parametrize(
    ("task", "option", "value"),
    [("text.recognition", "--detector", "db"), ("text.detection", "--turned", "90")],
)
def test_options_of_other_tasks_are_wrong_usage(capsys, scenes, task, option, value):
    code, _, err = run(capsys, task, "--data", scenes, option, value)
    assert code == 2
    assert f"{option} is for" in err


@pytest.mark.parametrize("task", ["text.spotting", "text.detection"])
def test_an_unknown_detector_names_the_known(capsys, scenes, task):
    code, _, err = run(capsys, task, "--data", scenes, "--detector", "maser")
    assert code == 1
    assert "did you mean 'mser'" in err


def test_the_report_names_the_detector_that_ran(capsys, scenes):
    _, out, _ = run(capsys, "text.spotting", "--data", scenes, "--detector", "mser", "--json")
    model = json.loads(out)["model"]
    assert model["name"] == "mser.synth1+b"
    assert model["sha256"].endswith("+bbb")


@pytest.mark.parametrize("turned", ["90", "180", "270", "any"])
def test_pictures_are_turned_with_their_words(capsys, scenes, monkeypatch, turned):
    """The word is drawn red: a reader that finds its place in the turned picture is right."""
    for index in range(2):
        picture = np.full((60, 100, 3), 255, np.uint8)
        picture[10:30, 10:60] = (255, 0, 0)
        Image.fromarray(picture).save(scenes / f"images/{index}.png")
    shapes = []

    def reader(pixels):
        shapes.append(pixels.shape[:2])
        y, x = np.nonzero(pixels[:, :, 1] < 128)
        hull = cv2.minAreaRect(np.stack([x, y], axis=1).astype(np.float32))
        corners = tuple((float(a), float(b)) for a, b in cv2.boxPoints(hull))
        line = TextLine((TextWord("EXIT", corners, 0.9),))
        return Page(pixels.shape[1], pixels.shape[0], (line,))

    monkeypatch.setattr(pipeline.TextReader, "load", classmethod(lambda cls, **_: reader))
    code, out, _ = run(capsys, "text.spotting", "--data", scenes, "--turned", turned, "--json")
    assert code == 0
    assert json.loads(out)["metrics"]["hmean"] == 0.5  # of "Exit" and "Other"
    assert shapes[0] == {"180": (60, 100), "90": (100, 60), "270": (100, 60)}.get(turned, shapes[0])
    assert turned != "any" or shapes[0] != shapes[1]


def test_turned_words_keep_their_reading_order():
    (word,) = spotting.turned_words([TrueWord("EXIT", BOX)], 90, (100, 60), (60, 100))
    assert word.polygon[0] == pytest.approx((50, 10))  # its top left is now at the top right
    assert word.polygon[1] == pytest.approx((50, 60))


def test_a_lexicon_that_cannot_be_read(capsys, scenes):
    where = str(scenes / "none.txt")
    code, _, err = run(capsys, "text.recognition", "--data", str(scenes), "--lexicon", where)
    assert code == 1
    assert "none.txt cannot be read" in err
