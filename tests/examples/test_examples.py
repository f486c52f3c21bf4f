from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


def run(name: str, *arguments: object) -> str:
    script = next(path for path in EXAMPLES if path.name == name)
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


@pytest.mark.weights
def test_find_moments(media_folder) -> None:
    out = run("find_moments.py", media_folder.root / "slides", "gradient descent")
    assert "with text.pdf" in out
    assert "Gradient descent converges." in out


@pytest.mark.weights
def test_read_photo(media_folder) -> None:
    assert "Bakery" in run("read_photo.py", media_folder.root / "photos" / "shop.png")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 30
