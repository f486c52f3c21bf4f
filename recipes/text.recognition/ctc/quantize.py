"""Write the recogniser that computes with bytes, from the float one.

    python recipes/text.recognition/ctc/quantize.py build/ctc.onnx build/words/words-00001.npz \
        build/ctc-int8.onnx

The scales come from the first crops of a shard of rendered words.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from onlooker.text.recognition.crops import standardize
from onlooker.text.synthesis.shards import read_shard
from onlooker.training.quantize import quantize

CROPS = 512
BATCH = 8


def batches(shard: Path) -> Iterator[np.ndarray]:
    """Yield crops of equal width ``(N, 1, 32, W)``."""
    by_width: dict[int, list[np.ndarray]] = {}
    for crop in islice(read_shard(shard), CROPS):
        by_width.setdefault(crop.picture.shape[1], []).append(crop.picture)
    for group in by_width.values():
        for start in range(0, len(group), BATCH):
            yield standardize(np.stack(group[start : start + BATCH]))[:, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("shard", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    quantize(options.network, options.out, batches(options.shard))


if __name__ == "__main__":
    main()
