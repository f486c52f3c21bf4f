"""Time Larq Compute Engine on its own zoo's networks; runs in an environment of its own.

    python -m venv build/larq
    build/larq/bin/pip install larq-compute-engine==0.16.0 tensorflow-cpu==2.16.2 tf_keras==2.16.0 \
        larq-zoo 'numpy<2' 'setuptools<80'
    build/larq/bin/python benchmarks/rival_larq.py ResNetE18 1 2      # network, thread counts

Prints one JSON object. The weights are random: only time is measured. Its kernels are made for Arm;
on x86 it runs portable ones.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

ROUNDS = 15


def main(name: str, thread_counts: list[int]) -> None:
    import larq_compute_engine as lce
    import larq_zoo
    import numpy as np
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    networks = {
        "ResNetE18": larq_zoo.literature.BinaryResNetE18,
        "BinaryDenseNet28": larq_zoo.literature.BinaryDenseNet28,
        "QuickNet": larq_zoo.sota.QuickNet,
    }
    if name not in networks:
        sys.exit(f"no network {name!r}; there are {', '.join(networks)}")
    converted = lce.convert_keras_model(networks[name](weights=None))
    picture = np.random.default_rng(0).random((1, 224, 224, 3), np.float32)
    times = {}
    for threads in thread_counts:
        interpreter = Interpreter(converted, num_threads=threads)
        interpreter.predict(picture)
        taken = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            interpreter.predict(picture)
            taken.append(1e3 * (time.perf_counter() - begun))
        times[str(threads)] = {"best_ms": min(taken), "median_ms": statistics.median(taken)}
    print(json.dumps({"network": name, "megabytes": len(converted) / 1e6, "threads": times}))


if __name__ == "__main__":
    main(sys.argv[1], [int(count) for count in sys.argv[2:]])
