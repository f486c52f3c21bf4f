"""Write shards of generated scenes until stopped or until enough are there.

    python recipes/text.detection/db/generate.py --fonts FONTS --photos PHOTOS --out SHARDS

FONTS comes from ``recipes/text.synthesis/fetch_fonts.py``; PHOTOS is a folder of pictures without
any text (see card.md for those that were used).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from onlooker.text.detection.data import write_shard
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.scenes import PhotoPool, SceneSynthesizer


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--fonts", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=240, help="how many to write")
    parser.add_argument("--scenes", type=int, default=200, help="scenes a shard")
    parser.add_argument("--side", type=int, default=512, help="side of a scene in pixels")
    parser.add_argument("--seed", type=int, default=1, help="seed of shard 0; others count on")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    synthesizer = SceneSynthesizer(
        FontBank.load(options.fonts), Corpus(), PhotoPool.load(options.photos)
    )
    for number in range(options.shards):
        path = options.out / f"{options.seed + number:06d}.npz"
        if path.exists():
            continue
        # One seed a shard: any shard can be drawn again alone.
        rng = np.random.default_rng([20261124, options.seed + number])
        write_shard(
            path, (synthesizer.draw(rng, options.side, options.side) for _ in range(options.scenes))
        )


if __name__ == "__main__":
    main()
