"""A tiny data set in the layout of CIFAR-10: three classes that a network can tell apart."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

CLASSES = ("blob", "stripe", "plain")


def write_split(folder: Path, split: str, count: int, seed: int) -> None:
    """Write ``count`` pictures of each class."""
    rng = np.random.default_rng(seed)
    rows = ["image\tlabel_id\tlabel"]
    with zipfile.ZipFile(folder / f"{split}.zip", "w") as archive:
        for label, name in enumerate(CLASSES):
            for number in range(count):
                picture = rng.integers(0, 60, (32, 32, 3)).astype(np.uint8)
                if name == "blob":
                    picture[8:24, 8:24, 0] += 180
                if name == "stripe":
                    picture[:, ::4, 1] += 180
                member = f"{split}/{name}/{number:04d}.jpg"
                archive.writestr(member, cv2.imencode(".jpg", picture[:, :, ::-1])[1].tobytes())
                rows.append(f"{member}\t{label}\t{name}")
    (folder / f"{split}_labels.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the split ``train``, 90 pictures, and ``odd``, 12."""
    folder = tmp_path_factory.mktemp("shapes")
    write_split(folder, "train", 30, 0)
    write_split(folder, "odd", 4, 1)
    return folder
