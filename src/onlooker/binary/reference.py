"""Run a packed network in NumPy: slow, plain and exact.

This is what the engine is tested against, and what runs where no engine was built. The arithmetic
is the engine's: ``act(x · scale + shift + residual)`` in float32, rounded after each operation and
never fused; means are added up row by row. Only sums of float convolutions differ: here they are
computed in float64 and rounded once, there in float32 in an order that depends on the processor.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from onlooker.binary.format import (
    Activation,
    Node,
    Operation,
    Outlet,
    OutletKind,
    PackedFile,
    TensorKind,
)
from onlooker.binary.format.checks import map_sizes, output_size
from onlooker.binary.format.layouts import (
    unpack_binary,
    unpack_flips,
    unpack_float,
    unpack_int8,
)
from onlooker.errors import MediaError, WeightsError

Floats = npt.NDArray[np.float32]
Map = npt.NDArray[Any]  # (N, H, W, C): float32, bool for bits, uint8 or int16


class ReferenceModel:
    """A packed network that NumPy runs.

    Example:
        >>> from onlooker.binary import format, reference
        >>> model = reference.ReferenceModel(format.read(path))  # doctest: +SKIP
        >>> logits = model(pictures)  # (N, 3, H, W) float32  # doctest: +SKIP
    """

    def __init__(self, packed: PackedFile, name: str = "packed network") -> None:
        self.packed, self.name = packed, name
        self._weights: dict[int, npt.NDArray[np.float64]] = {}

    def __call__(self, pictures: Floats) -> Floats:
        """Return the result for pictures.

        Args:
            pictures: (N, C, H, W) float32.

        Returns:
            (N, C', H', W'), or (N, C') where the result is a map of 1 × 1.

        Raises:
            MediaError: The pictures' shape, size or type does not fit, or they hold NaN or
                infinity.
        """
        result = self.run(pictures)[self.packed.result]
        if result.shape[1:3] == (1, 1):
            return np.ascontiguousarray(result[:, 0, 0])
        return np.ascontiguousarray(result.transpose(0, 3, 1, 2))

    def run(self, pictures: Floats) -> list[Map]:
        """Return every tensor (N, H, W, C): float32, bool (bits), uint8 or int16."""
        packed = self.packed
        self._check(pictures)
        count, _, height, width = pictures.shape
        try:
            sizes = map_sizes(packed, height, width, self.name)
        except WeightsError as error:  # of the file's own size it was checked before
            raise MediaError(str(error)) from error
        dtypes = {
            TensorKind.FLOAT: np.float32,
            TensorKind.BITS: np.bool_,
            TensorKind.U8: np.uint8,
            TensorKind.I16: np.int16,
        }
        tensors: list[Map] = [
            np.zeros((count, *size, tensor.channels), dtypes[tensor.kind])
            for size, tensor in zip(sizes, packed.tensors, strict=True)
        ]
        for index, node in enumerate(packed.nodes):
            if node.operation == Operation.INPUT:
                dot: Map | None = None
                values = np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))
            else:
                dot, values = self._compute(index, node, tensors)
            for outlet in node.outlets:
                last = outlet.first + node.channels
                tensors[outlet.tensor][..., outlet.first : last] = self._outlet(
                    outlet, dot, values, node.channels
                )
        return tensors

    def _check(self, pictures: Floats) -> None:
        packed = self.packed
        expected = (packed.channels, packed.height or "any", packed.width or "any")
        fits = isinstance(pictures, np.ndarray) and pictures.ndim == 4 and pictures.shape[0] >= 1
        if fits:
            fits = pictures.shape[1] == packed.channels and all(
                wanted in (0, found)
                for wanted, found in zip(
                    (packed.height, packed.width), pictures.shape[2:], strict=True
                )
            )
        if not fits or pictures.dtype != np.float32:
            found = (
                f"{pictures.shape} {pictures.dtype}"
                if isinstance(pictures, np.ndarray)
                else type(pictures).__name__
            )
            raise MediaError(
                f"{self.name} takes pictures (N, {', '.join(map(str, expected))}) float32, "
                f"not {found}"
            )
        if not np.isfinite(pictures).all():
            raise MediaError(f"{self.name}: the pictures hold NaN or infinity")

    def _floats(self, blob: int, missing: float, channels: int) -> Floats:
        if blob < 0:
            return np.full(channels, missing, np.float32)
        return np.frombuffer(self.packed.blobs[blob], "<f4")

    def _compute(self, index: int, node: Node, tensors: list[Map]) -> tuple[Map | None, Floats]:
        """Return the ``dot`` of a binary convolution, and ``v``."""
        inputs = tensors[node.input]
        scale = self._floats(node.scale, 1, node.channels)
        shift = self._floats(node.shift, 0, node.channels)
        dot = None
        if node.operation == Operation.GATHER:
            sources = np.frombuffer(self.packed.blobs[node.extra], "<u4")
            return None, inputs[..., sources].astype(np.float32)
        if node.operation in (Operation.MAX_POOLING, Operation.AVERAGE_POOLING):
            values = self._pooled(node, self._read(node, inputs), scale, shift)
            return None, activated(values, node.activation)
        if node.operation == Operation.POINTWISE:
            sums = self._read(node, inputs)
        else:
            exact = self._convolved(index, node, inputs)
            if node.operation == Operation.BINARY_CONVOLUTION:
                dot = exact.astype(np.int32)
            sums = exact.astype(np.float32)
        values = scaled(sums, scale, shift)
        if node.residual >= 0:
            first = node.residual_first
            residual = tensors[node.residual][..., first : first + node.channels]
            values = values + residual.astype(np.float32)
        return dot, activated(values, node.activation)

    @staticmethod
    def _read(node: Node, inputs: Map) -> Floats:
        first = node.input_first
        return inputs[..., first : first + node.channels].astype(np.float32)

    def _convolved(self, index: int, node: Node, inputs: Map) -> npt.NDArray[np.float64]:
        """Return the sums of a convolution (N, H', W', O), exact but for float32 ones."""
        channels = inputs.shape[-1]
        weights = self._weights.get(index)
        if weights is None:
            weights = self._weights[index] = self._unpacked(node, channels)
        above, left, below, right = node.padding
        if node.operation == Operation.BINARY_CONVOLUTION:
            values = np.where(inputs, 1.0, -1.0)
            padding: Any = 0.0 if node.zero_padding else -1.0
        else:
            values = inputs.astype(np.float64)
            padding = 0.0
            if node.extra >= 0:
                padding = np.frombuffer(self.packed.blobs[node.extra], np.uint8).astype(float)
        count, height, width, _ = values.shape
        size = (count, height + above + below, width + left + right, channels)
        padded = np.empty(size, np.float64)
        padded[:] = padding
        padded[:, above : above + height, left : left + width] = values
        down, across = output_size(node, height, width)
        outputs_of_group = node.channels // node.groups
        inputs_of_group = channels // node.groups
        sums = np.zeros((count, down, across, node.channels), np.float64)
        for row in range(node.kernel[0]):
            for column in range(node.kernel[1]):
                seen = _window(padded, node, row, column, down, across)
                for group in range(node.groups):
                    outputs = slice(group * outputs_of_group, (group + 1) * outputs_of_group)
                    read = slice(group * inputs_of_group, (group + 1) * inputs_of_group)
                    sums[..., outputs] += seen[..., read] @ weights[outputs, :, row, column].T
        return sums

    def _unpacked(self, node: Node, inputs: int) -> npt.NDArray[np.float64]:
        blob = self.packed.blobs[node.weights]
        if node.operation == Operation.BINARY_CONVOLUTION:
            return np.where(unpack_binary(blob, node, inputs), 1.0, -1.0)
        if node.operation == Operation.CONVOLUTION:
            return unpack_float(blob, node, inputs).astype(np.float64)
        return unpack_int8(blob, node, inputs).astype(np.float64)

    @staticmethod
    def _pooled(node: Node, inputs: Floats, scale: Floats, shift: Floats) -> Floats:
        values = scaled(inputs, scale, shift)
        largest = node.operation == Operation.MAX_POOLING
        if node.kernel == (0, 0):
            node = replace(node, kernel=values.shape[1:3])
        count, height, width, channels = values.shape
        above, left, below, right = node.padding
        size = (count, height + above + below, width + left + right, channels)
        inside = (slice(None), slice(above, above + height), slice(left, left + width))
        padded = np.full(size, -np.inf if largest else 0, np.float32)
        padded[inside] = values
        ones = np.zeros((1, *size[1:3], 1), np.float32)
        ones[inside] = 1
        down, across = output_size(node, height, width)
        pooled: Floats | None = None
        pixels = np.zeros((1, down, across, 1), np.float32)
        for row in range(node.kernel[0]):
            for column in range(node.kernel[1]):
                seen = _window(padded, node, row, column, down, across)
                pixels = pixels + _window(ones, node, row, column, down, across)
                if pooled is None:
                    pooled = seen
                else:
                    pooled = np.maximum(pooled, seen) if largest else pooled + seen
        assert pooled is not None, "a window has a pixel"
        return pooled if largest else pooled / pixels

    def _outlet(self, outlet: Outlet, dot: Map | None, values: Floats, channels: int) -> Map:
        if outlet.kind == OutletKind.VALUE:
            return values
        if outlet.kind == OutletKind.INTEGER:
            assert dot is not None, "checked when the file was read"
            return dot.astype(np.int16)
        if outlet.kind == OutletKind.U8:
            return quantized(
                values,
                self._floats(outlet.numbers, 1, channels),
                self._floats(outlet.marks, 0, channels),
            )
        by_integer = outlet.kind == OutletKind.BITS_BY_INTEGER
        thresholds = np.frombuffer(
            self.packed.blobs[outlet.numbers], "<i4" if by_integer else "<f4"
        )
        signs = (dot if by_integer else values) >= thresholds
        if outlet.marks < 0:
            return np.asarray(signs)
        return np.asarray(signs ^ unpack_flips(self.packed.blobs[outlet.marks], channels))


def scaled(values: Floats, scale: Floats, shift: Floats) -> Floats:
    """Return values · scale + shift, rounded after each step."""
    product = values * scale
    return product + shift


def activated(values: Floats, activation: Activation) -> Floats:
    """Apply an activation."""
    if activation == Activation.RELU:
        return np.maximum(values, np.float32(0))
    if activation == Activation.TANH:
        return np.tanh(values.astype(np.float64)).astype(np.float32)
    if activation == Activation.HARD_TANH:
        return np.clip(values, np.float32(-1), np.float32(1))
    return values


def quantized(values: Floats, inverse_scale: Floats, zero: Floats) -> npt.NDArray[np.uint8]:
    """Return round(v · inverse scale + zero) in 0 … 255; halves go to even."""
    steps = values * inverse_scale + zero  # each step float32
    return np.asarray(np.clip(np.rint(steps), 0, 255), np.uint8)


def _window(values: Map, node: Node, row: int, column: int, down: int, across: int) -> Map:
    """Return what a kernel's element sees: (N, down, across, C)."""
    top, start = row * node.dilation[0], column * node.dilation[1]
    last_row = top + (down - 1) * node.stride[0] + 1
    last_column = start + (across - 1) * node.stride[1] + 1
    return values[:, top : last_row : node.stride[0], start : last_column : node.stride[1]]
