"""Count the language model of the recogniser from word lists; a minute on one core.

    python recipes/text.recognition/words/build.py build/characters.ngram1.npz

Words come from the frequency lists of the wordfreq package (its data: CC BY-SA 4.0, so the model's
licence is the same), numbers, codes and marks from `onlooker.text.synthesis.corpus`.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import wordfreq

from onlooker.text.charset import CHARSET, normalize
from onlooker.text.recognition.language_model import (
    BITS,
    EDGE,
    LETTERS,
    STEP,
    LanguageModel,
    shape_of,
)
from onlooker.text.synthesis.corpus import Corpus, number

#: Language → share of the words, and how many of them.
LANGUAGES = {
    "en": (0.70, 120_000),
    "de": (0.10, 50_000),
    "fr": (0.08, 40_000),
    "es": (0.06, 30_000),
    "it": (0.06, 30_000),
}
ORDER = 7
#: Words count by their frequency to this power: names and rare words stand on signs more often
#: than in running text.
EXPONENT = 0.5
DISCOUNT = 0.7
#: Strings drawn to count shapes and marks.
SAMPLES = 200_000


def words() -> tuple[list[str], np.ndarray]:
    """Return words in small letters and their weights, which sum to 1 over all languages."""
    index = {letter: i for i, letter in enumerate(LETTERS, start=1)}
    weights: Counter[str] = Counter()
    for language, (share, length) in LANGUAGES.items():
        listed: dict[str, float] = {}
        for raw, frequency in wordfreq.get_frequency_dict(language, "best").items():
            # "don't" counts as "don" and "t": the model cuts texts the same way.
            for word in normalize(raw).replace("’", "'").split("'"):
                if word and all(c in index for c in word) and len(word) <= 24:
                    listed[word] = listed.get(word, 0.0) + frequency**EXPONENT
            if len(listed) >= length:
                break
        total = sum(listed.values())
        for word, weight in listed.items():
            weights[word] += share * weight / total
    listed_words = sorted(weights)
    return listed_words, np.array([weights[w] for w in listed_words])


def count(listed: list[str], weights: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Count n-grams of each order → their keys, sorted, and counts."""
    index = {letter: i for i, letter in enumerate(LETTERS, start=1)}
    symbols: list[int] = []
    first: list[int] = []  # where the word of each symbol begins
    mass: list[float] = []
    for word, weight in zip(listed, weights.tolist(), strict=True):
        begin = len(symbols)
        coded = [EDGE, *(index[c] for c in word), EDGE]
        symbols += coded
        first += [begin] * len(coded)
        mass += [weight] * len(coded)
    stream, begins, masses = np.array(symbols, np.uint64), np.array(first), np.array(mass)
    places = np.arange(len(stream))
    counts = []
    for order in range(1, ORDER + 1):
        ends = places[places - order + 1 >= begins]
        if order == 1:
            ends = ends[begins[ends] != ends]  # the beginning is given, not predicted
        keys = np.zeros(len(ends), np.uint64)
        for back in range(order - 1, -1, -1):
            keys = keys << np.uint64(BITS) | stream[ends - back]
        unique, inverse = np.unique(keys, return_inverse=True)
        counts.append((unique, np.bincount(inverse, masses[ends])))
    return counts


