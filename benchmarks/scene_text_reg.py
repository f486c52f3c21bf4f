"""The chain of SceneTextReg with its parts as published, and with parts exchanged; one run.

    python benchmarks/scene_text_reg.py              # writes results/scene_text_reg.json
    python benchmarks/scene_text_reg.py --limit 10   # a quick look; writes nothing

The published chain (Yang, Wang, Bartz, Meinel 2016): MSER regions → a CNN that verifies them →
grouping into words → skeleton-based binarisation → CNN and LSTM: a CNN that reads characters, and
one with LSTM layers that reads whole words, the surer reading taken. Beside it each of these two
alone, the learned detector of ours for the first half, and our recogniser for the second.

Measures: detection as `onlooker evaluate text.detection`, words as ``words_hmean`` of
`onlooker evaluate text.spotting` (the reader's own steps around both networks are the same for
all rows), seconds a picture with opening the file; on crops of words ``word_accuracy_alnum_lower``
and ``word_accuracy_alnum``. Data: ``$ONLOOKER_DATA`` (default ``../shared/data``).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onlooker.media.image import read_image
from onlooker.records import DetectedText, RecognizedText
from onlooker.text.characters.predict import CharacterClassifier
from onlooker.text.characters.published import CNN_LSTM, PublishedWordReader
from onlooker.text.characters.segmentation import CharacterWordReader
from onlooker.text.detection.methods import load_detector
from onlooker.text.detection.metrics import DetectionScore
from onlooker.text.pipeline import ReaderConfig, TextReader
from onlooker.text.recognition.datasets import read_labels
from onlooker.text.recognition.metrics import recognition_metrics
from onlooker.text.recognition.predict import TextRecognizer
from onlooker.text.spotting.datasets import read_scenes
from onlooker.text.spotting.evaluate import read_words
from onlooker.text.spotting.metrics import SpottingScore

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("ONLOOKER_DATA", ROOT.parent / "shared" / "data")) / "text"
RESULT = ROOT / "benchmarks" / "results" / "scene_text_reg.json"
SCENES = ("icdar2003_scenes_dev", "icdar2015_scenes_dev")
WORDS = ("iiit5k_words_dev", "icdar2015_words_dev")

Recognizer = Callable[[Sequence[npt.NDArray[np.uint8]]], list[RecognizedText]]

#: A reading counts from this confidence on: the classifier of characters has no class for what is
#: no character, so that its confidences are of another kind than the recognisers'.
LEAST = {
    "cnn": 0.6,
    "lstm": ReaderConfig().min_confidence,
    "cnn+lstm": ReaderConfig().min_confidence,
    "ctc": ReaderConfig().min_confidence,
}
#: With --limit: a crop costs a fraction of a scene.
CROPS_A_SCENE = 12
DETECTION = {"mser": "MSER, CNN verifier, grouping", "db": "DB"}
READING = {
    "cnn": "skeleton-based binarisation, CNN on characters",
    "lstm": "CNN + LSTM on words",
    "cnn+lstm": "skeleton-based binarisation, CNN and LSTM",
    "ctc": "CTC and language model",
}


CHAINS = (  # the published one first
    ("mser", "cnn+lstm"),
    ("mser", "cnn"),
    ("mser", "lstm"),
    ("mser", "ctc"),
    ("db", "cnn+lstm"),
    ("db", "ctc"),
)


class Remembered:
    """Finds the words of a picture once for all chains, and charges each for it.

    Attributes:
        owed_s: Seconds that finding took, for what came from memory.
    """

    def __init__(self, method: str) -> None:
        self._detector = load_detector(method)
        self._known: dict[bytes, tuple[list[DetectedText], float]] = {}
        self.owed_s = 0.0

    def __call__(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> list[list[DetectedText]]:
        return [self._find(picture) for picture in pictures]

    def _find(self, picture: npt.NDArray[np.uint8]) -> list[DetectedText]:
        key = hashlib.sha256(picture.tobytes()).digest()
        if key not in self._known:
            begun = time.perf_counter()
            found = self._detector([picture])[0]
            self._known[key] = found, time.perf_counter() - begun
            return found
        found, seconds = self._known[key]
        self.owed_s += seconds
        return found


def recognizers() -> dict[str, Recognizer]:
    """Load the ways to read a word."""
    return {
        "cnn+lstm": PublishedWordReader.load(),
        "cnn": CharacterWordReader(CharacterClassifier.load()),
        "lstm": TextRecognizer.load(CNN_LSTM, decoding="greedy"),
        "ctc": TextRecognizer.load(),
    }


def scenes_row(
    detection: str,
    detector: Remembered,
    reading: str,
    recognizer: Recognizer,
    folder: Path,
    limit: int | None,
) -> dict[str, Any]:
    """Run one chain over the scenes of a folder."""
    least = LEAST[reading]
    config = ReaderConfig(
        min_confidence=least, foreign_confidence=max(least, ReaderConfig().foreign_confidence)
    )
    if reading == "cnn":  # a reader of Latin letters one by one does not see other alphabets
        config = ReaderConfig(min_confidence=least, foreign_confidence=least)
    reader = TextReader(detector, recognizer, config=config)
    places, words = DetectionScore(), SpottingScore()
    seconds = 0.0
    scenes = read_scenes(folder)[:limit]
    for scene in scenes:
        begun, detector.owed_s = time.perf_counter(), 0.0
        pixels, scale = read_image(scene.image)
        page = reader(pixels)
        seconds += time.perf_counter() - begun + detector.owed_s
        words.add(read_words(page, scale), scene.words)
        places.add(
            [tuple((x / scale, y / scale) for x, y in t.polygon) for t in detector([pixels])[0]],
            true=[word.polygon for word in scene.words if not word.ignore],
            ignored=[word.polygon for word in scene.words if word.ignore],
        )
    return {
        "data": folder.name,
        "n": len(scenes),
        "detection": DETECTION[detection],
        "reading": READING[reading],
        **{f"detection_{name}": value for name, value in places.metrics().items()},
        **{n: v for n, v in words.metrics().items() if n.startswith("words") or n == "hmean"},
        "seconds_a_picture": seconds / len(scenes),
    }


def words_row(
    reading: str, recognizer: Recognizer, folder: Path, limit: int | None
) -> dict[str, Any]:
    """Read the crops of a folder."""
    crops = read_labels(folder)[:limit]
    begun = time.perf_counter()
    read = recognizer([read_image(crop.image)[0] for crop in crops])
    seconds = time.perf_counter() - begun
    metrics = recognition_metrics((r.text, c.text) for r, c in zip(read, crops, strict=True))
    return {
        "data": folder.name,
        "n": len(crops),
        "reading": READING[reading],
        **metrics,
        "ms_a_crop": 1000 * seconds / len(crops),
    }


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Print a row as soon as it is there; return it."""
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
    print(json.dumps(rounded), flush=True)
    return row


def main() -> None:
    """Run all chains."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int, help="only the first so many pictures of each set")
    parser.add_argument(
        "--write", action="store_true", help="write the results of a quick look, too"
    )
    options = parser.parse_args()
    readers = recognizers()
    scenes, words = [], []
    for name in SCENES:
        detectors = {method: Remembered(method) for method in DETECTION}
        for detection, reading in CHAINS:
            row = scenes_row(
                detection,
                detectors[detection],
                reading,
                readers[reading],
                DATA / name,
                options.limit,
            )
            scenes.append(shown(row))
    for name in WORDS:
        for reading, recognizer in readers.items():
            limit = options.limit and CROPS_A_SCENE * options.limit
            words.append(shown(words_row(reading, recognizer, DATA / name, limit)))
    if options.write or options.limit is None:
        RESULT.write_text(
            json.dumps({"date": str(date.today()), "scenes": scenes, "words": words}, indent=2)
            + "\n"
        )


if __name__ == "__main__":
    main()
