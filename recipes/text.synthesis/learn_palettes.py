"""Learn which colours stand side by side in the world, for grounds and inks of generated text.

    python recipes/text.synthesis/learn_palettes.py PHOTOS --credit "where they come from"

From each photo small parts with an edge in them are cut; each part's two main colours (k-means) are
a pair, the larger area the ground. All pairs are clustered in turn (k-means in six dimensions), and
the centres with their frequencies are written to ``src/onlooker/text/synthesis/palettes.json``. The
photos show no text and are freely licensed; no real text is used.

References:
    Gupta et al. 2016 and Jaderberg et al. 2014 learn such pairs from crops of real words; here the
    photos are of other things, so that nothing of the text that readers are measured on is seen.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from onlooker.errors import ConfigError
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.palettes import LUMA

OUT = Path(__file__).parents[2] / "src" / "onlooker" / "text" / "synthesis" / "palettes.json"
SIDE_PX = 16  # parts are compared at this size: some hundred pixels tell two colours well enough
LEAST_CONTRAST = 24.0  # grey levels; less cannot be read as ink
STOP = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)


def main() -> None:
    """Read the options and learn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--credit", required=True, help="where the photos come from")
    parser.add_argument("--parts", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=192)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.photos.is_dir():
        raise ConfigError(f"{options.photos} is not a folder of photos")
    cv2.setNumThreads(1)
    cv2.setRNGSeed(options.seed)
    bank = BackgroundBank.load(options.photos)
    rng = np.random.default_rng(options.seed)
    found = []
    for _ in range(options.parts):
        photo = bank.photos[int(rng.random() * len(bank.photos))]
        pair = main_colors(rng, photo)
        if pair is not None:
            found.append(pair)
    samples = np.asarray(found, np.float32)
    _, labels, centres = cv2.kmeans(samples, options.pairs, None, STOP, 2, cv2.KMEANS_PP_CENTERS)
    counts = np.bincount(labels.ravel(), minlength=len(centres))
    rows = [
        {
            "ground": [round(float(v)) for v in centre[:3]],
            "ink": [round(float(v)) for v in centre[3:]],
            "weight": int(count),
        }
        for centre, count in sorted(zip(centres, counts, strict=True), key=lambda row: -row[1])
        if abs(float((centre[:3] - centre[3:]) @ LUMA)) >= LEAST_CONTRAST
    ]
    about = {"photos": len(bank.photos), "parts": len(found), "credit": options.credit}
    body = ",\n".join(json.dumps(row) for row in rows)
    head = json.dumps(about, ensure_ascii=False)[1:-1]
    OUT.write_text(f'{{{head}, "pairs": [\n{body}\n]}}\n', encoding="utf-8")
    print(f"{len(rows)} pairs of {len(found)} parts of {len(bank.photos)} photos")


def main_colors(rng: np.random.Generator, photo: np.ndarray) -> np.ndarray | None:
    """Find the two main colours of a random part → (6,) ground and ink, or None without an edge."""
    side = int(rng.uniform(12, 120))
    y = int(rng.random() * max(1, photo.shape[0] - side))
    x = int(rng.random() * max(1, photo.shape[1] - side))
    part = cv2.resize(photo[y : y + side, x : x + side], (SIDE_PX, SIDE_PX), cv2.INTER_AREA)
    pixels = part.reshape(-1, 3).astype(np.float32)
    if float((pixels @ LUMA).std()) < LEAST_CONTRAST / 3:
        return None
    _, labels, centres = cv2.kmeans(pixels, 2, None, STOP, 1, cv2.KMEANS_PP_CENTERS)
    inked = float(labels.mean())
    if abs(float((centres[0] - centres[1]) @ LUMA)) < LEAST_CONTRAST or not 0.1 < inked < 0.9:
        return None
    ground, ink = (1, 0) if inked > 0.5 else (0, 1)
    return np.concatenate([centres[ground], centres[ink]])


if __name__ == "__main__":
    main()
