"""How well the recogniser places characters: IoU with where they were drawn.

    python benchmarks/character_boxes.py --fonts build/fonts   # writes results/character_boxes.json

Words are drawn with random faces, spacing, width, margins, blur and noise, so that the truth is
known. Of words read right, each character's span along the word is compared with its advance in the
font (white space beside the letter included), by intersection over union. The same for the words of
lines, parted at their spaces. "evenly" divides the ink's extent evenly: what can be had without
places.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

import cv2
import numpy as np

from onlooker.errors import ConfigError
from onlooker.text.charset import CHARSET
from onlooker.text.crops import split_words
from onlooker.text.recognition.evaluate import MODEL
from onlooker.text.recognition.predict import TextRecognizer
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.render import render_text

RESULTS = Path(__file__).resolve().parent / "results" / "character_boxes.json"
Spans = list[tuple[float, float]]


def draw(rng: np.random.Generator, text: str, fonts: FontBank) -> tuple[np.ndarray, Spans] | None:
    """Draw a text → crop, and the span of each character as fractions of its width."""
    spacing = float(rng.uniform(0, 0.1)) if rng.random() < 0.3 else 0.0
    stretch = float(np.exp(rng.normal(-0.05, 0.2)))
    size = int(rng.integers(28, 46))
    try:
        drawn = render_text(
            text, fonts.pick(rng, text), size, rng, spacing=spacing, stretch=stretch
        )
    except ConfigError:  # the face draws nothing
        return None
    height, width = drawn.mask.shape
    if min(height, width) < 8:
        return None
    left, right = (int(v) for v in rng.uniform(0, 0.35, 2) * height)
    above, below = (int(v) for v in rng.uniform(0.02, 0.25, 2) * height)
    mask = np.pad(drawn.mask, ((above, below), (left, right))).astype(np.float32) / 255
    paper, ink = rng.uniform(120, 255), rng.uniform(0, 90)
    if rng.random() < 0.5:
        paper, ink = ink, paper
    picture = cv2.GaussianBlur(paper + (ink - paper) * mask, (0, 0), rng.uniform(0.3, 1.6))
    picture = picture + rng.normal(0, rng.uniform(1, 10), picture.shape)
    ends = (drawn.char_polygons[:, :2, 0] + left) / mask.shape[1]
    return np.clip(picture, 0, 255).astype(np.uint8), [(float(a), float(b)) for a, b in ends]


def iou(a: tuple[float, float], b: tuple[float, float]) -> float:
    shared = min(a[1], b[1]) - max(a[0], b[0])
    return max(0.0, shared) / max(max(a[1], b[1]) - min(a[0], b[0]), 1e-9)


def summary(values: list[float]) -> dict[str, float]:
    array = np.array(values)
    return {
        "n": len(values),
        "mean_iou": round(float(array.mean()), 4),
        "iou_05": round(float((array >= 0.5).mean()), 4),
        "iou_07": round(float((array >= 0.7).mean()), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fonts", type=Path, required=True)
    parser.add_argument("--count", type=int, default=600, help="words, and half as many lines")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    fonts, corpus, rng = FontBank.load(options.fonts), Corpus(), np.random.default_rng(5)
    recognizer = TextRecognizer.load(threads=options.threads)
    characters: list[float] = []
    evenly: list[float] = []
    words: list[float] = []
    for lines in (False, True):
        crops, texts, truths = [], [], []
        while len(texts) < options.count // (2 if lines else 1):
            text = (corpus.line(rng) if lines else corpus.word(rng))[:32].strip()
            if not text or any(c not in CHARSET for c in text) or lines != (" " in text):
                continue
            drawn = draw(rng, text, fonts)
            if drawn is not None:
                crops.append(drawn[0])
                texts.append(text)
                truths.append(drawn[1])
        for one, text, truth in zip(recognizer(crops), texts, truths, strict=True):
            if one.text != text:
                continue
            if not lines:
                characters += [iou(a, b) for a, b in zip(one.char_spans, truth, strict=True)]
                first, step = truth[0][0], (truth[-1][1] - truth[0][0]) / len(text)
                evenly += [
                    iou((first + i * step, first + (i + 1) * step), span)
                    for i, span in enumerate(truth)
                ]
                continue
            square = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
            start = 0
            parts = split_words(one, square)
            for piece, word in zip([p for p in text.split(" ") if p], parts, strict=True):
                start = text.index(piece, start)
                end = start + len(piece)
                words.append(iou((word.box[0], word.box[2]), (truth[start][0], truth[end - 1][1])))
                start = end
    figures = {
        "characters": summary(characters),
        "characters_evenly": summary(evenly),
        "words_of_lines": summary(words),
    }
    for name, values in figures.items():
        print(name, values)
    if not options.dry:
        results = {"date": date.today().isoformat(), "model": MODEL, "figures": figures}
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
