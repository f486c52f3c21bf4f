"""Draw shards of word pictures, which the recipe text.recognition/ctc trains on.

    python recipes/text.synthesis/draw_words.py build/words --fonts build/fonts --shards 300

A shard holds 2,048 pictures and takes some four seconds on one core. Shard i is drawn from
(seed, i) alone: several processes may write different ranges, and training may run beside them.
"""

from __future__ import annotations

import argparse

from onlooker.text.synthesis.shards import SynthesisConfig, write_shards


def main() -> None:
    """Read the options and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="folder of the shards")
    parser.add_argument("--fonts", required=True, help="folder made by fetch_fonts.py")
    parser.add_argument("--backgrounds", default="", help="folder of photos to put text on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first shard")
    parser.add_argument("--shards", type=int, default=300)
    options = parser.parse_args()
    write_shards(SynthesisConfig(**vars(options)))


if __name__ == "__main__":
    main()
