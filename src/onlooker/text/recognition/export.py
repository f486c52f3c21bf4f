"""Write a trained recogniser as an ONNX file, a one-bit one as a packed file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from onlooker.binary import format as packed_format
from onlooker.binary.converter import convert
from onlooker.binary.format import PackedFile
from onlooker.binary.onnx_export import export_onnx as export_twin
from onlooker.errors import ConfigError
from onlooker.text.recognition.crops import HEIGHT_PX
from onlooker.text.recognition.data import calibration_of
from onlooker.text.recognition.model import MODELS, BinaryRecognizer, ModelConfig
from onlooker.text.recognition.train import load_run
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
    model: BinaryRecognizer,
    path: Path,
    crops: npt.NDArray[np.float32] | None,
    *,
    note: str = "",
) -> PackedFile:
    """Write a one-bit network as a packed file, which takes crops of any width.

    Args:
        model: The network.
        path: The file, ``.onb``.
        crops: ``(N, 1, 32, W)``, standardised, to choose the ranges of 8-bit layers from; None: the
            layers that are not binary stay in float32.
        note: Goes into the file: data, recipe, date.

    Returns:
        What was written.
    """
    described = {
        "architecture": "binary",
        "input": {"mean": [0.0], "std": [1.0], "height": HEIGHT_PX},
        "training": note,
    }
    shape = (1, 1, HEIGHT_PX, 4 * HEIGHT_PX) if crops is None else crops.shape
    packed = convert(model.body, shape, calibration=crops, metadata=described)
    packed_format.write(path, packed)
    return packed


def pack_run(
    run: Path, out: Path, onnx: Path | None = None, *, float_layers: str = "int8", note: str = ""
) -> dict[str, Any]:
    """Write the one-bit network of a training folder; ``onlooker binary convert`` comes here.

    Args:
        run: A folder that ``onlooker train recipes/text.recognition/binary/recipe.toml`` wrote.
        out: The packed file.
        onnx: The float twin; None: not wanted.
        float_layers: ``int8`` or ``float32``: how the layers that are not binary are computed.
        note: Goes into the file: data, recipe, date.

    Returns:
        With a twin, ``difference``: how far its logits lie from those of the network at most,
        relative to the largest.

    Raises:
        ConfigError: The folder holds no recipe or no one-bit network, or its data are gone.
        WeightsError: It holds no weights.
    """
    model, config = load_run(run)
    if not isinstance(model, BinaryRecognizer):
        raise ConfigError(f"{run} holds a network of the kind {config.model.name!r}, not 'binary'")
    crops = calibration_of(config.data)
    calibration = crops if float_layers == "int8" else None
    packed = export_packed(model, out, calibration, note=note)
    if onnx is None:
        return {}
    return {"difference": export_twin(packed, onnx, checks=[crops[:2]])}
