"""Draw shards of word pictures that lie in any direction: what the rectifier learns from.

    python recipes/text.rectification/outline/draw_crops.py build/loose --fonts build/fonts

A shard holds 2,048 pictures and takes some four seconds on one core. Shard i is drawn from
(seed, i) alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from onlooker.text.rectification.data import draw_loose, save_shard
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.words import WordSynthesizer

PER_SHARD = 2048


def main() -> None:
    """Read the options and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of the shards")
    parser.add_argument("--fonts", required=True, help="folder made by fetch_fonts.py")
    parser.add_argument("--backgrounds", default=None, help="folder of photos to put text on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first shard")
    parser.add_argument("--shards", type=int, default=75)
    options = parser.parse_args()
    cv2.setNumThreads(1)  # the pictures are small: threads would only get in each other's way
    options.out.mkdir(parents=True, exist_ok=True)
    maker = WordSynthesizer(
        FontBank.load(options.fonts), Corpus(), BackgroundBank.load(options.backgrounds)
    )
    for number in range(options.first, options.first + options.shards):
        path = options.out / f"loose-{number:05d}.npz"
        if not path.exists():
            rng = np.random.default_rng((options.seed, number))
            save_shard(path, draw_loose(maker, rng, PER_SHARD))
            print(path.name, flush=True)


if __name__ == "__main__":
    main()
