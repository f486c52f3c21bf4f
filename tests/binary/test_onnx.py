"""The float equivalent of packed networks, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from onlooker.binary.converter import convert
from onlooker.binary.models import build
from onlooker.binary.onnx_export import OPSET, export_onnx, to_onnx
from onlooker.binary.reference import ReferenceModel
from onlooker.errors import WeightsError

from . import networks
from .networks import randomized
from .random_packed import random_packed


def pixels(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).integers(0, 256, shape) / 255).astype(np.float32)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "odd": (networks.Odd, (2, 3, 21, 26)),
    "odd, padded with 0": (lambda: networks.Odd(networks.ZERO), (2, 3, 20, 27)),
    "sums": (networks.Sums, (2, 3, 12, 14)),
    "slices": (networks.Slices, (2, 3, 11, 9)),
    "grown": (networks.Grown, (2, 3, 16, 16)),
    "floats": (networks.Floats, (2, 3, 20, 18)),
    "ladder": (networks.Ladder, (2, 3, 22, 18)),
    "resnet": (lambda: build("resnet-e-18", width=0.25), (2, 3, 45, 50)),
    "dense": (lambda: build("binary-densenet-28", width=0.25), (2, 3, 48, 40)),
    "melius": (lambda: build("meliusnet-22", width=0.25), (1, 3, 40, 40)),
}


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_runtime_computes_the_same(name: str, int8: bool, tmp_path: Path) -> None:
    torch.manual_seed(1)
    make, shape = NETWORKS[name]
    pictures = pixels(shape)
    packed = convert(randomized(make(), 1), shape, calibration=pictures if int8 else None)
    path = tmp_path / "network.onnx"
    assert export_onnx(packed, path, checks=[pictures, pixels((1, *shape[1:]), 1)]) < 1e-4
    model = onnx.load(str(path))
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": OPSET}


@pytest.mark.parametrize("seed", range(4))
def test_every_operation_and_outlet(seed: int) -> None:
    packed = random_packed(seed)
    pictures = np.random.default_rng(seed).normal(size=(2, 3, 22, 19)).astype(np.float32)
    session = onnxruntime.InferenceSession(
        to_onnx(packed).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"pictures": pictures})
    expected = ReferenceModel(packed)(pictures)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)


def test_what_cannot_be_written_leaves_what_was(tmp_path: Path) -> None:
    (tmp_path / "network.onnx").mkdir()
    with pytest.raises(WeightsError, match=r"network\.onnx cannot be written: [^.]*$"):
        export_onnx(random_packed(5), tmp_path / "network.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["network.onnx"]


def test_what_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(ReferenceModel):
        def __call__(self, pictures: np.ndarray) -> np.ndarray:
            return super().__call__(pictures) * 1.01

    monkeypatch.setattr("onlooker.binary.onnx_export.ReferenceModel", Other)
    with pytest.raises(WeightsError, match=r"network\.onnx was not written"):
        export_onnx(random_packed(5), tmp_path / "network.onnx", checks=[pixels((1, 3, 22, 19))])
    assert not (tmp_path / "network.onnx").exists()