def estimate(
    counts: list[tuple[np.ndarray, np.ndarray]], least: float, unit: float
) -> dict[str, Any]:
    """Turn counts into interpolated, absolutely discounted probabilities with back-off."""
    arrays: dict[str, Any] = {}
    # Order 1, smoothed so that every symbol is possible.
    keys, totals = counts[0]
    dense = np.full(len(LETTERS) + 1, 1e-6)
    dense[keys.astype(int)] += totals / totals.sum()
    tables = [(np.arange(len(dense), dtype=np.uint64), np.log(dense / dense.sum()))]
    backs: list[np.ndarray] = []
    for order in range(2, ORDER + 1):
        keys, totals = counts[order - 1]
        context, which = np.unique(keys >> np.uint64(BITS), return_inverse=True)
        whole = np.bincount(which, totals)
        discount = np.minimum(DISCOUNT * unit, 0.7 * totals)
        left = np.bincount(which, discount) / whole
        lower_keys = tables[-1][0]
        # Probability of the same symbol with one less of history: all lower n-grams were counted,
        # but some were left out; their value is backed off once more.
        lower = _look_up(tables, backs, keys & np.uint64((1 << BITS * (order - 1)) - 1), order - 1)
        probability = (totals - discount) / whole[which] + left[which] * np.exp(lower)
        # Left out where backing off says nearly the same (Stolcke 1998, first-order).
        gain = totals * (np.log(probability) - np.log(left[which]) - lower)
        keep = gain >= least if order > 2 else totals > 0
        # A context must be there for its back-off weight.
        position = np.minimum(np.searchsorted(lower_keys, context), len(lower_keys) - 1)
        present = lower_keys[position] == context
        keep &= present[which]
        # Weight of backing off so that all sums to 1 again after leaving out.
        seen = np.bincount(which[keep], probability[keep], minlength=len(context))
        seen_lower = np.bincount(which[keep], np.exp(lower[keep]), minlength=len(context))
        weight = np.clip(1 - seen, 1e-6, 1) / np.clip(1 - seen_lower, 1e-6, None)
        back = np.zeros(len(lower_keys))
        back[position[present]] = np.log(np.minimum(weight[present], 1.0))
        backs.append(back)
        tables.append((keys[keep], np.log(probability[keep])))
    backs.append(np.zeros(len(tables[-1][0])))
    for order, ((keys, logs), back) in enumerate(zip(tables, backs, strict=True), start=1):
        arrays[f"keys{order}"] = np.diff(keys, prepend=np.uint64(0))
        arrays[f"log{order}"] = np.clip(np.rint(-logs / STEP), 0, 255).astype(np.uint8)
        arrays[f"back{order}"] = np.clip(np.rint(-back / STEP), 0, 255).astype(np.uint8)
        print(f"order {order}: {len(keys)} n-grams", flush=True)
    return arrays


def _look_up(
    tables: list[tuple[np.ndarray, np.ndarray]],
    backs: list[np.ndarray],
    keys: np.ndarray,
    order: int,
) -> np.ndarray:
    table, logs = tables[order - 1]
    at = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    found = table[at] == keys
    values = np.where(found, logs[at], 0.0)
    if order > 1 and not found.all():
        missing = np.flatnonzero(~found)
        rest = keys[missing] & np.uint64((1 << BITS * (order - 1)) - 1)
        values[missing] = _look_up(tables, backs, rest, order - 1)
        contexts = keys[missing] >> np.uint64(BITS)
        below = tables[order - 2][0]
        place = np.minimum(np.searchsorted(below, contexts), len(below) - 1)
        known = below[place] == contexts
        values[missing[known]] += backs[order - 2][place[known]]
    return values


def shapes_and_marks(rng: np.random.Generator) -> dict[str, Any]:
    """Count shapes of codes and numbers, and the characters between cores."""
    corpus = Corpus()
    cores = re.compile(r"[^\W_]+")
    trigrams = np.full((5, 5, 5), 0.05)
    marks: Counter[str] = Counter()
    total = 0
    for draw in range(SAMPLES):
        text = number(rng) if draw % 4 == 0 else corpus.word(rng)
        if draw % 4:
            total += 1
            marks.update(cores.sub("", text))
        for core in cores.findall(text):
            if any(c.isdigit() for c in core) or draw % 20 == 1:
                places = [4, 4, *("0Ulx".index(c) for c in shape_of(core)), 4]
                for a, b, c in zip(places, places[1:], places[2:], strict=False):
                    trigrams[a, b, c] += 1
    listed = "".join(c for c in CHARSET if marks[c] > 0)
    return {
        "shapes": np.log(trigrams / trigrams.sum(axis=2, keepdims=True)).astype(np.float32),
        "marks": np.array(listed),
        "mark_logs": np.log([marks[c] / total for c in listed]).astype(np.float32),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--least", type=float, default=8.8e-6, help="least gain of an n-gram")
    options = parser.parse_args()
    listed, weights = words()
    print(f"{len(listed)} words", flush=True)
    unit = float(np.quantile(weights, 0.2))
    arrays = estimate(count(listed, weights), options.least, unit)
    arrays |= shapes_and_marks(np.random.default_rng(0))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.out, **arrays)
    print(f"{options.out}: {options.out.stat().st_size} bytes")
    model = LanguageModel.open(options.out)
    for text in ("street", "Street", "sTreet", "strcet", "STREET", "Kx7-21", "1OO", "100"):
        print(f"{text:>8}  {model([text])[0]:7.2f}")


if __name__ == "__main__":
    main()
