"""The claims of the papers on one-bit networks, tested on CIFAR-10 with equal trainings.

    python recipes/classification/claims.py run build/claims --data DATA
    python recipes/classification/claims.py show     # writes claims.md and claims.svg

Bethge et al. 2019, "Back to Simplicity", claim that scaling factors and gradients made to measure
are not needed, that shortcuts should stay float, that a ReLU before the float 1×1 convolution
helps, and that many layers of small growth are better than few of large growth. Every row is
trained for the same number of epochs on the same batches; a claim is judged by the mean difference
over the seeds, beside the standard error that the spread of seeds gives it.

Rows that are done are skipped, and a row that was stopped goes on from its checkpoint. Measured on
``dev``, 5,000 pictures of the training part that nothing is trained on.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onlooker.binary.counting import count
from onlooker.binary.layers import Binarization
from onlooker.classification.data import DataConfig
from onlooker.classification.datasets import read_split
from onlooker.classification.model import ModelConfig, build_network
from onlooker.classification.train import TrainConfig, accuracy
from onlooker.classification.train import main as train
from onlooker.training.loop import LoopConfig

HERE = Path(__file__).parent
RESULT, CARD, PLOT = HERE / "claims.json", HERE / "claims.md", HERE / "claims.svg"
SIDE, CLASSES = 32, 10


@dataclass(frozen=True, kw_only=True)
class Row:
    """A network, and how it is binarised."""

    name: str
    binarization: Binarization = field(default_factory=Binarization)


ROWS = {
    "ResNetE-18": Row(name="resnet-e-18"),
    "scaling by weights": Row(name="resnet-e-18", binarization=Binarization(scaling="bireal")),
    "scaling by weights and inputs": Row(
        name="resnet-e-18", binarization=Binarization(scaling="xnor")
    ),
    "approx-sign": Row(name="resnet-e-18", binarization=Binarization(activation="approx-sign")),
    "clip 1.3": Row(name="resnet-e-18", binarization=Binarization(clip=1.3)),
    "binary shortcut": Row(name="resnet-e-18-binary-shortcut"),
    "BinaryDenseNet-21": Row(name="binary-densenet-21"),
    "no ReLU before the 1×1": Row(name="binary-densenet-21-no-relu"),
    "growth 64, twice the layers": Row(name="binary-densenet-21-split-2"),
    "growth 32, four times the layers": Row(name="binary-densenet-21-split-4"),
    "XNOR-Net": Row(
        name="bmxnet-resnet-18", binarization=Binarization(scaling="xnor", padding_value=0)
    ),
    "Bi-Real Net": Row(
        name="resnet-e-18",
        binarization=Binarization(activation="approx-sign", scaling="bireal", padding_value=0),
    ),
    "BMXNet ResNet-18": Row(name="bmxnet-resnet-18"),
    "MeliusNet-12": Row(name="meliusnet-12"),
    "ResNet-18, float": Row(name="resnet-18"),
}

#: Claim of the papers → (row that should be better or as good, row it is compared with).
CLAIMS = {
    "no scaling is as good as scaling by weights": ("ResNetE-18", "scaling by weights"),
    "no scaling is as good as XNOR-Net's": ("ResNetE-18", "scaling by weights and inputs"),
    "the plain sign is as good as approx-sign": ("ResNetE-18", "approx-sign"),
    "a clip of 1.3 is better than one of 1": ("clip 1.3", "ResNetE-18"),
    "a float shortcut is better than a binary one": ("ResNetE-18", "binary shortcut"),
    "a ReLU before the float 1×1 helps": ("BinaryDenseNet-21", "no ReLU before the 1×1"),
    "growth 64 is better than 128": ("growth 64, twice the layers", "BinaryDenseNet-21"),
    "growth 32 is better than 64": (
        "growth 32, four times the layers",
        "growth 64, twice the layers",
    ),
    "ResNetE-18 is better than XNOR-Net": ("ResNetE-18", "XNOR-Net"),
    "ResNetE-18 is better than Bi-Real Net": ("ResNetE-18", "Bi-Real Net"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("run", help="train and measure the rows that are missing")
    step.add_argument("out", type=Path, help="folder for what is done so far")
    step.add_argument("--data", type=Path, required=True, help="folder of CIFAR-10")
    step.add_argument("--epochs", type=float, default=10.0)
    step.add_argument("--width", type=float, default=0.5)
    step.add_argument("--seeds", type=int, default=2)
    step.add_argument("--batch", type=int, default=64)
    step.add_argument("--peak-lr", type=float, default=3e-3)
    step.add_argument("--sizes", type=int, nargs="+", default=[16, 24, 32])
    step.add_argument("--starts", type=float, nargs="+", default=[0.0, 0.4, 0.75])
    step.add_argument("--gradient-bits", type=int, default=8)
    step.add_argument("--threads", type=int, default=1)
    step.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    step.add_argument("--result", type=Path, default=RESULT)
    step = steps.add_parser("show", help="write the table and the plot")
    step.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    if options.step == "run":
        run(options)
        return
    result = json.loads(options.result.read_text(encoding="utf-8"))
    CARD.write_text(card(result), encoding="utf-8")
    PLOT.write_text(plot(result), encoding="utf-8")


# Training -----------------------------------------------------------------------------------------


def recipe(row: Row, seed: int, out: Path, options: argparse.Namespace) -> TrainConfig:
    """Return the recipe of a row and seed."""
    return TrainConfig(
        model=ModelConfig(
            name=row.name,
            classes=CLASSES,
            width=options.width,
            binarization=row.binarization,
        ),
        data=DataConfig(
            folder=str(options.data),
            batch=options.batch,
            sizes=tuple(options.sizes),
            starts=tuple(options.starts),
            validation_count=500,
        ),
        train=LoopConfig(
            out=str(out),
            peak_lr=options.peak_lr,
            betas=(0.9, 0.999),
            weight_decay=0.0,
            ema_decay=0.0,
            threads=options.threads,
            seed=seed,
        ),
        epochs=options.epochs,
        gradient_bits=options.gradient_bits,
        validate_every_s=math.inf,
    )


def run(options: argparse.Namespace) -> None:
    """Train and measure every row that is missing, and write the result."""
    options.out.mkdir(parents=True, exist_ok=True)
    names = ("epochs", "width", "batch", "peak_lr", "sizes", "starts", "gradient_bits")
    about = {name: getattr(options, name) for name in names}
    held_out = read_split(options.data, "dev")
    for seed in range(options.seeds):
        for name in options.rows:
            stem = f"{list(ROWS).index(name):02}-{seed}"
            path = options.out / f"{stem}.json"
            if not path.is_file():
                config = recipe(ROWS[name], seed, options.out / stem, options)
                top1 = accuracy(train(config), held_out)
                facts = {**about, "row": name, "seed": seed, "top1": round(top1, 4)}
                path.write_text(json.dumps(facts), encoding="utf-8")
                print(f"{name}, seed {seed}: {top1:.4f}", flush=True)
    done = [json.loads(path.read_text("utf-8")) for path in sorted(options.out.glob("*.json"))]
    alike = [one for one in done if all(one[name] == about[name] for name in names)]
    result = {**about, "pictures": len(held_out), "rows": summary(alike, options.width)}
    options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def summary(done: list[dict[str, Any]], width: float) -> list[dict[str, Any]]:
    """Sum up the rows: accuracy of each seed, and what the network computes and weighs."""
    rows = []
    for name, row in ROWS.items():
        seeds = sorted((one["seed"], one["top1"]) for one in done if one["row"] == name)
        if not seeds:
            continue
        network = build_network(ModelConfig(name=row.name, classes=CLASSES, width=width))
        counted = count(network, (3, SIDE, SIDE))
        rows.append(
            {
                "row": name,
                "network": row.name,
                "top1": [top1 for _, top1 in seeds],
                "binary_macs": counted.binary_macs,
                "float_macs": counted.float_macs,
                "ops": counted.ops,
                "megabytes": round(counted.size_bytes / 1e6, 4),
            }
        )
    return rows


# Showing ------------------------------------------------------------------------------------------


def noise(rows: list[dict[str, Any]]) -> float:
    """Return the standard deviation over seeds, pooled over the rows with two seeds or more."""
    several = [row["top1"] for row in rows if len(row["top1"]) > 1]
    freedom = sum(len(top1) - 1 for top1 in several)
    if not freedom:
        return math.nan
    squares = sum((one - statistics.fmean(top1)) ** 2 for top1 in several for one in top1)
    return math.sqrt(squares / freedom)


def verdict(apart: float, error: float, better: bool) -> str:
    """Judge a claim by a difference and its standard error, both in points."""
    if math.isnan(error):
        return "one seed: no verdict"
    if apart > 2 * error:
        return "holds"
    if apart < -2 * error:
        return "reversed"
    return "not decided" if better else "holds: no difference seen"


def card(result: dict[str, Any]) -> str:
    """Write the tables."""
    rows = {row["row"]: row for row in result["rows"]}
    spread = 100 * noise(result["rows"])
    lines = [
        "# The papers' claims on one-bit networks, tested",
        "",
        f"CIFAR-10 (as JPEG, which the papers' was not), {result['pictures']:,} pictures of the "
        f"training part held out; width {result['width']}, {result['epochs']:g} epochs, pictures "
        f"of {', '.join(map(str, result['sizes']))} pixels from "
        f"{', '.join(f'{start:.0%}' for start in result['starts'])} of the training on. Seeds of "
        f"one row have a standard deviation of {spread:.2f} points.",
        "",
        "| claim | difference, points | verdict |",
        "|---|---|---|",
    ]
    for claim, (first, second) in CLAIMS.items():
        if first not in rows or second not in rows:
            continue
        pair = [rows[first]["top1"], rows[second]["top1"]]
        apart = 100 * (statistics.fmean(pair[0]) - statistics.fmean(pair[1]))
        error = spread * math.sqrt(sum(1 / len(top1) for top1 in pair))
        judged = verdict(apart, error, "better" in claim or "helps" in claim)
        figure = f"{apart:+.1f} ± {error:.1f}".replace("-", "−")
        lines.append(f"| {claim} | {figure} | {judged} |")
    lines += ["", "| row | top-1, % | Mop | MB |", "|---|---|---|---|"]
    for name, row in rows.items():
        top1 = 100 * statistics.fmean(row["top1"])
        lines.append(f"| {name} | {top1:.1f} | {row['ops'] / 1e6:.2f} | {row['megabytes']:.2f} |")
    lines += ["", "![accuracy against operations and megabytes](claims.svg)", ""]
    return "\n".join(lines)


_PANEL_PX, _HEIGHT_PX, _LEFT_PX, _TOP_PX = 430, 420, 60, 50


def plot(result: dict[str, Any]) -> str:
    """Draw accuracy against operations and against megabytes, both by their logarithm, as SVG."""
    width = 2 * (_PANEL_PX + _LEFT_PX)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT_PX}" '
        f'viewBox="0 0 {width} {_HEIGHT_PX}" font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{width}" height="{_HEIGHT_PX}" fill="#fff"/>',
    ]
    points = [(row["row"], 100 * statistics.fmean(row["top1"]), row) for row in result["rows"]]
    for panel, (key, unit, title) in enumerate(
        (("ops", 1e6, "million operations"), ("megabytes", 1.0, "megabytes"))
    ):
        left = _LEFT_PX + panel * (_PANEL_PX + _LEFT_PX)
        parts += _panel([(n, row[key] / unit, y) for n, y, row in points], left, title)
    return "\n".join([*parts, "</svg>", ""])


def _panel(points: list[tuple[str, float, float]], left: int, title: str) -> list[str]:
    """Draw one half: a dot with its name for each row."""
    bottom = _HEIGHT_PX - 50
    low, high = min(x for _, x, _ in points) / 1.3, max(x for _, x, _ in points) * 1.3
    floor, ceiling = (
        math.floor(min(y for *_, y in points)) - 1,
        math.ceil(max(y for *_, y in points)) + 1,
    )

    def across(x: float) -> float:
        return left + math.log(x / low) / math.log(high / low) * (_PANEL_PX - 40)

    def down(y: float) -> float:
        return bottom - (y - floor) / (ceiling - floor) * (bottom - _TOP_PX)

    parts = [
        f'<text x="{left}" y="{_TOP_PX - 22}" font-size="14" font-weight="600">'
        f"top-1 (%) against {title}</text>"
    ]
    for y in range(floor, ceiling + 1, max(1, (ceiling - floor) // 8)):
        parts.append(f'<path d="M{left} {down(y):.1f}h{_PANEL_PX - 40}" stroke="#dde"/>')
        parts.append(f'<text x="{left - 8}" y="{down(y) + 4:.1f}" text-anchor="end">{y}</text>')
    for exponent in range(math.floor(math.log2(low)) + 1, math.floor(math.log2(high)) + 1):
        x = 2.0**exponent
        parts.append(f'<path d="M{across(x):.1f} {_TOP_PX}V{bottom}" stroke="#dde"/>')
        parts.append(
            f'<text x="{across(x):.1f}" y="{bottom + 18}" text-anchor="middle">{x:g}</text>'
        )
    ends: list[tuple[float, float]] = []
    for name, x, y in sorted(points, key=lambda point: -point[2]):
        place, level = across(x), down(y)
        text = level + 4
        while any(abs(place - other) < 150 and abs(text - line) < 12 for other, line in ends):
            text += 12
        ends.append((place, text))
        right = place > left + 0.55 * _PANEL_PX
        anchor = f'x="{place - 8:.1f}" text-anchor="end"' if right else f'x="{place + 8:.1f}"'
        parts.append(f'<circle cx="{place:.1f}" cy="{level:.1f}" r="4" fill="#2563c9"/>')
        parts.append(f'<text {anchor} y="{text:.1f}">{name}</text>')
    return parts


if __name__ == "__main__":
    main()
