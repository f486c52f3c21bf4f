"""Trained network → packed file.

Batch norm and sign become thresholds, weights bits; float layers stay as they are or are held in
8 bits. Networks need not be ours: any made of the layers that ``converter_trace`` knows will do.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from onlooker import __version__
from onlooker.binary.converter.calibrate import (
    Calibration,
    Covariance,
    Observer,
    fits,
    picture_bytes,
)
from onlooker.binary.converter.graph import Kind, Op, Uses, Window
from onlooker.binary.converter.pack import Bytes, folded_inputs, pack
from onlooker.binary.converter.trace import Network, trace
from onlooker.binary.format import PackedFile
from onlooker.binary.format.metadata import Described, described, to_json
from onlooker.binary.format.tables import MAX_INPUT_CHANNELS, MAX_INPUT_PX
from onlooker.errors import ConfigError, WeightsError

FLOAT_LAYERS = ("float32", "int8")
_BATCH = 16
#: Windows that are looked at for a covariance: at most so many of a picture, give or take; and for
#: filters of so many weights at most, as the work grows with the cube.
_PATCHES = 256
_MAX_COVARIANCE = 1_200


def convert(
    model: nn.Module,
    example_input_shape: tuple[int, ...],
    *,
    calibration: npt.NDArray[np.float32] | None = None,
    float_layers: str | None = None,
    ranges: Calibration | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> PackedFile:
    """Convert a trained network; it is left as it is.

    Args:
        model: The network.
        example_input_shape: (N, C, H, W) of its input, or (N, C); N does not matter.
        calibration: Pictures (N, C, H, W) float32 as the network sees them, to choose the ranges of
            8-bit maps from; a hundred are plenty, random ones do for measuring speed.
        float_layers: ``float32`` or ``int8``: how layers that are not binary are computed; by
            default ``int8`` where there is a calibration.
        ranges: How ranges are chosen.
        metadata: Goes into the file; ``input`` with ``mean`` and ``std`` says how pictures were
            prepared, by default not at all: values in [0, 1]. Where the calibration fits that,
            an 8-bit first layer reads the picture's own pixels; else a range is chosen for it.

    Raises:
        ConfigError: The network holds what a packed file cannot express; the layer is named. Or
            the shape, the calibration or the metadata do not fit the network.
    """
    kind = float_layers or ("float32" if calibration is None else "int8")
    if kind not in FLOAT_LAYERS:
        raise ConfigError(f"float_layers {kind!r}; expected one of {FLOAT_LAYERS}")
    if kind == "int8" and calibration is None:
        raise ConfigError(
            "float_layers 'int8' needs calibration pictures; random ones do for speed"
        )
    shape = _shape(example_input_shape)
    network = trace(copy.deepcopy(model).cpu().eval().float(), shape)
    told: dict[str, Any] = {
        "architecture": type(model).__name__,
        "producer": f"onlooker {__version__}",
        **(metadata or {}),
    }
    told.setdefault("input", {"mean": [0.0] * shape[1], "std": [1.0] * shape[1]})
    try:
        to_json(told, "the packed network")
        prepared = described(told, shape[1], "the packed network")
    except WeightsError as error:  # nobody's file yet
        raise ConfigError(str(error)) from error
    bytes_of: dict[Op, Bytes] = {}
    if calibration is not None and kind == "int8":
        bytes_of = _calibrated(network, calibration, ranges or Calibration(), prepared, shape)
    size = (shape[2], shape[3]) if network.fixed and len(shape) == 4 else (0, 0)
    if len(shape) == 2:
        size = (1, 1)
    return pack(network.graph, bytes_of=bytes_of, size=size, metadata=told)


def _shape(given: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the pictures that the network is traced with."""
    most = (MAX_INPUT_CHANNELS, MAX_INPUT_PX, MAX_INPUT_PX)
    sizes = tuple(given)[1:]
    whole = all(isinstance(size, int | np.integer) for size in sizes)
    if len(sizes) not in (1, 3) or not whole or not all(map(_within, sizes, most)):
        raise ConfigError(
            f"example_input_shape {given}; expected (N, C, H, W) or (N, C), at most "
            f"{MAX_INPUT_CHANNELS} channels and {MAX_INPUT_PX} pixels high and wide"
        )
    return (2, *map(int, sizes))


