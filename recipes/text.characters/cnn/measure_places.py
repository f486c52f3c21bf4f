"""Measure how high characters are and where they stand in words' crops → ``places.py``.

python recipes/text.characters/cnn/measure_places.py build/characters \
    src/onlooker/text/characters/places.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from onlooker.text.characters.predict import CLASSES

HEADER = '''"""How high characters are in a word's crop, and where they stand; measured.

Made by ``recipes/text.characters/cnn/measure_places.py`` from the generated characters.
"""

from __future__ import annotations

import numpy as np

#: For each class of ``predict.CLASSES``: mean and standard deviation of the logarithm of its box's
#: height over the crop's, then of the box's middle over the crop's height.
PLACES = np.array(
    [
'''


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    places, labels = [], []
    for path in sorted(options.shards.glob("*.npz")):
        with np.load(path) as shard:
            places.append(shard["places"])
            labels.append(shard["labels"])
    boxes, classes = np.concatenate(places), np.concatenate(labels)
    rows = []
    for index in range(len(CLASSES)):
        some = boxes[classes == index]
        logs = np.log(np.maximum(some[:, 3] - some[:, 1], 1e-3))
        middles = (some[:, 3] + some[:, 1]) / 2
        numbers = (logs.mean(), logs.std(), middles.mean(), middles.std())
        rows.append(f"        ({', '.join(f'{n:.3f}' for n in numbers)}),  # {CLASSES[index]}\n")
    options.out.write_text(HEADER + "".join(rows) + "    ],\n    np.float32,\n)\n")


if __name__ == "__main__":
    main()
