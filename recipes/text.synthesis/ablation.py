"""What each group of effects is worth: a small recogniser trained on without it, or with it alone.

    python recipes/text.synthesis/ablation.py run build/ablation --fonts build/fonts \
      --backgrounds PHOTOS --data DATA
    python recipes/text.synthesis/ablation.py show        # writes the card's table and its plot

A base network learns once to read crops with no effects at all, so that no group is known to it.
Every row goes on from there for the same number of steps, on the same number of crops: with all
effects but one group, or with one group alone. The crops of one seed agree in words and faces from
row to row; other seeds have other words, other faces, another order. Rows are compared with those
that leave out nothing, and with those that have no effect; how far the seeds of a row lie apart is
the noise.

Rows that are done are skipped, so that it can be stopped and started. Measured on real words that
nothing was trained on (IIIT5K and ICDAR 2015, development parts), read greedily.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from onlooker.errors import ConfigError
from onlooker.media.image import read_image
from onlooker.text.charset import encode
from onlooker.text.recognition.crops import resize_crop
from onlooker.text.recognition.data import Batch, fits, make_batch
from onlooker.text.recognition.datasets import read_labels
from onlooker.text.recognition.decoding import decode_greedy
from onlooker.text.recognition.metrics import recognition_metrics
from onlooker.text.recognition.model import MODELS, ModelConfig
from onlooker.text.recognition.train import loss_of
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.produce import load_fonts
from onlooker.text.synthesis.specification import EFFECTS, Chances, Specification, WordsConfig
from onlooker.text.synthesis.words import WordSynthesizer
from onlooker.training.loop import AVERAGED_NAME, LoopConfig, fit

HERE = Path(__file__).parent
RESULT = HERE / "result.json"
CARD = HERE / "card.md"
PLOT = HERE / "ablation.svg"
SETS = {"iiit5k_words_dev": "IIIT5K", "icdar2015_words_dev": "ICDAR 2015"}
METRIC = "word_accuracy_alnum_lower"
FULL, NONE, ONLY = "all effects", "no effects", "only "

#: 0.22 million parameters, 0.5 ms a crop and step on one core: some thirty trainings must be cheap.
MODEL = ModelConfig(channels=(16, 32, 64), blocks=(0, 0, 1), width=96, layers=1, heads=4)
#: Wider crops are left out: six in seven words are narrower, and cost less.
MOST_PX = 160
#: Widths are rounded to this, so that batches of one width are full.
_STEP_PX = 16
#: Total width of a batch: 48 crops of 96 pixels.
_BATCH_PX = 4608
#: The base's crops come from a seed that no row has.
_BASE_SEED = 10_000

Crop = tuple[npt.NDArray[np.uint8], list[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("run", help="train and measure the rows that are missing")
    step.add_argument("out", type=Path, help="folder for what is done so far")
    step.add_argument("--fonts", required=True)
    step.add_argument("--backgrounds", default="", help="folder of photos without text")
    step.add_argument("--data", type=Path, required=True, help="the folder of evaluation data")
    step.add_argument("--base-crops", type=int, default=40_000)
    step.add_argument("--base-steps", type=int, default=4_000)
    step.add_argument("--crops", type=int, default=8_000, help="of each row and seed")
    step.add_argument("--steps", type=int, default=450, help="of each row and seed")
    step.add_argument("--seeds", type=int, default=2)
    step.add_argument("--full", type=int, default=4, help="seeds of the row with all effects")
    step.add_argument("--limit", type=int, help="measure on so many words of each set")
    step.add_argument("--result", type=Path, default=RESULT)
    step = steps.add_parser("show", help="write the card's table and its plot")
    step.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    if options.step == "run":
        run(options)
    else:
        result = json.loads(options.result.read_text(encoding="utf-8"))
        PLOT.write_text(plot(result), encoding="utf-8")
        before, _, rest = CARD.read_text(encoding="utf-8").partition("<!-- ablation -->\n")
        after = rest.partition("<!-- end -->")[2]
        text = f"{before}<!-- ablation -->\n{table(result)}<!-- end -->{after}"
        CARD.write_text(text, encoding="utf-8")


# Training -----------------------------------------------------------------------------------------


def rows() -> dict[str, list[str]]:
    """List the rows: name → effects left out."""
    words = {name: kind.group for name, kind in EFFECTS.items() if kind.words}
    plan: dict[str, list[str]] = {FULL: [], NONE: list(words)}
    for group in dict.fromkeys(words.values()):
        plan[group] = [name for name in words if words[name] == group]
        plan[ONLY + group] = [name for name in words if words[name] != group]
    return plan


def run(options: argparse.Namespace) -> None:
    """Train and measure every row that is missing, and write the result."""
    options.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    studio = Studio(options.fonts, options.backgrounds)
    sets = {name: real_words(options.data / "text" / name, options.limit) for name in SETS}
    base = options.out / "base" / AVERAGED_NAME
    if not (options.out / "base.json").is_file():
        crops = studio.crops(rows()[NONE], _BASE_SEED, options.base_crops)
        network = train(crops, options.base_steps, options.out / "base", seed=0)
        note(options.out / "base.json", network, sets, row="base", seed=0)
    for seed in range(max(options.seeds, options.full)):
        for name, effects in rows().items():
            path = options.out / f"{name.replace(' ', '-')}-{seed}.json"
            if seed >= (options.full if name == FULL else options.seeds) or path.is_file():
                continue
            begun = time.process_time()
            crops = studio.crops(effects, seed, options.crops)
            network = train(crops, options.steps, options.out / "row", seed=seed, start=base)
            took = (time.process_time() - begun) / 60
            note(path, network, sets, row=name, seed=seed, cpu_minutes=round(took, 3))
    done = [json.loads(path.read_text(encoding="utf-8")) for path in options.out.glob("*.json")]
    names = ("base_crops", "base_steps", "crops", "steps")
    about = {name: getattr(options, name) for name in names}
    result = summary(done, about)
    options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


class Studio:
    """Draws crops of words, with the effects that are wanted; fonts and photos are loaded once."""

    def __init__(self, fonts: str, backgrounds: str) -> None:
        self.fonts = load_fonts(Specification(fonts=fonts))
        self.grounds = BackgroundBank.load(backgrounds or None, samples=False)
        self.corpus = Corpus()

    def crops(self, without: list[str], seed: int, count: int) -> dict[int, list[Crop]]:
        """Draw ``count`` crops → those that are narrow enough, by width.

        Raises:
            ConfigError: None is.
        """
        effects = Specification().without(without).effects
        drawer = WordSynthesizer(
            self.fonts,
            self.corpus,
            self.grounds,
            config=WordsConfig(lines=0.0, nothing=0.0, foreign=0.0),
            chances=Chances("words", effects),
        )
        found: dict[int, list[Crop]] = {}
        for number in range(count):
            drawn = drawer.draw(np.random.default_rng((seed, number)))
            width = round(drawn.picture.shape[1] / _STEP_PX) * _STEP_PX
            if width <= MOST_PX and fits(drawn.text, width):
                picture = np.asarray(cv2.resize(drawn.picture, (width, 32)), np.uint8)
                found.setdefault(width, []).append((picture, encode(drawn.text)))
        if not found:
            raise ConfigError(f"no crop of {count} is at most {MOST_PX} pixels wide")
        return found


def batches(crops: dict[int, list[Crop]], seed: int) -> Iterator[Batch]:
    """Yield full batches of one width for ever; half of the crops are inverted.

    Crops are not changed otherwise, as they are for the shipped network: blur, noise and small
    turns would bring back what a row leaves out.
    """
    rng = np.random.default_rng(seed)
    while True:
        todo = []
        for width, members in crops.items():
            size = min(_BATCH_PX // width, len(members))
            order = rng.permutation(len(members)).tolist()
            full = range(0, len(members) - size + 1, size)
            todo += [[members[i] for i in order[start : start + size]] for start in full]
        for index in rng.permutation(len(todo)).tolist():
            pictures = np.stack([picture for picture, _ in todo[index]])
            flips = np.where(rng.random(len(pictures)) < 0.5, 255, 0).astype(np.uint8)
            yield make_batch(pictures ^ flips[:, None, None], [label for _, label in todo[index]])


def train(
    crops: dict[int, list[Crop]], steps: int, out: Path, *, seed: int, start: Path | None = None
) -> torch.nn.Module:
    """Train the small network, from chance or from averaged weights → the averaged network."""
    shutil.rmtree(out, ignore_errors=True)  # of a run that was stopped: each is trained in one go
    torch.manual_seed(seed)
    network = MODELS[MODEL.name](MODEL).to(memory_format=torch.channels_last)
    if start is not None:
        network.load_state_dict(torch.load(start, weights_only=True))
    config = LoopConfig(
        out=str(out),
        steps=steps,
        peak_lr=2e-3,
        warmup_steps=min(200, steps // 5),
        ema_decay=0.99,
        threads=1,
        checkpoint_every_s=math.inf,
        seed=seed,
    )
    return fit(network, batches(crops, seed), loss_of, config, size_of=lambda b: len(b.crops))


# Measuring ----------------------------------------------------------------------------------------


def real_words(folder: Path, limit: int | None) -> list[tuple[Batch, list[str]]]:
    """Read real words → batches of one width, with what they say."""
    by_width: dict[int, list[tuple[npt.NDArray[np.uint8], str]]] = {}
    for labelled in read_labels(folder)[:limit]:
        crop = resize_crop(read_image(labelled.image)[0], 480)
        by_width.setdefault(crop.shape[1], []).append((crop, labelled.text))
    return [
        (make_batch(np.stack([c for c, _ in group]), [[] for _ in group]), [t for _, t in group])
        for group in by_width.values()
    ]


@torch.no_grad()
def note(
    path: Path,
    network: torch.nn.Module,
    sets: dict[str, list[tuple[Batch, list[str]]]],
    **facts: Any,
) -> None:
    """Measure a network and write what came out, word by word."""
    for name, words in sets.items():
        pairs: list[tuple[str, str]] = []
        for batch, texts in words:
            read = decode_greedy(network(batch.crops).numpy())
            pairs += zip((one.text for one in read), texts, strict=True)
        judged = [pair for pair in pairs if any(c.isalnum() for c in pair[1])]
        right = [bool(recognition_metrics([pair])[METRIC]) for pair in judged]
        facts[name] = {"accuracy": sum(right) / len(right), "right": [int(r) for r in right]}
    path.write_text(json.dumps(facts), encoding="utf-8")
    figures = ", ".join(f"{name} {facts[name]['accuracy']:.4f}" for name in sets)
    print(f"{facts['row']}, seed {facts['seed']}: {figures}", flush=True)


def summary(done: list[dict[str, Any]], about: dict[str, Any]) -> dict[str, Any]:
    """Sum up the rows.

    ``noise`` is the standard deviation of a row's accuracy over seeds, pooled over all rows that
    have two seeds or more. ``lost`` is what a row lies below the row with all effects, ``gained``
    what a row with one group alone lies above the one without any, means over seeds; ``error`` its
    standard error: of the seeds (noise) and of the choice of words (spread of the difference word
    by word over the root of their number), added as squares. They overlap, so that it is rather
    too large.
    """
    result: dict[str, Any] = {**about, "metric": METRIC, "sets": {}, "noise": {}}
    trained = sorted((row for row in done if row["row"] != "base"), key=lambda row: row["seed"])
    result["cpu_minutes"] = round(sum(row["cpu_minutes"] for row in trained), 1)
    by_row = {name: [row for row in trained if row["row"] == name] for name in rows()}
    found: dict[str, dict[str, Any]] = {
        name: {"row": name, "without": rows()[name], "seeds": len(members)}
        for name, members in by_row.items()
        if members
    }
    for which in SETS:
        read = {
            name: np.array([row[which]["right"] for row in by_row[name]], float) for name in found
        }
        squares = freedom = 0.0
        for right in read.values():  # (seeds, words)
            means = right.mean(axis=1)
            squares += float(((means - means.mean()) ** 2).sum())
            freedom += len(means) - 1
        noise = math.sqrt(squares / freedom) if freedom else math.nan
        result["noise"][which] = round(noise, 5) if freedom else None
        result["sets"][which] = read[FULL].shape[1]
        for name, right in read.items():
            alone = name.startswith(ONLY)
            other = read[NONE if alone else FULL]
            apart = (right.mean(axis=0) - other.mean(axis=0)) * (1 if alone else -1)
            seeds = noise**2 * (1 / len(other) + 1 / len(right))
            error = math.sqrt(seeds + float(apart.var()) / apart.size)
            found[name][which] = {
                "accuracy": [round(float(one), 4) for one in right.mean(axis=1)],
                "gained" if alone else "lost": round(float(apart.mean()), 5),
                "error": round(error, 5) if freedom else None,
            }
    for row in done:
        if row["row"] == "base":
            result["base"] = {which: round(row[which]["accuracy"], 4) for which in SETS}
    result["rows"] = list(found.values())
    return result


# Showing ------------------------------------------------------------------------------------------


def change(row: dict[str, Any], which: str) -> float:
    """Return what a row gained or lost, in points."""
    cell = row[which]
    return 100 * float(cell["gained"] if "gained" in cell else cell["lost"])


def ranked(result: dict[str, Any]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """List (group, row without it, row with it alone): what helps most by itself comes first."""
    by_name = {row["row"]: row for row in result["rows"]}
    groups = [name for name in by_name if ONLY + name in by_name]
    groups.sort(key=lambda g: -sum(change(by_name[ONLY + g], which) for which in SETS))
    return [(group, by_name[group], by_name[ONLY + group]) for group in groups]


def table(result: dict[str, Any]) -> str:
    """Write the card's table."""
    titles = list(SETS.values())
    heads = [f"{what}, {title}" for what in ("alone: gained", "left out: lost") for title in titles]
    lines = [f"| group | effects | {' | '.join(heads)} |", "|---|---|---|---|---|---|"]
    by_name = {row["row"]: row for row in result["rows"]}
    for group, without, alone in ranked(result):
        effects = ", ".join(without["without"]).replace("_", " ")
        cells = [points(row, which) for row in (alone, without) for which in SETS]
        lines.append(f"| {group} | {effects} | {' | '.join(cells)} |")
    every = " | ".join(points(by_name[NONE], which) for which in SETS)
    lines.append(f"| all of them | | {every} | {every} |")
    right = {
        name: " and ".join(
            f"{100 * statistics.fmean(by_name[name][which]['accuracy']):.1f} % of {title}"
            for which, title in SETS.items()
        )
        for name in (FULL, NONE)
    }
    noise = " and ".join(f"{100 * result['noise'][w]:.2f} ({t})" for w, t in SETS.items())
    seeds = sorted({row["seeds"] for row in result["rows"] if row["row"] != FULL})
    lines += [
        "",
        "Points of accuracy, without case and signs, ± one standard error; bold: more than two. "
        f"Read right: with all effects {right[FULL]}, with none {right[NONE]}. "
        f"{' or '.join(map(str, seeds))} trainings a row, {by_name[FULL]['seeds']} with all "
        "effects; trainings that differ in their seeds alone have a standard deviation of "
        f"{noise} points.",
        "",
    ]
    return "\n".join(lines)


