"""Measure classification, through the classifier that users run."""

from __future__ import annotations

import time

import numpy as np

from onlooker.classification.datasets import read_split
from onlooker.classification.predict import ImageClassifier
from onlooker.classification.weights import DEFAULT
from onlooker.errors import ConfigError
from onlooker.hub import sha256_of
from onlooker.metrics import EvaluationConfig, Report, expected_calibration_error

SPLIT = "dev"


def evaluate(config: EvaluationConfig) -> Report:
    """Classify labelled pictures.

    Args:
        config: A folder with ``S.zip`` and ``S_labels.tsv`` for each split S. Without a split
            ``dev``, 5,000 pictures of ``train`` that the networks were not trained on. ``model``
            is a name or a file, as `ImageClassifier.load` takes it.

    Returns:
        ``top1``: the share of pictures whose most probable class is theirs; ``top5``: theirs is
        among the five most probable; ``ece``: how far, on average, the probability of the first
        class lies from the share of such that are right (15 bins).

    Raises:
        ConfigError: The split is missing or malformed, or has classes that the network has not.
        MediaError: A picture cannot be decoded.
        WeightsError: The network is missing, damaged, or no classifier.
    """
    split = config.split or SPLIT
    data = read_split(config.data, split)
    classifier = ImageClassifier.load(config.model or DEFAULT)
    known = classifier.model.classes
    strange = sorted(set(data.classes) - set(known))
    if strange:
        raise ConfigError(
            f"{config.data} has classes that {classifier.name} does not know: "
            f"{', '.join(strange[:5])}; it knows {', '.join(known[:10])}"
        )
    place = np.array([known.index(name) for name in data.classes])
    labels = place[data.labels[: config.limit]]
    pictures = data.pictures[: config.limit]
    begun = time.perf_counter()
    probabilities = classifier.probabilities(list(pictures))
    seconds = time.perf_counter() - begun
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    right = order == labels[:, None]
    return Report(
        task="classification",
        data=str(config.data),
        split=split,
        model_name=classifier.name,
        model_sha256=sha256_of(classifier.path),
        n=len(labels),
        seconds=seconds,
        metrics={
            "top1": float(right[:, 0].mean()),
            "top5": float(right.any(axis=1).mean()),
            "ece": expected_calibration_error(
                probabilities.max(axis=1).tolist(), right[:, 0].tolist()
            ),
        },
    )
