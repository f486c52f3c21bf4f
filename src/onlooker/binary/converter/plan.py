"""Which operations of a graph one node computes: the cheapest cover that the packed file can say.

A node is a convolution, a pooling, a gather, or a pass over a map, with the scale, shift, residual
and activation that follow. Signs are read off it by thresholds, and cost it a bit each; its value
in float32 is written only where something else than a sign is made of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from onlooker.binary.converter.fold import Affine, composed
from onlooker.binary.converter.graph import Graph, Kind, Op, Ref, Uses
from onlooker.binary.format import Activation
from onlooker.binary.format.checks import MAX_I16

_CONVOLUTIONS = (Kind.BINARY, Kind.FLOAT)
_POOLINGS = (Kind.MAX, Kind.MEAN)


@dataclass(eq=False, kw_only=True)
class Plan:
    """A node to be.

    Attributes:
        base: The operation that gives the node its kind; ``AFFINE``, ``ACTIVATION`` and ``ADD``
            are passes over a map.
        inputs: What it reads; of a pooling or pass behind what it took in.
        before: Affine steps on what a pooling reads.
        steps: Affine steps on the sum.
        residual: What is added.
        activation: What comes last.
        value: The operation whose map is the node's ``v``.
        signs: The signs that are read off it.
        only_signs: Nothing else is.
    """

    base: Op
    inputs: tuple[Ref, ...]
    value: Op
    before: list[Affine] = field(default_factory=list)
    steps: list[Affine] = field(default_factory=list)
    residual: Ref | None = None
    activation: Activation = Activation.NONE
    signs: list[Op] = field(default_factory=list)
    only_signs: bool = False

    @property
    def bare(self) -> bool:
        """Return whether ``v`` is the sum itself."""
        return self.value is self.base

    @property
    def small_integers(self) -> bool:
        """Return whether ``v`` is the dot of a binary convolution and fits 16 bits."""
        return self.base.kind == Kind.BINARY and self.bare and self.base.ones <= MAX_I16


class Planner:
    """Cover a graph with nodes.

    Args:
        graph: Already rewritten.
        folds_input: Operations (affine, of the picture) that their readers take in: the float
            convolutions that will be quantized.
    """

    def __init__(self, graph: Graph, folds_input: set[Op] | None = None) -> None:
        self.uses = Uses(graph)
        self.folded = folds_input or set()
        self.by_value: dict[Op, Plan] = {}
        self.taken: set[Op] = set()
        self.plans: list[Plan] = []
        self.main = {op: self._main(op) for op in self.uses.ops if op.kind == Kind.ADD}

    def run(self) -> list[Plan]:
        """Return the nodes, in an order in which they can run."""
        for op in self.uses.ops:
            if op in self.taken or op.kind == Kind.SIGN or self.uses.only_signs(op):
                continue
            if op.kind == Kind.AFFINE and (op in self.folded or self._left_to_pooling(op)):
                continue
            self._plan(op)
        return self._ordered()

    def _ordered(self) -> list[Plan]:
        """Sort: what is read is written before; else as the network's author wrote it."""
        writer = dict(self.by_value)
        for plan in self.plans:
            writer.update(dict.fromkeys(plan.signs, plan))
        ordered: dict[Plan, None] = {}
        for start in sorted(self.plans, key=lambda plan: plan.value.index):
            stack = [start]
            while stack:
                plan = stack[-1]
                read = [ref.op for ref in (*plan.inputs, plan.residual) if ref is not None]
                missing = [writer[op] for op in read if op in writer and writer[op] not in ordered]
                if missing:
                    stack += missing
                else:
                    ordered[stack.pop()] = None
        return list(ordered)

    def _plan(self, op: Op) -> None:
        plan = Plan(base=op, inputs=op.inputs, value=op)
        if op.kind == Kind.AFFINE:
            assert isinstance(op.step, Affine)
            plan.steps.append(op.step)
        elif op.kind == Kind.ACTIVATION:
            assert isinstance(op.step, Activation)
            plan.activation = op.step
        elif op.kind == Kind.ADD:
            self._add(plan, op)
        elif op.kind in _POOLINGS:
            self._take_before(plan)
        self.plans.append(plan)
        self._extend(plan)
        self.by_value[plan.value] = plan

    def _take_before(self, plan: Plan) -> None:
        """Let a pooling scale and shift what it reads."""
        while True:
            (ref,) = plan.inputs
            op = ref.op
            free = op.kind == Kind.AFFINE and not op.joined and op not in self.taken
            if not (free and ref.whole and op not in self.by_value):
                return
            assert isinstance(op.step, Affine)
            plan.before.insert(0, op.step)
            plan.inputs = op.inputs

    def _extend(self, plan: Plan) -> None:
        """Take in what follows, as far as a node can do it."""
        while True:
            op = plan.value
            signs, others = self.uses.split(op)
            plan.signs += signs
            is_result = op in self.uses.results
            plan.only_signs = not others and not is_result
            # Signs of a dot product do not depend on what is made of it further on.
            free = not signs or (plan.base.kind == Kind.BINARY and plan.residual is None)
            if len(others) != 1 or is_result or not free or not self._take(plan, others[0]):
                return
            self.taken.add(others[0])
            plan.value = others[0]

    def _take(self, plan: Plan, op: Op) -> bool:
        """Take in one operation, if the node can do it."""
        if plan.activation != Activation.NONE or plan.base.kind in (Kind.INPUT, Kind.GATHER):
            return False
        if not all(ref.whole for ref in op.inputs if ref.op is plan.value) or op.joined:
            return False
        if op.kind == Kind.ACTIVATION:
            assert isinstance(op.step, Activation)
            plan.activation = op.step
            return True
        if plan.residual is not None:
            return False
        if op.kind == Kind.AFFINE:
            return self._take_affine(plan, op)
        if op.kind != Kind.ADD or self.main[op] is not plan.value or plan.base.kind in _POOLINGS:
            return False
        if plan.signs and any(
            _depends(ref.op, plan.base) for ref in op.inputs if ref.op is not plan.value
        ):
            return False  # the other term is made of signs that this node writes
        self._add(plan, op)
        return True

    def _take_affine(self, plan: Plan, op: Op) -> bool:
        assert isinstance(op.step, Affine)
        if op in self.folded:
            return False
        if plan.small_integers and self._left_to_pooling(op):
            return False  # the pooling reads 16-bit integers and does it
        if plan.base.kind == Kind.MAX:
            # A maximum is taken of what is scaled already: they change places if order stays.
            scale, _ = composed([op.step], op.channels)
            if (scale <= 0).any():
                return False
        plan.steps.append(op.step)
        return True

    def _add(self, plan: Plan, op: Op) -> None:
        one, other = op.inputs
        if plan.value is op:  # a pass over one term that adds the other
            plan.inputs, plan.residual = (one,), other
        else:
            plan.residual = other if one.op is plan.value else one

    def _left_to_pooling(self, op: Op) -> bool:
        """Return whether an affine step is read by poolings alone, which can do it themselves."""
        if op in self.uses.results or op.joined:
            return False
        signs, others = self.uses.split(op)
        return (
            bool(others)
            and not signs
            and all(
                reader.kind in _POOLINGS and all(ref.whole for ref in reader.inputs)
                for reader in others
            )
        )

    def _main(self, add: Op) -> Op | None:
        """Return the term of an addition whose node will add the other."""
        best: tuple[int, int] | None = None
        chosen = None
        for ref in add.inputs:
            rank = self._rank(add, ref)
            if rank and (best is None or rank > best):
                best, chosen = rank, ref.op
        return chosen

    def _rank(self, add: Op, ref: Ref) -> tuple[int, int] | None:
        """Say how well a term's own node could add the other: a convolution best, the later one."""
        if not ref.whole or all(term.op is ref.op for term in add.inputs):
            return None
        op, reader = ref.op, add
        steps, signs_seen = 0, False
        while True:
            signs, others = self.uses.split(op)
            signs_seen = signs_seen or bool(signs)
            if others != [reader] or op in self.uses.results:
                break
            if op.kind in _CONVOLUTIONS and not (signs_seen and op.kind == Kind.FLOAT):
                others = [term.op for term in add.inputs if term.op is not ref.op]
                if not (signs_seen and any(_depends(other, op) for other in others)):
                    return (2, op.index)
            if op.kind != Kind.AFFINE or op.joined:
                break
            steps += 1
            if not op.inputs[0].whole:
                break
            op, reader = op.inputs[0].op, op
        return (1, ref.op.index) if steps else None


def _depends(op: Op, on: Op) -> bool:
    """Return whether an operation is made of another's map."""
    seen = {op}
    stack = [op]
    while stack:
        current = stack.pop()
        if current is on:
            return True
        # Operations stand in the order in which they can run.
        read = {ref.op for ref in current.inputs if ref.op.index >= on.index} - seen
        seen |= read
        stack += read
    return False
