"""Measure the recogniser on labelled crops, through the same `TextRecognizer` that users run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onlooker.hub import choose
from onlooker.media.image import read_image
from onlooker.metrics import EvaluationConfig, Report
from onlooker.records.text import RecognizedText
from onlooker.text.charset import unreadable
from onlooker.text.lines import corners_of
from onlooker.text.pipeline import cut_out
from onlooker.text.recognition.datasets import LABELS_NAME, read_labels
from onlooker.text.recognition.lexicon import Lexicon
from onlooker.text.recognition.metrics import (
    expected_calibration_error,
    recognition_metrics,
)
from onlooker.text.recognition.predict import DECODING, TextRecognizer
from onlooker.text.recognition.weights import LANGUAGE_MODEL, WEIGHTS
from onlooker.text.spotting.datasets import ANNOTATIONS_NAME, read_scenes

Picture = npt.NDArray[np.uint8]

MODEL = "ctc.synth1"
#: The reader's own settings (`onlooker.text.pipeline.ReaderConfig`): from which height over width
#: a crop is tried in other directions, and by how much another must be surer than upright.
TALL_ASPECT = 1.5
TURN_GAIN = 0.15
#: Crops that are held decoded at once: bounds memory on large sets.
_CHUNK = 256


def read_upright(
    recognizer: TextRecognizer, crops: Sequence[npt.NDArray[np.uint8]]
) -> list[RecognizedText]:
    """Read crops as `TextReader` does: tall ones in three directions, the surest reading kept.

    Text that runs up or down a sign is cut out tall, and the data do not say which way it runs.
    """
    best = recognizer(crops)
    tall = [i for i, crop in enumerate(crops) if crop.shape[0] > TALL_ASPECT * crop.shape[1]]
    for quarters in (1, 3):
        turned = recognizer([np.ascontiguousarray(np.rot90(crops[i], quarters)) for i in tall])
        for i, reading in zip(tall, turned, strict=True):
            if reading.text and reading.confidence >= best[i].confidence + TURN_GAIN:
                best[i] = reading
    return best


def evaluate(config: EvaluationConfig) -> Report:
    """Read every crop of a folder and compare with the labels.

    Args:
        config: A folder with ``labels.tsv``, or scenes with ``annotations.jsonl``, whose words are
            cut out; it has no splits.

    Returns:
        The measures of `onlooker.text.recognition.metrics`, and ``labels_outside_charset``: how
        many labels hold a character that the reader cannot write, so that they count as misread.
        The seconds hold decoding the pictures.

    Raises:
        ConfigError: A split is asked for, or the folder or its labels are missing or malformed.
        MediaError: A picture cannot be read.
        WeightsError: The network is missing or damaged.
    """
    config.refuse_split()
    lexicon = None if config.lexicon is None else Lexicon.read(config.lexicon)
    decoding = config.decoding or DECODING
    weights = [choose(WEIGHTS, MODEL)]
    if decoding == "lm":
        weights.append(choose(WEIGHTS, LANGUAGE_MODEL))
    recognizer = TextRecognizer.load(MODEL, decoding=decoding, lexicon=lexicon)
    begun = time.perf_counter()
    pairs: list[tuple[str, str]] = []
    probabilities: list[float] = []
    crops = islice(_labelled(config.data), config.limit)
    while part := list(islice(crops, _CHUNK)):
        read = read_upright(recognizer, [crop for crop, _ in part])
        pairs += [(one.text, text) for one, (_, text) in zip(read, part, strict=True)]
        probabilities += [
            one.confidence if one.probability is None else one.probability for one in read
        ]
    metrics = recognition_metrics(pairs)
    metrics["ece"] = expected_calibration_error(probabilities, [a == b for a, b in pairs])
    metrics["labels_outside_charset"] = sum(bool(unreadable(label)) for _, label in pairs)
    return Report(
        task="text.recognition",
        data=str(config.data),
        split=None,
        model_name="+".join(one.name for one in weights),
        model_sha256="+".join(one.sha256 for one in weights),
        n=len(pairs),
        seconds=time.perf_counter() - begun,
        metrics=metrics,
    )


def _labelled(folder: Path) -> Iterator[tuple[Picture, str]]:
    """Yield crops and their texts: those of ``labels.tsv``, or the words cut out of scenes.

    Words that are marked to be ignored are left out. An upright rectangle is cut out as it is,
    another polygon straightened, as the reader does.
    """
    if (folder / ANNOTATIONS_NAME).is_file() and not (folder / LABELS_NAME).is_file():
        for scene in read_scenes(folder):
            pixels, scale = read_image(scene.image)
            for word in scene.words:
                if not word.ignore:
                    corners = corners_of(word.polygon) * scale
                    yield _cut(pixels, corners), word.text
        return
    for crop in read_labels(folder):
        yield read_image(crop.image)[0], crop.text


def _cut(pixels: Picture, corners: npt.NDArray[np.float64]) -> Picture:
    x0, y0 = np.floor(corners.min(axis=0)).astype(int)
    x1, y1 = np.ceil(corners.max(axis=0)).astype(int)
    box = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    if np.abs(corners - box).max() <= 1:
        return pixels[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    return cut_out(pixels, corners)
