r"""What the large charset costs: the same network and pictures, but ASCII alone, compared.

In small, one command that trains pairs of small networks (``ascii_twin.json``):

    python recipes/text.recognition/ctc/ascii_twin.py small build/words build/twins --data DATA

Each pair starts alike and goes through the same batches; the twin's lack the crops whose label
goes beyond ASCII (one in seven), so that both see the same ASCII crops, as often, in one order.

At full size:

    python recipes/text.recognition/ctc/ascii_twin.py shards build/words build/words-ascii
    onlooker train recipes/text.recognition/ctc/recipe.toml --set data.shards=build/words-ascii \
      --set train.out=build/ctc-ascii --set export=build/ctc-ascii.onnx
    python recipes/text.recognition/ctc/ascii_twin.py compare build/ctc.onnx build/ctc-ascii.onnx \
      DATA_FOLDER...

``shards`` copies shards without the crops whose label goes beyond ASCII (crops that say nothing
stay). Give the twin the same number of crops, not of shards: ``--set train.minutes=...`` as the
shipped network had. The classes beyond ASCII keep their places in the twin, and are never seen.
``compare`` reads the crops whose label is ASCII with both, without a language model.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.media.image import read_image
from onlooker.text.recognition.crops import resize_crop
from onlooker.text.recognition.datasets import read_labels
from onlooker.text.recognition.metrics import recognition_metrics
from onlooker.text.recognition.predict import TextRecognizer
from onlooker.text.synthesis.shards import PATTERN, read_shard, save_shard

#: Crops at the network's size, and what they say.
Words = list[tuple[npt.NDArray[np.uint8], str]]

RESULT = Path(__file__).with_name("ascii_twin.json")
SETS = ("iiit5k_words_dev", "icdar2015_words_dev")
METRICS = ("word_accuracy", "word_accuracy_alnum_lower")
#: 0.22 million parameters and 0.5 ms a crop and step, so that a pair takes five minutes.
SMALL = {"channels": (16, 32, 64), "blocks": (0, 0, 1), "width": 96, "layers": 1, "heads": 4}
#: Of the small networks: wider crops are left out.
MOST_PX = 160
#: Total width of a batch: 48 crops of 96 pixels.
_BATCH_PX = 4608


def copy_shards(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    kept = total = 0
    for path in sorted(source.glob(PATTERN)):
        crops = list(read_shard(path))
        ascii_crops = [crop for crop in crops if crop.text.isascii()]
        save_shard(target / path.name, ascii_crops)
        kept, total = kept + len(ascii_crops), total + len(crops)
    print(f"{kept} of {total} crops")


def ascii_words(folder: Path, limit: int | None = None) -> Words:
    labelled = [crop for crop in read_labels(folder) if crop.text.isascii()]
    return [(resize_crop(read_image(crop.image)[0], 1600), crop.text) for crop in labelled[:limit]]


def read_words(network: Path, words: Words) -> list[tuple[str, str]]:
    """Read words → (what was read, what the label says)."""
    read = TextRecognizer(network, threads=1).read_prepared([crop for crop, _ in words])
    return [(one.text, text) for one, (_, text) in zip(read, words, strict=True)]


def compare(networks: list[Path], folders: list[Path]) -> None:
    for folder in folders:
        words = ascii_words(folder)
        for network in networks:
            figures = ", ".join(
                f"{name} {value:.4f}"
                for name, value in recognition_metrics(read_words(network, words)).items()
                if value is not None
            )
            print(f"{folder.name}, n {len(words)}, {network.name}: {figures}", flush=True)


# In small -----------------------------------------------------------------------------------------


def small(options: argparse.Namespace) -> None:
    """Train pairs that are missing, read with all of them, write the result."""
    options.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    begun = time.process_time()
    names = [f"{which}-{seed}" for seed in range(options.seeds) for which in ("all", "ascii")]
    missing = [name for name in names if not (options.out / f"{name}.onnx").is_file()]
    if missing:
        buckets = read_buckets(options)
        for name in missing:
            train(buckets, options, name)
            print(f"{name}: {(time.process_time() - begun) / 60:.1f} CPU minutes", flush=True)
        del buckets
    sets = {name: ascii_words(options.data / "text" / name, options.limit) for name in SETS}
    sets["generated"] = held_out(options)
    result: dict[str, Any] = {name: getattr(options, name) for name in ("shards", "steps", "seeds")}
    result["sets"] = {}
    for name, words in sets.items():
        pairs = {twin: read_words(options.out / f"{twin}.onnx", words) for twin in names}
        result["sets"][name] = compared(pairs, options.seeds)
    print("\n".join(table(result)), flush=True)
    options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def compared(pairs: dict[str, list[tuple[str, str]]], seeds: int) -> dict[str, Any]:
    """Sum up what all networks read of one set.

    ``apart``: the twin's accuracy less that of the network with all characters, mean over seeds;
    ``seeds_apart``: for each seed; ``error``: standard error of the mean, from the choice of words
    (paired) and from the spread of the seeds, added as squares: rather too large, for they overlap.
    """
    found: dict[str, Any] = {}
    for metric in METRICS:
        right = {
            name: np.array(
                [x for pair in read if (x := recognition_metrics([pair])[metric]) is not None]
            )
            for name, read in pairs.items()
        }
        whole = np.stack([right[f"all-{seed}"] for seed in range(seeds)])
        twin = np.stack([right[f"ascii-{seed}"] for seed in range(seeds)])
        apart = (twin - whole).mean(axis=0)
        by_seed = (twin - whole).mean(axis=1)
        spread = float(by_seed.var(ddof=1)) / seeds if seeds > 1 else 0.0
        found["n"] = len(next(iter(pairs.values())))
        found[metric] = {
            "all": [round(float(one), 4) for one in whole.mean(axis=1)],
            "ascii": [round(float(one), 4) for one in twin.mean(axis=1)],
            "seeds_apart": [round(float(one), 4) for one in by_seed],
            "apart": round(float(apart.mean()), 5),
            "error": round(math.sqrt(float(apart.var()) / apart.size + spread), 5),
        }
    return found


def table(result: dict[str, Any]) -> list[str]:
    """Write the rows of the card's table."""
    titles = {"iiit5k_words_dev": "IIIT5K", "icdar2015_words_dev": "ICDAR 2015"}
    rows = []
    for name, found in result["sets"].items():
        # Generated words are compared exactly, real ones as usual: without case and signs.
        cell = found[METRICS[name in titles]]
        both = (", ".join(f"{100 * one:.1f}" for one in cell[which]) for which in ("all", "ascii"))
        apart = f"{100 * cell['apart']:+.1f} ± {100 * cell['error']:.1f}".replace("-", "−")
        rows.append(f"| {titles.get(name, name)} | {found['n']} | {' | '.join(both)} | {apart} |")
    return rows


