"""Recipes: one TOML file → a frozen dataclass of frozen dataclasses, with overrides."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import types
import typing
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from onlooker.errors import ConfigError

Config = TypeVar("Config")

#: Of a training folder: the recipe that it was trained by, and in it the name of its task.
RECIPE_NAME = "recipe.json"
TASK = "task"


def load_recipe(
    kind: type[Config], path: Path | None, overrides: list[str] | None = None
) -> Config:
    """Load a recipe.

    Args:
        kind: A frozen dataclass; its fields are values or again dataclasses (tables).
        path: The TOML file; None: the defaults alone.
        overrides: ``table.key=value`` strings; the value is read as TOML, else as a string.

    Raises:
        ConfigError: The file is missing or no TOML, or a key is unknown or has a wrong type.
    """
    try:
        tables = {} if path is None else tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the recipe {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the recipe {path} is not valid TOML: {error}") from None
    for override in overrides or []:
        name, equals, value = override.partition("=")
        if not equals or not name:
            raise ConfigError(f"cannot use the override {override!r}: write table.key=value")
        *parents, key = name.strip().split(".")
        table = tables
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise ConfigError(f"cannot use the override {override!r}: {parent} is no table")
        table[key] = _value(value.strip())
    return build(kind, tables, "the defaults" if path is None else str(path))


def save_recipe(config: Any, folder: Path, task: str) -> None:
    """Write a recipe as it was resolved beside what is trained by it, with the name of its task."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {TASK: task, **dataclasses.asdict(config)}
    (folder / RECIPE_NAME).write_text(json.dumps(values, indent=2), encoding="utf-8")


def saved_recipe(kind: type[Config], folder: Path) -> Config:
    """Read what `save_recipe` wrote.

    Raises:
        ConfigError: The folder holds no recipe, or one of another kind.
    """
    try:
        values = json.loads((folder / RECIPE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"no readable {RECIPE_NAME} in {folder}: {error}") from None
    values.pop(TASK, None)
    return build(kind, values, str(folder / RECIPE_NAME))


def build(kind: type[Config], values: dict[str, Any], where: str) -> Config:
    """Build a dataclass from nested dictionaries; ``where`` names them in errors."""
    known = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.0)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{where}: unknown key {key!r}{hint}")
        arguments[key] = _fit(hints[key], value, f"{where}: {key}")
    missing = [
        name
        for name, f in known.items()
        if name not in arguments
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: missing key {missing[0]!r}")
    return kind(**arguments)


def _fit(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise ConfigError(f"{where} must be a table, not {value!r}")
        return build(hint, value, where)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hints = [h for h in typing.get_args(hint) if h is not type(None)]
        return None if value is None else _fit(hints[0], value, where)
    origin = typing.get_origin(hint) or hint
    if origin is tuple and isinstance(value, list):
        return tuple(value)
    if origin is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(origin, type) and (
        not isinstance(value, origin) or (origin is int and isinstance(value, bool))
    ):
        raise ConfigError(f"{where} must be of type {origin.__name__}, not {value!r}")
    return value


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
