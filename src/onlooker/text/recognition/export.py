"""Write a trained recogniser as an ONNX file, a one-bit one as a packed file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from onlooker.binary import format as packed_format
from onlooker.binary.converter import convert
from onlooker.text.recognition.crops import HEIGHT_PX
from onlooker.text.recognition.model import MODELS, BinaryRecognizer, ModelConfig
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


def export_packed(
    model: BinaryRecognizer, path: Path, crops: npt.NDArray[np.float32] | None
) -> None:
    """Write a one-bit network as a packed file, which takes crops of any width.

    Args:
        model: The network.
        path: The file, ``.onb``.
        crops: ``(N, 1, 32, W)``, standardised, to choose the ranges of 8-bit layers from; None: the
            layers that are not binary stay in float32.
    """
    described = {
        "architecture": "binary",
        "input": {"mean": [0.0], "std": [1.0], "height": HEIGHT_PX},
    }
    shape = (1, 1, HEIGHT_PX, 4 * HEIGHT_PX) if crops is None else crops.shape
    packed = convert(model.body, shape, calibration=crops, metadata=described)
    packed_format.write(path, packed)
