"""Cut stable regions out of generated scenes, text and not, for the verifier to learn from.

    python recipes/text.detection/mser/cut_regions.py SCENES OUT

SCENES is a folder of shards that ``recipes/text.detection/db/generate.py`` wrote.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from onlooker.text.detection.data import read_shard
from onlooker.text.detection.mser.labels import UNKNOWN, label_regions
from onlooker.text.detection.mser.regions import crops_of, propose

#: Regions of each kind that are kept of a scene: pages hold thousands that are alike.
MOST = 120


def main() -> None:
    """Read the options and cut."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("scenes", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--per-file", type=int, default=50, help="scenes taken of each shard")
    parser.add_argument("--files", type=int, default=12, help="shards to take")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    paths = sorted(options.scenes.glob("*.npz"))
    step = max(1, len(paths) // options.files)
    for path in paths[::step][: options.files]:
        rng = np.random.default_rng(int(path.stem))
        shard = read_shard(path)
        pixels, aspects, labels = [], [], []
        for index in range(min(options.per_file, len(shard.pictures))):
            bgr = cv2.imdecode(shard.pictures[index], cv2.IMREAD_COLOR)
            picture = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
            regions = propose(picture)
            found = label_regions(
                regions, shard.polygons[index], shard.ignored[index], picture.shape[:2]
            )
            known = np.flatnonzero(found != UNKNOWN)
            rng.shuffle(known)
            kept = [i for kind in (0, 1) for i in known[found[known] == kind][:MOST]]
            if not kept:
                continue
            crops, shapes = crops_of(picture, regions.take(kept))
            pixels.append(crops)
            aspects.append(shapes)
            labels.append(found[kept])
        part = options.out / f"{path.stem}.part"
        with part.open("wb") as file:
            np.savez(
                file,
                pixels=np.concatenate(pixels),
                aspects=np.concatenate(aspects),
                labels=np.concatenate(labels).astype(np.uint8),
            )
        part.rename(options.out / f"regions-{path.stem}.npz")
        print(path.name, np.bincount(np.concatenate(labels)), flush=True)


if __name__ == "__main__":
    main()
