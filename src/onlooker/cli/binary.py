"""``onlooker binary``: pack one-bit networks, look into packed files, time them."""

from __future__ import annotations

import importlib
import importlib.util
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onlooker.cli.options import json_option
from onlooker.cli.show import path_text, plain, size
from onlooker.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from onlooker.binary.engine import PackedModel
    from onlooker.binary.format import Node, PackedFile

PACKERS = {
    "classification": "onlooker.classification.export",
    "text.recognition": "onlooker.text.recognition.export",
}
"""Task → where its ``pack(source, …)`` lives: the training side, loaded by name as in ``train``."""

#: Side of pictures where neither the file nor the user says one.
SIDE_PX = 224
#: Of those that a packed file can be run on.
SIDES = click.IntRange(1, 65_536)


@click.group("binary", short_help="Pack one-bit networks, look into them, time them.")
def command() -> None:
    """Pack one-bit networks into files that the engine runs, look into them, and time them."""


@command.command("convert", short_help="Trained network → packed file.")
@click.argument("source", metavar="SOURCE")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The packed file, .onb.",
)
@click.option(
    "--onnx",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the same network in float32 as well, for any tool that reads ONNX.",
)
@click.option(
    "--float-layers",
    type=click.Choice(("int8", "float32")),
    default="int8",
    show_default=True,
    help="How the layers that are not binary are computed.",
)
@click.option("--note", default="", help="Free text for the file: data, recipe, date.")
@click.option("--side", type=click.IntRange(min=8), help="With a network's name: pixels.")
@click.option("--classes", type=click.IntRange(min=1), help="With a network's name: classes.")
@json_option
def convert(
    source: str,
    output: Path,
    onnx: Path | None,
    float_layers: str,
    note: str,
    side: int | None,
    classes: int | None,
    as_json: bool,
) -> None:
    """Convert SOURCE, a folder that `onlooker train` wrote, into a packed file.

    SOURCE may also be the name of a network, as resnet-e-18: it then has random weights, which is
    enough to see how large and how fast it is. Networks of your own are converted from Python.
    """
    if onnx is not None and onnx.resolve() == output.resolve():
        raise click.UsageError("--output and --onnx name the same file")
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("converting", "train")
    folder = Path(source)
    packer = importlib.import_module(PACKERS[_task_of(folder)])
    if folder.is_dir():
        if side or classes:
            raise click.UsageError("--side and --classes go with the name of a network")
        written = packer.pack_run(folder, output, onnx, float_layers=float_layers, note=note)
    else:
        written = packer.pack_untrained(
            source, output, onnx, side=side, classes=classes, float_layers=float_layers
        )
    values = {"path": str(output), "bytes": output.stat().st_size, **written}
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    click.echo(f"{path_text(output)}: {size(values['bytes'])}")
    if onnx is not None:
        click.echo(
            f"{path_text(onnx)}: {size(onnx.stat().st_size)}; its results differ by "
            f"{written['difference']:.1g} of the largest"
        )


def _task_of(folder: Path) -> str:
    """Return the task that a training folder says it is of; classification if it says none."""
    try:
        said = json.loads((folder / "recipe.json").read_text(encoding="utf-8")).get("task")
    except (OSError, ValueError, AttributeError):
        said = None  # a name, or a folder without a recipe, which the packer names
    if said is not None and said not in PACKERS:
        raise ConfigError(f"{folder} is a training of {said!r}; packed are {', '.join(PACKERS)}")
    return said or "classification"


@command.command("inspect", short_help="What a packed file holds.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--side", type=SIDES, help="Count for pictures of so many pixels.")
@json_option
def inspect(file: Path, side: int | None, as_json: bool) -> None:
    """Show the layers of FILE: sizes, products, bytes of weights."""
    from onlooker.binary import format as packed_format

    packed = packed_format.read(file)
    height, width = _side_of(packed, side)
    rows = _layers(packed, height, width, str(file))
    totals = {
        "bytes": file.stat().st_size,
        "binary_weights": sum(row["binary_weights"] for row in rows),
        "binary_macs": sum(row["binary_macs"] for row in rows),
        "other_macs": sum(row["other_macs"] for row in rows),
    }
    if as_json:
        click.echo(
            json.dumps(
                {
                    "path": str(file),
                    "metadata": dict(packed.metadata),
                    "height": height,
                    "width": width,
                    **totals,
                    "nodes": rows,
                },
                ensure_ascii=False,
            )
        )
        return
    named = packed.metadata.get("architecture", "packed network")
    click.echo(
        f"{click.style(plain(str(named)), bold=True)}: {size(totals['bytes'])}, "
        f"{len(rows)} nodes, pictures of {packed.channels} × {height} × {width}"
    )
    if isinstance(note := packed.metadata.get("training"), str) and note:
        click.echo(f"  {plain(note)}")
    click.echo(f"{'':>4} {'operation':<22}{'kernel':>7}{'result':>15}{'writes':>13}"
               f"{'M macs':>8}{'weights':>10}")  # fmt: skip
    for row in rows:
        high, wide, channels = row["result"]
        macs = (row["binary_macs"] + row["other_macs"]) / 1e6
        click.echo(
            f"{row['node']:>4} {row['operation']:<22}{row['kernel']:>7}"
            f"{f'{high}×{wide}×{channels}':>15}{row['writes']:>13}"
            f"{f'{macs:.1f}' if macs else '':>8}"
            f"{size(row['weight_bytes']) if row['weight_bytes'] else '':>10}"
        )
    click.echo(
        f"{totals['binary_weights'] / 1e6:.3f} M one-bit weights; "
        f"{totals['binary_macs'] / 1e6:.1f} M one-bit and {totals['other_macs'] / 1e6:.1f} M other "
        "products"
    )


