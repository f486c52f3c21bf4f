"""``onlooker train``: train a network by its recipe.

Loads the training side by name from a literal table: with ``synth.py``, the only place where the
command line reaches over the wall between using and training.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path

import click

from onlooker.errors import ConfigError, MissingExtraError

TRAINERS = {
    "text.recognition": "onlooker.text.recognition.train",
    "text.detection": "onlooker.text.detection.train",
    "text.rectification": "onlooker.text.rectification.train",
    "text.detection/mser": "onlooker.text.characters.train",
    "text.characters": "onlooker.text.characters.train",
    "classification": "onlooker.classification.train",
}
"""Task, or task and name where a recipe trains another network → where its trainer lives."""


@click.command("train", short_help="Train a network by its recipe.")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="As: train.minutes=30")
def command(recipe: Path, overrides: tuple[str, ...]) -> None:
    """Train by RECIPE, a file like recipes/text.recognition/ctc/recipe.toml."""
    if not recipe.is_file():
        raise ConfigError(f"{recipe} is no file; recipes lie in recipes/<task>/<name>/recipe.toml")
    folder = recipe.resolve().parent
    task = f"{folder.parent.name}/{folder.name}"
    if task not in TRAINERS:
        task = folder.parent.name
    if task not in TRAINERS:
        raise ConfigError(
            f"{recipe}: no task named {task!r}; a recipe lies in <task>/<name>/, and tasks are: "
            f"{', '.join(TRAINERS)}"
        )
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("training", "train")
    # Read when PyTorch is loaded: idle threads sleep, in place of taking a core from ours.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    importlib.import_module(TRAINERS[task]).train_from_recipe(recipe, overrides)
