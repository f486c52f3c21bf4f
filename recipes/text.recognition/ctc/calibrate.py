"""Fit how sure a reading is to how often it is right; again whenever the recogniser changes.

    python recipes/text.recognition/ctc/calibrate.py build/words/words-00000.npz

Takes shards of rendered words that were kept out of training (the first is), reads them with the
shipped recogniser (or another, ``--model``), and writes
`onlooker/text/recognition/calibration.json`. Half of the crops fit the map whose error is printed,
all of them the one that is written.

    python recipes/text.recognition/ctc/calibrate.py build/words/words-00000.npz --grid

prints the accuracy for other weights of the language model instead, for `RescoringConfig`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from onlooker.hub import choose
from onlooker.metrics import expected_calibration_error
from onlooker.text.recognition.calibration import PATH, Calibration
from onlooker.text.recognition.evaluate import MODEL
from onlooker.text.recognition.language_model import LanguageModel
from onlooker.text.recognition.metrics import recognition_metrics
from onlooker.text.recognition.predict import DECODINGS, TextRecognizer
from onlooker.text.recognition.rescoring import Rescorer, RescoringConfig
from onlooker.text.recognition.weights import LANGUAGE_MODEL, WEIGHTS
from onlooker.text.synthesis.shards import read_shard


def fit(confidences: np.ndarray, lengths: np.ndarray, right: np.ndarray) -> Calibration:
    """Fit the map by maximum likelihood, slightly regularised."""
    u = np.clip(-lengths * np.log(np.maximum(confidences, 1e-30)), 1e-6, 60.0)

    def loss(values: np.ndarray) -> float:
        odds = values[0] - values[1] * np.log(u) - values[2] * u
        likelihood = np.logaddexp(0, odds) - right * odds
        return float(likelihood.mean() + 1e-3 * (values[1:] ** 2).sum())

    found = minimize(loss, np.array([0.0, 1.0, 0.1]), bounds=[(None, None), (0, None), (0, None)])
    return Calibration(*(round(float(value), 4) for value in found.x))


def calibrate(name: str, pictures: list[np.ndarray], texts: list[str], source: str) -> None:
    weights = choose(WEIGHTS, name)
    maps: dict[str, dict[str, float]] = {}
    errors: dict[str, float] = {}
    for decoding in DECODINGS:
        read = TextRecognizer.load(name, threads=1, decoding=decoding).read_prepared(pictures)
        pairs = [(one, text) for one, text in zip(read, texts, strict=True) if one.text]
        confidences = np.array([one.confidence for one, _ in pairs])
        lengths = np.array([len(one.text) for one, _ in pairs])
        right = np.array([one.text == text for one, text in pairs])
        even = np.arange(len(pairs)) % 2 == 0
        half = fit(confidences[even], lengths[even], right[even])
        odd = np.flatnonzero(~even)
        before = expected_calibration_error(confidences[odd].tolist(), right[odd].tolist())
        after = expected_calibration_error(
            [half(float(confidences[i]), int(lengths[i])) for i in odd], right[odd].tolist()
        )
        whole = fit(confidences, lengths, right)
        maps[decoding] = {
            "offset": whole.offset,
            "slope": whole.slope,
            "decay": whole.decay,
        }
        errors[decoding] = round(after, 4)
        print(
            f"{decoding:>6}: {len(pairs)} readings, {right.mean():.4f} right; "
            f"calibration error on the other half {before:.4f} → {after:.4f}; {whole}"
        )
    table = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    table = {known: entry for known, entry in table.items() if known in WEIGHTS}
    table[name] = {
        "sha256": weights.sha256,
        "fitted_on": source,
        "readings": len(texts),
        "calibration_error": errors,
        "maps": maps,
    }
    PATH.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    print(f"written: {PATH.name}")


def print_grid(name: str, pictures: list[np.ndarray], texts: list[str]) -> None:
    """Print exact accuracy over weights; of crops with figures beside it: codes must not suffer."""
    model = LanguageModel.load(choose(WEIGHTS, LANGUAGE_MODEL))
    recognizer = TextRecognizer.load(name, threads=1, decoding="greedy")
    rows = list(recognizer.logits_of(pictures))
    greedy = recognizer.read_prepared(pictures)
    figures = [any(c.isdigit() for c in text) for text in texts]

    def show(what: str, read: list[str]) -> None:
        pairs = list(zip(read, texts, strict=True))
        codes = [pair for pair, has in zip(pairs, figures, strict=True) if has]
        print(
            f"{what:>28}: exact {recognition_metrics(pairs)['word_accuracy']:.4f}, "
            f"with figures {recognition_metrics(codes)['word_accuracy']:.4f}",
            flush=True,
        )

    show("greedy", [one.text for one in greedy])
    for language in (0.2, 0.3, 0.4, 0.5):
        for length in (1.0, 1.5, 2.0, 2.5):
            config = RescoringConfig(language=language, length=length)
            rescorer = Rescorer(model, config=config)
            read = [""] * len(texts)
            for indices, logits in rows:
                for index, row in zip(indices, logits, strict=True):
                    read[index] = rescorer(row, greedy[index]).text
            show(f"language {language}, length {length}", read)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("shards", nargs="+", type=Path)
    parser.add_argument("--grid", action="store_true", help="print weights of the language model")
    parser.add_argument("--model", default=MODEL, help="a recogniser of WEIGHTS")
    options = parser.parse_args()
    crops = [crop for path in options.shards for crop in read_shard(path)]
    pictures, texts = [crop.picture for crop in crops], [crop.text for crop in crops]
    if options.grid:
        print_grid(options.model, pictures, texts)
    else:
        source = ", ".join(path.name for path in options.shards)
        calibrate(options.model, pictures, texts, source)


if __name__ == "__main__":
    main()
