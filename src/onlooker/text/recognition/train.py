"""Train the recogniser; ``onlooker train recipes/text.recognition/ctc/recipe.toml`` comes here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from onlooker.binary.layers import BinaryConv2d, set_gradient_bits
from onlooker.errors import ConfigError
from onlooker.text.charset import BLANK, decode
from onlooker.text.recognition.data import Batch, DataConfig, calibration_of, endless, held_out
from onlooker.text.recognition.losses import ctc, distillation
from onlooker.text.recognition.model import (
    CRNN,
    MODELS,
    BinaryRecognizer,
    ModelConfig,
    grow,
    take_features,
)
from onlooker.training.loop import LoopConfig, fit, load_averaged
from onlooker.training.recipe import load_recipe, save_recipe, saved_recipe


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole recipe.

    Attributes:
        model: Table ``[model]``.
        data: Table ``[data]``.
        train: Table ``[train]``.
        start: Averaged weights of a trained ``ctc`` network: a shallower one to grow from, or, for
            a ``crnn``, one whose convolutions are taken over; for ``binary`` those of its like, to
            go on with; empty: start from chance.
        distilled: Share of the distillation in the loss where ``data.lessons`` are read.
        gradient_bits: 32, or 8: of the gradients in binary convolutions, which is several times as
            fast on a CPU (``onlooker.binary.gradients``).
        export: Where the network is written, an ONNX file, or of ``binary`` a packed one; empty:
            nowhere.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig
    train: LoopConfig
    start: str = ""
    distilled: float = 0.5
    gradient_bits: int = 32
    export: str = ""

    def __post_init__(self) -> None:
        """Check the share."""
        if not 0 <= self.distilled <= 1:
            raise ConfigError(f"distilled must lie in [0, 1], not {self.distilled}")


def loss_of(model: nn.Module, batch: Batch, distilled: float = 0.0) -> Tensor:
    """Compute the CTC loss; ``distilled`` of it in favour of what a teacher saw, if that is known.

    Args:
        model: The network.
        batch: Crops, texts, and perhaps lessons.
        distilled: In [0, 1].
    """
    logits = model(batch.crops.contiguous(memory_format=torch.channels_last))
    plain = ctc(logits, batch.labels, batch.label_lengths)
    if batch.taught is None or not distilled:
        return plain
    return torch.lerp(plain, distillation(logits, *batch.taught, batch.label_lengths), distilled)


@torch.no_grad()  # type: ignore[untyped-decorator]
def accuracy(model: nn.Module, batches: list[Batch]) -> dict[str, float]:
    """Measure exact accuracy on held-out synthetic crops."""
    right = total = 0
    for batch in batches:
        best = model(batch.crops).argmax(2).tolist()
        start = 0
        labels = batch.labels.tolist()
        for row, length in zip(best, batch.label_lengths.tolist(), strict=True):
            path = [c for c, before in zip(row, [BLANK, *row], strict=False) if c != before]
            right += decode([c for c in path if c]) == decode(labels[start : start + length])
            total += 1
            start += length
    return {"synthetic_word_accuracy": round(right / max(1, total), 4)}


def main(config: TrainConfig) -> None:
    """Train, resuming if there is a checkpoint, and export the averaged network."""
    torch.manual_seed(config.train.seed)
    model = MODELS[config.model.name](config.model).to(memory_format=torch.channels_last)
    set_gradient_bits(model, config.gradient_bits)
    binary = {id(layer.weight) for layer in model.modules() if isinstance(layer, BinaryConv2d)}
    if config.start:
        weights = torch.load(config.start, weights_only=True)
        if isinstance(model, BinaryRecognizer):
            model.load_state_dict(weights)
        elif isinstance(model, CRNN):
            take_features(model, weights)
        else:
            grow(model, weights)
    save_recipe(config, Path(config.train.out), "text.recognition")
    batches = endless(config.data, config.train.seed)
    first = next(batches)  # waits for the shards, so that the held-out ones are there too
    del first
    validation = held_out(config.data)
    averaged = fit(
        model,
        batches,
        partial(loss_of, distilled=config.distilled),
        config.train,
        size_of=lambda batch: len(batch.crops),
        validate=lambda network: accuracy(network, validation),
        validate_every_s=300,
        decayed=lambda value: value.ndim > 1 and id(value) not in binary,
    )
    if config.export and isinstance(averaged, BinaryRecognizer):
        from onlooker.text.recognition.export import export_packed

        export_packed(averaged, Path(config.export), calibration_of(config.data))
    elif config.export:
        from onlooker.text.recognition.export import export

        export(averaged, Path(config.export))


def load_run(folder: Path) -> tuple[nn.Module, TrainConfig]:
    """Load the averaged network of a training folder, in evaluation mode, and its recipe.

    Raises:
        ConfigError: The folder holds no recipe.
        WeightsError: It holds no weights.
    """
    config = saved_recipe(TrainConfig, folder)
    return load_averaged(MODELS[config.model.name](config.model), folder).eval(), config


def train_from_recipe(path: Path, overrides: list[str]) -> None:
    """Load a recipe, apply ``key=value`` overrides, train."""
    main(load_recipe(TrainConfig, path, overrides))
