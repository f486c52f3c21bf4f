"""The ablation of effects: its rows, its sums, and a card that says what was measured."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "recipes" / "text.synthesis" / "ablation.py"


@pytest.fixture(scope="module")
def ablation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ablation", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(name: str, seed: int, *right: int) -> dict[str, Any]:
    cell = {"accuracy": sum(right) / len(right), "right": list(right)}
    sets = {"iiit5k_words_dev": cell, "icdar2015_words_dev": cell}
    return {"row": name, "seed": seed, "cpu_minutes": 0.5, **sets}


def test_every_effect_of_words_is_left_out_once(ablation: ModuleType) -> None:
    from onlooker.text.synthesis.specification import EFFECTS

    plan = ablation.rows()
    words = {name for name, kind in EFFECTS.items() if kind.words}
    groups = {EFFECTS[name].group for name in words}
    assert set(plan[ablation.NONE]) == words
    assert plan[ablation.FULL] == []
    for group in groups:  # left out, or left alone
        assert set(plan[group]) | set(plan["only " + group]) == words
        assert not set(plan[group]) & set(plan["only " + group])
        assert {EFFECTS[name].group for name in plan[group]} == {group}
    assert len(plan) == 2 + 2 * len(groups)


def test_losses_and_noise_are_those_worked_out_by_hand(ablation: ModuleType) -> None:
    done = [
        row("all effects", 0, 1, 1, 1, 0),  # 0.75
        row("all effects", 1, 1, 1, 1, 1),  # 1
        row("blur", 1, 1, 0, 1, 0),  # 0.5
        row("blur", 0, 1, 0, 0, 0),  # 0.25
        row("no effects", 0, 0, 0, 0, 0),
        row("only blur", 0, 0, 1, 0, 0),
        row("base", 0, 0, 0, 1, 0),
    ]
    result = ablation.summary(done, {"crops": 8})
    assert result["crops"] == 8
    assert result["base"]["iiit5k_words_dev"] == 0.25
    # The two values of two rows lie 0.125 either side of their mean; two degrees of freedom.
    noise = (4 * 0.125**2 / 2) ** 0.5
    assert result["noise"]["iiit5k_words_dev"] == pytest.approx(noise, abs=1e-5)
    cell = next(r for r in result["rows"] if r["row"] == "blur")["iiit5k_words_dev"]
    assert cell["accuracy"] == [0.25, 0.5]  # by seed
    assert cell["lost"] == pytest.approx(0.5)
    apart = np.array([0.0, 1.0, 0.5, 0.5])
    error = (noise**2 * (1 / 2 + 1 / 2) + apart.var() / 4) ** 0.5
    assert cell["error"] == pytest.approx(error, abs=1e-5)
    alone = next(r for r in result["rows"] if r["row"] == "only blur")["iiit5k_words_dev"]
    assert alone["gained"] == pytest.approx(0.25)
    (shown,) = ablation.ranked(result)
    assert shown[0] == "blur"


def test_batches_are_full_and_of_one_width(ablation: ModuleType) -> None:
    crops = {
        width: [(np.full((32, width), i, np.uint8), [1 + i % 5]) for i in range(200)]
        for width in (48, 96)
    }
    stream = ablation.batches(crops, seed=1)
    shapes = {tuple(next(stream).crops.shape) for _ in range(20)}
    assert shapes == {(96, 1, 32, 48), (48, 1, 32, 96)}


def test_the_card_and_the_plot_are_the_results(ablation: ModuleType) -> None:
    result = json.loads(ablation.RESULT.read_text(encoding="utf-8"))
    card = ablation.CARD.read_text(encoding="utf-8")
    shown = card.partition("<!-- ablation -->\n")[2].partition("<!-- end -->")[0]
    assert shown == ablation.table(result), "run ablation.py show"
    assert ablation.PLOT.read_text(encoding="utf-8") == ablation.plot(result)
    assert {r["row"] for r in result["rows"]} == set(ablation.rows())
