"""Train the detector; ``onlooker train recipes/text.detection/db/recipe.toml`` comes here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from onlooker.text.detection.data import Batches, DataConfig
from onlooker.text.detection.losses import Targets, db_loss
from onlooker.text.detection.model import MODELS, ModelConfig, scaled
from onlooker.training.loop import LoopConfig, fit, load_averaged
from onlooker.training.recipe import load_recipe

Batch = tuple[torch.Tensor, Targets]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole recipe: ``[model]``, ``[data]``, ``[train]``, and where the network is written.

    Attributes:
        model: Shape of the network.
        data: Where scenes come from.
        train: How long and how fast.
        start: Folder of an earlier training whose averaged weights are gone on from; empty: from
            chance.
        export: The ONNX file; empty: none.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig
    train: LoopConfig
    start: str = ""
    export: str = ""


def loss_of(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Compute the loss of one batch."""
    pictures, targets = batch
    logits = model(scaled(pictures).contiguous(memory_format=torch.channels_last))
    return db_loss(logits, targets)


def main(config: TrainConfig) -> None:
    """Train, resuming if there is a checkpoint, and export the averaged network."""
    torch.manual_seed(config.train.seed)
    model: nn.Module = MODELS["db"](config.model).to(memory_format=torch.channels_last)
    if config.start:
        load_averaged(model, Path(config.start))
        model.requires_grad_(True)
    batches: Iterator[Batch] = iter(Batches(config.data, config.train.seed))
    averaged = fit(model, batches, loss_of, config.train, size_of=lambda batch: len(batch[0]))
    if config.export:
        from onlooker.text.detection.export import export

        export(averaged, Path(config.export))


def train_from_recipe(path: Path, overrides: list[str]) -> None:
    """Load a recipe, apply ``key=value`` overrides, train."""
    main(load_recipe(TrainConfig, path, overrides))
