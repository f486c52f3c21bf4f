"""Write the mean of the averaged weights of two trainings as a network.

python recipes/text.detection/db/average.py build/db build/db2 build/db.synth2.onnx
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from onlooker.text.detection.export import export
from onlooker.text.detection.model import MODELS, ModelConfig
from onlooker.training.loop import load_averaged


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("first", type=Path, help="folder of a training")
    parser.add_argument("second", type=Path, help="folder of the training that went on from it")
    parser.add_argument("out", type=Path, help="the ONNX file")
    options = parser.parse_args()
    first, second = (
        load_averaged(MODELS["db"](ModelConfig()), run) for run in (options.first, options.second)
    )
    theirs = second.state_dict()
    with torch.no_grad():
        for name, value in first.state_dict().items():
            if value.is_floating_point():
                value.lerp_(theirs[name], 0.5)
    export(first, options.out)


if __name__ == "__main__":
    main()