def read_buckets(options: argparse.Namespace) -> dict[int, tuple[Any, Any]]:
    """Read shards → by width the crops whose label is ASCII, and the others."""
    from onlooker.text.charset import decode
    from onlooker.text.recognition.data import DataConfig, Pool

    pool = Pool(DataConfig(shards=str(options.source), held_out=options.held_out))
    every = sorted(options.source.glob(PATTERN))
    pool.known |= set(every[options.held_out + options.shards :])  # not to be read
    pool.refresh()
    found = {}
    for width, bucket in pool.buckets.items():
        parts: tuple[list[int], list[int]] = ([], [])
        for index, label in enumerate(bucket.labels):
            parts[not decode(label).isascii()].append(index)
        if width <= MOST_PX and all(parts):
            plain, other = (
                dataclasses.replace(
                    bucket,
                    pictures=[bucket.pictures[i] for i in part],
                    labels=[bucket.labels[i] for i in part],
                )
                for part in parts
            )
            found[width] = (plain, other)
    return found


def batches(buckets: dict[int, tuple[Any, Any]], seed: int, *, ascii_only: bool) -> Iterator[Any]:
    """Yield batches of one width for ever; those of the twin lack the crops beyond ASCII.

    The ASCII crops of the ``i``-th batch are the same for both, changed in the same way.
    """
    from onlooker.text.recognition.data import augment, make_batch

    fresh = {
        width: tuple(dataclasses.replace(part, order=[]) for part in parts)
        for width, parts in buckets.items()
    }
    sizes = {width: [len(part.pictures) for part in parts] for width, parts in buckets.items()}
    widths = list(buckets)
    shares = np.array([sum(sizes[width]) * width for width in widths], float)
    # A generator for each kind, so that the others leave the ASCII crops as they are.
    chance = [np.random.default_rng((seed, kind)) for kind in range(2)]
    while True:
        width = widths[int(chance[0].choice(len(widths), p=shares / shares.sum()))]
        whole = _BATCH_PX // width
        others = max(1, round(whole * sizes[width][1] / sum(sizes[width])))
        pictures, labels = [], []
        for kind, count in enumerate((whole - others, others)):
            if kind and ascii_only:
                continue
            bucket = fresh[width][kind]
            chosen = bucket.draw(chance[kind], count)
            drawn = np.stack([bucket.pictures[i] for i in chosen])
            pictures.append(augment(chance[kind], drawn, 0.6))
            labels += [bucket.labels[i] for i in chosen]
        yield make_batch(np.concatenate(pictures), labels)


