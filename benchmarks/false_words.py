"""Count what is found in pictures without text: false places of the detector, false words read.

    python benchmarks/false_words.py PHOTOS                # a folder of pictures without any text
    python benchmarks/false_words.py PHOTOS --json false_words.json

Whoever runs it vouches that the pictures show no letter or digit. Beside them stand pictures made
here (seed 0): noise, gradients and the clutter that scenes are strewn with (bricks, railings,
meshes, lamps, hedges).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.media.image import read_image
from onlooker.text.detection import TextDetector
from onlooker.text.pipeline import TextReader
from onlooker.text.synthesis.backgrounds import SUFFIXES, BackgroundBank
from onlooker.text.synthesis.clutter import add_clutter

MADE = 40
"""Pictures made here."""


def made(count: int = MADE) -> list[npt.NDArray[np.uint8]]:
    """Make cluttered pictures without text, 720 × 960 each."""
    rng, surfaces = np.random.default_rng(0), BackgroundBank([])
    pictures = []
    for _ in range(count):
        picture = surfaces.patch(rng, 720, 960)
        add_clutter(rng, picture, int(rng.integers(0, 7)))
        pictures.append(np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.6), np.uint8))
    return pictures


def count(
    pictures: list[tuple[str, npt.NDArray[np.uint8]]], detector: TextDetector, reader: TextReader
) -> dict[str, Any]:
    """Count places and words → totals, shares, and the worst pictures."""
    rows = []
    for name, picture in pictures:
        places, words = detector([picture])[0], reader(picture).words
        rows.append((len(places), len(words), name, [word.text for word in words]))
    n = max(len(rows), 1)
    return {
        "pictures": len(rows),
        "places_per_picture": sum(row[0] for row in rows) / n,
        "words_per_picture": sum(row[1] for row in rows) / n,
        "pictures_with_a_place": sum(row[0] > 0 for row in rows),
        "pictures_with_a_word": sum(row[1] > 0 for row in rows),
        "worst": [
            {"picture": name, "places": places, "words": words}
            for places, _, name, words in sorted(rows, reverse=True)[:5]
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="a folder of pictures without text")
    parser.add_argument("--json", type=Path, help="write the result there")
    options = parser.parse_args()
    paths = sorted(p for p in options.photos.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise SystemExit(f"no pictures ({', '.join(SUFFIXES)}) under {options.photos}")
    detector, reader = TextDetector.load(), TextReader.load()
    photos = [(str(p.relative_to(options.photos)), read_image(p)[0]) for p in paths]
    drawn = [(f"made {i}", picture) for i, picture in enumerate(made())]
    result = {
        "photos": count(photos, detector, reader),
        "made": count(drawn, detector, reader),
    }
    text = json.dumps(result, indent=2, ensure_ascii=False)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
