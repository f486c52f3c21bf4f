"""Write a trained detector as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from onlooker.errors import WeightsError
from onlooker.text.detection.model import MODELS, DBNet, ModelConfig, ProbabilityNet
from onlooker.training.export import export_onnx
from onlooker.training.loop import load_averaged


def export(model: nn.Module, path: Path) -> float:
    """Export a network for pictures of any size → largest relative difference.

    Raises:
        WeightsError: It is no detector, or the file would differ from it.
    """
    if not isinstance(model, DBNet):
        raise WeightsError(f"a text detector is a DBNet, got {type(model).__name__}")
    generator = torch.Generator().manual_seed(0)
    shapes = ((1, 3, 256, 320), (2, 3, 96, 64))
    example, *checks = (255 * torch.rand(shape, generator=generator) for shape in shapes)
    return export_onnx(
        ProbabilityNet(model.eval()).to(memory_format=torch.contiguous_format),
        example,
        path,
        inputs="pictures",
        outputs=["probability"],
        dynamic_axes={
            "pictures": {0: "n", 2: "height", 3: "width"},
            "probability": {0: "n", 2: "half_height", 3: "half_width"},
        },
        checks=checks,
    )


def export_run(run: Path, path: Path, config: ModelConfig | None = None) -> float:
    """Export the averaged weights of a training folder.

    Raises:
        WeightsError: The folder holds no averaged weights.
    """
    return export(load_averaged(MODELS["db"](config or ModelConfig()), run), path)
