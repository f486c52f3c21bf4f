"""Train the recogniser; ``onlooker train recipes/text.recognition/ctc/recipe.toml`` comes here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from onlooker.text.charset import BLANK, decode
from onlooker.text.recognition.data import Batch, DataConfig, endless, held_out
from onlooker.text.recognition.model import CRNN, MODELS, ModelConfig, grow, take_features
from onlooker.training.loop import LoopConfig, fit
from onlooker.training.recipe import load_recipe


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole recipe.

    Attributes:
        model: Table ``[model]``.
        data: Table ``[data]``.
        train: Table ``[train]``.
        start: Averaged weights of a trained ``ctc`` network: a shallower one to grow from, or, for
            a ``crnn``, one whose convolutions are taken over; empty: start from chance.
        export: Where the ONNX file is written; empty: nowhere.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig
    train: LoopConfig
    start: str = ""
    export: str = ""


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    """Compute the CTC loss, each text weighted by its length (long texts teach more)."""
    logits = model(batch.crops.contiguous(memory_format=torch.channels_last))
    columns = torch.full((len(batch.crops),), logits.shape[1])
    total = functional.ctc_loss(
        logits.float().log_softmax(2).transpose(0, 1),
        batch.labels,
        columns,
        batch.label_lengths,
        blank=BLANK,
        reduction="sum",
        zero_infinity=True,
    )
    return total / batch.label_lengths.sum()


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
    if config.start:
        weights = torch.load(config.start, weights_only=True)
        if isinstance(model, CRNN):
            take_features(model, weights)
        else:
            grow(model, weights)
    batches = endless(config.data, config.train.seed)
    first = next(batches)  # waits for the shards, so that the held-out ones are there too
    del first
    validation = held_out(config.data)
    averaged = fit(
        model,
        batches,
        loss_of,
        config.train,
        size_of=lambda batch: len(batch.crops),
        validate=lambda network: accuracy(network, validation),
        validate_every_s=300,
    )
    if config.export:
        from onlooker.text.recognition.export import export

        export(averaged, Path(config.export))


def train_from_recipe(path: Path, overrides: list[str]) -> None:
    """Load a recipe, apply ``key=value`` overrides, train."""
    main(load_recipe(TrainConfig, path, overrides))
