"""The script that tests the papers' claims, on a tiny data set."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

from onlooker.binary.counting import count
from onlooker.binary.models import build

SCRIPT = Path(__file__).parents[2] / "recipes" / "classification" / "claims.py"


@pytest.fixture(scope="module")
def claims() -> ModuleType:
    specification = importlib.util.spec_from_file_location("classification_claims", SCRIPT)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


def test_rows_are_trained_once_and_shown(
    claims: ModuleType,
    shapes_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(claims, "CARD", tmp_path / "claims.md")
    monkeypatch.setattr(claims, "PLOT", tmp_path / "claims.svg")
    monkeypatch.setattr(claims, "CLASSES", 3)
    result = tmp_path / "claims.json"
    run = f"run {tmp_path / 'out'} --data {shapes_folder} --epochs 1 --width 0.0625 --batch 27"
    run += f" --gradient-bits 32 --sizes 8 --starts 0 --result {result} --rows"
    arguments = ["claims.py", *run.split(), "ResNetE-18", "approx-sign"]
    for seeds in ("1", "2"):
        monkeypatch.setattr(sys, "argv", [*arguments, "--seeds", seeds])
        claims.main()
    printed = capsys.readouterr().out.splitlines()
    trained = [line for line in printed if not line.startswith("{")]
    assert [line.split(":")[0] for line in trained] == [
        "ResNetE-18, seed 0",
        "approx-sign, seed 0",
        "ResNetE-18, seed 1",
        "approx-sign, seed 1",
    ]
    found = json.loads(result.read_text(encoding="utf-8"))
    assert [len(row["top1"]) for row in found["rows"]] == [2, 2]
    assert found["pictures"] == 9

    monkeypatch.setattr(sys, "argv", ["claims.py", "show", "--result", str(result)])
    claims.main()
    card = (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert "| the plain sign is as good as approx-sign |" in card
    assert "binary shortcut" not in card
    ElementTree.parse(tmp_path / "claims.svg")


def test_verdicts(claims: ModuleType) -> None:
    assert claims.verdict(3.0, 1.0, better=True) == "holds"
    assert claims.verdict(-3.0, 1.0, better=True) == "reversed"
    assert claims.verdict(1.0, 1.0, better=True) == "not decided"
    assert claims.verdict(-1.0, 1.0, better=False).startswith("holds")
    assert "no verdict" in claims.verdict(9.0, float("nan"), better=True)
    rows = [{"top1": [0.5, 0.7]}, {"top1": [0.6]}]
    assert claims.noise(rows) == pytest.approx(0.02**0.5)


def test_dense_networks_of_unlike_growth_are_of_equal_size(claims: ModuleType) -> None:
    names = ["BinaryDenseNet-21", "growth 64, twice the layers", "growth 32, four times the layers"]
    sizes = []
    for name in names:
        network = build(claims.ROWS[name].name, classes=10, stem="cifar", width=0.5)
        sizes.append(count(network, (3, 32, 32)).size_bytes)
    assert max(sizes) < 1.2 * min(sizes)


def test_claims_name_rows(claims: ModuleType) -> None:
    assert {name for pair in claims.CLAIMS.values() for name in pair} <= set(claims.ROWS)
