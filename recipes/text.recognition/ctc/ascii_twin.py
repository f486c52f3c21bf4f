r"""What the large charset costs: the same network and pictures, but ASCII alone, compared.

    python recipes/text.recognition/ctc/ascii_twin.py shards build/words build/words-ascii
    onlooker train recipes/text.recognition/ctc/recipe.toml --set data.shards=build/words-ascii \
      --set train.out=build/ctc-ascii --set export=build/ctc-ascii.onnx
    python recipes/text.recognition/ctc/ascii_twin.py compare build/ctc.onnx build/ctc-ascii.onnx \
      DATA_FOLDER...

``shards`` copies shards without the crops whose label goes beyond ASCII (one in seven; crops that
say nothing stay). The classes beyond ASCII keep their places in the twin, and are never seen.
Give the twin the same number of crops, not of shards: ``--set train.minutes=...`` as the shipped
network had. ``compare`` reads the crops whose label is ASCII with both, without a language model.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from onlooker.media.image import read_image
from onlooker.text.recognition.datasets import read_labels
from onlooker.text.recognition.metrics import recognition_metrics
from onlooker.text.recognition.predict import TextRecognizer
from onlooker.text.synthesis.shards import PATTERN, read_shard, save_shard


def copy_shards(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    kept = total = 0
    for path in sorted(source.glob(PATTERN)):
        crops = list(read_shard(path))
        ascii_crops = [crop for crop in crops if crop.text.isascii()]
        save_shard(target / path.name, ascii_crops)
        kept, total = kept + len(ascii_crops), total + len(crops)
    print(f"{kept} of {total} crops")


def compare(networks: list[Path], folders: list[Path]) -> None:
    for folder in folders:
        labelled = [crop for crop in read_labels(folder) if crop.text.isascii()]
        for network in networks:
            recognizer = TextRecognizer(network)
            pairs: list[tuple[str, str]] = []
            rest = iter(labelled)
            while part := list(itertools.islice(rest, 256)):
                read = recognizer([read_image(crop.image)[0] for crop in part])
                pairs += [(one.text, crop.text) for one, crop in zip(read, part, strict=True)]
            figures = ", ".join(
                f"{name} {value:.4f}"
                for name, value in recognition_metrics(pairs).items()
                if value is not None
            )
            print(f"{folder.name}, n {len(pairs)}, {network.name}: {figures}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("shards")
    step.add_argument("source", type=Path)
    step.add_argument("target", type=Path)
    step = steps.add_parser("compare")
    step.add_argument("large", type=Path)
    step.add_argument("ascii", type=Path)
    step.add_argument("data", nargs="+", type=Path)
    options = parser.parse_args()
    if options.step == "shards":
        copy_shards(options.source, options.target)
    else:
        compare([options.large, options.ascii], options.data)


if __name__ == "__main__":
    main()
