from __future__ import annotations

from pathlib import Path

import pytest

from onlooker.errors import ConfigError
from onlooker.text.recognition.datasets import (
    LabelledCharacter,
    LabelledCrop,
    read_characters,
    read_labels,
)


def write(folder: Path, labels: str) -> Path:
    (folder / "images").mkdir()
    (folder / "images" / "a.jpg").write_bytes(b"")
    (folder / "labels.tsv").write_bytes(labels.encode())
    return folder


def test_reads_lines_of_image_and_text(tmp_path: Path) -> None:
    folder = write(tmp_path, "images/a.jpg\tGenaxis Theatre\r\nimages/a.jpg\ta\tb\u2028c\n\n")
    image = folder / "images" / "a.jpg"
    assert read_labels(folder) == [
        LabelledCrop(image=image, text="Genaxis Theatre"),
        LabelledCrop(image=image, text="a\tb\u2028c"),
    ]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("images/a.jpg no tab\n", "line 1"),
        ("images/a.jpg\tok\nimages/b.jpg\tgone\n", "line 2.*b.jpg is not there"),
        ("\n", "is empty"),
    ],
)
def test_malformed_labels_are_named(tmp_path: Path, labels: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_labels(write(tmp_path, labels))


def test_missing_folder_and_missing_labels(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a folder"):
        read_labels(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"has no labels\.tsv"):
        read_labels(tmp_path)


def test_reads_boxes_of_characters(tmp_path: Path) -> None:
    folder = write(tmp_path, "images/a.jpg\tYou\n")
    (folder / "chars.tsv").write_text("a.jpg\t4,4,26,41\tY\na.jpg\t24,14,49,41\t\t\n")
    first, second = read_characters(folder)
    assert first == LabelledCharacter(
        image=folder / "images" / "a.jpg", box=(4, 4, 26, 41), character="Y"
    )
    assert second.character == "\t"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.jpg\t4,4,26\tY", "box '4,4,26'"),
        ("a.jpg\t4,4,4,9\tY", "an empty box"),
        ("a.jpg\t4,4,9,9\tYo", "not one character"),
        ("b.jpg\t4,4,9,9\tY", "b.jpg is not there"),
        ("a.jpg\t4,4,9,9", "line 1"),
    ],
)
def test_malformed_boxes_are_named(tmp_path: Path, line: str, said: str) -> None:
    folder = write(tmp_path, "images/a.jpg\tYou\n")
    (folder / "chars.tsv").write_text(line + "\n")
    with pytest.raises(ConfigError, match=said):
        read_characters(folder)
