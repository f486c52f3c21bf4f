"""The packed file: one network ready to run, as docs/reference/packed-format.md describes it.

:func:`read` gives back what :func:`write` was given, and refuses everything else: a file of a newer
version, a damaged one, and one whose tables do not fit together.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from pathlib import Path

from onlooker.binary.format.checks import check
from onlooker.binary.format.metadata import from_json, to_json
from onlooker.binary.format.tables import (
    ALIGNMENT,
    BLOB,
    HEADER,
    MAX_BLOBS,
    MAX_NODE_OUTLETS,
    MAX_NODES,
    MAX_OUTLETS,
    MAX_TENSORS,
    NODE,
    OUTLET,
    SIGNATURE,
    TENSOR,
    VERSION,
    Activation,
    Node,
    Operation,
    Outlet,
    OutletKind,
    PackedFile,
    Tensor,
    TensorKind,
)
from onlooker.errors import WeightsError


def to_bytes(packed: PackedFile) -> bytes:
    """Lay a packed network out as the bytes of a file.

    Raises:
        WeightsError: The tables do not fit together, or JSON cannot hold the metadata.
    """
    check(packed, "packed network")
    metadata = to_json(packed.metadata, "packed network")
    outlets = [outlet for node in packed.nodes for outlet in node.outlets]
    tables = bytearray()
    for tensor in packed.tensors:
        tables += TENSOR.pack(tensor.kind, tensor.channels, tensor.groups, 0)
    first = 0
    for node in packed.nodes:
        tables += _node_bytes(node, first)
        first += len(node.outlets)
    for outlet in outlets:
        tables += OUTLET.pack(
            outlet.kind, outlet.tensor, outlet.first, outlet.numbers, outlet.marks, 0
        )
    metadata_at = HEADER.size + len(tables) + BLOB.size * len(packed.blobs)
    contents = bytearray()
    start = _aligned(metadata_at + len(metadata))
    for blob in packed.blobs:
        tables += BLOB.pack(start + len(contents), len(blob))
        contents += blob
        contents += bytes(_aligned(len(contents)) - len(contents))
    body = bytes(tables) + metadata
    body += bytes(start - HEADER.size - len(body)) + bytes(contents)
    header = HEADER.pack(
        SIGNATURE,
        VERSION,
        0,
        HEADER.size + len(body),
        len(packed.tensors),
        len(packed.nodes),
        len(outlets),
        len(packed.blobs),
        packed.result,
        packed.channels,
        metadata_at,
        len(metadata),
        packed.height,
        packed.width,
    )
    checksum = zlib.crc32(body, zlib.crc32(header[16:]))
    return header[:12] + struct.pack("<I", checksum) + header[16:] + body


def write(path: str | Path, packed: PackedFile) -> None:
    """Write a packed network, whole or not at all; folders that are missing are made.

    Raises:
        WeightsError: As of :func:`to_bytes`, or the file cannot be written.
    """
    write_whole(Path(path), to_bytes(packed))


def write_whole(path: Path, contents: bytes) -> None:
    """Write a file, whole or not at all, with the rights that any new file of the user has.

    Raises:
        WeightsError: It cannot be written; what stood there before stands there still.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
        with temporary.open("wb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise WeightsError(f"{path} cannot be written: {error.strerror or error}") from error
        raise


def read(path: str | Path) -> PackedFile:
    """Read and check a packed network.

    Raises:
        WeightsError: The file is missing, of another kind, of a newer version, damaged, or its
            tables do not fit together.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise WeightsError(f"{path} is not a file")  # a pipe would be waited for
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error
    return from_bytes(contents, str(path))


def from_bytes(contents: bytes, name: str) -> PackedFile:
    """Read and check a packed network from the bytes of a file.

    Args:
        contents: The file.
        name: What to call it in errors.

    Raises:
        WeightsError: As of :func:`read`.
    """
    if contents[:8] != SIGNATURE[: len(contents[:8])] or not contents:
        raise WeightsError(f"{name} is not a packed network: its first bytes are not those of one")
    if len(contents) < HEADER.size:
        raise WeightsError(f"{name} is cut off: {len(contents)} bytes, a header has {HEADER.size}")
    head = HEADER.unpack_from(contents)
    version, checksum, length, tensors, nodes, outlets, blobs, result, channels = head[1:10]
    metadata_at, metadata_length, height, width = head[10:14]
    if version != VERSION:
        hint = "; a newer Onlooker reads it" if version > VERSION else ""
        raise WeightsError(f"{name} has version {version}, expected {VERSION}{hint}")
    if length != len(contents):
        raise WeightsError(
            f"{name} is cut off or damaged: {len(contents)} bytes, its header says {length}"
        )
    if zlib.crc32(memoryview(contents)[16:]) != checksum:
        raise WeightsError(f"{name} is damaged: its checksum is not the one in its header")
    for what, count, most in (
        ("tensors", tensors, MAX_TENSORS),
        ("nodes", nodes, MAX_NODES),
        ("outlets", outlets, MAX_OUTLETS),
        ("blobs", blobs, MAX_BLOBS),
    ):
        if count > most or (count < 1 and what != "blobs"):
            raise WeightsError(f"{name} has {count} {what}; expected 1 to {most}")
    if any(contents[72:80]):
        raise WeightsError(f"{name}: reserved bytes of the header are not zero")
    sizes = (TENSOR.size * tensors, NODE.size * nodes, OUTLET.size * outlets, BLOB.size * blobs)
    end = HEADER.size + sum(sizes)
    if end > length:
        raise WeightsError(f"{name}: its tables need {end} bytes, the file has {length}")
    view = memoryview(contents)
    at = HEADER.size
    parts = []
    for size in sizes:
        parts.append(view[at : at + size])
        at += size
    if metadata_at < end or metadata_at > length or metadata_length > length - metadata_at:
        raise WeightsError(f"{name}: its metadata lies outside of the file")
    try:
        packed = PackedFile(
            tensors=tuple(_tensor(row, name) for row in TENSOR.iter_unpack(parts[0])),
            nodes=_nodes(parts[1], parts[2], name),
            blobs=_blobs(parts[3], view, end, name),
            result=result,
            channels=channels,
            height=height,
            width=width,
            metadata=from_json(bytes(view[metadata_at : metadata_at + metadata_length]), name),
        )
    except ValueError as error:  # a number that is no member of an enumeration
        raise WeightsError(f"{name}: {error}") from error
    check(packed, name)
    return packed


def _node_bytes(node: Node, first_outlet: int) -> bytes:
    return NODE.pack(
        node.operation,
        node.channels,
        node.input,
        node.residual,
        node.residual_first,
        node.activation,
        first_outlet,
        len(node.outlets),
        node.weights,
        node.scale,
        node.shift,
        node.extra,
        *node.kernel,
        *node.stride,
        *node.padding,
        *node.dilation,
        node.groups,
        node.zero_padding,
        node.input_first,
    )


def _tensor(row: tuple[int, ...], name: str) -> Tensor:
    kind, channels, groups, reserved = row
    if reserved:
        raise WeightsError(f"{name}: reserved bytes of a tensor are not zero")
    return Tensor(kind=TensorKind(kind), channels=channels, groups=groups)


def _nodes(rows: memoryview, outlet_rows: memoryview, name: str) -> tuple[Node, ...]:
    outlets = []
    for kind, tensor, first, numbers, marks, reserved in OUTLET.iter_unpack(outlet_rows):
        if reserved:
            raise WeightsError(f"{name}: reserved bytes of an outlet are not zero")
        outlets.append(
            Outlet(kind=OutletKind(kind), tensor=tensor, first=first, numbers=numbers, marks=marks)
        )
    nodes = []
    for index, row in enumerate(NODE.iter_unpack(rows)):
        first, count = row[6], row[7]
        if count < 1 or count > MAX_NODE_OUTLETS or first > len(outlets) - count:
            raise WeightsError(
                f"{name}: node {index} has outlets {first} to {first + count - 1} of {len(outlets)}"
            )
        if row[23] > 1 or any(rows[(index + 1) * NODE.size - 16 : (index + 1) * NODE.size]):
            raise WeightsError(f"{name}: node {index} has unknown settings")
        nodes.append(
            Node(
                operation=Operation(row[0]),
                channels=row[1],
                input=row[2],
                residual=row[3],
                residual_first=row[4],
                activation=Activation(row[5]),
                outlets=tuple(outlets[first : first + count]),
                weights=row[8],
                scale=row[9],
                shift=row[10],
                extra=row[11],
                kernel=(row[12], row[13]),
                stride=(row[14], row[15]),
                padding=(row[16], row[17], row[18], row[19]),
                dilation=(row[20], row[21]),
                groups=row[22],
                zero_padding=bool(row[23]),
                input_first=row[24],
            )
        )
    return tuple(nodes)


def _blobs(rows: memoryview, view: memoryview, end: int, name: str) -> tuple[memoryview, ...]:
    blobs = []
    for index, (offset, length) in enumerate(BLOB.iter_unpack(rows)):
        if offset % ALIGNMENT or offset < end or offset > len(view) or length > len(view) - offset:
            raise WeightsError(
                f"{name}: blob {index} ({length} bytes at {offset}) lies outside of the file"
            )
        blobs.append(view[offset : offset + length])
    return tuple(blobs)


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
