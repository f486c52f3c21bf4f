"""Measure the recogniser on labelled crops, through the same `TextRecognizer` that users run."""

from __future__ import annotations

import string
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.hub import choose
from onlooker.media.image import read_image
from onlooker.metrics import EvaluationConfig, Report
from onlooker.records.text import RecognizedText
from onlooker.text.recognition.datasets import read_characters, read_labels
from onlooker.text.recognition.metrics import recognition_metrics
from onlooker.text.recognition.predict import TextRecognizer
from onlooker.text.recognition.weights import WEIGHTS

MODEL = "ctc.synth1"
#: The reader's own settings (`onlooker.text.pipeline.ReaderConfig`): from which height over width
#: a crop is tried in other directions, and by how much another must be surer than upright.
TALL_ASPECT = 1.5
TURN_GAIN = 0.15
#: The 62 classes of published figures on single characters (ICDAR 2003 and after).
CHARACTERS = string.digits + string.ascii_letters
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
        config: A folder with ``labels.tsv``; it has no splits.

    Returns:
        The measures of `onlooker.text.recognition.metrics`; the seconds hold decoding the pictures.

    Raises:
        ConfigError: A split is asked for, or the folder or its labels are missing or malformed.
        MediaError: A picture cannot be read.
        WeightsError: The network is missing or damaged.
    """
    config.refuse_split()
    crops = read_labels(config.data)[: config.limit]
    weights = choose(WEIGHTS, MODEL)
    recognizer = TextRecognizer.load(MODEL)
    begun = time.perf_counter()
    pairs: list[tuple[str, str]] = []
    for start in range(0, len(crops), _CHUNK):
        part = crops[start : start + _CHUNK]
        read = read_upright(recognizer, [read_image(crop.image)[0] for crop in part])
        pairs += [(one.text, crop.text) for one, crop in zip(read, part, strict=True)]
    return Report(
        task="text.recognition",
        data=str(config.data),
        split=None,
        model_name=weights.name,
        model_sha256=weights.sha256,
        n=len(crops),
        seconds=time.perf_counter() - begun,
        metrics=recognition_metrics(pairs),
    )


def evaluate_characters(config: EvaluationConfig) -> Report:
    """Classify single characters, cut from pictures of words, among 62; case counts.

    Args:
        config: A folder with ``chars.tsv``; it has no splits. Other characters are left out.

    Returns:
        ``accuracy``, and ``accuracy_lower`` with case disregarded: many letters differ in it only
        by their size, which a cut-out character does not show.

    Raises:
        ConfigError: A split is asked for, or the folder or its labels are missing or malformed.
        MediaError: A picture cannot be read.
        WeightsError: The network is missing or damaged.
    """
    config.refuse_split()
    listed = [one for one in read_characters(config.data) if one.character in CHARACTERS]
    listed = listed[: config.limit]
    if not listed:
        raise ConfigError(f"{config.data} labels no letter or figure; there is nothing to measure")
    weights = choose(WEIGHTS, MODEL)
    recognizer = TextRecognizer.load(MODEL)
    begun = time.perf_counter()
    right = right_lower = 0
    for start in range(0, len(listed), _CHUNK):
        part = listed[start : start + _CHUNK]
        pictures = {one.image: read_image(one.image)[0] for one in part}
        crops = []
        for one in part:
            x0, y0, x1, y1 = one.box
            crops.append(pictures[one.image][max(0, y0) : y1, max(0, x0) : x1])
        for found, one in zip(recognizer.classify(crops, CHARACTERS), part, strict=True):
            right += found == one.character
            right_lower += found.lower() == one.character.lower()
    return Report(
        task="text.characters",
        data=str(config.data),
        split=None,
        model_name=weights.name,
        model_sha256=weights.sha256,
        n=len(listed),
        seconds=time.perf_counter() - begun,
        metrics={
            "accuracy": right / len(listed),
            "accuracy_lower": right_lower / len(listed),
        },
    )
