"""A trained classifier → its packed file, and its float twin for ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from onlooker.binary import format as packed_format
from onlooker.binary.converter import convert
from onlooker.binary.models import LENET, build
from onlooker.binary.onnx_export import export_onnx
from onlooker.classification.data import to_input
from onlooker.classification.datasets import read_split
from onlooker.classification.train import load_run
from onlooker.errors import ConfigError

#: Pictures of the training that the ranges of 8-bit layers are read from.
CALIBRATED_ON = 256
#: Of networks without training: as ImageNet's.
SIDE_PX = 224


def pack_run(
    run: Path, out: Path, onnx: Path | None = None, *, float_layers: str = "int8", note: str = ""
) -> dict[str, Any]:
    """Write the averaged network of a training folder.

    Args:
        run: A folder that ``onlooker train recipes/classification/…`` wrote.
        out: The packed file.
        onnx: The float twin; None: not wanted.
        float_layers: ``int8`` or ``float32``: how the layers that are not binary are computed.
        note: Goes into the file: data, recipe, date.

    Returns:
        What there is to tell: with a twin, ``difference``, how far its logits lie from those of the
        network at most, relative to the largest.

    Raises:
        ConfigError: The folder holds no recipe, or its data are gone.
        WeightsError: It holds no weights.
    """
    model, config = load_run(run)
    data = read_split(Path(config.data.folder), config.data.split)
    chosen = np.unique(np.linspace(0, len(data) - 1, CALIBRATED_ON).astype(np.int64))
    pictures = to_input(data.pictures[chosen]).numpy()
    return _write(
        model,
        config.model.name,
        pictures,
        list(data.classes),
        (out, onnx),
        float_layers=float_layers,
        note=note,
    )


def pack_untrained(
    name: str,
    out: Path,
    onnx: Path | None = None,
    *,
    side: int | None = None,
    classes: int | None = None,
    float_layers: str = "int8",
) -> dict[str, Any]:
    """Write a network of random weights and running statistics, to see its size and speed.

    Args:
        name: One of ``onlooker.binary.models.MODELS`` or ``FLOAT_MODELS``.
        out: The packed file.
        onnx: The float twin; None: not wanted.
        side: Of its pictures in pixels; up to 64 it has the stem for CIFAR. LeNet's have 28.
        classes: Number of logits; None: 1000, of LeNet 10.
        float_layers: As of `pack_run`.

    Raises:
        ConfigError: There is no network of this name, or it takes no pictures of this size.
    """
    if name == LENET:
        if side not in (None, 28):
            raise ConfigError(f"{LENET} takes pictures of 28 pixels, not {side}")
        side, channels, stem = 28, 1, "digits"
    else:
        side, channels = side or SIDE_PX, 3
        stem = "cifar" if side <= 64 else "imagenet"
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand((32, channels, side, side), generator=generator)
    torch.manual_seed(0)
    model = build(name, classes=classes, stem=stem)
    with torch.no_grad():
        logits = model.train()(pictures)  # running statistics that fit the weights
    names = [f"class {number}" for number in range(logits.shape[1])]
    return _write(
        model.eval(),
        name,
        pictures.numpy(),
        names,
        (out, onnx),
        float_layers=float_layers,
        note="not trained: random weights",
    )


def _write(
    model: nn.Module,
    name: str,
    pictures: npt.NDArray[np.float32],
    classes: list[str],
    paths: tuple[Path, Path | None],
    *,
    float_layers: str,
    note: str,
) -> dict[str, Any]:
    _, channels, height, width = pictures.shape
    described: dict[str, Any] = {
        "architecture": name,
        "classes": classes,
        "input": {
            "mean": [0.0] * channels,
            "std": [1.0] * channels,
            "height": height,
            "width": width,
        },
        "training": note,
    }
    packed = convert(
        model,
        pictures.shape,
        calibration=pictures if float_layers == "int8" else None,
        float_layers=float_layers,
        metadata=described,
    )
    out, onnx = paths
    packed_format.write(out, packed)
    if onnx is None:
        return {}
    return {"difference": export_onnx(packed, onnx, checks=[pictures[:2]])}
