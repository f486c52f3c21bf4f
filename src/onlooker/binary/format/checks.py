"""Whether the tables of a packed network fit together: kinds, channels, lengths, order of writes.

What passes here can be run: nothing is read that was not written, nothing lies outside of a tensor
or a blob. Sizes of maps depend on the input and are found by :func:`map_sizes`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from onlooker.binary.format.layouts import WORD_BITS, weights_length
from onlooker.binary.format.tables import (
    MAX_CHANNELS,
    MAX_INPUT_CHANNELS,
    MAX_INPUT_PX,
    MAX_NODE_OUTLETS,
    MAX_NODES,
    MAX_OUTLETS,
    MAX_PRODUCTS,
    MAX_QUANTIZED_PRODUCTS,
    MAX_SIZE_PX,
    MAX_TENSORS,
    Activation,
    Node,
    Operation,
    Outlet,
    OutletKind,
    PackedFile,
    TensorKind,
)
from onlooker.errors import WeightsError

CONVOLUTIONS = (
    Operation.BINARY_CONVOLUTION,
    Operation.CONVOLUTION,
    Operation.QUANTIZED_CONVOLUTION,
)
POOLINGS = (Operation.MAX_POOLING, Operation.AVERAGE_POOLING)
_READ = {
    Operation.INPUT: (),
    Operation.BINARY_CONVOLUTION: (TensorKind.BITS,),
    Operation.CONVOLUTION: (TensorKind.FLOAT,),
    Operation.QUANTIZED_CONVOLUTION: (TensorKind.U8,),
    Operation.MAX_POOLING: (TensorKind.FLOAT, TensorKind.I16),
    Operation.AVERAGE_POOLING: (TensorKind.FLOAT, TensorKind.I16),
    Operation.POINTWISE: (TensorKind.FLOAT, TensorKind.I16),
    Operation.GATHER: (TensorKind.FLOAT, TensorKind.I16),
}
_WRITTEN = {
    OutletKind.VALUE: TensorKind.FLOAT,
    OutletKind.BITS_BY_FLOAT: TensorKind.BITS,
    OutletKind.BITS_BY_INTEGER: TensorKind.BITS,
    OutletKind.U8: TensorKind.U8,
    OutletKind.INTEGER: TensorKind.I16,
}
#: Two products of a byte 0 … 255 with a weight, added, must fit 16 bits, or AVX2's maddubs
#: saturates: 2 · 255 · 63 = 32,130 does, 2 · 255 · 127 does not.
MAX_WEIGHT = 63
#: A dot product of more ones than this does not fit 16 bits.
MAX_I16 = 32_767


def check(packed: PackedFile, name: str) -> None:
    """Raise a WeightsError that says what does not fit together, if anything."""
    _Checker(packed, name).run()


def reads_slice(node: Node) -> bool:
    """Return whether the node reads as many channels as it makes (and may begin at any)."""
    return node.operation in (*POOLINGS, Operation.POINTWISE)


def output_size(node: Node, height: int, width: int) -> tuple[int, int]:
    """Return height and width of a node's result for those of its input; below 1: none."""
    if node.kernel == (0, 0):
        return 1, 1
    above, left, below, right = node.padding
    sizes = []
    for size, padding, axis in ((height, above + below, 0), (width, left + right, 1)):
        reach = node.dilation[axis] * (node.kernel[axis] - 1) + 1
        sizes.append((size + padding - reach) // node.stride[axis] + 1)
    return sizes[0], sizes[1]


def map_sizes(packed: PackedFile, height: int, width: int, name: str) -> list[tuple[int, int]]:
    """Return height and width of every tensor for those of the input.

    Raises:
        WeightsError: The input is too small or too large, or maps of unequal size meet.
    """
    if not (1 <= height <= MAX_INPUT_PX and 1 <= width <= MAX_INPUT_PX):
        raise WeightsError(
            f"{name}: an input of {height} × {width}; expected 1 to {MAX_INPUT_PX} pixels each"
        )
    sizes: list[tuple[int, int] | None] = [None] * len(packed.tensors)
    for index, node in enumerate(packed.nodes):
        size = (height, width)
        if node.operation != Operation.INPUT:
            read = sizes[node.input]
            assert read is not None, "checked: written before it is read"
            size = output_size(node, *read)
        if min(size) < 1 or max(size) > MAX_SIZE_PX:
            raise WeightsError(
                f"{name}: an input of {height} × {width} leaves node {index} a result of "
                f"{size[0]} × {size[1]}"
            )
        if node.residual >= 0 and sizes[node.residual] != size:
            raise WeightsError(
                f"{name}: node {index} adds a map of {sizes[node.residual]} to one of {size}"
            )
        for outlet in node.outlets:
            if sizes[outlet.tensor] not in (None, size):
                raise WeightsError(
                    f"{name}: node {index} writes a map of {size} into tensor {outlet.tensor} of "
                    f"{sizes[outlet.tensor]}"
                )
            sizes[outlet.tensor] = size
    return [size or (0, 0) for size in sizes]


class _Checker:
    def __init__(self, packed: PackedFile, name: str) -> None:
        self.packed, self.name = packed, name
        self.written: list[npt.NDArray[np.bool_]] = []
        #: Of u8 tensors: the bytes around them, which are kept once for all that read them.
        self.padded: dict[int, bytes] = {}

    def run(self) -> None:
        packed = self.packed
        self.expect(1 <= len(packed.tensors) <= MAX_TENSORS, f"{len(packed.tensors)} tensors")
        self.expect(1 <= len(packed.nodes) <= MAX_NODES, f"{len(packed.nodes)} nodes")
        outlets = sum(len(node.outlets) for node in packed.nodes)
        self.expect(outlets <= MAX_OUTLETS, f"{outlets} outlets")
        self.expect(
            1 <= packed.channels <= MAX_INPUT_CHANNELS, f"input of {packed.channels} channels"
        )
        for size in (packed.height, packed.width):
            self.expect(0 <= size <= MAX_INPUT_PX, f"input {size} pixels high or wide")
        for index, tensor in enumerate(packed.tensors):
            what = f"tensor {index} has {tensor.channels} channels in {tensor.groups} groups"
            self.expect(1 <= tensor.channels <= MAX_CHANNELS, what)
            fits = tensor.groups >= 1 and tensor.channels % tensor.groups == 0
            whole_words = fits and tensor.channels // tensor.groups % WORD_BITS == 0
            grouped = tensor.kind == TensorKind.BITS and not whole_words
            self.expect(fits and (tensor.groups == 1 or grouped), what)
            self.written.append(np.zeros(tensor.channels, bool))
        for index, node in enumerate(packed.nodes):
            self.node(node, f"node {index} ({node.operation.name.lower().replace('_', ' ')})")
        self.expect(0 <= packed.result < len(packed.tensors), f"result {packed.result}")
        kind = packed.tensors[packed.result].kind
        self.expect(kind == TensorKind.FLOAT, f"a result of kind {kind.name}")
        self.readable(packed.result, "the result")
        if packed.height and packed.width:
            map_sizes(packed, packed.height, packed.width, self.name)

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            raise WeightsError(f"{self.name}: {what}: not as the format allows")

    def readable(self, index: int, what: str) -> None:
        self.expect(
            bool(self.written[index].all()), f"{what} reads tensor {index} before it is whole"
        )

    def blob(self, index: int, length: int, what: str, *, optional: bool) -> None:
        if index == -1 and optional:
            return
        self.expect(0 <= index < len(self.packed.blobs), f"{what}: blob {index}")
        found = len(self.packed.blobs[index])
        self.expect(found == length, f"{what}: blob {index} of {found} bytes, expected {length}")

    def node(self, node: Node, what: str) -> None:
        self.expect(1 <= node.channels <= MAX_CHANNELS, f"{what} has {node.channels} channels")
        self.expect(
            1 <= len(node.outlets) <= MAX_NODE_OUTLETS, f"{what} has no outlets, or too many"
        )
        self.geometry(node, what)
        inputs = self.inputs(node, what)
        if node.operation in CONVOLUTIONS:
            fits = inputs % node.groups == 0 and node.channels % node.groups == 0
            self.expect(fits, f"{what}: {node.groups} groups of {inputs} to {node.channels}")
            quantized = node.operation == Operation.QUANTIZED_CONVOLUTION
            products = inputs // node.groups * node.kernel[0] * node.kernel[1]
            most = MAX_QUANTIZED_PRODUCTS if quantized else MAX_PRODUCTS
            self.expect(products <= most, f"{what}: a sum of {products} products")
            length = weights_length(node, inputs)
            self.blob(node.weights, length, f"{what}: weights", optional=False)
            if quantized:
                weights = np.frombuffer(self.packed.blobs[node.weights], np.int8)
                fits = weights.min() >= -MAX_WEIGHT and weights.max() <= MAX_WEIGHT
                self.expect(bool(fits), f"{what}: weights beyond {MAX_WEIGHT}")
        else:
            self.expect(node.groups == 1 and node.weights == -1, f"{what} with weights or groups")
        if node.operation in (Operation.INPUT, Operation.GATHER):
            plain = (node.scale, node.shift, node.activation) == (-1, -1, Activation.NONE)
            self.expect(plain, f"{what} with scale, shift or activation")
        self.blob(node.scale, 4 * node.channels, f"{what}: scale", optional=True)
        self.blob(node.shift, 4 * node.channels, f"{what}: shift", optional=True)
        self.extra(node, inputs, what)
        self.residual(node, what)
        for outlet in node.outlets:
            self.outlet(node, inputs, outlet, f"{what} to tensor {outlet.tensor}")

    def geometry(self, node: Node, what: str) -> None:
        window = node.operation in CONVOLUTIONS or node.operation in POOLINGS
        whole = node.kernel == (0, 0) and node.operation in POOLINGS
        self.expect(whole or min(node.kernel) >= 1, f"{what} with a kernel of {node.kernel}")
        self.expect(min(*node.stride, *node.dilation) >= 1, f"{what} with stride or dilation 0")
        geometry = (node.kernel, node.stride, node.dilation, node.padding)
        if not window:
            self.expect(geometry == ((1, 1), (1, 1), (1, 1), (0, 0, 0, 0)), f"{what} with a window")
        if whole:
            self.expect(geometry[1:] == ((1, 1), (1, 1), (0, 0, 0, 0)), f"{what} of a whole map")
        if node.operation in POOLINGS and not whole:
            # Else a window could lie in the padding alone, where there is nothing to pool.
            above, left, below, right = node.padding
            inside = max(above, below) < node.kernel[0] and max(left, right) < node.kernel[1]
            self.expect(inside, f"{what} pads more than its window covers")
            self.expect(node.dilation == (1, 1), f"{what} with dilation")
        self.expect(node.groups >= 1, f"{what} with {node.groups} groups")
        if node.zero_padding:
            binary = node.operation == Operation.BINARY_CONVOLUTION
            self.expect(binary, f"{what} with the padding of a binary convolution")

    def inputs(self, node: Node, what: str) -> int:
        """Check what the node reads; return how many channels."""
        if node.operation == Operation.INPUT:
            self.expect(node.input == -1 and node.input_first == 0, f"{what} reads a tensor")
            self.expect(
                node.channels == self.packed.channels, f"{what} of {node.channels} channels"
            )
            return node.channels
        self.expect(0 <= node.input < len(self.packed.tensors), f"{what} reads tensor {node.input}")
        self.readable(node.input, what)
        tensor = self.packed.tensors[node.input]
        kinds = _READ[node.operation]
        self.expect(tensor.kind in kinds, f"{what} reads {tensor.kind.name}")
        if node.operation == Operation.BINARY_CONVOLUTION:
            # Groups of whole words lie as one group does.
            whole = tensor.channels // node.groups % WORD_BITS == 0
            same = tensor.groups == (1 if whole else node.groups)
            self.expect(same, f"{what} of {node.groups} groups reads bits of {tensor.groups}")
        if not reads_slice(node):
            self.expect(node.input_first == 0, f"{what} reads from channel {node.input_first}")
            return tensor.channels
        last = node.input_first + node.channels
        self.expect(
            node.input_first >= 0 and last <= tensor.channels,
            f"{what} reads channels {node.input_first} to {last - 1} of {tensor.channels}",
        )
        return node.channels

    def extra(self, node: Node, inputs: int, what: str) -> None:
        if node.operation == Operation.GATHER:
            self.blob(node.extra, 4 * node.channels, f"{what}: sources", optional=False)
            sources = np.frombuffer(self.packed.blobs[node.extra], "<u4")
            self.expect(int(sources.max()) < inputs, f"{what} reads channel {sources.max()}")
        elif node.operation == Operation.QUANTIZED_CONVOLUTION:
            padded = any(node.padding)
            self.blob(node.extra, inputs, f"{what}: padding", optional=not padded)
            if padded:
                bytes_around = bytes(self.packed.blobs[node.extra])
                same = self.padded.setdefault(node.input, bytes_around) == bytes_around
                self.expect(same, f"{what} pads tensor {node.input} with other bytes than before")
        else:
            self.expect(node.extra == -1, f"{what} has blob {node.extra} too many")

    def residual(self, node: Node, what: str) -> None:
        if node.residual == -1:
            self.expect(node.residual_first == 0, f"{what} adds channels of nothing")
            return
        may = node.operation in (*CONVOLUTIONS, Operation.POINTWISE)
        self.expect(may, f"{what} adds a residual")
        self.expect(0 <= node.residual < len(self.packed.tensors), f"{what} adds {node.residual}")
        self.readable(node.residual, what)
        tensor = self.packed.tensors[node.residual]
        self.expect(tensor.kind in (TensorKind.FLOAT, TensorKind.I16), f"{what} adds {tensor.kind}")
        last = node.residual_first + node.channels
        self.expect(last <= tensor.channels, f"{what} adds channels to {last} of {tensor.channels}")

    def outlet(self, node: Node, inputs: int, outlet: Outlet, what: str) -> None:
        self.expect(0 <= outlet.tensor < len(self.packed.tensors), what)
        tensor = self.packed.tensors[outlet.tensor]
        self.expect(tensor.kind == _WRITTEN[outlet.kind], f"{what}: {outlet.kind} to {tensor.kind}")
        last = outlet.first + node.channels
        self.expect(last <= tensor.channels, f"{what} to channel {last} of {tensor.channels}")
        # Number by number in its place; from another channel on, sums would be added up.
        again = (
            outlet.tensor == node.residual
            and outlet.tensor != node.input
            and outlet.kind == OutletKind.VALUE
            and outlet.first == node.residual_first
        )
        fresh = not self.written[outlet.tensor][outlet.first : last].any()
        self.expect(fresh or again, f"{what}, channels {outlet.first} to {last - 1}, again")
        self.written[outlet.tensor][outlet.first : last] = True
        binary = node.operation == Operation.BINARY_CONVOLUTION
        if outlet.kind in (OutletKind.BITS_BY_INTEGER, OutletKind.INTEGER):
            self.expect(binary, f"{what}: {outlet.kind.name} of no binary convolution")
        if outlet.kind == OutletKind.INTEGER:
            ones = inputs // node.groups * node.kernel[0] * node.kernel[1]
            self.expect(ones <= MAX_I16, f"{what}: sums to {ones} in 16 bits")
        if tensor.kind == TensorKind.BITS:
            self.expect(outlet.first % 8 == 0, f"{what} from channel {outlet.first}")
            self.blob(outlet.numbers, 4 * node.channels, f"{what}: thresholds", optional=False)
            flips = -(-node.channels // 8)
            self.blob(outlet.marks, flips, f"{what}: flips", optional=True)
            if tensor.groups > 1:
                whole = outlet.first == 0 and last == tensor.channels
                pointwise = node.operation == Operation.POINTWISE and whole
                self.expect(pointwise, f"{what} of {tensor.groups} groups")
        elif tensor.kind == TensorKind.U8:
            self.blob(outlet.numbers, 4 * node.channels, f"{what}: scales", optional=False)
            self.blob(outlet.marks, 4 * node.channels, f"{what}: zeros", optional=False)
        else:
            self.expect((outlet.numbers, outlet.marks) == (-1, -1), f"{what} with thresholds")
