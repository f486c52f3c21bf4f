"""Train the character classifier: ``onlooker train recipes/text.characters/cnn/recipe.toml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from onlooker.text.characters.crops import network_input
from onlooker.text.characters.data import Crops, DataConfig, endless, read_crops
from onlooker.text.characters.model import MODELS, ModelConfig
from onlooker.training.export import export_onnx
from onlooker.training.loop import LoopConfig, fit
from onlooker.training.recipe import load_recipe

#: Share of the probability that the loss spreads over all classes (Szegedy et al. 2016): many
#: crops fit two classes, and being sure of one teaches nothing.
_SMOOTHING = 0.05


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole recipe: ``[model]``, ``[data]``, ``[train]``, and where the network is written."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig
    train: LoopConfig
    export: str = ""


def loss_of(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Compute the cross-entropy of a batch."""
    inputs, labels = batch
    logits = model(inputs.contiguous(memory_format=torch.channels_last))
    return functional.cross_entropy(logits.float(), labels, label_smoothing=_SMOOTHING)


@torch.no_grad()  # type: ignore[untyped-decorator]
def accuracy(model: nn.Module, crops: Crops, most: int = 4096) -> dict[str, float]:
    """Measure the share of held-out crops that are classified right."""
    inputs = torch.from_numpy(network_input(crops.pixels[:most], crops.aspects[:most]))
    right = model(inputs).argmax(1) == torch.from_numpy(crops.labels[:most])
    return {"synthetic_accuracy": round(float(right.float().mean()), 4)}


def main(config: TrainConfig) -> None:
    """Train, resuming if there is a checkpoint, and export the averaged network."""
    torch.manual_seed(config.train.seed)
    model = MODELS["cnn"](config.model).to(memory_format=torch.channels_last)
    crops, held_out = read_crops(config.data)
    averaged = fit(
        model,
        endless(crops, config.data, config.train.seed),
        loss_of,
        config.train,
        size_of=lambda batch: len(batch[1]),
        validate=(lambda network: accuracy(network, held_out)) if len(held_out.labels) else None,
        validate_every_s=120,
    )
    if config.export:
        export(averaged, Path(config.export))


def export(model: nn.Module, path: Path) -> float:
    """Write the network as ONNX, for any number of crops → largest relative difference."""
    generator = torch.Generator().manual_seed(0)
    example, check = (torch.randn((n, 2, 32, 32), generator=generator) for n in (2, 5))
    return export_onnx(
        model.to(memory_format=torch.contiguous_format),
        example,
        path,
        inputs="crops",
        outputs=["logits"],
        dynamic_axes={"crops": {0: "n"}, "logits": {0: "n"}},
        checks=[check],
    )


def train_from_recipe(path: Path, overrides: list[str]) -> None:
    """Load a recipe, apply ``key=value`` overrides, train."""
    main(load_recipe(TrainConfig, path, overrides))
