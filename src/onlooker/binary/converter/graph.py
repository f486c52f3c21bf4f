"""A network between PyTorch and the packed file: operations on maps, without batch or layout.

A value is a sequence of references to slices of operations' channels. So concatenation and slicing
are no operations, and what works channel by channel is put behind each part: ``op(cat(a, b))``
becomes ``cat(op(a), op(b))`` while the graph is built. Equal operations on equal inputs are one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from onlooker.binary.converter.fold import Affine, Step
from onlooker.binary.format import Activation
from onlooker.binary.format.layouts import WORD_BITS


class Kind(Enum):
    """What an operation does."""

    INPUT = "input"
    BINARY = "binary convolution"
    FLOAT = "convolution"
    MAX = "max pooling"
    MEAN = "average pooling"
    GATHER = "gather"
    ADD = "addition"
    AFFINE = "affine"
    ACTIVATION = "activation"
    SIGN = "sign"


@dataclass(frozen=True, kw_only=True)
class Window:
    """What a convolution or pooling looks at; a kernel of (0, 0) is the whole map."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    zero_padding: bool = False


@dataclass(eq=False, kw_only=True, repr=False)
class Op:
    """An operation, and the map that it makes.

    Attributes:
        inputs: What it reads, side by side; of an addition, its two terms.
        name: Path of the layer that it comes from, for messages.
        step: Of ``AFFINE`` and ``ACTIVATION``.
        weights: (O, Ig, kernel height, kernel width): bool, true is +1, or float32.
        sources: Of ``GATHER``.
        chains: Of a ``SIGN`` behind ``joined`` maps: channels of each part, and what follows it.
        joined: Of ``AFFINE``: it copies its inputs side by side, in a node of its own.
    """

    kind: Kind
    index: int
    channels: int
    inputs: tuple[Ref, ...]
    name: str
    step: Step = Activation.NONE
    window: Window = field(default_factory=Window)
    weights: npt.NDArray[np.bool_] | npt.NDArray[np.float32] | None = None
    sources: npt.NDArray[np.uint32] | None = None
    chains: tuple[tuple[int, tuple[Step, ...]], ...] = ()
    joined: bool = False

    def __repr__(self) -> str:
        return f"{self.kind.value} {self.index} ({self.name})"

    @property
    def ones(self) -> int:
        """Return the products in a sum of a convolution."""
        assert self.weights is not None
        return int(np.prod(self.weights.shape[1:]))


@dataclass(frozen=True)
class Ref:
    """Some channels of an operation's map."""

    op: Op
    first: int
    channels: int

    @property
    def whole(self) -> bool:
        """Return whether these are all channels."""
        return self.channels == self.op.channels


Value = tuple[Ref, ...]


def width(value: Value) -> int:
    """Return the channels of a value."""
    return sum(ref.channels for ref in value)


