"""Float and 8-bit networks of random weights for ONNX Runtime, to time others beside.

Batch norms are folded into the convolutions already, as ONNX Runtime would do. The 8-bit ones are
static: every convolution, sum and ReLU on bytes, a scale for each output channel, the first
convolution and the last product included, since what counts here is speed alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

OPSET = 17


@dataclass
class Builder:
    """Collects the nodes of a network."""

    seed: int = 0
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def node(self, op: str, inputs: list[str], **attributes: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], f"n{len(self.nodes)}", **attributes))
        return name

    def constant(self, values: npt.NDArray[np.float32]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def convolution(
        self, source: str, inputs: int, outputs: int, kernel: int, stride: int = 1
    ) -> str:
        scale = (2.0 / (inputs * kernel * kernel)) ** 0.5
        shape = (outputs, inputs, kernel, kernel)
        weight = self.constant(self.rng.normal(0, scale, shape).astype(np.float32))
        bias = self.constant(self.rng.normal(0, 0.1, outputs).astype(np.float32))
        pad = kernel // 2
        return self.node(
            "Conv",
            [source, weight, bias],
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[pad] * 4,
        )

    def save(self, path: Path, shape: tuple[int, ...], result: str) -> None:
        graph = helper.make_graph(
            self.nodes,
            "rival",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 10
        onnx.save(onnx.shape_inference.infer_shapes(model), str(path))


def save_resnet18(path: Path, *, side: int = 224, classes: int = 1000, width: float = 1.0) -> None:
    """Write ResNet-18 (He et al. 2016); of 32 × 32 pixels with a 3×3 stem and no pooling."""
    b = Builder()
    widths = [round(base * width) for base in (64, 128, 256, 512)]
    if side <= 64:
        maps = b.node("Relu", [b.convolution("x", 3, widths[0], 3)])
    else:
        maps = b.node("Relu", [b.convolution("x", 3, widths[0], 7, 2)])
        maps = b.node("MaxPool", [maps], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    inputs = widths[0]
    for stage, outputs in enumerate(widths):
        for unit in range(2):
            stride = 2 if stage and not unit else 1
            kept = maps
            if stride != 1 or inputs != outputs:
                kept = b.convolution(maps, inputs, outputs, 1, stride)
            maps = b.node("Relu", [b.convolution(maps, inputs, outputs, 3, stride)])
            maps = b.convolution(maps, outputs, outputs, 3)
            maps = b.node("Relu", [b.node("Add", [maps, kept])])
            inputs = outputs
    flat = b.node("Flatten", [b.node("GlobalAveragePool", [maps])])
    weight = b.constant(b.rng.normal(0, inputs**-0.5, (inputs, classes)).astype(np.float32))
    b.save(path, (1, 3, side, side), b.node("MatMul", [flat, weight]))


def save_chain(path: Path, channels: int, side: int, count: int) -> None:
    """Write padded 3×3 convolutions one behind the other, with a ReLU behind each."""
    b = Builder()
    maps = "x"
    for _ in range(count):
        maps = b.node("Relu", [b.convolution(maps, channels, channels, 3)])
    b.save(path, (1, channels, side, side), maps)


def quantize(path: Path, out: Path, shape: tuple[int, ...], *, bytes_outside: bool = False) -> None:
    """Write the 8-bit twin of a network.

    Args:
        path: The float network.
        out: Where the twin goes.
        shape: Of its input.
        bytes_outside: Take and give bytes, so that no conversion is timed.
    """
    rng = np.random.default_rng(0)

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left: Iterator[int] = iter(range(4))

        def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
            if next(self.left, None) is None:
                return None
            return {"x": rng.normal(0, 1, shape).astype(np.float32)}

    quantization.quantize_static(
        str(path),
        str(out),
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        reduce_range=False,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    if bytes_outside:
        model = onnx.load(str(out))
        _strip_outer_conversions(model)
        onnx.save(model, str(out))


def _strip_outer_conversions(model: onnx.ModelProto) -> None:
    """Drop the first quantization and the last dequantization; the ends become bytes."""
    graph = model.graph
    first = next(n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] == "x")
    last = next(
        n
        for n in graph.node
        if n.op_type == "DequantizeLinear" and n.output[0] == graph.output[0].name
    )
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == first.output[0]:
                node.input[index] = "x"
    source = last.input[0]
    graph.node.remove(first)
    graph.node.remove(last)
    graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    graph.output[0].name = source
    graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
    del graph.value_info[:]
