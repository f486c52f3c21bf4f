"""Networks in 8-bit integers say nearly what the float ones say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("onnx", reason="the extra `train` is not installed")

from onlooker.errors import WeightsError  # noqa: E402
from onlooker.runtime.session import open_session  # noqa: E402
from onlooker.training.export import export_onnx  # noqa: E402
from onlooker.training.quantize import quantize  # noqa: E402


class Branches(torch.nn.Module):
    """Five convolutions, two of them beside a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 16, 3, padding=1)
        self.inner = torch.nn.ModuleList(
            torch.nn.Conv2d(16, 16, 3, padding=1, bias=False) for _ in range(3)
        )
        self.last = torch.nn.Conv2d(16, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        for layer in self.inner:
            x = torch.relu(x + layer(x))
        return self.last(x)


def export(module: torch.nn.Module, path: Path) -> None:
    example = torch.randn(1, 3, 16, 24)
    export_onnx(module, example, path, inputs="x", outputs=["y"], dynamic_axes={"x": {3: "w"}})


def batches(count: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield rng.standard_normal((1, 3, 16, 24)).astype(np.float32)


@pytest.mark.parametrize("sums", [False, True])
def test_bytes_say_nearly_the_same(tmp_path: Path, sums: bool) -> None:
    torch.manual_seed(0)
    whole, small = tmp_path / "float.onnx", tmp_path / "bytes.onnx"
    export(Branches(), whole)
    quantize(whole, small, batches(16), sums=sums)
    x = np.random.default_rng(1).standard_normal((1, 3, 16, 40)).astype(np.float32)
    (wanted,) = open_session(whole, 1).run(None, {"x": x})
    (found,) = open_session(small, 1).run(None, {"x": x})
    error = np.abs(found - wanted).max() / np.abs(wanted).max()
    assert 0 < error < 0.05


def test_weights_become_bytes(tmp_path: Path) -> None:
    import onnx

    export(Branches(), tmp_path / "float.onnx")
    quantize(tmp_path / "float.onnx", tmp_path / "bytes.onnx", batches(4))
    kept = onnx.load(str(tmp_path / "bytes.onnx")).graph.initializer
    kinds = [tensor.data_type for tensor in kept if len(tensor.dims) == 4]
    assert kinds.count(onnx.TensorProto.INT8) == 3


def test_a_network_without_inner_layers_is_refused(tmp_path: Path) -> None:
    export(torch.nn.Conv2d(3, 4, 1), tmp_path / "float.onnx")
    with pytest.raises(WeightsError, match="no layers between"):
        quantize(tmp_path / "float.onnx", tmp_path / "bytes.onnx", batches(2))
    assert not (tmp_path / "bytes.onnx").exists()


def test_ranges_need_a_batch(tmp_path: Path) -> None:
    export(Branches(), tmp_path / "float.onnx")
    with pytest.raises(WeightsError, match="without a batch"):
        quantize(tmp_path / "float.onnx", tmp_path / "bytes.onnx", [])
    assert not (tmp_path / "bytes.onnx").exists()
