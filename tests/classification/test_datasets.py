from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from onlooker.classification import datasets
from onlooker.classification.datasets import read_split
from onlooker.errors import ConfigError, MediaError


def test_a_split_is_read_in_its_order(shapes_folder: Path) -> None:
    data = read_split(shapes_folder, "odd")
    assert data.pictures.shape == (12, 32, 32, 3) and data.pictures.dtype == np.uint8
    assert data.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert data.classes == ("blob", "stripe", "plain")
    assert data.names[4] == "odd/stripe/0000.jpg"
    # RGB: the blob is red.
    assert data.pictures[0, 16, 16, 0] > 150 > data.pictures[0, 16, 16, 2]


def test_dev_and_fit_share_no_picture_and_make_up_train(shapes_folder: Path) -> None:
    train, dev, fit = (read_split(shapes_folder, split) for split in ("train", "dev", "fit"))
    assert not set(dev.names) & set(fit.names)
    assert sorted(dev.names + fit.names) == sorted(train.names)
    assert np.bincount(dev.labels).tolist() == [3, 3, 3]
    assert read_split(shapes_folder, "dev").names == dev.names


def test_dev_is_5000_of_a_large_train_and_does_not_depend_on_the_order() -> None:
    rows = [(f"train/{label}/{number}.jpg", label) for label in range(10) for number in range(5000)]
    held = datasets._held_out(rows)
    assert len(held) == 5000
    assert datasets._held_out(rows[::-1]) == held
    per_class = np.bincount([int(name.split("/")[1]) for name in held])
    assert per_class.tolist() == [500] * 10


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "cannot read the labels"),
        ("name\tid\n", "header"),
        ("image\tlabel_id\tlabel\n", "no pictures"),
        ("image\tlabel_id\tlabel\na.jpg\tx\tcat\n", "line 2"),
        ("image\tlabel_id\tlabel\na.jpg\t0\n", "line 2"),
        ("image\tlabel_id\tlabel\na.jpg\t1\tcat\n", "without gaps"),
        ("image\tlabel_id\tlabel\na.jpg\t0\tcat\nb.jpg\t0\tdog\n", "line 3"),
        ("image\tlabel_id\tlabel\na.jpg\t0\tcat\na.jpg\t0\tcat\n", "twice"),
    ],
)
def test_malformed_labels_are_refused(tmp_path: Path, labels: str | None, message: str) -> None:
    if labels is not None:
        (tmp_path / "S_labels.tsv").write_text(labels, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_split(tmp_path, "S")


def test_broken_pictures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "S_labels.tsv").write_text(
        "image\tlabel_id\tlabel\na.png\t0\tcat\nb.png\t0\tcat\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=r"S\.zip"):
        read_split(tmp_path, "S")
    (tmp_path / "S.zip").write_bytes(b"not a zip")
    with pytest.raises(ConfigError, match=r"S\.zip"):
        read_split(tmp_path, "S")

    def write(**members: bytes) -> None:
        with zipfile.ZipFile(tmp_path / "S.zip", "w") as archive:
            for name, data in members.items():
                archive.writestr(f"{name}.png", data)

    small, large = (
        cv2.imencode(".png", np.zeros((side, side, 3), np.uint8))[1].tobytes() for side in (8, 9)
    )
    write(a=small)
    with pytest.raises(MediaError, match=r"b\.png"):
        read_split(tmp_path, "S")
    write(a=small, b=b"")
    with pytest.raises(MediaError, match=r"b\.png .* no picture"):
        read_split(tmp_path, "S")
    write(a=small, b=large)
    with pytest.raises(MediaError, match="one size"):
        read_split(tmp_path, "S")
