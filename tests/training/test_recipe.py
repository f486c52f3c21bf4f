from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from onlooker.errors import ConfigError
from onlooker.training.recipe import load_recipe


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.1
    sizes: tuple[int, ...] = (1,)
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Outer:
    train: Inner = field(default_factory=Inner)
    out: str


def recipe(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_tables_and_overrides(tmp_path: Path) -> None:
    path = recipe(tmp_path, 'out = "a"\n[train]\nrate = 1\nsizes = [3, 4]\n')
    assert load_recipe(Outer, path) == Outer(out="a", train=Inner(rate=1.0, sizes=(3, 4)))
    changed = load_recipe(Outer, path, ["train.rate=0.5", "out=b/c", "train.name='x'"])
    assert changed == Outer(out="b/c", train=Inner(rate=0.5, sizes=(3, 4), name="x"))


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        ('out = "a"\n[train]\nrat = 1\n', [], "'rat'; did you mean 'rate'"),
        ("[train]\n", [], "missing key 'out'"),
        ('out = "a"\n[train]\nrate = "fast"\n', [], "rate must be of type float"),
        ("out = \n", [], "not valid TOML"),
        ('out = "a"\n', ["train.rate"], "write table.key=value"),
        ('out = "a"\n', ["out.x=1"], "no table"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_recipe(Outer, recipe(tmp_path, text), overrides)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the recipe"):
        load_recipe(Outer, tmp_path / "none.toml")
