"""The packed file: what is written is read, and what is damaged or does not fit is refused."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlooker.binary import format as packed_format
from onlooker.binary import native
from onlooker.binary.engine import PackedModel
from onlooker.binary.format import Node, Operation, Outlet, OutletKind, PackedFile, Tensor
from onlooker.binary.format import TensorKind as Kind
from onlooker.binary.format.builder import Builder
from onlooker.binary.format.layouts import (
    pack_binary,
    pack_bits,
    pack_float,
    pack_int8,
    unpack_binary,
    unpack_float,
    unpack_int8,
    weights_length,
)
from onlooker.errors import WeightsError

from .random_packed import random_packed


def signed(contents: bytes) -> bytes:
    """Give changed bytes the length and checksum that fit them."""
    head = contents[:16] + struct.pack("<Q", len(contents)) + contents[24:]
    return head[:12] + struct.pack("<I", zlib.crc32(head[16:])) + head[16:]


def same(one: PackedFile, other: PackedFile) -> bool:
    return dataclasses.replace(one, blobs=()) == dataclasses.replace(other, blobs=()) and [
        bytes(blob) for blob in one.blobs
    ] == [bytes(blob) for blob in other.blobs]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    packed = random_packed(1, height=20, width=24)
    path = tmp_path / "new" / "network.onb"
    packed_format.write(path, packed)
    assert same(packed_format.read(path), packed)
    assert [file.name for file in path.parent.iterdir()] == ["network.onb"]
    assert packed_format.to_bytes(packed_format.read(path)) == path.read_bytes()


def test_header_is_as_the_page_says() -> None:
    packed = random_packed(2, height=21, width=22)
    contents = packed_format.to_bytes(packed)
    assert contents[:8] == bytes.fromhex("894F4E420D0A1A0A")
    assert struct.unpack_from("<II", contents, 8) == (1, zlib.crc32(contents[16:]))
    assert struct.unpack_from("<Q", contents, 16) == (len(contents),)
    counts = (len(packed.tensors), len(packed.nodes))
    outlets = sum(len(node.outlets) for node in packed.nodes)
    wanted = (*counts, outlets, len(packed.blobs), packed.result, 3)
    assert struct.unpack_from("<6I", contents, 24) == wanted
    assert struct.unpack_from("<II", contents, 64) == (21, 22)
    at = 80 + 16 * counts[0] + 96 * counts[1] + 24 * outlets
    for index, blob in enumerate(packed.blobs):
        offset, length = struct.unpack_from("<QQ", contents, at + 16 * index)
        assert offset % 64 == 0
        assert contents[offset : offset + length] == blob


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "network.onb"
    path.write_bytes(b"old")
    broken = dataclasses.replace(random_packed(3), result=10_000)
    with pytest.raises(WeightsError, match="result 10000"):
        packed_format.write(path, broken)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_missing_file_and_foreign_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no\.onb cannot be read"):
        packed_format.read(tmp_path / "no.onb")
    (tmp_path / "picture.onb").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(WeightsError, match="not a packed network"):
        packed_format.read(tmp_path / "picture.onb")
    (tmp_path / "empty.onb").write_bytes(b"")
    with pytest.raises(WeightsError, match="not a packed network"):
        packed_format.read(tmp_path / "empty.onb")


def test_newer_version_is_named() -> None:
    contents = packed_format.to_bytes(random_packed(4))
    newer = signed(contents[:8] + struct.pack("<I", 2) + contents[12:])
    with pytest.raises(WeightsError, match="version 2, expected 1; a newer Onlooker reads it"):
        packed_format.from_bytes(newer, "network.onb")


def test_every_cut_is_refused() -> None:
    contents = packed_format.to_bytes(random_packed(5))
    for length in [*range(300), *range(300, len(contents), 97)]:
        with pytest.raises(WeightsError, match="network"):
            packed_format.from_bytes(contents[:length], "network.onb")
    with pytest.raises(WeightsError, match="cut off or damaged"):
        packed_format.from_bytes(contents + b"\0", "network.onb")


def test_every_flipped_bit_is_refused() -> None:
    contents = packed_format.to_bytes(random_packed(6))
    for position in [*range(200), *range(200, len(contents), 61)]:
        changed = bytearray(contents)
        changed[position] ^= 1 << position % 8
        with pytest.raises(WeightsError, match="network"):
            packed_format.from_bytes(bytes(changed), "network.onb")


@settings(max_examples=400, deadline=None)
@given(position=st.integers(16, 6_000), value=st.integers(0, 255), seed=st.integers(0, 3))
def test_hostile_tables_are_refused_or_harmless(position: int, value: int, seed: int) -> None:
    """With the right checksum, a changed byte is an error or a network that can be run."""
    from onlooker.binary.reference import ReferenceModel
    from onlooker.errors import OnlookerError

    contents = bytearray(packed_format.to_bytes(random_packed(seed)))
    contents[position % len(contents)] = value
    try:
        packed = packed_format.from_bytes(signed(bytes(contents)), "network.onb")
        pictures = np.zeros((1, packed.channels, 14, 15), np.float32)
        with np.errstate(all="ignore"):
            ReferenceModel(packed)(pictures)
    except OnlookerError as error:
        assert "network" in str(error)


def changed(packed: PackedFile, index: int, **fields: Any) -> PackedFile:
    nodes = list(packed.nodes)
    nodes[index] = dataclasses.replace(nodes[index], **fields)
    return dataclasses.replace(packed, nodes=tuple(nodes))


@pytest.mark.parametrize(
    ("index", "fields", "message"),
    [
        (0, {"input": 3}, "reads a tensor"),
        (1, {"input": 10_000}, "reads tensor 10000"),
        (1, {"input": 30}, "before it is whole|reads"),
        (1, {"weights": -1}, "weights: blob -1"),
        (1, {"weights": 0}, "weights: blob 0 of"),
        (1, {"groups": 2}, "groups"),
        (1, {"stride": (0, 1)}, "stride"),
        (1, {"kernel": (0, 0)}, "kernel"),
        (1, {"outlets": ()}, "no outlets"),
        (1, {"input_first": 1}, "from channel 1"),
        (2, {"extra": -1}, "padding"),
        (3, {"residual": 0}, "adds channels"),
        (3, {"scale": 0}, "scale"),
        (5, {"padding": (2, 1, 1, 1)}, "pads more than its window covers"),
        (5, {"residual": 0}, "adds a residual"),
        (6, {"kernel": (3, 3)}, "with a window"),
        (6, {"zero_padding": True}, "padding of a binary convolution"),
        (7, {"activation": packed_format.Activation.RELU}, "activation"),
    ],
)
def test_what_does_not_fit_is_named(index: int, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        packed_format.to_bytes(changed(random_packed(7), index, **fields))


def residual_again(first: int, *, of_input: bool = False) -> PackedFile:
    """A node that writes its value over its residual, from a channel on."""
    builder = Builder()
    wide, one = builder.tensor(Kind.FLOAT, 3), builder.tensor(Kind.FLOAT, 1)
    value = OutletKind.VALUE
    builder.node(
        Node(operation=Operation.INPUT, channels=3, outlets=(Outlet(kind=value, tensor=wide),))
    )
    pointwise = {"operation": Operation.POINTWISE, "channels": 1, "input": wide}
    builder.node(Node(**pointwise, outlets=(Outlet(kind=value, tensor=one),)))
    written = (Outlet(kind=value, tensor=wide, first=first),)
    read = {"input": wide if of_input else one, "residual": wide, "residual_first": 1}
    builder.node(Node(**pointwise | read, outlets=written))
    return builder.packed(result=wide, channels=3)


def padded_twice(other: int) -> PackedFile:
    """Two quantized convolutions that pad one tensor, the second with another byte."""
    builder = Builder()
    held = builder.tensor(Kind.U8, 1)
    numbers = builder.floats(np.ones(1, np.float32))
    outlet = Outlet(kind=OutletKind.U8, tensor=held, numbers=numbers, marks=numbers)
    builder.node(Node(operation=Operation.INPUT, channels=1, outlets=(outlet,)))
    window = {"kernel": (3, 3), "padding": (1, 1, 1, 1)}
    template = Node(operation=Operation.QUANTIZED_CONVOLUTION, channels=1, **window)
    weights = builder.blob(pack_int8(np.ones((1, 1, 3, 3), np.int8), template))
    for byte in (7, other):
        made = builder.tensor(Kind.FLOAT, 1)
        builder.node(
            dataclasses.replace(
                template,
                input=held,
                weights=weights,
                extra=builder.blob(bytes([byte])),
                outlets=(Outlet(kind=OutletKind.VALUE, tensor=made),),
            )
        )
    return builder.packed(result=made, channels=1)


def grouped(channels: int) -> PackedFile:
    """Bits in two groups."""
    builder = Builder()
    floats = builder.tensor(Kind.FLOAT, channels)
    bits = builder.tensor(Kind.BITS, channels, groups=2)
    value = Outlet(kind=OutletKind.VALUE, tensor=floats)
    builder.node(Node(operation=Operation.INPUT, channels=channels, outlets=(value,)))
    thresholds = builder.floats(np.zeros(channels, np.float32))
    outlet = Outlet(kind=OutletKind.BITS_BY_FLOAT, tensor=bits, numbers=thresholds)
    builder.node(
        Node(operation=Operation.POINTWISE, channels=channels, input=floats, outlets=(outlet,))
    )
    return builder.packed(result=floats, channels=channels)


def whole_map(**fields: Any) -> PackedFile:
    """A mean of the whole map."""
    builder = Builder()
    floats, mean = builder.tensor(Kind.FLOAT, 2), builder.tensor(Kind.FLOAT, 2)
    value = OutletKind.VALUE
    builder.node(
        Node(operation=Operation.INPUT, channels=2, outlets=(Outlet(kind=value, tensor=floats),))
    )
    pooling = {"operation": Operation.AVERAGE_POOLING, "kernel": (0, 0), "input": floats}
    outlets = (Outlet(kind=value, tensor=mean),)
    builder.node(Node(channels=2, outlets=outlets, **pooling, **fields))
    return builder.packed(result=mean, channels=2)


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (random_packed(1, height=300), random_packed(1, height=65_537), "65537 pixels"),
        (residual_again(1), residual_again(0), "channels 0 to 0, again"),
        (residual_again(1), residual_again(1, of_input=True), "channels 1 to 1, again"),
        (padded_twice(7), padded_twice(8), "other bytes"),
        (grouped(100), grouped(128), "2 groups"),
        (whole_map(), whole_map(stride=(2, 1)), "whole map"),
    ],
    ids=["size", "residual", "residual read", "padding", "groups", "whole map"],
)
def test_both_readers_refuse_the_same(
    good: PackedFile, bad: PackedFile, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "network.onb"
    for kernels in ("numpy", *(["reference"] if native.library() else [])):
        packed_format.write(path, good)
        PackedModel.load(path, kernels=kernels)
    with pytest.raises(WeightsError, match=message):
        packed_format.to_bytes(bad)
    with monkeypatch.context() as patched:
        patched.setattr("onlooker.binary.format.file.check", lambda packed, name: None)
        packed_format.write(path, bad)
    for kernels in ("numpy", *(["reference"] if native.library() else [])):
        with pytest.raises(WeightsError, match=r"network\.onb"):
            PackedModel.load(path, kernels=kernels)


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "file" / "network.onb"
    with pytest.raises(WeightsError, match=rf"^{path} cannot be written: [^{{.}}]*$"):
        packed_format.write(path, random_packed(3))
    (tmp_path / "folder.onb").mkdir()
    with pytest.raises(WeightsError, match=r"folder\.onb cannot be written"):
        packed_format.write(tmp_path / "folder.onb", random_packed(3))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.onb"]
    unlike = dataclasses.replace(random_packed(3), metadata={"training": {1}})
    with pytest.raises(WeightsError, match="JSON cannot hold"):
        packed_format.to_bytes(unlike)


def test_a_written_file_has_the_rights_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "any").write_bytes(b"")
    packed_format.write(tmp_path / "network.onb", random_packed(3))
    assert (tmp_path / "network.onb").stat().st_mode == (tmp_path / "any").stat().st_mode


def outlet_to(tensor: Tensor, outlet: Outlet, blobs: tuple[bytes, ...] = ()) -> PackedFile:
    node = Node(operation=Operation.INPUT, channels=3, outlets=(outlet,))
    floats = Tensor(kind=Kind.FLOAT, channels=3)
    result = Node(
        operation=Operation.INPUT,
        channels=3,
        outlets=(Outlet(kind=OutletKind.VALUE, tensor=1),),
    )
    return PackedFile(
        tensors=(tensor, floats), nodes=(node, result), blobs=blobs, result=1, channels=3
    )


@pytest.mark.parametrize(
    ("tensor", "outlet", "message"),
    [
        (Tensor(kind=Kind.U8, channels=3), Outlet(kind=OutletKind.VALUE, tensor=0), "VALUE|to"),
        (Tensor(kind=Kind.FLOAT, channels=2), Outlet(kind=OutletKind.VALUE, tensor=0), "channel 3"),
        (
            Tensor(kind=Kind.BITS, channels=11),
            Outlet(kind=OutletKind.BITS_BY_FLOAT, tensor=0, first=4, numbers=0),
            "from channel 4",
        ),
        (
            Tensor(kind=Kind.BITS, channels=3, groups=3),
            Outlet(kind=OutletKind.BITS_BY_FLOAT, tensor=0, numbers=0),
            "3 groups",
        ),
        (
            Tensor(kind=Kind.BITS, channels=3),
            Outlet(kind=OutletKind.BITS_BY_INTEGER, tensor=0, numbers=0),
            "no binary convolution",
        ),
        (
            Tensor(kind=Kind.FLOAT, channels=3, groups=3),
            Outlet(kind=OutletKind.VALUE, tensor=0),
            "groups",
        ),
        (
            Tensor(kind=Kind.BITS, channels=3),
            Outlet(kind=OutletKind.BITS_BY_FLOAT, tensor=0),
            "thresholds",
        ),
    ],
)
def test_outlets_that_do_not_fit(tensor: Tensor, outlet: Outlet, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        packed_format.to_bytes(outlet_to(tensor, outlet, (bytes(12),)))


SHAPES = [
    (1, 1, 1, 1, 1),
    (9, 70, 3, 3, 1),
    (24, 12, 1, 3, 4),
    (33, 65, 2, 2, 1),
    (130, 64, 5, 1, 2),
]


@pytest.mark.parametrize(("outputs", "inputs", "height", "width", "groups"), SHAPES)
def test_weights_lie_as_the_page_says(
    outputs: int, inputs: int, height: int, width: int, groups: int
) -> None:
    """Each weight is looked up at the index that the page's layout gives it."""
    rng = np.random.default_rng(outputs)
    inputs_of_group, outputs_of_group = inputs, outputs // groups
    shape = (outputs, inputs_of_group, height, width)
    kernel = {"kernel": (height, width), "groups": groups}

    signs = rng.random(shape) < 0.5
    node = Node(operation=Operation.BINARY_CONVOLUTION, channels=outputs, **kernel)
    blob = pack_binary(signs, groups)
    assert len(blob) == weights_length(node, inputs * groups)
    assert (unpack_binary(blob, node, inputs * groups) == signs).all()
    words = -(-inputs_of_group // 64)
    grid = np.frombuffer(blob, "<u8").reshape(groups, -1, height, width, words, 8)

    floats = rng.normal(size=shape).astype(np.float32)
    float_node = Node(operation=Operation.CONVOLUTION, channels=outputs, **kernel)
    float_blob = pack_float(floats, groups)
    assert len(float_blob) == weights_length(float_node, inputs * groups)
    assert (unpack_float(float_blob, float_node, inputs * groups) == floats).all()
    float_grid = np.frombuffer(float_blob, "<f4").reshape(
        groups, -1, height, width, inputs_of_group, 16
    )

    small = rng.integers(-63, 64, shape).astype(np.int8)
    grids = []
    for dilation in ((1, 1), (1, 2)):
        int_node = Node(
            operation=Operation.QUANTIZED_CONVOLUTION, channels=outputs, dilation=dilation, **kernel
        )
        int_blob = pack_int8(small, int_node)
        assert len(int_blob) == weights_length(int_node, inputs * groups)
        assert (unpack_int8(int_blob, int_node, inputs * groups) == small).all()
        grids.append(np.frombuffer(int_blob, np.int8))

    for _ in range(50):
        o, i = int(rng.integers(outputs)), int(rng.integers(inputs_of_group))
        y, x = int(rng.integers(height)), int(rng.integers(width))
        g, within = divmod(o, outputs_of_group)
        word = int(grid[g, within // 8, y, x, i // 64, within % 8])
        assert bool(word >> (i % 64) & 1) == signs[o, i, y, x]
        assert float_grid[g, within // 16, y, x, i, within % 16] == floats[o, i, y, x]
        by_pixel = grids[1].reshape(groups, -1, height, width, -(-inputs_of_group // 4), 16, 4)
        assert by_pixel[g, within // 16, y, x, i // 4, within % 16, i % 4] == small[o, i, y, x]
        if groups == 1:
            at = x * inputs + i
            run = grids[0].reshape(-1, height, -(-width * inputs // 4), 16, 4)
            assert run[o // 16, y, at // 4, o % 16, at % 4] == small[o, i, y, x]
        else:
            assert (grids[0] == grids[1]).all()


def test_bits_of_each_group_start_at_a_word() -> None:
    signs = np.random.default_rng(8).random((2, 3, 140)) < 0.5
    words = pack_bits(signs, Tensor(kind=Kind.BITS, channels=140, groups=2))
    assert words.shape == (2, 3, 4)
    for channel in range(140):
        group, within = divmod(channel, 70)
        word = words[..., 2 * group + within // 64] >> np.uint64(within % 64)
        assert ((word & np.uint64(1)).astype(bool) == signs[..., channel]).all()