def points(row: dict[str, Any], which: str) -> str:
    """Write a change in points; bold where it is over two standard errors."""
    value, error = change(row, which), 100 * row[which]["error"]
    text = f"{value:+.1f} ± {error:.1f}".replace("-", "−")
    return f"**{text}**" if abs(value) > 2 * error else text


_LINE_PX, _LEFT_PX, _PANEL_PX, _TOP_PX = 30, 110, 360, 92


def plot(result: dict[str, Any]) -> str:
    """Draw the changes with two standard errors either side, as SVG."""
    shown = ranked(result)
    height = _TOP_PX + _LINE_PX * len(shown) + 34
    width = _LEFT_PX + 2 * _PANEL_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        '<text x="12" y="24" font-size="15" font-weight="600">What a group of effects is worth, '
        "in points of accuracy (lines: two standard errors)</text>",
    ]
    colours = dict(zip(SETS, ("#2563c9", "#d06a1b"), strict=True))
    for number, (which, title) in enumerate(SETS.items()):
        x = 12 + 100 * number
        parts.append(f'<circle cx="{x + 4}" cy="44" r="4.5" fill="{colours[which]}"/>')
        parts.append(f'<text x="{x + 14}" y="48" fill="{colours[which]}">{title}</text>')
    for place, (group, _, _) in enumerate(shown):
        y = _TOP_PX + _LINE_PX * place + 19
        parts.append(f'<text x="{_LEFT_PX - 12}" y="{y}" text-anchor="end">{group}</text>')
    for panel, title in enumerate(("gained by it alone", "lost without it")):
        members = [pair[2 - panel] for pair in shown]
        parts += _panel(members, _LEFT_PX + panel * _PANEL_PX, height, title, colours)
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    members: list[dict[str, Any]], left: int, height: int, title: str, colours: dict[str, str]
) -> list[str]:
    """Draw one half: a dot and a line for each group and set."""
    reach = [
        change(row, which) + sign * 200 * row[which]["error"]
        for row in members
        for which in SETS
        for sign in (-1, 1)
    ]
    low, high = math.floor(min(0, *reach)), math.ceil(max(0, *reach))

    def at(value: float) -> float:
        return left + 10 + (value - low) / (high - low) * (_PANEL_PX - 30)

    parts = [f'<text x="{at(low):.1f}" y="76" font-weight="600">{title}</text>']
    for value in range(low, high + 1, 1 if high - low <= 12 else 2):
        colour = "#556" if value == 0 else "#dde"
        x = at(value)
        parts.append(f'<path d="M{x:.1f} {_TOP_PX - 8}V{height - 32}" stroke="{colour}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{height - 12}" text-anchor="middle" fill="#556">{value}</text>'
        )
    for number, which in enumerate(SETS):
        for place, row in enumerate(members):
            y = _TOP_PX + _LINE_PX * place + 10 + 9 * number
            value, error = change(row, which), 200 * row[which]["error"]
            ends = f"M{at(value - error):.1f} {y}H{at(value + error):.1f}"
            parts.append(f'<path d="{ends}" stroke="{colours[which]}" stroke-width="1.6"/>')
            parts.append(f'<circle cx="{at(value):.1f}" cy="{y}" r="4" fill="{colours[which]}"/>')
    return parts


if __name__ == "__main__":
    main()