class Graph:
    """Operations in the order in which they can run, and the value that is the result."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.result: Value = ()
        self._known: dict[tuple[object, ...], Op] = {}

    def make(
        self, kind: Kind, channels: int, inputs: Sequence[Ref], name: str, **fields: object
    ) -> Ref:
        """Add an operation."""
        op = Op(
            kind=kind,
            index=len(self.ops),
            channels=channels,
            inputs=tuple(inputs),
            name=name,
            **fields,  # type: ignore[arg-type]
        )
        self.ops.append(op)
        return Ref(op, 0, channels)

    def once(
        self,
        key: tuple[object, ...],
        kind: Kind,
        channels: int,
        inputs: Sequence[Ref],
        name: str,
        **fields: object,
    ) -> Ref:
        """Add an operation, or find the one that was added under this key for these inputs."""
        full = (kind, tuple(inputs), *key)
        if full not in self._known:
            self._known[full] = self.make(kind, channels, inputs, name, **fields).op
        return Ref(self._known[full], 0, channels)

    def whole(self, ref: Ref, name: str) -> Ref:
        """Return a reference to an operation that has just these channels."""
        if ref.whole:
            return ref
        if ref.op.kind == Kind.SIGN:
            (source,) = ref.op.inputs
            return self.sign((Ref(source.op, source.first + ref.first, ref.channels),), name)[0]
        return self.once((), Kind.AFFINE, ref.channels, (ref,), name, step=Affine())

    def affine(self, value: Value, step: Affine, name: str, key: object) -> Value:
        """Scale and shift each channel; equal keys mean equal steps."""
        made, first = [], 0
        for ref in value:
            source = self.whole(ref, name)
            part = step.part(first, ref.channels)
            first += ref.channels
            made.append(
                self.once((key, first), Kind.AFFINE, ref.channels, (source,), name, step=part)
            )
        return tuple(made)

    def activation(self, value: Value, step: Activation, name: str) -> Value:
        """Apply an activation."""
        return tuple(
            self.once(
                (step,), Kind.ACTIVATION, ref.channels, (self.whole(ref, name),), name, step=step
            )
            for ref in value
        )

    def sign(self, value: Value, name: str) -> Value:
        """Take signs; those of signs are the same ones."""
        wholes = [self.whole(ref, name) for ref in value]
        return tuple(
            ref
            if ref.op.kind == Kind.SIGN
            else self.once((), Kind.SIGN, ref.channels, (ref,), name)
            for ref in wholes
        )

    def pooling(self, kind: Kind, value: Value, window: Window, name: str) -> Value:
        """Pool each channel; the maximum of signs is the sign of a maximum."""
        signs = [ref for ref in value if ref.op.kind == Kind.SIGN]
        if kind == Kind.MAX and signs and len(signs) == len(value):
            sources = [self.whole(ref, name).op.inputs[0] for ref in value]
            return self.sign(self.pooling(kind, tuple(sources), window, name), name)
        return tuple(
            self.once((window,), kind, ref.channels, (ref,), name, window=window) for ref in value
        )

    def add(self, one: Value, other: Value, name: str) -> Value:
        """Add two values, part by part."""
        cuts = sorted(_cuts(one) | _cuts(other))
        made = []
        for first, last in zip([0, *cuts], cuts, strict=False):
            (left,) = cut(one, first, last)
            (right,) = cut(other, first, last)
            made.append(self.make(Kind.ADD, last - first, (left, right), name))
        return tuple(made)

    def convolution(
        self,
        kind: Kind,
        value: Value,
        weights: npt.NDArray[np.bool_] | npt.NDArray[np.float32],
        window: Window,
        name: str,
    ) -> Value:
        """Convolve; the value of a binary convolution are signs."""
        inputs = [self.whole(ref, name) for ref in value]
        return (self.make(kind, weights.shape[0], inputs, name, weights=weights, window=window),)

    def gather(self, value: Value, sources: Iterable[int], name: str) -> Value:
        """Put channels into another order."""
        order = np.fromiter(sources, np.uint32)
        if (order == np.arange(width(value))).all() and len(order) == width(value):
            return value
        inputs = [self.whole(ref, name) for ref in value]
        return (self.make(Kind.GATHER, len(order), inputs, name, sources=order),)


def concatenated(values: Sequence[Value]) -> Value:
    """Return values side by side; slices that belong together become one."""
    made: list[Ref] = []
    for ref in (ref for value in values for ref in value):
        last = made[-1] if made else None
        if last and last.op is ref.op and last.first + last.channels == ref.first:
            made[-1] = Ref(ref.op, last.first, last.channels + ref.channels)
        else:
            made.append(ref)
    return tuple(made)


def cut(value: Value, first: int, last: int) -> Value:
    """Return the channels ``first`` … ``last`` − 1."""
    made, at = [], 0
    for ref in value:
        start, end = max(first, at), min(last, at + ref.channels)
        if start < end:
            made.append(Ref(ref.op, ref.first + start - at, end - start))
        at += ref.channels
    return tuple(made)


def _cuts(value: Value) -> set[int]:
    at, cuts = 0, set()
    for ref in value:
        at += ref.channels
        cuts.add(at)
    return cuts


class Uses:
    """Who reads what, of the operations that the result needs."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.readers: dict[Op, list[Op]] = defaultdict(list)
        self.results = {ref.op for ref in graph.result}
        needed = set(self.results)
        for op in reversed(graph.ops):
            if op in needed:
                for ref in op.inputs:
                    needed.add(ref.op)
                    if op not in self.readers[ref.op]:
                        self.readers[ref.op].append(op)
        self.ops = [op for op in graph.ops if op in needed]
        self._only_signs: dict[Op, bool] = {}

    def only_signs(self, op: Op) -> bool:
        """Return whether nothing but signs is made of the operation's map."""
        if op.kind == Kind.SIGN:
            return True
        if op.kind not in (Kind.AFFINE, Kind.ACTIVATION) or op in self.results or op.joined:
            return False
        if not all(ref.whole for ref in op.inputs):
            return False
        if op not in self._only_signs:
            readers = self.readers[op]
            self._only_signs[op] = bool(readers) and all(map(self.only_signs, readers))
        return self._only_signs[op]

    def split(self, op: Op) -> tuple[list[Op], list[Op]]:
        """Return the signs made of an operation's map alone, and its readers for anything else."""
        signs: list[Op] = []
        others = []
        for reader in self.readers[op]:
            if not self.only_signs(reader):
                others.append(reader)
            elif reader.kind == Kind.SIGN:
                signs.append(reader)
            else:
                signs += self.split(reader)[0]
        return signs, others


