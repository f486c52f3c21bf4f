"""Train a classifier; ``onlooker train recipes/classification/resnet-e-18/recipe.toml``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from onlooker.binary.layers import BinaryConv2d, BinaryLinear, set_gradient_bits
from onlooker.binary.quantizers import ProgressiveSign
from onlooker.classification.data import Batch, Batches, DataConfig, to_input
from onlooker.classification.datasets import LabelledPictures, read_split
from onlooker.classification.losses import distillation, smoothed_cross_entropy
from onlooker.classification.model import ModelConfig, build_network
from onlooker.errors import ConfigError
from onlooker.training.loop import LoopConfig, fit, load_averaged
from onlooker.training.recipe import load_recipe, save_recipe, saved_recipe
from onlooker.training.slim import load_slim, save_slim

#: Pictures that are measured at once.
_MEASURED = 250


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What is minimised.

    Attributes:
        smoothing: Label smoothing.
        teacher: Folder of a finished training whose network is the teacher; empty: none.
        distilled: Share of the distillation in the loss, beside the cross entropy.
        temperature: Of the distillation.
    """

    smoothing: float = 0.0
    teacher: str = ""
    distilled: float = 0.5
    temperature: float = 2.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.smoothing < 1 or not 0 <= self.distilled <= 1 or self.temperature <= 0:
            raise ConfigError(
                "smoothing and distilled must lie in [0, 1], temperature above 0, not "
                f"{self.smoothing}, {self.distilled} and {self.temperature}"
            )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole recipe.

    Attributes:
        model: ``[model]``.
        data: ``[data]``.
        loss: ``[loss]``.
        train: ``[train]``.
        epochs: Length of the training in passes through the data; 0: by ``train``.
        start: Slim checkpoint to go on from, if the training has no checkpoint of its own.
        warm_start: Folder of a finished training whose weights are started from, with a schedule of
            its own (Loshchilov & Hutter 2017, "SGDR"); empty: from chance.
        gradient_bits: 32, or 8: of the gradients in binary convolutions, which is several times as
            fast on a CPU (``onlooker.binary.gradients``).
        validate_every_s: Seconds between measurements on the validation split.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig
    loss: LossConfig = field(default_factory=LossConfig)
    train: LoopConfig
    epochs: float = 0.0
    start: str = ""
    warm_start: str = ""
    gradient_bits: int = 32
    validate_every_s: float = 600.0


def latent_names(model: nn.Module) -> set[str]:
    """Return the names, in the state of ``model``, of its binary layers' latent weights."""
    return {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, BinaryConv2d | BinaryLinear)
    }


@contextmanager
def measuring(model: nn.Module) -> Iterator[None]:
    """Put ``model`` in evaluation mode for a while, without gradients."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)


def accuracy(
    model: nn.Module, data: LabelledPictures, count: int = 0, size: int | None = None
) -> float:
    """Measure the share of pictures whose largest logit is that of their class.

    Args:
        model: The network.
        data: The pictures.
        count: How many are measured, spread evenly; 0: all.
        size: Side in pixels that they are reduced to; None: as they are.
    """
    chosen = np.arange(len(data))
    if count:
        chosen = np.unique(np.linspace(0, len(data) - 1, count).astype(np.int64))
    right = 0
    with measuring(model):
        for begin in range(0, len(chosen), _MEASURED):
            part = chosen[begin : begin + _MEASURED]
            found = model(to_input(data.pictures[part], size)).argmax(1).numpy()
            right += int((found == data.labels[part]).sum())
    return right / len(chosen)


def load_run(folder: Path) -> tuple[nn.Module, TrainConfig]:
    """Load the averaged network of a training folder, in evaluation mode, and its recipe.

    Raises:
        ConfigError: The folder holds no recipe.
        WeightsError: It holds no weights.
    """
    config = saved_recipe(TrainConfig, folder)
    return load_averaged(build_network(config.model), folder).eval(), config


def main(config: TrainConfig) -> nn.Module:
    """Train, resuming if there is a checkpoint.

    Returns:
        The averaged network, in evaluation mode.
    """
    folder = Path(config.data.folder)
    data = read_split(folder, config.data.split)
    held_out = read_split(folder, config.data.validation)
    if len(data.classes) != config.model.classes:
        raise ConfigError(f"{folder} has {len(data.classes)} classes, not {config.model.classes}")
    batches = Batches(data, config.data, config.train.seed)
    loop = config.train
    if config.epochs:
        steps = round(config.epochs * batches.steps_per_epoch)
        loop = LoopConfig(**(asdict(loop) | {"steps": steps}))
    torch.manual_seed(loop.seed)
    model = build_network(config.model)
    first_step = 0
    if config.warm_start:
        load_averaged(model, Path(config.warm_start))
    if config.start:
        state, facts = load_slim(Path(config.start))
        model.load_state_dict(state)
        first_step = int(facts["step"])
    model = model.to(memory_format=torch.channels_last)
    set_gradient_bits(model, config.gradient_bits)
    out = Path(loop.out)
    save_recipe(config, out, "classification")

    latent = latent_names(model)
    binary = {id(value) for name, value in model.named_parameters() if name in latent}
    ramps = [module for module in model.modules() if isinstance(module, ProgressiveSign)]

    def on_step(step: int, progress: float) -> None:
        batches.seek(step, progress)
        for ramp in ramps:
            ramp.set_progress(min(progress, 1.0))

    def validate(averaged: nn.Module) -> dict[str, Any]:
        count, size = config.data.validation_count, batches.size
        # As binary weights are signs of averaged ones, averaging may as well harm: both are logged.
        return {
            "epoch": round(batches.step / batches.steps_per_epoch, 2),
            "size": size,
            "top1": round(accuracy(averaged, held_out, count, size), 4),
            "top1_latest": round(accuracy(model, held_out, count, size), 4),
        }

    return fit(
        model,
        batches,
        _loss(config.loss),
        loop,
        size_of=lambda batch: len(batch.pictures),
        validate=validate,
        validate_every_s=config.validate_every_s,
        decayed=lambda value: value.ndim > 1 and id(value) not in binary,
        on_step=on_step,
        first_step=first_step,
    )


def _loss(config: LossConfig) -> Any:
    teacher: nn.Module | None = None
    if config.teacher:
        teacher, _ = load_run(Path(config.teacher))

    def loss_of(model: nn.Module, batch: Batch) -> Tensor:
        logits = model(batch.pictures)
        plain = smoothed_cross_entropy(logits, batch.targets, config.smoothing)
        if teacher is None:
            return plain
        with torch.no_grad():
            wanted = teacher(batch.pictures)
        return torch.lerp(plain, distillation(logits, wanted, config.temperature), config.distilled)

    return loss_of


def train_from_recipe(path: Path, overrides: list[str]) -> None:
    """Load a recipe, apply ``key=value`` overrides, train."""
    main(load_recipe(TrainConfig, path, overrides))


def slim_run(folder: Path, path: Path) -> None:
    """Write the latest weights of a training folder as a slim checkpoint, to go on from later.

    Args:
        folder: Of a training, running or ended.
        path: File to write, ``.npz``.
    """
    from onlooker.training.loop import CHECKPOINT_NAME

    state = torch.load(folder / CHECKPOINT_NAME, weights_only=True)
    _, config = load_run(folder)
    facts = {"step": state["step"], "seen": state["seen"], "recipe": asdict(config)}
    save_slim(state["model"], path, latent_names(build_network(config.model)), facts)
