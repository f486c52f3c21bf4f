"""What each group of effects is worth: a small recogniser trained with the group left out.

    python recipes/text.synthesis/ablation.py build/ablation --fonts build/fonts --data DATA

Every row trains the same small network from the same start on the same number of crops, drawn with
the same seeds, so that words and faces agree; only the group is missing. Two rows leave out nothing
and differ in their seeds alone: what lies within their distance is noise. Rows that are done are
skipped, so that it can be stopped and started; ``result.json`` beside this file holds them all.
Measured on real words that nothing was trained on (IIIT5K and ICDAR 2015, development parts).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from onlooker.errors import ConfigError
from onlooker.media.image import read_image
from onlooker.text.charset import BLANK, decode, encode
from onlooker.text.recognition.crops import resize_crop
from onlooker.text.recognition.data import Batch, augment, fits, make_batch, training_width
from onlooker.text.recognition.datasets import read_labels
from onlooker.text.recognition.metrics import recognition_metrics
from onlooker.text.recognition.model import MODELS, ModelConfig
from onlooker.text.recognition.train import loss_of
from onlooker.text.synthesis.produce import stream_words
from onlooker.text.synthesis.specification import EFFECTS, Specification, load_specification
from onlooker.training.loop import Averaged, LoopConfig, learning_rate

RESULT = Path(__file__).with_name("result.json")
SETS = ("iiit5k_words_dev", "icdar2015_words_dev")
MODEL = ModelConfig(channels=(24, 48, 96), blocks=(0, 1, 1), width=96, layers=1, heads=4)
PEAK_LR = 2e-3
MOST_PX = 256  # wider crops are left out: lines teach little about words and cost the most


def main() -> None:
    """Train and measure every row that is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for what is done so far")
    parser.add_argument("--fonts", required=True)
    parser.add_argument("--backgrounds", default="")
    parser.add_argument("--data", type=Path, required=True, help="the folder of evaluation data")
    parser.add_argument("--crops", type=int, default=60_000)
    parser.add_argument("--passes", type=float, default=3.0)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--limit", type=int, help="measure on so many words of each set")
    parser.add_argument("--rows", nargs="*", help="only these rows")
    parser.add_argument("--dry", action="store_true", help="do not write result.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    groups = sorted({kind.group for kind in EFFECTS.values() if kind.words})
    rows: dict[str, tuple[list[str], int]] = {"all": ([], 0), "all, other seeds": ([], 1)}
    rows |= {f"without {group}": ([group], 0) for group in groups}
    for name, (without, seed) in rows.items():
        path = options.out / f"{name.replace(' ', '-').replace(',', '')}.json"
        if path.is_file() or (options.rows and name not in options.rows):
            continue
        spec = load_specification(None, [], without)
        spec = Specification(
            **{**vars(spec), "fonts": options.fonts, "backgrounds": options.backgrounds}
        )
        begun = time.monotonic()
        network, loss = train(spec, seed, options)
        row: dict[str, Any] = {"row": name, "loss": round(loss, 4)}
        for which in SETS:
            row[which] = measure(network, options.data / "text" / which, options.limit)
        row["minutes"] = round((time.monotonic() - begun) / 60, 2)
        print(json.dumps(row), flush=True)
        path.write_text(json.dumps(row), encoding="utf-8")
    done = [json.loads(path.read_text(encoding="utf-8")) for path in options.out.glob("*.json")]
    order = list(rows)
    done.sort(key=lambda row: order.index(row["row"]))
    if not options.dry:
        about = {"crops": options.crops, "passes": options.passes, "batch": options.batch}
        RESULT.write_text(json.dumps({**about, "rows": done}, indent=1) + "\n", encoding="utf-8")


def train(
    specification: Specification, seed: int, options: argparse.Namespace
) -> tuple[torch.nn.Module, float]:
    """Train one row → the averaged network and the last loss."""
    specification = Specification(**{**vars(specification), "seed": 900 + seed})
    pool: dict[int, list[tuple[np.ndarray, list[int]]]] = {}
    for crop in stream_words(specification, count=options.crops):
        width = training_width(crop.picture.shape[1])
        if width <= MOST_PX and fits(crop.text, width):
            picture = np.asarray(cv2.resize(crop.picture, (width, crop.picture.shape[0])))
            pool.setdefault(width, []).append((picture, encode(crop.text)))
    if not pool:
        raise ConfigError("no crop is narrow enough to train on")
    torch.manual_seed(seed)
    network = MODELS["ctc"](MODEL).to(memory_format=torch.channels_last)
    averaged = Averaged(network, 0.995)
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_LR, weight_decay=0.01)
    steps = max(1, int(options.crops * options.passes / options.batch))
    config = LoopConfig(out="", minutes=1, peak_lr=PEAK_LR, warmup_steps=min(200, steps // 5))
    losses: list[float] = []
    for step, batch in zip(range(steps), batches(pool, seed, options.batch), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step / steps, step)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(network, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        averaged.update(network, step)
        losses.append(float(loss.detach()))
    return averaged.model, float(np.mean(losses[-50:]))


def batches(
    pool: dict[int, list[tuple[np.ndarray, list[int]]]], seed: int, size: int
) -> Iterator[Batch]:
    """Yield batches of one width for ever, each crop equally often."""
    rng = np.random.default_rng(seed)
    while True:
        todo = []
        for crops in pool.values():
            order = rng.permutation(len(crops)).tolist()
            todo += [
                [crops[i] for i in order[start : start + size]]
                for start in range(0, len(crops), size)
            ]
        for index in rng.permutation(len(todo)).tolist():
            pictures = augment(rng, np.stack([picture for picture, _ in todo[index]]), 0.6)
            yield make_batch(pictures, [label for _, label in todo[index]])


@torch.no_grad()
def measure(network: torch.nn.Module, folder: Path, limit: int | None) -> dict[str, float]:
    """Read real words, upright → accuracies as ``onlooker evaluate`` counts them."""
    pairs = []
    for labelled in read_labels(folder)[:limit]:
        crop = resize_crop(read_image(labelled.image)[0], 480)
        logits = network(make_batch(crop[None], [[]]).crops)
        best = logits[0].argmax(1).tolist()
        path = [c for c, before in zip(best, [BLANK, *best], strict=False) if c != before]
        pairs.append((decode([c for c in path if c != BLANK]), labelled.text))
    measured = recognition_metrics(pairs)
    return {name: round(float(value), 4) for name, value in measured.items() if value is not None}


if __name__ == "__main__":
    main()
