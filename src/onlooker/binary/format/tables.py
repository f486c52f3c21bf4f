"""The tables of a packed network in memory, and how a row of each lies in the file."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

SIGNATURE = b"\x89ONB\r\n\x1a\n"
VERSION = 1
#: Blobs start at multiples of this many bytes: a cache line, and an AVX-512 register.
ALIGNMENT = 64

HEADER = struct.Struct("<8sIIQIIIIIIQQII8x")
TENSOR = struct.Struct("<IIII")
NODE = struct.Struct("<IIiiIIIIiiii2H2H4H2HIII16x")
OUTLET = struct.Struct("<IIIiiI")
BLOB = struct.Struct("<QQ")

MAX_TENSORS = 65_536
MAX_NODES = 65_536
MAX_OUTLETS = 262_144
MAX_BLOBS = 262_144
MAX_CHANNELS = 65_536
MAX_INPUT_CHANNELS = 4_096
MAX_NODE_OUTLETS = 64
#: Height and width of a picture, and of any map.
MAX_INPUT_PX = 65_536
MAX_SIZE_PX = 1 << 20
#: Products of a sum: float32 holds every integer up to the first; as many products of a weight up
#: to 63 with a byte up to 255 fit 32 bits.
MAX_PRODUCTS = 1 << 24
MAX_QUANTIZED_PRODUCTS = 131_072


class TensorKind(IntEnum):
    """What a tensor holds."""

    FLOAT = 0
    BITS = 1
    U8 = 2
    I16 = 3


class Operation(IntEnum):
    """How a node computes ``v``."""

    INPUT = 0
    BINARY_CONVOLUTION = 1
    CONVOLUTION = 2
    QUANTIZED_CONVOLUTION = 3
    MAX_POOLING = 4
    AVERAGE_POOLING = 5
    POINTWISE = 6
    GATHER = 7


class Activation(IntEnum):
    """What is applied to ``v`` last."""

    NONE = 0
    RELU = 1
    TANH = 2
    HARD_TANH = 3


class OutletKind(IntEnum):
    """What becomes of ``v`` on its way into a tensor."""

    VALUE = 0
    BITS_BY_FLOAT = 1
    BITS_BY_INTEGER = 2
    U8 = 3
    INTEGER = 4


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A map of ``height × width × channels``.

    Attributes:
        kind: What it holds.
        channels: Its width.
        groups: Of bits: the channels of each group start at a new word.
    """

    kind: TensorKind
    channels: int
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class Outlet:
    """Where a node writes, and in which form.

    Attributes:
        kind: The form.
        tensor: Index of the tensor.
        first: First channel that is written.
        numbers: Blob of thresholds (bits) or inverse scales (u8), or −1.
        marks: Blob of flips (bits) or zeros (u8), or −1.
    """

    kind: OutletKind
    tensor: int
    first: int = 0
    numbers: int = -1
    marks: int = -1


@dataclass(frozen=True, kw_only=True)
class Node:
    """A step of the network; the page says what each field means to which operation.

    Attributes:
        padding: Pixels above, left, below, right.
        zero_padding: Of a binary convolution: padded with 0, not −1.
        extra: Blob of sources (gather) or of padding bytes (quantized convolution), or −1.
    """

    operation: Operation
    channels: int
    input: int = -1
    input_first: int = 0
    residual: int = -1
    residual_first: int = 0
    activation: Activation = Activation.NONE
    outlets: tuple[Outlet, ...] = ()
    weights: int = -1
    scale: int = -1
    shift: int = -1
    extra: int = -1
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    zero_padding: bool = False


@dataclass(frozen=True, kw_only=True)
class PackedFile:
    """A packed network in memory.

    Attributes:
        tensors, nodes, blobs: The tables; blobs are little-endian bytes.
        result: Tensor that is the result.
        channels: Channels of the input.
        height, width: Of the input in pixels, or 0: any.
        metadata: What JSON can hold.
    """

    tensors: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    blobs: tuple[bytes | memoryview, ...]
    result: int
    channels: int
    height: int = 0
    width: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)
