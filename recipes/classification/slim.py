"""Write the latest weights of a training, running or ended, small enough to keep.

python recipes/classification/slim.py build/classification/bmxnet-resnet-18 resume.npz
onlooker train recipes/classification/bmxnet-resnet-18/recipe.toml --set start=resume.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

from onlooker.classification.train import slim_run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the training")
    parser.add_argument("file", type=Path, help="file to write, .npz")
    options = parser.parse_args()
    slim_run(options.run, options.file)
