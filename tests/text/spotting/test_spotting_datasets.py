from __future__ import annotations

import json

import pytest

from onlooker.errors import ConfigError
from onlooker.text.spotting.datasets import read_scenes

GOOD = {
    "image": "images/a.jpg",
    "words": [{"polygon": [[0, 0], [9, 0], [9, 3]], "text": "A\u2028B", "ignore": False}],
}


def folder(tmp_path, *lines):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"")
    (tmp_path / "annotations.jsonl").write_text(
        "\n".join(
            line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)
            for line in lines
        ),
        encoding="utf-8",
    )
    return tmp_path


def test_reads(tmp_path):
    (scene,) = read_scenes(folder(tmp_path, GOOD, ""))
    assert scene.image.name == "a.jpg"
    assert scene.words[0].text == "A\u2028B"
    assert scene.words[0].polygon == ((0.0, 0.0), (9.0, 0.0), (9.0, 3.0))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1"),
        ("[]", "line 1"),
        ({"words": []}, "no 'image'"),
        (
            {"image": "images/a.jpg", "words": [{"polygon": [[0, 0]], "text": "", "ignore": 0}]},
            "po",
        ),
        (
            {
                "image": "images/a.jpg",
                "words": [{"polygon": [[0, "x"], [1, 1], [2, 2]], "text": "", "ignore": 0}],
            },
            "line 1",
        ),
        ({**GOOD, "image": "images/b.jpg"}, "b.jpg is not there"),
        ("", "empty"),
    ],
)
def test_says_what_is_wrong(tmp_path, line, said):
    with pytest.raises(ConfigError, match=said):
        read_scenes(folder(tmp_path, line))


def test_missing(tmp_path):
    with pytest.raises(ConfigError, match="not a folder"):
        read_scenes(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"no annotations\.jsonl"):
        read_scenes(tmp_path)
