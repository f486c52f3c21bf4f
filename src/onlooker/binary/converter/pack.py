"""Nodes of a graph's plan → the tables of the packed file: tensors, outlets, blobs.

A map is written once for each form in which it is read: a bit a channel for binary convolutions,
8 bits for quantized ones, 16 bits where it is a plain dot product, else float32; and straight into
its slice where it is read side by side with others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onlooker.binary.converter.fold import (
    Affine,
    Doubles,
    Floats,
    composed,
    float_thresholds,
    integer_thresholds,
    oriented,
)
from onlooker.binary.converter.graph import Graph, Kind, Op, Uses, Value, traced, width
from onlooker.binary.converter.plan import Plan, Planner
from onlooker.binary.converter.rounding import quantized_weights
from onlooker.binary.format import (
    Activation,
    Node,
    Operation,
    Outlet,
    OutletKind,
    PackedFile,
    TensorKind,
)
from onlooker.binary.format.builder import Builder
from onlooker.binary.format.layouts import WORD_BITS, pack_binary, pack_float, pack_int8
from onlooker.binary.format.tables import MAX_NODE_OUTLETS
from onlooker.errors import ConfigError

_OPERATIONS = {
    Kind.INPUT: Operation.INPUT,
    Kind.BINARY: Operation.BINARY_CONVOLUTION,
    Kind.FLOAT: Operation.CONVOLUTION,
    Kind.MAX: Operation.MAX_POOLING,
    Kind.MEAN: Operation.AVERAGE_POOLING,
    Kind.GATHER: Operation.GATHER,
    Kind.ADD: Operation.POINTWISE,
    Kind.AFFINE: Operation.POINTWISE,
    Kind.ACTIVATION: Operation.POINTWISE,
}


@dataclass(frozen=True, eq=False)
class Bytes:
    """How a map is held in 8 bits: round(x · inverse_scale + zero), a channel at a time.

    Attributes:
        inverse_scale, zero: (C,) float32.
        mean: (C,) of what was seen of the map, if anything was.
        covariance: (groups, K, K) of what the K weights of a filter see, in the map's own numbers,
            if it was measured.
    """

    inverse_scale: Floats
    zero: Floats
    mean: Floats | None = None
    covariance: Doubles | None = None


def pack(
    graph: Graph,
    *,
    bytes_of: Mapping[Op, Bytes] | None = None,
    size: tuple[int, int] = (0, 0),
    metadata: Mapping[str, Any] | None = None,
) -> PackedFile:
    """Pack a graph.

    Args:
        graph: Already rewritten.
        bytes_of: Float convolutions to quantize, and how the map that each reads is held in bytes;
            where that is the picture, scaled and shifted or not: how the picture is held.
        size: Height and width of the input, or 0, 0: any.
        metadata: Of the file.

    Raises:
        ConfigError: The file's format cannot hold it.
    """
    return _Packer(graph, bytes_of or {}).run(size, metadata or {})


class _Packer:
    def __init__(self, graph: Graph, bytes_of: Mapping[Op, Bytes]) -> None:
        self.graph, self.bytes_of = graph, bytes_of
        self.builder = Builder()
        folds = folded_inputs(graph, bytes_of)
        self.folded = {op for op, _ in folds.values()}
        self.folds = folds
        planner = Planner(graph, self.folded)
        self.plans = planner.run()
        self.by_value = planner.by_value
        self.by_sign = {sign: plan for plan in self.plans for sign in plan.signs}
        self.outlets: dict[Plan, list[Outlet]] = {plan: [] for plan in self.plans}
        self.tensors: dict[tuple[object, ...], int] = {}

    def run(self, size: tuple[int, int], metadata: Mapping[str, Any]) -> PackedFile:
        nodes = [self._node(plan) for plan in self.plans]
        result, _ = self._floats(self.graph.result, integers=False)
        for plan, node in zip(self.plans, nodes, strict=True):
            outlets = tuple(self.outlets[plan])
            if len(outlets) > MAX_NODE_OUTLETS:
                raise ConfigError(
                    f"{plan.base.name}: its result is read in {len(outlets)} ways; the packed file "
                    f"holds {MAX_NODE_OUTLETS}"
                )
            self.builder.node(replace(node, outlets=outlets))
        packed = self.builder.packed(
            result=result,
            channels=self.graph.ops[0].channels,
            height=size[0],
            width=size[1],
            metadata=metadata,
        )
        return _in_place(packed)

    # What a node reads.

    def _floats(self, value: Value, *, integers: bool) -> tuple[int, int]:
        """Return the tensor that holds a value, float32 or i16, and its first channel there."""
        if len(value) == 1:
            (ref,) = value
            plan = self.by_value[ref.op]
            small = integers and plan.small_integers
            key: tuple[object, ...] = ("map", ref.op, small)
            if key not in self.tensors:
                kind = TensorKind.I16 if small else TensorKind.FLOAT
                self.tensors[key] = self.builder.tensor(kind, ref.op.channels)
                written = OutletKind.INTEGER if small else OutletKind.VALUE
                self.outlets[plan].append(Outlet(kind=written, tensor=self.tensors[key]))
            return self.tensors[key], ref.first
        key = ("maps", value)
        if key not in self.tensors:
            tensor = self.tensors[key] = self.builder.tensor(TensorKind.FLOAT, width(value))
            first = 0
            for ref in value:
                outlet = Outlet(kind=OutletKind.VALUE, tensor=tensor, first=first)
                self.outlets[self.by_value[ref.op]].append(outlet)
                first += ref.channels
        return self.tensors[key], 0

    def _bits(self, value: Value, groups: int) -> int:
        """Return the tensor that holds signs."""
        if width(value) // groups % WORD_BITS == 0:
            groups = 1  # every group starts at a word anyway
        key = ("bits", value, groups)
        if key not in self.tensors:
            tensor = self.tensors[key] = self.builder.tensor(TensorKind.BITS, width(value), groups)
            first = 0
            for ref in value:
                plan = self.by_sign[ref.op]
                self.outlets[plan].append(self._sign_outlet(plan, ref.op, tensor, first))
                first += ref.channels
        return self.tensors[key]

    def _u8(self, value: Value, held: Bytes) -> int:
        """Return the tensor that holds a value in bytes."""
        key = ("u8", value, held.inverse_scale.tobytes(), held.zero.tobytes())
        if key not in self.tensors:
            tensor = self.tensors[key] = self.builder.tensor(TensorKind.U8, width(value))
            first = 0
            for ref in value:
                part = slice(first, first + ref.channels)
                outlet = Outlet(
                    kind=OutletKind.U8,
                    tensor=tensor,
                    first=first,
                    numbers=self.builder.floats(held.inverse_scale[part]),
                    marks=self.builder.floats(held.zero[part]),
                )
                self.outlets[self.by_value[ref.op]].append(outlet)
                first += ref.channels
        return self.tensors[key]

    def _sign_outlet(self, plan: Plan, sign: Op, tensor: int, first: int) -> Outlet:
        by_integer = False
        if sign.chains:
            parts = [float_thresholds(chain, channels) for channels, chain in sign.chains]
            thresholds: Any = np.concatenate([part[0] for part in parts])
            flips = np.concatenate([part[1] for part in parts])
        elif plan.base.kind == Kind.BINARY and traced(sign, plan.base)[0] is plan.base:
            by_integer = True
            _, chain = traced(sign, plan.base)
            thresholds, flips = integer_thresholds(chain, sign.channels, plan.base.ones)
        else:
            _, chain = traced(sign, plan.value)
            if plan.base.kind == Kind.MAX and plan.only_signs:
                _, undo = oriented(plan.before, sign.channels)
                chain = (undo, *plan.before, *chain)
            thresholds, flips = float_thresholds(chain, sign.channels)
        numbers = self.builder.integers if by_integer else self.builder.floats
        return Outlet(
            kind=OutletKind.BITS_BY_INTEGER if by_integer else OutletKind.BITS_BY_FLOAT,
            tensor=tensor,
            first=first,
            numbers=numbers(thresholds),
            marks=self.builder.flips(flips),
        )

    # Nodes, still without outlets.

    def _node(self, plan: Plan) -> Node:
        base, window = plan.base, plan.base.window
        fields: dict[str, Any] = {
            "kernel": window.kernel,
            "stride": window.stride,
            "padding": window.padding,
            "dilation": window.dilation,
            "groups": window.groups,
            "zero_padding": window.zero_padding,
        }
        scale, shift = composed([*plan.before, *plan.steps], plan.value.channels)
        if plan.base.kind == Kind.MAX and plan.only_signs:
            direction, _ = oriented(plan.before, base.channels)
            scale, shift = direction.astype(float), np.zeros(base.channels)
        operation = _OPERATIONS[base.kind]
        if base.kind == Kind.BINARY:
            assert base.weights is not None
            fields["input"] = self._bits(plan.inputs, window.groups)
            fields["weights"] = self.builder.blob(
                pack_binary(base.weights.astype(bool), window.groups)
            )
            if plan.only_signs and plan.residual is None:
                scale, shift = np.ones(base.channels), np.zeros(base.channels)
        elif base.kind == Kind.FLOAT and base in self.bytes_of:
            operation = Operation.QUANTIZED_CONVOLUTION
            quantized, scale, shift = self._quantized(plan, scale, shift)
            fields |= quantized
        elif base.kind == Kind.FLOAT:
            assert base.weights is not None
            fields["input"], _ = self._floats(plan.inputs, integers=False)
            weights = np.asarray(base.weights, np.float32)
            fields["weights"] = self.builder.blob(pack_float(weights, window.groups))
        elif base.kind == Kind.GATHER:
            assert base.sources is not None
            fields["input"], first = self._floats(plan.inputs, integers=True)
            sources = (base.sources + first).astype("<u4")
            fields["extra"] = self.builder.blob(sources.tobytes())
        elif base.kind != Kind.INPUT:
            fields["input"], fields["input_first"] = self._floats(plan.inputs, integers=True)
        if plan.residual is not None:
            fields["residual"], fields["residual_first"] = self._floats(
                (plan.residual,), integers=True
            )
        return Node(
            operation=operation,
            channels=plan.value.channels,
            activation=Activation.NONE if plan.only_signs and plan.bare else plan.activation,
            scale=self.builder.floats(scale.astype(np.float32), 1),
            shift=self.builder.floats(shift.astype(np.float32), 0),
            **fields,
        )

    def _quantized(self, plan: Plan, scale: Any, shift: Any) -> tuple[dict[str, Any], Any, Any]:
        """Quantize a float convolution: weights, and all that stands around them.

        With x = (q · a + b), where q is a byte: Σ w x = s Σ wq (q + b / a), wq = round(w a / s).
        """
        base, held = plan.base, self.bytes_of[plan.base]
        assert base.weights is not None
        value, to_real = plan.inputs, Affine()
        if base in self.folds:
            affine, value = self.folds[base]
            assert isinstance(affine.step, Affine)
            to_real = affine.step
        outer, inner = composed([to_real], width(value))
        slope = outer / held.inverse_scale.astype(float)  # of x over q
        # A channel that is always the same number has no slope: its weights become zero, and its
        # share is a constant.
        flat = slope == 0
        safe = np.where(flat, 1.0, slope)
        offset = np.where(flat, 0.0, inner / safe) - held.zero.astype(float)
        weights = np.asarray(base.weights, float)
        groups = base.window.groups
        by_group = (groups, 1, weights.shape[1], 1, 1)
        grouped = weights.reshape(groups, -1, *weights.shape[1:])
        sloped = (grouped * slope.reshape(by_group)).reshape(weights.shape)
        covariance = None
        if held.covariance is not None:
            # Of bytes, not of the map's numbers.
            by_weight = np.repeat(safe.reshape(groups, -1), np.prod(weights.shape[2:]), axis=1)
            covariance = held.covariance / (by_weight[:, :, None] * by_weight[:, None, :])
        integers, steps = quantized_weights(sloped, covariance)
        shares = integers.astype(float).reshape(grouped.shape) * offset.reshape(by_group)
        constant = shares.reshape(weights.shape).sum(axis=(1, 2, 3)) * steps
        if flat.any():
            still = grouped * np.where(flat, inner, 0.0).reshape(by_group)
            constant = constant + still.reshape(weights.shape).sum(axis=(1, 2, 3))
        if held.mean is not None:
            # What rounding took from the weights, times what they see on average, is put back:
            # it would shift the whole map.
            lost = sloped - integers * steps[:, None, None, None]
            seen = np.where(flat, 0.0, held.mean * held.inverse_scale.astype(float) + inner / safe)
            shares = lost.reshape(grouped.shape) * seen.reshape(by_group)
            constant = constant + shares.reshape(weights.shape).sum(axis=(1, 2, 3))
        fields: dict[str, Any] = {"input": self._u8(value, held)}
        template = Node(
            operation=Operation.QUANTIZED_CONVOLUTION,
            channels=base.channels,
            groups=groups,
            dilation=base.window.dilation,
        )
        fields["weights"] = self.builder.blob(pack_int8(integers, template))
        if any(base.window.padding):
            # The byte that stands for zero, or the nearest there is.
            padding = np.clip(np.rint(-offset), 0, 255).astype(np.uint8)
            fields["extra"] = self.builder.blob(padding.tobytes())
        return fields, scale * steps, scale * constant + shift


def folded_inputs(graph: Graph, quantized: Collection[Op]) -> dict[Op, tuple[Op, Value]]:
    """Find quantized convolutions that read the picture scaled and shifted: they can do it.

    Returns:
        For each the affine operation, and what that reads.
    """
    uses = Uses(graph)
    found: dict[Op, tuple[Op, Value]] = {}
    for op in uses.ops:
        if op.kind != Kind.AFFINE or op.joined or op in uses.results:
            continue
        (source,) = op.inputs
        if source.op.kind != Kind.INPUT or not source.whole:
            continue
        readers = uses.readers[op]
        if all(reader in quantized and len(reader.inputs) == 1 for reader in readers):
            found |= dict.fromkeys(readers, (op, op.inputs))
    return found


def _in_place(packed: PackedFile) -> PackedFile:
    """Let nodes write over the residual that nobody reads again: half the memory."""
    nodes = list(packed.nodes)
    for index in range(len(nodes)):
        node = nodes[index]  # renamed, perhaps
        old = node.residual
        if old < 0 or packed.tensors[old].kind != TensorKind.FLOAT or node.input == old:
            continue
        if node.residual_first or packed.tensors[old].channels != node.channels:
            continue
        later = nodes[index + 1 :]
        if old == packed.result or any(old in (other.input, other.residual) for other in later):
            continue
        values = [outlet for outlet in node.outlets if outlet.kind == OutletKind.VALUE]
        new = next(
            (o.tensor for o in values if packed.tensors[o.tensor].channels == node.channels), None
        )
        if new is None or new == old:
            continue
        nodes = [*nodes[:index], *(_renamed(other, new, old) for other in nodes[index:])]
        packed = replace(packed, result=old if packed.result == new else packed.result)
    return _compacted(replace(packed, nodes=tuple(nodes)))


def _renamed(node: Node, old: int, new: int) -> Node:
    return replace(
        node,
        input=new if node.input == old else node.input,
        residual=new if node.residual == old else node.residual,
        outlets=tuple(
            replace(outlet, tensor=new if outlet.tensor == old else outlet.tensor)
            for outlet in node.outlets
        ),
    )


def _compacted(packed: PackedFile) -> PackedFile:
    """Leave out tensors that nobody writes."""
    used = sorted({outlet.tensor for node in packed.nodes for outlet in node.outlets})
    places = {tensor: place for place, tensor in enumerate(used)} | {-1: -1}
    nodes = tuple(
        replace(
            node,
            input=places[node.input],
            residual=places[node.residual],
            outlets=tuple(replace(o, tensor=places[o.tensor]) for o in node.outlets),
        )
        for node in packed.nodes
    )
    tensors = tuple(packed.tensors[tensor] for tensor in used)
    return replace(packed, tensors=tensors, nodes=nodes, result=places[packed.result])
