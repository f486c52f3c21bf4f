"""Float ONNX network → one that computes with bytes: half the file, twice the speed and more.

Convolutions and products with weights run on 8-bit integers, their scales fixed beforehand from
pictures shown to the float network (static post-training quantization); normalisation, attention
and activations stay float. Weights have a scale for each output channel and only 7 bits: processors
without VNNI add two products in 16 bits, which overflow with 8.

References:
    Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-
    arithmetic-only inference";
    Nagel et al. 2021, "A white paper on neural network quantization", section 3.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from onlooker.errors import WeightsError
from onlooker.training.export import store_as_float16

Batch = npt.NDArray[np.float32]

#: Ranges are moving averages over the batches: the least and the greatest value ever seen would
#: spend the steps on what hardly occurs (for the recogniser a third of the divergence from float).
MOVING_AVERAGE = 0.05


def quantize(path: Path, out: Path, batches: Iterable[Batch], *, sums: bool = False) -> None:
    """Quantize a network that `onlooker.training.export.export_onnx` wrote.

    The first convolution and the last product or convolution stay float: they are cheap, and what
    they round would be the picture itself and the answer.

    Args:
        path: The float network, one input.
        out: Where the quantized one is written.
        batches: Inputs like those of use, some hundred in all; their ranges become the scales.
        sums: Round sums of two branches, too: faster where maps are large, and less exact.

    Raises:
        WeightsError: ``path`` has nothing to quantize, or there is no batch.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        onnx.save(_without_casts(onnx.load(str(path))), str(plain))
        quant_pre_process(str(plain), str(plain), skip_symbolic_shape=True)
        graph = onnx.load(str(plain)).graph
        constants = {tensor.name for tensor in graph.initializer}
        weighted = [
            node.name
            for node in graph.node
            if node.op_type in ("Conv", "MatMul") and not constants.isdisjoint(node.input)
        ]
        if len(weighted) < 3:
            raise WeightsError(f"{path} has no layers between the first and the last to quantize")
        unweighted = {
            node.name
            for node in graph.node
            if node.op_type == "MatMul" and constants.isdisjoint(node.input)
        }
        reader = _Reader(graph.input[0].name, batches)
        if reader.is_empty:
            raise WeightsError(f"{path} cannot be quantized without a batch that tells its ranges")
        quantization.quantize_static(
            str(plain),
            str(out),
            reader,
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "MatMul", *(["Add", "Relu"] if sums else [])],
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            extra_options={
                "CalibMovingAverage": True,
                "CalibMovingAverageConstant": MOVING_AVERAGE,
            },
            nodes_to_exclude=[weighted[0], weighted[-1], *sorted(unweighted)],
        )
    quantized = onnx.load(str(out))
    store_as_float16(quantized)
    onnx.checker.check_model(quantized)
    onnx.save(quantized, str(out))


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, batches: Iterable[Batch]) -> None:
        self._name = name
        rest: Iterator[Batch] = iter(batches)
        first = list(islice(rest, 1))
        self.is_empty = not first
        self._batches = chain(first, rest)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next batch, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}


def _without_casts(model: onnx.ModelProto) -> onnx.ModelProto:
    """Undo `store_as_float16`: quantization looks for float32 weights."""
    halves = {
        tensor.name: tensor
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT16
    }
    nodes = []
    for node in model.graph.node:
        half = halves.get(node.input[0]) if node.op_type == "Cast" else None
        if half is None:
            nodes.append(node)
            continue
        values = numpy_helper.to_array(half).astype(np.float32)
        model.graph.initializer.remove(half)
        model.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model