def pushed(graph: Graph) -> None:
    """Take activations behind the max pooling that reads them, where that saves work.

    Both keep the order of numbers, so they commute. It pays where the producer could not apply the
    activation anyway, where a binary convolution then hands on 16-bit integers, and for the slow
    hyperbolic tangent.
    """
    uses = Uses(graph)
    for op in list(graph.ops):
        if op.kind != Kind.MAX:
            continue
        act = op.inputs[0].op
        alone = uses.readers[act] == [op] and act not in uses.results and op.inputs[0].whole
        if act.kind != Kind.ACTIVATION or not alone:
            continue
        base = act.inputs[0].op
        branched = len(uses.readers[base]) > 1
        while base.kind == Kind.AFFINE and base.inputs[0].whole and len(base.inputs) == 1:
            base = base.inputs[0].op
        if not (branched or base.kind == Kind.BINARY or act.step == Activation.TANH):
            continue
        # The two change places: what was the activation is now read by what was the pooling.
        act.kind, op.kind = Kind.MAX, Kind.ACTIVATION
        act.step, op.step = op.step, act.step
        act.window, op.window = op.window, act.window


def joined(graph: Graph) -> None:
    """Give binary convolutions whose signs cannot be written part by part a node that packs them.

    Parts of a bits tensor begin at bytes, and groups that are no whole words are written at once.
    """
    for op in list(graph.ops):
        if op.kind != Kind.BINARY:
            continue
        starts = np.cumsum([0, *(ref.channels for ref in op.inputs)])[:-1]
        groups = op.window.groups
        split_words = groups > 1 and width(op.inputs) // groups % WORD_BITS
        if not (split_words or (starts % 8).any()):
            continue
        refs, chains = [], []
        for ref in op.inputs:
            base, chain = traced(ref.op)
            refs.append(Ref(base, 0, base.channels))
            chains.append((base.channels, chain))
        count = len(graph.ops)
        key = ("joined", tuple(ref.op.index for ref in op.inputs))
        join = graph.once(
            (*key, "map"), Kind.AFFINE, width(op.inputs), refs, op.name, step=Affine(), joined=True
        )
        sign = graph.once(
            (*key, "sign"), Kind.SIGN, join.channels, (join,), op.name, chains=tuple(chains)
        )
        op.inputs = (sign,)
        new = graph.ops[count:]  # none, where another convolution has asked for the same
        del graph.ops[count:]
        place = graph.ops.index(op)
        graph.ops[place:place] = new
    for index, op in enumerate(graph.ops):
        op.index = index


def traced(sign: Op, stop: Op | None = None) -> tuple[Op, tuple[Step, ...]]:
    """Return what a sign is made of: an operation, and the steps that stand in between.

    Args:
        sign: Of kind ``SIGN``.
        stop: Where to stop, else at the first operation that works on more than its channel.
    """
    steps: list[Step] = []
    op = sign.inputs[0].op
    while op is not stop and op.kind in (Kind.AFFINE, Kind.ACTIVATION):
        if op.joined or not op.inputs[0].whole:
            break
        steps.insert(0, op.step)
        op = op.inputs[0].op
    return op, tuple(steps)
