"""PyTorch network → ONNX file with half-precision storage, checked against PyTorch.

Weights are stored as float16 and cast to float32 by the graph itself; ONNX Runtime folds the casts
when it loads the file, so that the file is half as large and nothing is slower.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from onlooker.errors import WeightsError

OPSET = 17
#: Smaller initialisers (shapes, biases of a few numbers) stay as they are: nothing would be saved.
_MIN_VALUES = 64


def export_onnx(
    model: nn.Module,
    example: Tensor,
    path: Path,
    *,
    inputs: str,
    outputs: Sequence[str],
    dynamic_axes: dict[str, dict[int, str]],
    checks: Sequence[Tensor] = (),
    tolerance: float = 2e-2,
) -> float:
    """Export ``model``, shrink it, and compare it with PyTorch.

    Args:
        model: The network; it is run in evaluation mode and float32.
        example: An input to trace with.
        path: Where to write.
        inputs: Name of the input.
        outputs: Names of the outputs.
        dynamic_axes: Input or output name → axis → name, for sizes that may change.
        checks: More inputs, of other sizes, to compare on.
        tolerance: Largest allowed difference, over the outputs' own largest value: float16
            storage rounds weights by 5e-4, which adds up over layers.

    Returns:
        The largest relative difference seen.

    Raises:
        WeightsError: The difference exceeds the tolerance; nothing is written.
    """
    model = model.eval().float()
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = path.with_suffix(".raw")
    with torch.no_grad(), warnings.catch_warnings():
        # The tracing exporter, although PyTorch calls it old: ours are plain feed-forward graphs,
        # it folds batch norm into them, and it needs no further package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example,),
            str(raw),
            input_names=[inputs],
            output_names=list(outputs),
            dynamic_axes=dynamic_axes,
            opset_version=OPSET,
            dynamo=False,
        )
    graph = onnx.load(str(raw))
    raw.unlink()
    store_as_float16(graph)
    onnx.checker.check_model(graph)
    worst = _difference(graph, model, [example, *checks], inputs)
    if worst > tolerance:
        raise WeightsError(
            f"the exported network differs from PyTorch's by {worst:.2e} of its largest output, "
            f"more than {tolerance:.0e}; {path} was not written"
        )
    onnx.save(graph, str(path))
    return worst


def store_as_float16(graph: onnx.ModelProto) -> None:
    """Store the large float32 initialisers as float16, each followed by a cast to float32."""
    casts = []
    for tensor in list(graph.graph.initializer):
        values: npt.NDArray[np.float32] = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _MIN_VALUES:
            continue
        if not np.isfinite(values).all() or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name = tensor.name
        half = numpy_helper.from_array(values.astype(np.float16), f"{name}.float16")
        graph.graph.initializer.remove(tensor)
        graph.graph.initializer.append(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    nodes = list(graph.graph.node)
    del graph.graph.node[:]
    graph.graph.node.extend([*casts, *nodes])


def _difference(
    graph: onnx.ModelProto, model: nn.Module, examples: Sequence[Tensor], inputs: str
) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    worst = 0.0
    for example in examples:
        with torch.no_grad():
            wanted = model(example)
        expected = [wanted] if isinstance(wanted, Tensor) else list(wanted)
        found = session.run(None, {inputs: example.numpy()})
        for ours, theirs in zip(found, expected, strict=True):
            reference = theirs.numpy()
            scale = float(np.abs(reference).max()) + 1e-6
            worst = max(worst, float(np.abs(ours - reference).max()) / scale)
    return worst
