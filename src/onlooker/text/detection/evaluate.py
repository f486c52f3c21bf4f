"""Measure detection on labelled scenes, through the same detectors that users run."""

from __future__ import annotations

import time

from onlooker.media.image import read_image
from onlooker.metrics import EvaluationConfig, Report
from onlooker.text.detection.methods import DEFAULT, load_detector, weights_of
from onlooker.text.detection.metrics import DetectionScore
from onlooker.text.spotting.datasets import read_scenes


def evaluate(config: EvaluationConfig) -> Report:
    """Find words in every picture of a folder of scenes, and compare with the labels.

    Args:
        config: A folder with ``annotations.jsonl``; it has no splits. ``detector`` is
            a name of `onlooker.text.detection.methods`.

    Raises:
        ConfigError: A split or an unknown method is asked for, or the folder or its labels are
            missing or malformed.
        MediaError: A picture cannot be read.
        WeightsError: The network is missing or damaged.
    """
    config.refuse_split()
    scenes = read_scenes(config.data)[: config.limit]
    method = config.detector or DEFAULT
    weights = weights_of(method)
    detector = load_detector(method)
    score = DetectionScore()
    begun = time.perf_counter()
    for scene in scenes:
        pixels, scale = read_image(scene.image)
        found = [
            tuple((x / scale, y / scale) for x, y in text.polygon) for text in detector([pixels])[0]
        ]
        score.add(
            found,
            true=[word.polygon for word in scene.words if not word.ignore],
            ignored=[word.polygon for word in scene.words if word.ignore],
        )
    return Report(
        task="text.detection",
        data=str(config.data),
        split=None,
        model_name=weights.name,
        model_sha256=weights.sha256,
        n=len(scenes),
        seconds=time.perf_counter() - begun,
        metrics=score.metrics(),
    )
