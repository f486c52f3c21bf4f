"""What is shipped as weights is declared, unchanged, listed and small."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import onlooker
from onlooker.hub import PACKAGE_WEIGHTS, Weights, resolve, sha256_of

SOURCE = Path(onlooker.__file__).parent
ROOT = SOURCE.parents[1]
MOST_OF_ONE, MOST_OF_ALL = 16_000_000, 60_000_000


def declared() -> list[Weights]:
    """Return all entries of all ``weights.py``."""
    found: list[Weights] = []
    for path in sorted(SOURCE.rglob("weights.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        module = importlib.import_module(".".join(("onlooker", *parts)))
        for name, weights in module.WEIGHTS.items():
            assert name == weights.name
            found.append(weights)
    return found


def test_every_shipped_file_is_declared() -> None:
    shipped = {
        path.relative_to(PACKAGE_WEIGHTS).as_posix()
        for path in PACKAGE_WEIGHTS.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".py"
    }
    assert shipped == {weights.file for weights in declared()}


def test_weights_are_small() -> None:
    sizes = [(PACKAGE_WEIGHTS / weights.file).stat().st_size for weights in declared()]
    assert max(sizes) <= MOST_OF_ONE
    assert sum(sizes) <= MOST_OF_ALL


@pytest.mark.parametrize("weights", declared(), ids=lambda weights: weights.name)
def test_weights_are_what_they_say(weights: Weights) -> None:
    assert sha256_of(resolve(weights)) == weights.sha256
    assert weights.licence
    assert weights.paper


@pytest.mark.parametrize("weights", declared(), ids=lambda weights: weights.name)
def test_weights_are_documented(weights: Weights) -> None:
    if not (ROOT / "THIRD_PARTY.md").is_file():
        pytest.skip("not a checkout")
    listed = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    row = f"| `{weights.file}` | {weights.licence} | `{weights.sha256}` |"
    assert row in listed, f"THIRD_PARTY.md needs the row\n{row}"
    assert (ROOT / weights.card).is_file(), f"{weights.name} has no model card"
