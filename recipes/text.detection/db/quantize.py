"""Write the detector that computes with bytes, from the float one.

    python recipes/text.detection/db/quantize.py build/db.onnx build/scenes/000001.npz \
        build/db-int8.onnx

The scales come from the first scenes of a shard.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from onlooker.text.detection.data import read_shard
from onlooker.training.quantize import quantize

SCENES = 64


def batches(shard: Path) -> Iterator[np.ndarray]:
    """Yield pictures ``(1, 3, H, W)`` float32 RGB in [0, 255]."""
    for blob in read_shard(shard).pictures[:SCENES]:
        picture = cv2.cvtColor(cv2.imdecode(blob, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        yield picture.transpose(2, 0, 1)[None].astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("shard", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    quantize(options.network, options.out, batches(options.shard), sums=True)


if __name__ == "__main__":
    main()
