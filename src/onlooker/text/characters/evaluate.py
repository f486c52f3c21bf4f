"""Measure classification of single characters, through the classifiers that users run."""

from __future__ import annotations

import time
from itertools import groupby

import numpy as np

from onlooker.errors import ConfigError
from onlooker.hub import choose
from onlooker.media.image import read_image
from onlooker.metrics import EvaluationConfig, Report
from onlooker.text.characters.context import ContextClassifier
from onlooker.text.characters.metrics import character_metrics
from onlooker.text.characters.predict import CLASSES, CharacterClassifier
from onlooker.text.characters.weights import WEIGHTS
from onlooker.text.pipeline import RECOGNIZER
from onlooker.text.recognition.datasets import read_characters
from onlooker.text.recognition.predict import TextRecognizer
from onlooker.text.recognition.weights import WEIGHTS as RECOGNIZERS

MODEL = "cnn.synth1"
#: Words whose pictures are held decoded at once: bounds memory on large sets.
_CHUNK = 64


def evaluate(config: EvaluationConfig) -> Report:
    """Classify single characters, cut from pictures of words, among 62; case counts.

    Args:
        config: A folder with ``chars.tsv``; it has no splits. Other characters are left out.

    Returns:
        The measures of `onlooker.text.characters.metrics` on lone crops, ``accuracy_cnn``, that of
        the character network without the word recogniser, and ``accuracy_in_word``, with the
        picture of the word around it given.

    Raises:
        ConfigError: A split is asked for, or the folder or its labels are missing or malformed.
        MediaError: A picture cannot be read.
        WeightsError: A network is missing or damaged.
    """
    config.refuse_split()
    listed = [one for one in read_characters(config.data) if one.character in CLASSES]
    listed = listed[: config.limit]
    if not listed:
        raise ConfigError(f"{config.data} labels no letter or figure; there is nothing to measure")
    weights = (choose(WEIGHTS, MODEL), choose(RECOGNIZERS, RECOGNIZER))
    classifier = CharacterClassifier.load(MODEL)
    context = ContextClassifier(classifier, TextRecognizer.load(RECOGNIZER, decoding="greedy"))
    begun = time.perf_counter()
    words = [(image, list(some)) for image, some in groupby(listed, key=lambda one: one.image)]
    alone: list[str] = []
    joined: list[str] = []
    around: list[str] = []
    for start in range(0, len(words), _CHUNK):
        part = words[start : start + _CHUNK]
        pictures = [read_image(image)[0] for image, _ in part]
        boxes = [[one.box for one in some] for _, some in part]
        crops = [
            picture[max(0, y0) : y1, max(0, x0) : x1]
            for picture, some in zip(pictures, boxes, strict=True)
            for x0, y0, x1, y1 in some
        ]
        alone += [one.character for one in classifier(crops)]
        joined += [CLASSES[i] for i in context.lone(crops).argmax(axis=1)]
        scores = np.concatenate(context.in_words(pictures, boxes))
        around += [CLASSES[i] for i in scores.argmax(axis=1)]
    labels = [one.character for one in listed]
    return Report(
        task="text.characters",
        data=str(config.data),
        split=None,
        model_name="+".join(entry.name for entry in weights),
        model_sha256="+".join(entry.sha256 for entry in weights),
        n=len(listed),
        seconds=time.perf_counter() - begun,
        metrics={
            **character_metrics(joined, labels),
            "accuracy_cnn": character_metrics(alone, labels)["accuracy"],
            "accuracy_in_word": character_metrics(around, labels)["accuracy"],
        },
    )
