from __future__ import annotations

import json

import pytest
from PIL import Image

from onlooker.cli import evaluate as module
from onlooker.cli.main import main
from onlooker.hub import Weights
from onlooker.records import Page, TextLine, TextWord
from onlooker.text import pipeline
from onlooker.text.spotting import evaluate as spotting


def run(capsys, *args):
    with pytest.raises(SystemExit) as done:
        main(["evaluate", *map(str, args)])
    out = capsys.readouterr()
    return done.value.code, out.out, out.err


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
        "model": {"name": "a+b", "sha256": "aaa+bbb"},
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


def test_a_lexicon_that_cannot_be_read(capsys, scenes):
    where = str(scenes / "none.txt")
    code, _, err = run(capsys, "text.recognition", "--data", str(scenes), "--lexicon", where)
    assert code == 1
    assert "none.txt cannot be read" in err
