"""Packed networks of random shape, made without a converter: every operation and outlet."""

from __future__ import annotations

from typing import Any

import numpy as np

from onlooker.binary.format import Activation, Node, Operation, Outlet, OutletKind, PackedFile
from onlooker.binary.format import TensorKind as Kind
from onlooker.binary.format.builder import Builder
from onlooker.binary.format.layouts import pack_binary, pack_float, pack_int8


def outlets_of(rng: np.random.Generator, builder: Builder, channels: int, ones: int) -> Any:
    """Return an outlet of each kind that the operation may have; ``ones`` 0: no integers."""
    outlets = {}
    flips = builder.flips(rng.random(channels) < 0.5)
    value = builder.tensor(Kind.FLOAT, channels)
    outlets["value"] = Outlet(kind=OutletKind.VALUE, tensor=value)
    bits = builder.tensor(Kind.BITS, channels)
    thresholds = builder.floats(rng.normal(size=channels).astype(np.float32))
    outlets["bits"] = Outlet(
        kind=OutletKind.BITS_BY_FLOAT, tensor=bits, numbers=thresholds, marks=flips
    )
    outlets["u8"] = Outlet(
        kind=OutletKind.U8,
        tensor=builder.tensor(Kind.U8, channels),
        numbers=builder.floats(rng.uniform(5, 50, channels)),
        marks=builder.floats(rng.uniform(0, 200, channels).astype(np.float32)),
    )
    if ones:
        outlets["integer"] = Outlet(
            kind=OutletKind.INTEGER, tensor=builder.tensor(Kind.I16, channels)
        )
        outlets["bits by integer"] = Outlet(
            kind=OutletKind.BITS_BY_INTEGER,
            tensor=builder.tensor(Kind.BITS, channels),
            numbers=builder.integers(rng.integers(-ones // 4 - 1, ones // 4 + 2, channels)),
            marks=flips,
        )
    return outlets


def random_packed(seed: int, *, channels: int = 3, height: int = 0, width: int = 0) -> PackedFile:
    """Return a small network in which every operation and outlet occurs."""
    rng = np.random.default_rng(seed)
    builder = Builder()

    def affine(outputs: int) -> dict[str, int]:
        return {
            "scale": builder.floats(rng.normal(size=outputs)),
            "shift": builder.floats(rng.normal(size=outputs)),
        }

    def add(operation: Operation, outputs: int, ones: int = 0, **fields: Any) -> Any:
        outlets = outlets_of(rng, builder, outputs, ones)
        builder.node(
            Node(operation=operation, channels=outputs, outlets=tuple(outlets.values()), **fields)
        )
        return {name: outlet.tensor for name, outlet in outlets.items()}

    entrance = add(Operation.INPUT, channels)
    stem = int(rng.integers(1, 5)) * 8
    node: dict[str, Any] = {"kernel": (3, 3), "stride": (2, 1), "padding": (1, 1, 1, 0)}
    floats = rng.normal(size=(stem, channels, 3, 3)).astype(np.float32)
    first = add(
        Operation.CONVOLUTION,
        stem,
        input=entrance["value"],
        weights=builder.blob(pack_float(floats, 1)),
        activation=Activation(int(rng.integers(0, 4))),
        **affine(stem),
        **node,
    )
    weights = rng.integers(-63, 64, (stem, channels, 3, 3)).astype(np.int8)
    template = Node(operation=Operation.QUANTIZED_CONVOLUTION, channels=stem, **node)
    quantized = add(
        Operation.QUANTIZED_CONVOLUTION,
        stem,
        input=entrance["u8"],
        residual=first["value"],
        weights=builder.blob(pack_int8(weights, template)),
        extra=builder.blob(rng.integers(0, 256, channels).astype(np.uint8).tobytes()),
        scale=builder.floats(rng.normal(size=stem) / 1000),
        **node,
    )
    outputs = int(rng.integers(1, 80))
    kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    binary = rng.random((outputs, stem, *kernel)) < 0.5
    window = {"kernel": kernel, "padding": (1, 0, 0, 1), "stride": (1, 2), "dilation": (2, 1)}
    dots = add(
        Operation.BINARY_CONVOLUTION,
        outputs,
        stem * kernel[0] * kernel[1],
        input=quantized["bits"],
        weights=builder.blob(pack_binary(binary, 1)),
        zero_padding=bool(rng.integers(0, 2)),
        **affine(outputs),
        **window,
    )
    again = add(
        Operation.BINARY_CONVOLUTION,
        outputs,
        stem * kernel[0] * kernel[1],
        input=first["bits"],
        residual=dots["integer"],
        weights=builder.blob(pack_binary(rng.random(binary.shape) < 0.5, 1)),
        activation=Activation.TANH,
        **affine(outputs),
        **window,
    )
    pooled = add(
        Operation.MAX_POOLING,
        outputs,
        input=dots["integer"],
        kernel=(2, 3),
        padding=(1, 1, 1, 1),
        stride=(2, 2),
        **affine(outputs),
    )
    mixed = add(
        Operation.POINTWISE,
        outputs,
        input=pooled["value"],
        residual=pooled["value"],
        activation=Activation.HARD_TANH,
        **affine(outputs),
    )
    order = rng.permutation(outputs).astype("<u4")
    gathered = add(
        Operation.GATHER, outputs, input=mixed["value"], extra=builder.blob(order.tobytes())
    )
    ends = add(
        Operation.BINARY_CONVOLUTION,
        outputs,
        outputs,
        input=gathered["bits"],
        weights=builder.blob(pack_binary(rng.random((outputs, outputs, 1, 1)) < 0.5, 1)),
    )
    mean = add(
        Operation.AVERAGE_POOLING, outputs, input=ends["integer"], kernel=(0, 0), **affine(outputs)
    )
    del again
    return builder.packed(
        result=mean["value"],
        channels=channels,
        height=height,
        width=width,
        metadata={"architecture": "random", "seed": seed},
    )
