"""The comparison with a twin that knows ASCII alone: fair batches, and sums done right."""

from __future__ import annotations

import importlib.util
import json
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from onlooker.text.synthesis.shards import save_shard  # noqa: E402
from onlooker.text.synthesis.words import WordPicture  # noqa: E402

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "recipes" / "text.recognition" / "ctc" / "ascii_twin.py"


@pytest.fixture(scope="module")
def twin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ascii_twin", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Namespace:
    source = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(0)
    for number in range(4):
        texts = ["word", "wörd", "more", "text", "line", "50 %", ""] * 40
        drawn = [WordPicture(rng.integers(0, 255, (32, 96), np.uint8), text) for text in texts]
        save_shard(source / f"words-{number:05d}.npz", drawn)
    return Namespace(source=source, held_out=1, shards=2, limit=None)


def test_the_twin_sees_the_same_ascii_crops(twin: ModuleType, options: Namespace) -> None:
    buckets = twin.read_buckets(options)
    plain, other = buckets[96]
    assert (len(plain.pictures), len(other.pictures)) == (480, 80)  # of two shards
    whole = twin.batches(buckets, 3, ascii_only=False)
    alone = twin.batches(buckets, 3, ascii_only=True)
    for _ in range(15):
        both, one = next(whole), next(alone)
        kept = len(one.crops)
        assert (len(both.crops), kept) == (48, 41)  # one in seven says "wörd"
        assert torch.equal(both.crops[:kept], one.crops)
        assert torch.equal(both.label_lengths[:kept], one.label_lengths)
        assert torch.equal(both.labels[: len(one.labels)], one.labels)


def test_words_to_measure_on_are_held_out_and_ascii(twin: ModuleType, options: Namespace) -> None:
    words = twin.held_out(options)
    assert len(words) == 5 * 40
    assert all(text and text.isascii() for _, text in words)


def test_differences_are_those_worked_out_by_hand(twin: ModuleType) -> None:
    texts = ["Ab", "cd", "ef", "gh"]
    read = {
        "all-0": ["Ab", "cd", "ef", "x"],
        "ascii-0": ["Ab", "cd", "ef", "gh"],
        "all-1": ["ab", "cd", "x", "x"],
        "ascii-1": ["Ab", "x", "x", "x"],
    }
    pairs = {name: list(zip(said, texts, strict=True)) for name, said in read.items()}
    found = twin.compared(pairs, 2)
    assert found["n"] == 4
    assert found["word_accuracy"]["all"] == [0.75, 0.25]
    assert found["word_accuracy"]["ascii"] == [1.0, 0.25]
    assert found["word_accuracy"]["seeds_apart"] == [0.25, 0.0]
    assert found["word_accuracy"]["apart"] == pytest.approx(0.125)
    apart = np.array([0.5, -0.5, 0.0, 0.5])
    seeds = np.array([0.25, 0.0]).var(ddof=1) / 2
    error = (apart.var() / 4 + seeds) ** 0.5
    assert found["word_accuracy"]["error"] == pytest.approx(error, abs=1e-5)
    assert found["word_accuracy_alnum_lower"]["all"] == [0.75, 0.5]


def test_the_card_says_what_was_measured(twin: ModuleType) -> None:
    result = json.loads(twin.RESULT.read_text(encoding="utf-8"))
    card = (RECIPE.parent / "card.md").read_text(encoding="utf-8")
    assert result["seeds"] >= 2
    for row in twin.table(result):
        assert row in card, "the card and ascii_twin.json differ"
