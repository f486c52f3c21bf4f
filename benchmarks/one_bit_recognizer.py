"""The recogniser of words in float32, in 8 bits and in one bit: accuracy, size and time.

    python benchmarks/one_bit_recognizer.py --data DATA
    python benchmarks/one_bit_recognizer.py --data DATA --model build/binary.onb

DATA holds the folders of words that are named in ``SETS``. The first two networks run in ONNX
Runtime, the third in the project's engine: the shipped one, or that of ``--model``. Accuracy is
that of ``onlooker evaluate text.recognition``, with the language model and without. Times are of
one crop of 32 × 128 from numbers to logits, contenders in turn as in ``binary_engine.py``; beside
them what the engine needs to plan for a width that it has not seen yet.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from binary_engine import Run, measure, ort, processor

from onlooker.binary.engine import PackedModel
from onlooker.hub import choose, resolve
from onlooker.metrics import EvaluationConfig
from onlooker.text.recognition.evaluate import evaluate
from onlooker.text.recognition.predict import DECODINGS
from onlooker.text.recognition.weights import ONE_BIT, WEIGHTS

RESULTS = Path(__file__).resolve().parent / "results" / "one_bit_recognizer.json"
SETS = ("iiit5k_words_dev", "icdar2015_words_dev")
METRICS = ("word_accuracy", "word_accuracy_alnum_lower", "cer")
THREADS = (1, 2)
ROUNDS = 40
SHAPE = (1, 1, 32, 128)


def accuracy(model: str, data: Path, limit: int | None) -> dict[str, Any]:
    """Measure a network on all sets, with all decodings."""
    found: dict[str, Any] = {}
    for name in SETS:
        found[name] = {}
        for decoding in DECODINGS:
            report = evaluate(
                EvaluationConfig(data=data / name, limit=limit, decoding=decoding, model=model)
            )
            row = {metric: report.metrics[metric] for metric in METRICS}
            found[name][decoding] = {"n": report.n, **row}
            print(f"{model}, {name}, {decoding}: {row}", flush=True)
    return found


def planning(path: Path) -> float:
    """Return how much longer the first crop of a width takes than the next, in milliseconds."""
    model = PackedModel.load(path, threads=1)
    rng = np.random.default_rng(0)
    differences = []
    for width in range(64, 384, 8):
        crop = rng.standard_normal((1, 1, 32, width), np.float32)
        taken = []
        for _ in range(4):
            begun = time.perf_counter()
            model(crop)
            taken.append(time.perf_counter() - begun)
        differences.append(1e3 * (taken[0] - min(taken[1:])))
    return statistics.median(differences)


def main() -> None:
    """Read the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="a packed file, in place of the shipped one")
    parser.add_argument("--limit", type=int, help="only the first so many words of a set")
    parser.add_argument("--result", type=Path, default=RESULTS)
    options = parser.parse_args()
    models = {"float32": "ctc.synth2", "int8": "ctc.synth2-int8"}
    models["one bit"] = str(options.model or ONE_BIT)
    files = {
        name: resolve(choose(WEIGHTS, model)) if model in WEIGHTS else Path(model)
        for name, model in models.items()
    }
    networks: dict[str, dict[str, Any]] = {}
    for name, model in models.items():
        networks[name] = {
            "model": model if model in WEIGHTS else Path(model).stem,
            "megabytes": files[name].stat().st_size / 1e6,
            "sets": accuracy(model, options.data, options.limit),
            "ms": {},
        }
    crop = np.random.default_rng(0).standard_normal(SHAPE, np.float32)
    for threads in THREADS:
        packed = PackedModel.load(files["one bit"], threads=threads)
        contenders: dict[str, Run] = {
            "float32": ort(files["float32"], crop, threads),
            "int8": ort(files["int8"], crop, threads),
            "one bit": lambda packed=packed: packed(crop),
        }
        for name, times in measure(contenders, ROUNDS).items():
            networks[name]["ms"][str(threads)] = times
            print(f"{name}, threads {threads}: {times}", flush=True)
    result = {
        "processor": processor(),
        "kernels": packed.kernels,
        "cores": len(os.sched_getaffinity(0)),
        "date": date.today().isoformat(),
        "planning_ms": planning(files["one bit"]),
        "networks": networks,
    }
    options.result.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
