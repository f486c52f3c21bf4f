"""How weights, thresholds and flips lie in the blobs of a packed file.

Every function that packs has one that unpacks; both say their shapes, and docs/reference/packed-
format.md draws them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from onlooker.binary.format.tables import Node, Operation, Tensor

Floats = npt.NDArray[np.float32]

#: Output channels that lie side by side in a block of weights.
BINARY_BLOCK, BLOCK = 8, 16
WORD_BITS = 64


def blocks(count: int, size: int) -> int:
    """Return how many blocks of ``size`` hold ``count``."""
    return -(-count // size)


def weights_length(node: Node, inputs: int) -> int:
    """Return the bytes of a convolution's weights, for ``inputs`` input channels."""
    kernel = node.kernel[0] * node.kernel[1]
    outputs, inputs_of_group = node.channels // node.groups, inputs // node.groups
    if node.operation == Operation.BINARY_CONVOLUTION:
        words = blocks(inputs_of_group, WORD_BITS)
        return node.groups * blocks(outputs, BINARY_BLOCK) * kernel * words * BINARY_BLOCK * 8
    if node.operation == Operation.CONVOLUTION:
        return node.groups * blocks(outputs, BLOCK) * kernel * inputs_of_group * BLOCK * 4
    if row_wise(node):
        runs = blocks(node.kernel[1] * inputs_of_group, 4)
        return blocks(outputs, BLOCK) * node.kernel[0] * runs * BLOCK * 4
    return node.groups * blocks(outputs, BLOCK) * kernel * blocks(inputs_of_group, 4) * BLOCK * 4


def row_wise(node: Node) -> bool:
    """Return whether a row of a quantized kernel is one run of bytes."""
    return node.groups == 1 and node.dilation[1] == 1