def _within(size: int, most: int) -> bool:
    return 1 <= size <= most


def _calibrated(
    network: Network,
    pictures: npt.NDArray[np.float32],
    ranges: Calibration,
    prepared: Described,
    shape: tuple[int, ...],
) -> dict[Op, Bytes]:
    """Return how the map that each float convolution reads is held in bytes."""
    if not isinstance(pictures, np.ndarray):
        raise ConfigError(f"calibration is a {type(pictures).__name__}; expected a NumPy array")
    if pictures.ndim != len(shape) or pictures.shape[1:] != shape[1:] or not len(pictures):
        raise ConfigError(f"calibration of shape {pictures.shape}; expected (N, {shape[1:]})")
    if pictures.dtype != np.float32 or not np.isfinite(pictures).all():
        raise ConfigError(
            f"calibration of {pictures.dtype}; expected float32, all finite numbers, as the "
            "network sees them"
        )
    graph = network.graph
    needed = [op for op in Uses(graph).ops if op in network.readers]
    folded = folded_inputs(graph, set(needed))
    held = picture_bytes(prepared.mean, prepared.std)
    pixels = fits(pictures, held)
    (source,) = (node for node in network.module.graph.nodes if node.op == "placeholder")
    pictured: list[Op] = []
    watcher = _Watcher(network.module)
    observers: dict[Op, Observer] = {}
    for op in needed:
        node, channels = network.readers[op]
        watcher.filters(node, op)
        if op in folded or [ref.op.kind for ref in op.inputs] == [Kind.INPUT]:
            node, channels = source, shape[1]
            pictured += [op] * pixels
        observers[op] = watcher.observer(node, channels)
    watcher.watch(pictures)
    made = {op: observer.bytes(ranges) for op, observer in observers.items()}
    for op in pictured:
        made[op] = replace(held, mean=observers[op].mean)
    for op, covariance in watcher.covariances.items():
        made[op] = replace(made[op], covariance=covariance.result())
    return made


class _Watcher(fx.Interpreter):  # type: ignore[misc]
    """Runs the network and watches what flows through it."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.observers: dict[fx.Node, Observer] = {}
        self.covariances: dict[Op, Covariance] = {}
        self._filters: dict[fx.Node, list[Op]] = defaultdict(list)

    def observer(self, node: fx.Node, channels: int) -> Observer:
        """Watch the map that a node makes."""
        return self.observers.setdefault(node, Observer(channels))

    def filters(self, node: fx.Node, op: Op) -> None:
        """Watch what the filters of a convolution see of the map that a node makes."""
        if op.ones <= _MAX_COVARIANCE:
            self._filters[node].append(op)
            self.covariances[op] = Covariance(op.window.groups, op.ones)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def watch(self, pictures: npt.NDArray[np.float32]) -> None:
        """Run all pictures."""
        for first in range(0, len(pictures), _BATCH):
            self.run(torch.from_numpy(np.ascontiguousarray(pictures[first : first + _BATCH])))

    def run_node(self, node: fx.Node) -> Any:
        """Run one node, and look at what it made."""
        made = super().run_node(node)
        observer = self.observers.get(node)
        if observer is not None:
            # A flattened map (N, C · H · W) is seen as the map that it was.
            observer.see(made.reshape(len(made), len(observer.low), -1).numpy())
        for op in self._filters.get(node, ()):
            patches = _patches(made, op.window, op.ones)
            self.covariances[op].see(patches.numpy())
        return made


def _patches(maps: Tensor, window: Window, weights: int) -> Tensor:
    """Return some of what a convolution's filters see (n, groups, K), evenly spread."""
    if maps.ndim == 2:
        return maps.reshape(len(maps), window.groups, weights)
    above, left, below, right = window.padding
    padded = functional.pad(maps, (left, right, above, below))
    seen = []
    for picture in padded.unbind():  # one after the other: all windows of a batch are large
        columns = functional.unfold(
            picture[None], window.kernel, dilation=window.dilation, stride=window.stride
        )[0]
        some = columns[:, :: max(1, columns.shape[1] // _PATCHES)]
        seen.append(some.T.reshape(-1, window.groups, weights))
    return torch.cat(seen)
