"""Put a packed network together, table by table; equal blobs are stored once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from onlooker.binary.format.layouts import pack_flips
from onlooker.binary.format.tables import Node, PackedFile, Tensor, TensorKind


class Builder:
    """The tables of a packed network while it is made."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.nodes: list[Node] = []
        self.blobs: list[bytes] = []
        self._known: dict[bytes, int] = {}

    def tensor(self, kind: TensorKind, channels: int, groups: int = 1) -> int:
        """Add a tensor; return its index."""
        self.tensors.append(Tensor(kind=kind, channels=channels, groups=groups))
        return len(self.tensors) - 1

    def blob(self, contents: bytes) -> int:
        """Add a blob, or find an equal one; return its index."""
        if contents not in self._known:
            self._known[contents] = len(self.blobs)
            self.blobs.append(contents)
        return self._known[contents]

    def floats(self, values: npt.NDArray[np.floating[Any]], missing: float | None = None) -> int:
        """Add float32 numbers, one a channel; −1 where all are ``missing``, which needs no blob."""
        if missing is not None and bool((values == missing).all()):
            return -1
        return self.blob(np.ascontiguousarray(values, "<f4").tobytes())

    def integers(self, values: npt.NDArray[np.integer[Any]]) -> int:
        """Add int32 numbers, one a channel."""
        return self.blob(np.ascontiguousarray(values, "<i4").tobytes())

    def flips(self, flips: npt.NDArray[np.bool_]) -> int:
        """Add flips, one bit a channel; −1 where there are none."""
        return self.blob(pack_flips(flips)) if flips.any() else -1

    def node(self, node: Node) -> int:
        """Add a node; return its index."""
        self.nodes.append(node)
        return len(self.nodes) - 1

    def packed(
        self,
        *,
        result: int,
        channels: int,
        height: int = 0,
        width: int = 0,
        metadata: Mapping[str, Any] | None = None,
    ) -> PackedFile:
        """Return what was built."""
        return PackedFile(
            tensors=tuple(self.tensors),
            nodes=tuple(self.nodes),
            blobs=tuple(self.blobs),
            result=result,
            channels=channels,
            height=height,
            width=width,
            metadata=dict(metadata or {}),
        )