def pack_binary(weights: npt.NDArray[np.bool_], groups: int) -> bytes:
    """Pack one-bit weights.

    Args:
        weights: (O, Ig, kernel height, kernel width); true is +1.
        groups: Groups of the convolution; they divide O.
    """
    outputs, inputs, height, width = weights.shape
    by_group = weights.reshape(groups, outputs // groups, inputs, height, width)
    row = by_group.transpose(0, 1, 3, 4, 2)  # (G, Og, h, w, Ig)
    row = _padded(_padded(row, 1, BINARY_BLOCK), 4, WORD_BITS)
    words = np.packbits(row, axis=-1, bitorder="little").view("<u8")  # (G, Og, h, w, W)
    blocked = words.reshape(groups, -1, BINARY_BLOCK, *words.shape[2:])
    return np.ascontiguousarray(blocked.transpose(0, 1, 3, 4, 5, 2)).tobytes()


def unpack_binary(blob: bytes | memoryview, node: Node, inputs: int) -> npt.NDArray[np.bool_]:
    """Return the weights that :func:`pack_binary` packed, for ``inputs`` input channels."""
    groups, (height, width) = node.groups, node.kernel
    outputs, inputs_of_group = node.channels // groups, inputs // groups
    words = np.frombuffer(blob, "<u8").reshape(
        groups,
        blocks(outputs, BINARY_BLOCK),
        height,
        width,
        blocks(inputs_of_group, WORD_BITS),
        BINARY_BLOCK,
    )
    rows = np.ascontiguousarray(words.transpose(0, 1, 5, 2, 3, 4))  # (G, blocks, 8, h, w, W)
    bits = np.unpackbits(rows.view(np.uint8), axis=-1, bitorder="little")
    bits = bits.reshape(groups, -1, height, width, bits.shape[-1])
    kept = bits[:, :outputs, :, :, :inputs_of_group].astype(bool)
    return kept.transpose(0, 1, 4, 2, 3).reshape(node.channels, inputs_of_group, height, width)


def pack_float(weights: Floats, groups: int) -> bytes:
    """Pack float weights (O, Ig, kernel height, kernel width)."""
    outputs, inputs, height, width = weights.shape
    by_group = weights.reshape(groups, outputs // groups, inputs, height, width)
    padded = _padded(by_group.transpose(0, 1, 3, 4, 2), 1, BLOCK)  # (G, Og, h, w, Ig)
    blocked = padded.reshape(groups, -1, BLOCK, height, width, inputs)
    return np.ascontiguousarray(blocked.transpose(0, 1, 3, 4, 5, 2)).astype("<f4").tobytes()


def unpack_float(blob: bytes | memoryview, node: Node, inputs: int) -> Floats:
    """Return the weights that :func:`pack_float` packed, for ``inputs`` input channels."""
    groups, (height, width) = node.groups, node.kernel
    outputs, inputs_of_group = node.channels // groups, inputs // groups
    values = np.frombuffer(blob, "<f4").reshape(
        groups, blocks(outputs, BLOCK), height, width, inputs_of_group, BLOCK
    )
    rows = values.transpose(0, 1, 5, 4, 2, 3).reshape(groups, -1, inputs_of_group, height, width)
    return (
        rows[:, :outputs].reshape(node.channels, inputs_of_group, height, width).astype(np.float32)
    )


def pack_int8(weights: npt.NDArray[np.int8], node: Node) -> bytes:
    """Pack 8-bit weights (O, Ig, kernel height, kernel width) of a quantized convolution."""
    outputs, inputs, height, width = weights.shape
    groups = node.groups
    by_group = weights.reshape(groups, outputs // groups, inputs, height, width)
    rows = _padded(by_group.transpose(0, 1, 3, 4, 2), 1, BLOCK)  # (G, Og, h, w, Ig)
    if row_wise(node):
        rows = rows.reshape(*rows.shape[:3], 1, width * inputs)
    rows = _padded(rows, 4, 4)
    blocked = rows.reshape(groups, -1, BLOCK, *rows.shape[2:4], rows.shape[4] // 4, 4)
    return np.ascontiguousarray(blocked.transpose(0, 1, 3, 4, 5, 2, 6)).tobytes()


def unpack_int8(blob: bytes | memoryview, node: Node, inputs: int) -> npt.NDArray[np.int8]:
    """Return the weights that :func:`pack_int8` packed, for ``inputs`` input channels."""
    groups, (height, width) = node.groups, node.kernel
    outputs, inputs_of_group = node.channels // groups, inputs // groups
    columns, run = (1, width * inputs_of_group) if row_wise(node) else (width, inputs_of_group)
    values = np.frombuffer(blob, np.int8).reshape(
        groups, blocks(outputs, BLOCK), height, columns, blocks(run, 4), BLOCK, 4
    )
    rows = values.transpose(0, 1, 5, 2, 3, 4, 6).reshape(
        groups, -1, height, columns, 4 * blocks(run, 4)
    )
    kept = rows[:, :outputs, :, :, :run].reshape(node.channels, height, width, inputs_of_group)
    return np.ascontiguousarray(kept.transpose(0, 3, 1, 2))


def pack_flips(flips: npt.NDArray[np.bool_]) -> bytes:
    """Pack one bit a channel, the first channel lowest."""
    return np.packbits(flips, bitorder="little").tobytes()


def unpack_flips(blob: bytes | memoryview, channels: int) -> npt.NDArray[np.bool_]:
    """Return the flips of so many channels."""
    bytes_ = np.frombuffer(blob, np.uint8)
    return np.unpackbits(bytes_, bitorder="little")[:channels].astype(bool)


def pack_bits(signs: npt.NDArray[np.bool_], tensor: Tensor) -> npt.NDArray[np.uint64]:
    """Pack a map (..., channels) of signs into the words of a bits tensor (..., words)."""
    by_group = signs.reshape(*signs.shape[:-1], tensor.groups, tensor.channels // tensor.groups)
    padded = _padded(by_group, by_group.ndim - 1, WORD_BITS)
    words = np.packbits(padded, axis=-1, bitorder="little").view(np.uint64)
    return words.reshape(*signs.shape[:-1], -1)


def _padded(values: npt.NDArray[Any], axis: int, multiple: int) -> npt.NDArray[Any]:
    """Fill an axis with zeros up to a multiple."""
    missing = -values.shape[axis] % multiple
    if not missing:
        return np.ascontiguousarray(values)
    widths = [(0, 0)] * values.ndim
    widths[axis] = (0, missing)
    return np.ascontiguousarray(np.pad(values, widths))  # which may keep another order
