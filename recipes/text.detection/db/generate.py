"""Write shards of generated scenes until stopped or until enough are there.

    python recipes/text.detection/db/generate.py --fonts FONTS --photos PHOTOS --out SHARDS

FONTS comes from ``recipes/text.synthesis/fetch_fonts.py``; PHOTOS is a folder of pictures without
any text (see card.md for those that were used); ``--icons`` is the font of Debian's
fonts-materialdesignicons-webfont. With ``--hard NETWORK`` (an earlier detector) the scenes are
without text, each the one of some in which that network sees most.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from onlooker.text.detection import DetectorConfig, TextDetector
from onlooker.text.detection.data import write_shard
from onlooker.text.synthesis.clutter import PictogramBank
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.scenes import PhotoPool, Scene, SceneSynthesizer

CHOICE = 4
"""Scenes without text of which the hardest is kept."""


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
    parser.add_argument("--icons", type=Path, help="an icon font for pictograms")
    parser.add_argument("--hard", type=Path, help="scenes on which this detector goes wrong")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    synthesizer = SceneSynthesizer(
        FontBank.load(options.fonts),
        Corpus(),
        PhotoPool.load(options.photos),
        pictograms=PictogramBank(options.icons) if options.icons else None,
    )
    detector = None
    if options.hard:
        synthesizer.page_share, synthesizer.empty_share = 0.0, 1.0
        detector = TextDetector(
            options.hard, threads=1, config=DetectorConfig(coarse_sides=(), min_score=0.0)
        )

    def draw(rng: np.random.Generator) -> Scene:
        if detector is None:
            return synthesizer.draw(rng, options.side, options.side)
        scenes = [synthesizer.draw(rng, options.side, options.side) for _ in range(CHOICE)]
        found = detector([scene.picture for scene in scenes])
        return scenes[int(np.argmax([sum(p.confidence for p in places) for places in found]))]

    for number in range(options.shards):
        path = options.out / f"{options.seed + number:06d}.npz"
        if path.exists():
            continue
        # One seed a shard: any shard can be drawn again alone.
        rng = np.random.default_rng([20261124, options.seed + number])
        write_shard(path, (draw(rng) for _ in range(options.scenes)))


if __name__ == "__main__":
    main()
