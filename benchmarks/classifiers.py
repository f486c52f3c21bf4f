"""Trained classifiers of CIFAR-10 in float32, in 8 bits and in one bit: accuracy, size and time.

    python benchmarks/classifiers.py --data DATA --float build/classification/resnet-18-float

DATA is a folder of CIFAR-10 as ``onlooker evaluate classification`` takes it; ``--float`` the
folder of the training of ``recipes/classification/resnet-18-float``, whose network ONNX Runtime
runs: in float32, and in 8-bit integers, quantized statically on pictures of the training. The
one-bit networks are those that are shipped, or the files named with ``--model``; the float twin of
each (``onlooker binary convert --onnx``) is timed in ONNX Runtime, too. Accuracy is that on
``dev``, pictures of the training part that no network was trained on, unless ``--split`` says
otherwise. Times are of one picture from bytes to logits; contenders run in turn, as in
``binary_engine.py``. Needs the extra ``train``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from binary_engine import Run, measure, processor

from onlooker.binary import format as packed_format
from onlooker.binary.onnx_export import export_onnx
from onlooker.classification.data import to_input
from onlooker.classification.datasets import read_split
from onlooker.classification.evaluate import evaluate
from onlooker.classification.export import pack_run
from onlooker.classification.predict import ImageClassifier
from onlooker.classification.weights import WEIGHTS
from onlooker.hub import resolve
from onlooker.metrics import EvaluationConfig
from onlooker.training.quantize import quantize

RESULTS = Path(__file__).resolve().parent / "results" / "classifiers.json"
THREADS = (1, 2)
ROUNDS = 15
#: Pictures of the training, in batches, that the ranges of 8-bit layers are read from.
CALIBRATION = (8, 64)


def float_networks(run: Path, folder: Path, data: Path) -> dict[str, Path]:
    """Export the network of a training, and quantize it."""
    plain, integers = folder / f"{run.name}.onnx", folder / f"{run.name}-int8.onnx"
    pack_run(run, folder / "unused.onb", plain, float_layers="float32")
    pictures = read_split(data, "fit").pictures
    count, size = CALIBRATION
    chosen = np.linspace(0, len(pictures) - 1, count * size).astype(np.int64)
    batches = np.split(to_input(pictures[chosen]).numpy(), count)
    quantize(plain, integers, batches, sums=True)
    return {"ResNet-18, float32": plain, "ResNet-18, int8": integers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--float", type=Path, help="folder of a training; none: no such rows")
    parser.add_argument("--model", type=Path, action="append", default=[], help="a packed file")
    parser.add_argument("--result", type=Path, default=RESULTS)
    options = parser.parse_args()
    files = options.model or [resolve(weights) for weights in WEIGHTS.values()]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        networks = {path.stem: path for path in files}
        if options.float:
            networks |= float_networks(options.float, folder, options.data)
        result: dict[str, Any] = {
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)),
            "date": date.today().isoformat(),
            "split": options.split,
            "networks": rows(networks, folder, options),
        }
    options.result.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def rows(
    networks: dict[str, Path], folder: Path, options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Measure networks: accuracy, megabytes, milliseconds by threads."""
    found: dict[str, dict[str, Any]] = {}
    twins: dict[str, Path] = {}
    for name, path in networks.items():
        report = evaluate(EvaluationConfig(data=options.data, split=options.split, model=str(path)))
        found[name] = {
            "top1": report.metrics["top1"],
            "ece": report.metrics["ece"],
            "n": report.n,
            "megabytes": path.stat().st_size / 1e6,
            "sha256": report.model_sha256,
            "ms": {},
        }
        if path.suffix == ".onb":
            twins[name] = folder / f"{name}-twin.onnx"
            export_onnx(packed_format.read(path), twins[name])
            found[name]["twin_ms"] = {}
        print(
            f"{name}: {report.metrics['top1']:.4f}, {found[name]['megabytes']:.2f} MB", flush=True
        )
    picture = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    for threads in THREADS:
        contenders: dict[tuple[str, str], Run] = {}
        for kind, paths in (("ms", networks), ("twin_ms", twins)):
            for name, path in paths.items():
                model = ImageClassifier.load(path, threads=threads).model
                contenders[name, kind] = lambda model=model: model(picture)
        for (name, kind), times in measure(contenders, ROUNDS).items():
            found[name][kind][str(threads)] = times
            print(f"{name}, {kind}, threads {threads}: {times['best_ms']:.3f}", flush=True)
    return found


if __name__ == "__main__":
    main()
