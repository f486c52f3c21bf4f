"""Packed network → ONNX file that says the same in float32, so that any tool can check it.

Signs are −1 and +1 as float32, weights of binary convolutions too (stored as int8 and cast), and
each operation is one of a few of ONNX: no custom one, opset 13. Integers and bytes are computed in
float32, which holds them exactly; where a quantized convolution's sum passes 2^24 it is rounded.
The packed file's metadata go along, as JSON under the key ``onlooker``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onlooker.binary.format import (
    Activation,
    Node,
    Operation,
    Outlet,
    OutletKind,
    PackedFile,
)
from onlooker.binary.format.file import write_whole
from onlooker.binary.format.layouts import (
    unpack_binary,
    unpack_flips,
    unpack_float,
    unpack_int8,
)
from onlooker.binary.reference import ReferenceModel
from onlooker.errors import MissingExtraError, WeightsError

if TYPE_CHECKING:
    import onnx

OPSET = 13
#: Results may differ by this much of the largest: float sums are added up in another order.
TOLERANCE = 1e-4


def export_onnx(packed: PackedFile, path: Path, *, checks: Sequence[Any] = ()) -> float:
    """Write the float equivalent of a packed network, after comparing it with the network itself.

    Args:
        packed: The network.
        path: Where to write.
        checks: Pictures (N, C, H, W) float32 to compare on.

    Returns:
        The largest difference seen, over the results' largest value.

    Raises:
        WeightsError: The results differ, or the file cannot be written: nothing is, then.
        MissingExtraError: The package onnx is not installed.
    """
    model = to_onnx(packed)
    contents = model.SerializeToString()
    worst = _difference(packed, contents, checks)
    if worst > TOLERANCE:
        raise WeightsError(
            f"the ONNX network differs from the packed one by {worst:.1e} of its largest result, "
            f"more than {TOLERANCE:.0e}; {path} was not written"
        )
    write_whole(path, contents)
    return worst


def to_onnx(packed: PackedFile) -> onnx.ModelProto:
    """Return the float equivalent of a packed network.

    Raises:
        MissingExtraError: The package onnx is not installed.
    """
    return _Exporter(packed).run()


def _difference(packed: PackedFile, contents: bytes, checks: Sequence[Any]) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"])
    model = ReferenceModel(packed)
    worst = 0.0
    for pictures in checks:
        (found,) = session.run(None, {"pictures": pictures})
        expected = model(pictures).reshape(found.shape)
        largest = float(np.abs(expected).max()) or 1.0
        worst = max(worst, float(np.abs(found - expected).max()) / largest)
    return worst


class _Exporter:
    def __init__(self, packed: PackedFile) -> None:
        try:
            import onnx
        except ModuleNotFoundError as error:
            raise MissingExtraError("an ONNX file", "train") from error
        self.onnx = onnx
        self.packed = packed
        self.nodes: list[Any] = []
        self.constants: dict[tuple[Any, ...], Any] = {}
        #: What each tensor consists of: first channel, channels, name; and its name when whole.
        self.parts: list[list[tuple[int, int, str]]] = [[] for _ in packed.tensors]
        self.whole: dict[int, str] = {}
        self.count = 0

    def run(self) -> onnx.ModelProto:
        packed, helper = self.packed, self.onnx.helper
        for node in packed.nodes:
            self.node(node)
        self.nodes.append(helper.make_node("Identity", [self.read(packed.result)], ["result"]))
        types = self.onnx.TensorProto
        size = [packed.height or "height", packed.width or "width"]
        pictures = helper.make_tensor_value_info(
            "pictures", types.FLOAT, ["pictures", packed.channels, *size]
        )
        channels = packed.tensors[packed.result].channels
        result = helper.make_tensor_value_info(
            "result", types.FLOAT, ["pictures", channels, "down", "across"]
        )
        graph = helper.make_graph(
            self.nodes,
            str(packed.metadata.get("architecture", "network")),
            [pictures],
            [result],
            list(self.constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 8  # the oldest that opset 13 may come with, so that old tools read it
        helper.set_model_props(model, {"onlooker": json.dumps(dict(packed.metadata))})
        self.onnx.checker.check_model(model)
        return model

    # Pieces.

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation; return the name of its result."""
        self.count += 1
        name = f"{kind.lower()}-{self.count}"
        made = self.onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes)
        self.nodes.append(made)
        return name

    def constant(self, values: Any) -> str:
        """Add a constant, or find an equal one; return its name."""
        array = np.ascontiguousarray(values)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            name = f"constant-{len(self.constants)}"
            self.constants[key] = self.onnx.numpy_helper.from_array(array, name)
        return str(self.constants[key].name)

    def per_channel(self, values: Any) -> str:
        """Add numbers, one a channel."""
        return self.constant(np.asarray(values, np.float32).reshape(1, -1, 1, 1))

    def floats(self, blob: int) -> Any:
        return np.frombuffer(self.packed.blobs[blob], "<f4")

    def read(self, tensor: int) -> str:
        """Return the name of a whole tensor."""
        if tensor not in self.whole:
            names = [name for _, _, name in sorted(self.parts[tensor])]
            self.whole[tensor] = names[0] if len(names) == 1 else self.add("Concat", *names, axis=1)
        return self.whole[tensor]

    def read_slice(self, tensor: int, first: int, channels: int) -> str:
        """Return the name of some channels of a tensor."""
        name = self.read(tensor)
        if channels == self.packed.tensors[tensor].channels:
            return name
        return self.sliced(name, first, first + channels)

    def sliced(self, name: str, first: int, last: int) -> str:
        """Add a slice of channels."""
        ends = (self.constant(np.array([number], np.int64)) for number in (first, last, 1))
        return self.add("Slice", name, *ends)

    def write(self, tensor: int, first: int, channels: int, name: str) -> None:
        """Say that a tensor's channels are this; what stood there before is gone."""
        last = first + channels
        for at, width, old in list(self.parts[tensor]):
            if at < last and at + width > first:
                self.parts[tensor].remove((at, width, old))
                for left, right in ((at, first), (last, at + width)):
                    if left < right:
                        kept = self.sliced(old, left - at, right - at)
                        self.parts[tensor].append((left, right - left, kept))
        self.parts[tensor].append((first, channels, name))
        self.whole.pop(tensor, None)

    # Nodes.

    def node(self, node: Node) -> None:
        value, dot = self.value(node)
        for outlet in node.outlets:
            made = self.outlet(outlet, value, dot, node.channels)
            self.write(outlet.tensor, outlet.first, node.channels, made)

    def value(self, node: Node) -> tuple[str, str]:
        """Add what computes ``v``; return its name, and that of the sum."""
        if node.operation == Operation.INPUT:
            return "pictures", "pictures"
        if node.operation == Operation.GATHER:
            sources = np.frombuffer(self.packed.blobs[node.extra], "<u4").astype(np.int64)
            made = self.add("Gather", self.read(node.input), self.constant(sources), axis=1)
            return made, made
        if node.operation in (Operation.MAX_POOLING, Operation.AVERAGE_POOLING):
            value = self.pooled(node)
            return self.activated(value, node.activation), value
        if node.operation == Operation.POINTWISE:
            dot = self.read_slice(node.input, node.input_first, node.channels)
        else:
            dot = self.convolved(node)
        value = self.scaled(dot, node)
        if node.residual >= 0:
            residual = self.read_slice(node.residual, node.residual_first, node.channels)
            value = self.add("Add", value, residual)
        return self.activated(value, node.activation), dot

    def scaled(self, value: str, node: Node) -> str:
        if node.scale >= 0:
            value = self.add("Mul", value, self.per_channel(self.floats(node.scale)))
        if node.shift >= 0:
            value = self.add("Add", value, self.per_channel(self.floats(node.shift)))
        return value

    def activated(self, value: str, activation: Activation) -> str:
        if activation == Activation.RELU:
            return self.add("Relu", value)
        if activation == Activation.TANH:
            return self.add("Tanh", value)
        if activation == Activation.HARD_TANH:
            low, high = (self.constant(np.float32(limit)) for limit in (-1, 1))
            return self.add("Clip", value, low, high)
        return value

    def convolved(self, node: Node) -> str:
        tensor = self.packed.tensors[node.input]
        blob = self.packed.blobs[node.weights]
        name = self.read(node.input)
        padding: Any = None  # what stands around the map, where it is not 0
        if node.operation == Operation.BINARY_CONVOLUTION:
            signs = np.where(unpack_binary(blob, node, tensor.channels), 1, -1)
            weights = self.cast(signs.astype(np.int8))
            padding = None if node.zero_padding else -1.0
        elif node.operation == Operation.QUANTIZED_CONVOLUTION:
            weights = self.cast(unpack_int8(blob, node, tensor.channels))
            if any(node.padding):
                padding = np.frombuffer(self.packed.blobs[node.extra], np.uint8).astype(np.float32)
        else:
            weights = self.constant(unpack_float(blob, node, tensor.channels))
        pads = list(node.padding)
        if padding is not None and any(pads):
            name = self.padded(name, padding, pads)
            pads = [0, 0, 0, 0]
        return self.add(
            "Conv",
            name,
            weights,
            kernel_shape=list(node.kernel),
            strides=list(node.stride),
            dilations=list(node.dilation),
            group=node.groups,
            pads=pads,
        )

    def cast(self, integers: Any) -> str:
        """Add integers, stored in 8 bits, as float32."""
        return self.add("Cast", self.constant(integers), to=self.onnx.TensorProto.FLOAT)

    def padded(self, name: str, padding: Any, pads: list[int]) -> str:
        """Put a number around a map, or one a channel: as offset, around what was taken off."""
        above, left, below, right = pads
        places = self.constant(np.array([0, 0, above, left, 0, 0, below, right], np.int64))
        if np.ndim(padding) == 0 or len(set(padding.tolist())) == 1:
            number = self.constant(np.float32(np.ravel(padding)[0]))
            return self.add("Pad", name, places, number, mode="constant")
        offset = self.per_channel(padding)
        moved = self.add("Sub", name, offset)
        return self.add("Add", self.add("Pad", moved, places, mode="constant"), offset)

    def pooled(self, node: Node) -> str:
        value = self.scaled(self.read_slice(node.input, node.input_first, node.channels), node)
        largest = node.operation == Operation.MAX_POOLING
        if node.kernel == (0, 0):
            return self.add("GlobalMaxPool" if largest else "GlobalAveragePool", value)
        window = {
            "kernel_shape": list(node.kernel),
            "strides": list(node.stride),
            "pads": list(node.padding),
        }
        if largest:
            return self.add("MaxPool", value, **window)
        return self.add("AveragePool", value, count_include_pad=0, **window)

    def outlet(self, outlet: Outlet, value: str, dot: str, channels: int) -> str:
        if outlet.kind == OutletKind.VALUE:
            return value
        if outlet.kind == OutletKind.INTEGER:
            return dot
        if outlet.kind == OutletKind.U8:
            scaled = self.add("Mul", value, self.per_channel(self.floats(outlet.numbers)))
            moved = self.add("Add", scaled, self.per_channel(self.floats(outlet.marks)))
            low, high = (self.constant(np.float32(limit)) for limit in (0, 255))
            return self.add("Clip", self.add("Round", moved), low, high)
        if outlet.kind == OutletKind.BITS_BY_INTEGER:
            thresholds: Any = np.frombuffer(self.packed.blobs[outlet.numbers], "<i4")
            read = dot
        else:
            thresholds, read = self.floats(outlet.numbers), value
        flips = np.zeros(channels, bool)
        if outlet.marks >= 0:
            flips = unpack_flips(self.packed.blobs[outlet.marks], channels)
        above = self.add("GreaterOrEqual", read, self.per_channel(thresholds))
        return self.add(
            "Where",
            above,
            self.per_channel(np.where(flips, -1, 1)),
            self.per_channel(np.where(flips, 1, -1)),
        )