@command.command("bench", short_help="How fast a packed file runs here.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--side", type=SIDES, help="Pictures of so many pixels.")
@click.option("--runs", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--layers", is_flag=True, help="Each node's time as well.")
@json_option
def bench(file: Path, side: int | None, runs: int, layers: bool, as_json: bool) -> None:
    """Time FILE on this machine, one picture at a time.

    The kernels are chosen by the processor; ONLOOKER_CPU=avx512|avx2|neon|reference forces others.
    Threads: onlooker --threads N binary bench FILE.
    """
    import numpy as np

    from onlooker.binary.engine import PackedModel

    model = PackedModel.load(file)
    if model.kernels == "numpy":
        raise ConfigError(
            "NumPy computes here, and its speed says nothing: the engine was not compiled, or "
            "ONLOOKER_CPU is numpy; `onlooker info` tells"
        )
    height, width = (side or model.height or SIDE_PX, side or model.width or SIDE_PX)
    memory = model.memory(height, width)  # first: it refuses pictures that are too large
    picture = np.random.default_rng(0).integers(
        0, 256, (1, height, width, model.channels), np.uint8
    )
    for _ in range(5):
        model(picture)
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        model(picture)
        times.append(1e3 * (time.perf_counter() - begun))
    values: dict[str, Any] = {
        "path": str(file),
        "kernels": model.kernels,
        "threads": model.threads,
        "height": height,
        "width": width,
        "runs": runs,
        "best_ms": min(times),
        "median_ms": statistics.median(times),
        "memory_bytes": memory.arena,
    }
    if layers or as_json:
        values["nodes"] = _profiled(model, picture[0])
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    click.echo(path_text(file))
    click.echo(
        f"  {height} × {width}, kernels {model.kernels}, "
        f"{model.threads} thread{'s' if model.threads > 1 else ''}: "
        f"{values['median_ms']:.2f} ms (best {values['best_ms']:.2f}); "
        f"memory {size(memory.arena)}"
    )
    if layers:
        total = sum(row["microseconds"] for row in values["nodes"])
        click.echo(f"{'':>4} {'operation':<22}{'result':>15}{'µs':>10}{'share':>8}{'Gop/s':>8}")
        for row in values["nodes"]:
            high, wide, channels = row["result"]
            speed = 2e-3 * row["products"] / row["microseconds"] if row["microseconds"] else 0.0
            click.echo(
                f"{row['node']:>4} {row['operation']:<22}{f'{high}×{wide}×{channels}':>15}"
                f"{row['microseconds']:>10.1f}{row['microseconds'] / total:>8.1%}"
                f"{f'{speed:.0f}' if speed else '':>8}"
            )


def _profiled(model: PackedModel, picture: Any) -> list[dict[str, Any]]:
    return [
        {
            "node": row.node,
            "operation": row.operation,
            "result": list(row.result),
            "products": row.products,
            "threads": row.threads,
            "microseconds": row.microseconds,
        }
        for row in model.profile(picture)
    ]


def _side_of(packed: PackedFile, side: int | None) -> tuple[int, int]:
    """Return the height and width to count for: the user's, the file's, or those of training."""
    if side is not None:
        return side, side
    trained = packed.metadata.get("input")
    trained = trained if isinstance(trained, dict) else {}
    height, width = (
        fixed or trained.get(key) or SIDE_PX
        for fixed, key in ((packed.height, "height"), (packed.width, "width"))
    )
    return int(height), int(width)


def _layers(packed: PackedFile, height: int, width: int, name: str) -> list[dict[str, Any]]:
    from onlooker.binary.format import Operation, TensorKind
    from onlooker.binary.format.checks import map_sizes

    sizes = map_sizes(packed, height, width, name)
    written = {
        TensorKind.FLOAT: "float32",
        TensorKind.BITS: "bits",
        TensorKind.U8: "u8",
        TensorKind.I16: "i16",
    }
    rows = []
    for number, node in enumerate(packed.nodes):
        high, wide = sizes[node.outlets[0].tensor]
        weights = _weights(packed, node)
        macs = weights * high * wide
        binary = node.operation == Operation.BINARY_CONVOLUTION
        kinds = dict.fromkeys(written[packed.tensors[o.tensor].kind] for o in node.outlets)
        rows.append(
            {
                "node": number,
                "operation": node.operation.name.lower().replace("_", " "),
                "kernel": "×".join(map(str, node.kernel)) if weights else "",
                "result": [high, wide, node.channels],
                "writes": "+".join(kinds),
                "binary_weights": weights if binary else 0,
                "binary_macs": macs if binary else 0,
                "other_macs": 0 if binary else macs,
                "weight_bytes": 0 if node.weights < 0 else len(packed.blobs[node.weights]),
            }
        )
    return rows


def _weights(packed: PackedFile, node: Node) -> int:
    """Return how many weights a convolution has."""
    if node.weights < 0:
        return 0
    inputs = packed.tensors[node.input].channels
    return node.channels * (inputs // node.groups) * node.kernel[0] * node.kernel[1]
