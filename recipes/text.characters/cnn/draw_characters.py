"""Draw shards of single characters, which the recipe text.characters/cnn trains on.

python recipes/text.characters/cnn/draw_characters.py build/characters --fonts build/fonts
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2

from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.characters import CharacterSynthesizer, write_characters
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.fonts import FontBank


def main() -> None:
    """Read the options and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of the shards")
    parser.add_argument("--fonts", required=True, help="folder made by fetch_fonts.py")
    parser.add_argument("--backgrounds", default="", help="folder of photos to put text on")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--shards", type=int, default=30)
    parser.add_argument("--per-shard", type=int, default=16384)
    options = parser.parse_args()
    cv2.setNumThreads(1)  # the pictures are small: threads would only get in each other's way
    synthesizer = CharacterSynthesizer(
        FontBank.load(options.fonts), Corpus(), BackgroundBank.load(options.backgrounds or None)
    )
    begun = time.process_time()
    for path in write_characters(
        synthesizer,
        options.out,
        shards=options.shards,
        per_shard=options.per_shard,
        seed=options.seed,
    ):
        print(f"{path.name}: {time.process_time() - begun:.0f} s of processor time", flush=True)


if __name__ == "__main__":
    main()
