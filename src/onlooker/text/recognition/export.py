"""Write a trained recogniser as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from onlooker.text.recognition.model import MODELS, ModelConfig
from onlooker.training.export import export_onnx
from onlooker.training.loop import load_averaged


def export(model: nn.Module, path: Path) -> float:
    """Export a network for any number and width of crops → largest relative difference."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 1, 32, 96), (1, 1, 32, 16), (3, 1, 32, 400))
    example, *checks = (torch.randn(shape, generator=generator) for shape in shapes)
    return export_onnx(
        model.to(memory_format=torch.contiguous_format),
        example,
        path,
        inputs="crops",
        outputs=["logits"],
        dynamic_axes={"crops": {0: "n", 3: "width"}, "logits": {0: "n", 1: "columns"}},
        checks=checks,
    )


def export_run(run: Path, path: Path, config: ModelConfig | None = None) -> float:
    """Export the averaged weights of a training folder.

    Raises:
        WeightsError: The folder holds no averaged weights.
    """
    config = config or ModelConfig()
    return export(load_averaged(MODELS[config.name](config), run), path)
