"""Train the rectifier; ``onlooker train recipes/text.rectification/outline/recipe.toml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from onlooker.text.rectification.data import Batch, DataConfig, endless, held_out
from onlooker.text.rectification.model import MODELS, ModelConfig
from onlooker.training.loop import LoopConfig, fit
from onlooker.training.recipe import load_recipe

#: Weight of choosing the direction beside drawing the outline.
_CHOICE = 0.3
#: Errors up to this many thicknesses count by their square.
_SMOOTH = 0.1


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole recipe: ``[model]``, ``[data]``, ``[train]``, and where the network is written."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig
    train: LoopConfig
    export: str = ""


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    """Compute smooth L1 of the points, in thicknesses, and cross entropy of the directions."""
    pictures = batch.pictures.contiguous(memory_format=torch.channels_last)
    logits, points = model(pictures, batch.shapes)
    error = (points.float() - batch.outlines) * batch.scales  # (n, 4, 20)
    distance = functional.smooth_l1_loss(
        error, torch.zeros_like(error), beta=_SMOOTH, reduction="none"
    ).mean(dim=2)
    drawn = (distance * batch.near).sum() / batch.near.sum().clamp(min=1)
    chosen = functional.cross_entropy(logits.float(), batch.directions)
    return drawn + _CHOICE * chosen


@torch.no_grad()  # type: ignore[untyped-decorator]
def accuracy(model: nn.Module, batches: list[Batch]) -> dict[str, float]:
    """Measure directions found, and the points' mean error, on held-out pictures."""
    right = words = 0
    errors = []
    for batch in batches:
        logits, points = model(batch.pictures, batch.shapes)
        best = logits.argmax(1)
        right += int((batch.directions.gather(1, best[:, None])[:, 0] > 0).sum())
        words += len(best)
        error = ((points - batch.outlines) * batch.scales).abs().mean(2)  # (n, 4)
        errors.append(error[batch.near > 0])
    return {
        "direction_accuracy": round(right / max(1, words), 4),
        "mean_error": round(float(torch.cat(errors).mean()), 4),
    }


def main(config: TrainConfig) -> None:
    """Train, resuming if there is a checkpoint, and export the averaged network."""
    torch.manual_seed(config.train.seed)
    model = MODELS["outline"](config.model).to(memory_format=torch.channels_last)
    validation = held_out(config.data)
    averaged = fit(
        model,
        endless(config.data, config.train.seed),
        loss_of,
        config.train,
        size_of=lambda batch: len(batch.pictures),
        validate=lambda network: accuracy(network, validation),
        validate_every_s=180,
    )
    if config.export:
        from onlooker.text.rectification.export import export

        export(averaged, Path(config.export))


def train_from_recipe(path: Path, overrides: list[str]) -> None:
    """Load a recipe, apply ``key=value`` overrides, train."""
    main(load_recipe(TrainConfig, path, overrides))
