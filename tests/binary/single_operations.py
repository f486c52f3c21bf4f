"""Packed networks of one operation each, whose numbers float32 holds exactly.

All inputs, weights, scales and shifts are multiples of small powers of two, so that it makes no
difference in which order sums are added up or what is rounded when: results must be equal bit by
bit. Outlets that are not float32 are made visible by a second node.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onlooker.binary.format import Activation, Node, Operation, Outlet, OutletKind, PackedFile
from onlooker.binary.format import TensorKind as Kind
from onlooker.binary.format.builder import Builder
from onlooker.binary.format.layouts import pack_binary, pack_float, pack_int8

Rng = np.random.Generator
CONVOLUTIONS = (
    Operation.BINARY_CONVOLUTION,
    Operation.CONVOLUTION,
    Operation.QUANTIZED_CONVOLUTION,
)
POOLINGS = (Operation.MAX_POOLING, Operation.AVERAGE_POOLING)
READ = {
    Operation.BINARY_CONVOLUTION: "bits",
    Operation.CONVOLUTION: "value",
    Operation.QUANTIZED_CONVOLUTION: "u8",
}


def exact(rng: Rng, shape: Any, most: int = 8) -> Any:
    """Return multiples of a quarter."""
    return rng.integers(-most, most + 1, shape).astype(np.float32) / 4


def affine(rng: Rng, builder: Builder, channels: int) -> dict[str, int]:
    """Return a scale and a shift, or none."""
    if rng.random() < 0.2:
        return {}
    scale = 2.0 ** rng.integers(-3, 2, channels) * rng.choice([-1, 1], channels)
    return {"scale": builder.floats(scale), "shift": builder.floats(exact(rng, channels))}


def outlet(
    rng: Rng, builder: Builder, kind: str, channels: int, groups: int = 1, spread: int = 8
) -> Outlet:
    """Return an outlet to a tensor of its own."""
    flips = builder.flips(rng.random(channels) < 0.5) if rng.random() < 0.7 else -1
    if kind == "value":
        return Outlet(kind=OutletKind.VALUE, tensor=builder.tensor(Kind.FLOAT, channels))
    if kind == "integer":
        return Outlet(kind=OutletKind.INTEGER, tensor=builder.tensor(Kind.I16, channels))
    if kind == "u8":
        return Outlet(
            kind=OutletKind.U8,
            tensor=builder.tensor(Kind.U8, channels),
            numbers=builder.floats(2.0 ** rng.integers(0, 5, channels)),
            marks=builder.floats(rng.integers(0, 256, channels).astype(np.float32)),
        )
    by_integer = kind == "bits by integer"
    tensor = builder.tensor(Kind.BITS, channels, groups)
    thresholds = rng.integers(-spread, spread + 1, channels)
    return Outlet(
        kind=OutletKind.BITS_BY_INTEGER if by_integer else OutletKind.BITS_BY_FLOAT,
        tensor=tensor,
        numbers=builder.integers(thresholds) if by_integer else builder.floats(thresholds / 4),
        marks=flips,
    )


def weights(rng: Rng, node: Node, inputs: int) -> bytes:
    """Return weights of a convolution."""
    shape = (node.channels, inputs // node.groups, *node.kernel)
    if node.operation == Operation.BINARY_CONVOLUTION:
        return pack_binary(rng.random(shape) < 0.5, node.groups)
    if node.operation == Operation.CONVOLUTION:
        return pack_float(exact(rng, shape), node.groups)
    return pack_int8(rng.integers(-63, 64, shape).astype(np.int8), node)


def single(seed: int, operation: Operation) -> tuple[PackedFile, tuple[int, int]]:
    """Return a network of one operation between what it needs, and a size for its input."""
    rng = np.random.default_rng((seed, int(operation)))
    builder = Builder()
    convolution = operation in CONVOLUTIONS
    groups = int(rng.choice([1, 1, 2, 3])) if convolution else 1
    inputs = groups * int(rng.choice([1, 3, 8, 13, 32, 64, 70]))
    outputs = groups * int(rng.choice([1, 5, 8, 16, 24, 40, 64, 65])) if convolution else inputs
    size = (int(rng.integers(9, 22)), int(rng.integers(9, 22)))
    entrance = [outlet(rng, builder, kind, inputs) for kind in ("value", "u8")]
    builder.node(Node(operation=Operation.INPUT, channels=inputs, outlets=tuple(entrance)))
    read = {"value": entrance[0].tensor, "u8": entrance[1].tensor}
    # Groups of whole words lie as one group does.
    bits = outlet(rng, builder, "bits", inputs, 1 if inputs // groups % 64 == 0 else groups)
    again = outlet(rng, builder, "value", inputs)
    builder.node(
        Node(
            operation=Operation.POINTWISE,
            channels=inputs,
            input=read["value"],
            outlets=(bits, again),
            activation=Activation(int(rng.choice([0, 1, 3]))),
            **affine(rng, builder, inputs),
        )
    )
    read["bits"] = bits.tensor
    fields: dict[str, Any] = {}
    extra = -1
    if convolution or operation in POOLINGS:
        kernel = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
        fields = {
            "kernel": kernel,
            "stride": (int(rng.integers(1, 4)), int(rng.integers(1, 4))),
            "padding": tuple(int(rng.integers(0, kernel[i % 2])) for i in range(4)),
        }
    if convolution:
        fields["dilation"] = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        fields["groups"] = groups
        template = Node(operation=operation, channels=outputs, **fields)
        fields["weights"] = builder.blob(weights(rng, template, inputs))
        if operation == Operation.QUANTIZED_CONVOLUTION:
            extra = builder.blob(rng.integers(0, 256, inputs).astype(np.uint8).tobytes())
        fields["zero_padding"] = operation == Operation.BINARY_CONVOLUTION and rng.random() < 0.5
    elif operation == Operation.GATHER:
        outputs = int(rng.integers(1, 90))
        extra = builder.blob(rng.integers(0, inputs, outputs).astype("<u4").tobytes())
    elif operation in POOLINGS and seed % 4 == 0:
        fields = {"kernel": (0, 0)}
    if operation != Operation.GATHER:
        fields.update(affine(rng, builder, outputs))
        fields["activation"] = Activation(int(rng.choice([0, 1, 3])))
    if operation == Operation.POINTWISE and rng.random() < 0.7:
        fields["residual"] = again.tensor
    kinds = ["value", "bits", "u8"]
    if operation == Operation.BINARY_CONVOLUTION:
        kinds += ["integer", "bits by integer"]
    given = {kind: outlet(rng, builder, kind, outputs) for kind in kinds}
    builder.node(
        Node(
            operation=operation,
            channels=outputs,
            input=read[READ.get(operation, "value")],
            extra=extra,
            outlets=tuple(given.values()),
            **fields,
        )
    )
    shown = given["value"].tensor
    for kind in kinds[1:]:
        shown = reveal(rng, builder, given[kind].tensor, kind, outputs, shown)
    return builder.packed(result=shown, channels=inputs), size


def pooled(seed: int) -> tuple[PackedFile, tuple[int, int]]:
    """Return a network with a pooling behind a convolution of a large map, and a size for it."""
    rng = np.random.default_rng(seed)
    builder = Builder()
    inputs, outputs = 3, int(rng.choice([48, 72]))
    size = (int(rng.integers(50, 60)), int(rng.integers(40, 50)))
    operation = CONVOLUTIONS[seed % 3]
    given = outlet(
        rng, builder, {"value": "value", "u8": "u8"}.get(READ[operation], "bits"), inputs
    )
    builder.node(Node(operation=Operation.INPUT, channels=inputs, outlets=(given,)))
    fields: dict[str, Any] = {"kernel": (3, 3), "padding": (1, 0, 1, 1)}
    template = Node(operation=operation, channels=outputs, **fields)
    padding = builder.blob(rng.integers(0, 256, inputs).astype(np.uint8).tobytes())
    map_ = outlet(rng, builder, "value", outputs)
    builder.node(
        Node(
            operation=operation,
            channels=outputs,
            input=given.tensor,
            weights=builder.blob(weights(rng, template, inputs)),
            extra=padding if operation == Operation.QUANTIZED_CONVOLUTION else -1,
            outlets=(map_,),
            **affine(rng, builder, outputs),
            **fields,
        )
    )
    kernel = (int(rng.integers(1, 6)), int(rng.integers(1, 4)))
    kept = outputs - int(rng.integers(0, 9))
    end = outlet(rng, builder, "value", kept)
    builder.node(
        Node(
            operation=POOLINGS[seed % 2],
            channels=kept,
            input=map_.tensor,
            input_first=outputs - kept,
            kernel=kernel,
            stride=(int(rng.integers(1, 5)), int(rng.integers(1, 3))),
            padding=tuple(int(rng.integers(0, kernel[i % 2])) for i in range(4)),
            outlets=(end,),
            **affine(rng, builder, kept),
        )
    )
    return builder.packed(result=end.tensor, channels=inputs), size


def reveal(rng: Rng, builder: Builder, tensor: int, kind: str, channels: int, onto: int) -> int:
    """Add what a tensor holds to a float32 one; return the sum."""
    operation = {
        "u8": Operation.QUANTIZED_CONVOLUTION,
        "integer": Operation.POINTWISE,
    }.get(kind, Operation.BINARY_CONVOLUTION)
    node = Node(operation=operation, channels=channels)
    packed = -1
    if operation != Operation.POINTWISE:
        packed = builder.blob(weights(rng, node, channels))
    end = outlet(rng, builder, "value", channels)
    builder.node(
        Node(
            operation=operation,
            channels=channels,
            input=tensor,
            weights=packed,
            residual=onto,
            outlets=(end,),
        )
    )
    return end.tensor


def tangled(seed: int, steps: int = 25) -> PackedFile:
    """Return a network whose nodes read any earlier tensors, so that lives of maps overlap."""
    rng = np.random.default_rng(seed)
    builder = Builder()
    channels = int(rng.choice([8, 24, 64, 72]))
    floats, bits, u8 = [], [], []

    def add(operation: Operation, **fields: Any) -> None:
        given = []
        for kind, known in (("value", floats), ("bits", bits), ("u8", u8)):
            if kind == "value" or rng.random() < 0.5 or not known:
                given.append(outlet(rng, builder, kind, channels, spread=2))
                known.append(given[-1].tensor)
        builder.node(Node(operation=operation, channels=channels, outlets=tuple(given), **fields))

    add(Operation.INPUT)
    window: dict[str, Any] = {"kernel": (3, 3), "padding": (1, 1, 1, 1)}
    padding = builder.blob(rng.integers(0, 256, channels).astype(np.uint8).tobytes())
    for _ in range(steps):
        choice = int(rng.integers(0, 5))
        # Multiples of 1/8 within −1 … 1, whatever was summed up.
        limited = {
            "scale": builder.floats(np.full(channels, 1 / 8)),
            "shift": builder.floats(exact(rng, channels, 2)),
            "activation": Activation.HARD_TANH,
        }
        if rng.random() < 0.5:
            limited["residual"] = int(rng.choice(floats))
        if choice == 0:
            add(Operation.MAX_POOLING, input=int(rng.choice(floats)), **window)
        elif choice == 1:
            limited["scale"] = -1
            add(Operation.POINTWISE, input=int(rng.choice(floats)), **limited)
        else:
            operation = (
                Operation.QUANTIZED_CONVOLUTION if choice == 2 else Operation.BINARY_CONVOLUTION
            )
            node = Node(operation=operation, channels=channels, **window)
            quantized = operation == Operation.QUANTIZED_CONVOLUTION
            add(
                operation,
                input=int(rng.choice(u8 if quantized else bits)),
                weights=builder.blob(weights(rng, node, channels)),
                extra=padding if quantized else -1,
                zero_padding=not quantized and bool(rng.integers(0, 2)),
                **window,
                **limited,
            )
    total = floats[0]
    for tensor in floats[1:]:
        end = outlet(rng, builder, "value", channels)
        builder.node(
            Node(
                operation=Operation.POINTWISE,
                channels=channels,
                input=tensor,
                residual=total,
                scale=builder.floats(np.full(channels, 2.0)),
                outlets=(end,),
            )
        )
        total = end.tensor
    return builder.packed(result=total, channels=channels)
