"""The executor of packed networks in NumPy: each operation against its definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from onlooker.binary.format import Activation, Node, Operation, Outlet, OutletKind, PackedFile
from onlooker.binary.format import TensorKind as Kind
from onlooker.binary.format.builder import Builder
from onlooker.binary.format.layouts import pack_binary, pack_float, pack_int8
from onlooker.binary.reference import ReferenceModel, quantized
from onlooker.errors import MediaError

from .random_packed import random_packed


def one_node(values: Any, kind: Kind, make: Any) -> PackedFile:
    """A network of the picture, held as ``kind``, and one more node."""
    builder = Builder()
    channels = values.shape[1]
    tensor = builder.tensor(kind, channels)
    ends = {
        Kind.FLOAT: Outlet(kind=OutletKind.VALUE, tensor=tensor),
        Kind.BITS: Outlet(
            kind=OutletKind.BITS_BY_FLOAT, tensor=tensor, numbers=builder.floats(np.zeros(channels))
        ),
        Kind.U8: Outlet(
            kind=OutletKind.U8,
            tensor=tensor,
            numbers=builder.floats(np.ones(channels)),
            marks=builder.floats(np.zeros(channels)),
        ),
    }
    builder.node(Node(operation=Operation.INPUT, channels=channels, outlets=(ends[kind],)))
    node = make(builder)
    result = builder.tensor(Kind.FLOAT, node["channels"])
    outlet = Outlet(kind=OutletKind.VALUE, tensor=result)
    builder.node(Node(input=tensor, outlets=(outlet,), **node))
    return builder.packed(result=result, channels=channels)


WINDOWS: list[dict[str, Any]] = [
    {"kernel": (3, 3), "padding": (1, 1, 1, 1)},
    {"kernel": (2, 4), "padding": (0, 3, 1, 0), "stride": (1, 2), "dilation": (3, 1)},
    {"kernel": (3, 2), "padding": (2, 0, 0, 1), "stride": (3, 1), "dilation": (1, 2)},
]


@pytest.mark.parametrize("window", WINDOWS)
# Bits in groups are written by a pass over the map: see the converter's tests.
@pytest.mark.parametrize(
    ("kind", "groups"),
    [("minus", 1), ("zero", 1), ("float", 1), ("float", 2), ("bytes", 1), ("bytes", 2)],
)
def test_convolutions_are_sums_over_their_windows(
    window: dict[str, Any], groups: int, kind: str
) -> None:
    rng = np.random.default_rng(1)
    channels, outputs = 4, 6
    shape = (outputs, channels // groups, *window["kernel"])
    scale, shift = rng.normal(size=(2, outputs)).astype(np.float32)
    values = rng.normal(size=(2, channels, 7, 9)).astype(np.float32)
    padding = np.zeros(channels)
    if kind == "bytes":
        values = rng.integers(0, 256, values.shape).astype(np.float32)
        weights = rng.integers(-63, 64, shape).astype(np.int8)
        padding = rng.integers(0, 256, channels).astype(float)
        held, operation = Kind.U8, Operation.QUANTIZED_CONVOLUTION
    elif kind == "float":
        weights = rng.integers(-8, 9, shape).astype(np.float32)
        held, operation = Kind.FLOAT, Operation.CONVOLUTION
    else:
        weights = rng.random(shape) < 0.5
        padding[:] = -1 if kind == "minus" else 0
        held, operation = Kind.BITS, Operation.BINARY_CONVOLUTION

    def make(builder: Builder) -> dict[str, Any]:
        node: dict[str, Any] = {"operation": operation, "channels": outputs, "groups": groups}
        node |= window | {"scale": builder.floats(scale), "shift": builder.floats(shift)}
        if kind == "bytes":
            blob = pack_int8(weights, Node(**node))
            node["extra"] = builder.blob(padding.astype(np.uint8).tobytes())
        else:
            blob = pack_float(weights, groups) if kind == "float" else pack_binary(weights, groups)
            node["zero_padding"] = kind == "zero"
        return node | {"weights": builder.blob(blob)}

    found = ReferenceModel(one_node(values, held, make))(values)

    real = np.where(weights, 1.0, -1.0) if held == Kind.BITS else weights.astype(float)
    seen = np.where(values >= 0, 1.0, -1.0) if held == Kind.BITS else values.astype(float)
    above, left, below, right = window["padding"]
    stride, dilation = window.get("stride", (1, 1)), window.get("dilation", (1, 1))
    padded = np.pad(seen, ((0, 0), (0, 0), (above, below), (left, right)))
    inside = np.pad(np.ones((7, 9), bool), ((above, below), (left, right)))
    padded = np.where(inside, padded, padding[:, None, None])
    for _ in range(60):
        n, o = int(rng.integers(2)), int(rng.integers(outputs))
        y, x = int(rng.integers(found.shape[2])), int(rng.integers(found.shape[3]))
        first = o // (outputs // groups) * (channels // groups)
        total = 0.0
        for i in range(channels // groups):
            for row in range(window["kernel"][0]):
                for column in range(window["kernel"][1]):
                    at = (y * stride[0] + row * dilation[0], x * stride[1] + column * dilation[1])
                    total += padded[n, first + i, *at] * real[o, i, row, column]
        expected = np.float32(np.float32(total) * scale[o]) + shift[o]
        assert found[n, o, y, x] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("largest", [True, False])
def test_poolings_look_inside_the_map_only(largest: bool) -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(1, 2, 5, 6)).astype(np.float32)
    scale, shift = np.float32([-2, 0.5]), np.float32([1, -3])

    def make(builder: Builder) -> dict[str, Any]:
        return {
            "operation": Operation.MAX_POOLING if largest else Operation.AVERAGE_POOLING,
            "channels": 2,
            "kernel": (3, 2),
            "stride": (2, 2),
            "padding": (1, 0, 2, 1),
            "activation": Activation.RELU,
            "scale": builder.floats(scale),
            "shift": builder.floats(shift),
        }

    found = ReferenceModel(one_node(values, Kind.FLOAT, make))(values)
    assert found.shape == (1, 2, 3, 3)
    reduce = np.max if largest else np.mean
    scaled = values[0] * scale[:, None, None] + shift[:, None, None]
    for y in range(3):
        for x in range(3):
            rows = slice(max(0, 2 * y - 1), min(5, 2 * y + 2))
            seen = scaled[:, rows, 2 * x : min(6, 2 * x + 2)]
            expected = np.maximum(reduce(seen.reshape(2, -1), axis=1), 0)
            np.testing.assert_allclose(found[0, :, y, x], expected, rtol=1e-6)


def test_bytes_are_rounded_with_halves_to_even_and_clipped() -> None:
    values = np.float32([0.5, 1.5, 2.5, -3, 300, 254.6])[:, None]
    assert quantized(values, np.float32([1]), np.float32([0]))[:, 0].tolist() == [
        0, 2, 2, 0, 255, 255,
    ]  # fmt: skip
    assert quantized(values, np.float32([2]), np.float32([10]))[0] == 11


def test_a_batch_is_its_pictures_one_by_one() -> None:
    packed = random_packed(3)
    rng = np.random.default_rng(3)
    batch = rng.normal(size=(3, 3, 22, 23)).astype(np.float32)
    model = ReferenceModel(packed)
    together = model(batch)
    alone = np.concatenate([model(batch[index : index + 1]) for index in range(3)])
    # Float convolutions may add up in another order, but in float64.
    np.testing.assert_allclose(together, alone, rtol=1e-6)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (np.zeros((1, 3, 16, 16)), "float64"),
        (np.zeros((1, 4, 16, 16), np.float32), r"\(1, 4, 16, 16\)"),
        (np.zeros((3, 16, 16), np.float32), r"\(3, 16, 16\)"),
        (np.zeros((0, 3, 16, 16), np.float32), r"\(0, 3"),
        (np.zeros((1, 3, 16, 15), np.float32), "any|16, 15"),
        ([[1.0]], "list"),
        (np.full((1, 3, 16, 16), np.nan, np.float32), "NaN"),
    ],
)
def test_wrong_pictures_are_named(pictures: Any, message: str) -> None:
    packed = random_packed(4, height=16, width=16)
    with pytest.raises(MediaError, match=message):
        ReferenceModel(packed, "network.onb")(pictures)


def test_pictures_too_small_are_refused() -> None:
    with pytest.raises(MediaError, match="leaves node"):
        ReferenceModel(random_packed(5))(np.zeros((1, 3, 1, 1), np.float32))
    with pytest.raises(MediaError, match="65537; expected 1 to 65536"):
        ReferenceModel(random_packed(5))(np.zeros((1, 3, 1, 65_537), np.float32))
