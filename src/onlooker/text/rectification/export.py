"""Write a trained rectifier as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from onlooker.text.rectification.geometry import SIDE_PX
from onlooker.text.rectification.model import MODELS, ModelConfig
from onlooker.training.export import export_onnx
from onlooker.training.loop import load_averaged


class _OneInput(nn.Module):  # type: ignore[misc]
    """Takes picture and shape as two channels of one array."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, both: Tensor) -> tuple[Tensor, Tensor]:
        logits, points = self.model(both[:, :1], both[:, 1:2, 0, 0])
        return logits, points


def export(model: nn.Module, path: Path) -> float:
    """Export a network for any number of crops → largest relative difference."""
    generator = torch.Generator().manual_seed(0)
    example, check = (torch.randn((n, 2, SIDE_PX, SIDE_PX), generator=generator) for n in (2, 3))
    return export_onnx(
        _OneInput(model).to(memory_format=torch.contiguous_format),
        example,
        path,
        inputs="crops",
        outputs=["directions", "outlines"],
        dynamic_axes={name: {0: "n"} for name in ("crops", "directions", "outlines")},
        checks=[check],
    )


def export_run(run: Path, path: Path, config: ModelConfig | None = None) -> float:
    """Export the averaged weights of a training folder.

    Raises:
        WeightsError: The folder holds no averaged weights.
    """
    return export(load_averaged(MODELS["outline"](config or ModelConfig()), run), path)