def train(buckets: dict[int, tuple[Any, Any]], options: argparse.Namespace, name: str) -> None:
    """Train one small network from chance and export it."""
    import torch

    from onlooker.text.recognition.export import export
    from onlooker.text.recognition.model import MODELS, ModelConfig
    from onlooker.text.recognition.train import loss_of
    from onlooker.training.loop import LoopConfig, fit

    which, _, number = name.partition("-")
    seed = int(number)
    torch.manual_seed(seed)
    config = ModelConfig(**SMALL)  # type: ignore[arg-type]
    network = MODELS[config.name](config).to(memory_format=torch.channels_last)
    loop = LoopConfig(
        out=str(options.out / name),
        steps=options.steps,
        peak_lr=2e-3,
        warmup_steps=min(200, options.steps // 5),
        ema_decay=0.995,
        threads=1,
        seed=seed,
    )
    stream = batches(buckets, seed, ascii_only=which == "ascii")
    averaged = fit(network, stream, loss_of, loop, size_of=lambda batch: len(batch.crops))
    export(averaged, options.out / f"{name}.onnx")


def held_out(options: argparse.Namespace) -> Words:
    """Read the ASCII words of the shards that are kept aside."""
    paths = sorted(options.source.glob(PATTERN))[: options.held_out]
    crops = itertools.chain.from_iterable(read_shard(path) for path in paths)
    fitting = (c for c in crops if c.text and c.text.isascii() and c.picture.shape[1] <= MOST_PX)
    return [(crop.picture, crop.text) for crop in itertools.islice(fitting, options.limit)]


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
    step = steps.add_parser("small")
    step.add_argument("source", type=Path, help="folder of shards")
    step.add_argument("out", type=Path, help="folder for the networks")
    step.add_argument("--data", type=Path, required=True, help="the folder of evaluation data")
    step.add_argument("--shards", type=int, default=60, help="so many to train on")
    step.add_argument("--held-out", type=int, default=2, help="shards before them, to measure on")
    step.add_argument("--steps", type=int, default=5000)
    step.add_argument("--seeds", type=int, default=4)
    step.add_argument("--limit", type=int, help="measure on so many words of each set")
    step.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    if options.step == "shards":
        copy_shards(options.source, options.target)
    elif options.step == "small":
        small(options)
    else:
        compare([options.large, options.ascii], options.data)


if __name__ == "__main__":
    main()
