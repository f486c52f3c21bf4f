"""Measure the reader end to end, through the same `TextReader` that users run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from onlooker.media.image import read_image
from onlooker.metrics import EvaluationConfig, Report
from onlooker.text.pipeline import TextReader, shipped_weights
from onlooker.text.spotting.datasets import read_scenes
from onlooker.text.spotting.metrics import ReadWord, SpottingScore

if TYPE_CHECKING:
    from onlooker.records import Page


def evaluate(config: EvaluationConfig) -> Report:
    """Read every picture of a folder of scenes with the shipped reader, and compare.

    Args:
        config: A folder with ``annotations.jsonl``; it has no splits.

    Raises:
        ConfigError: A split is asked for, or the folder or its labels are missing or malformed.
        MediaError: A picture cannot be read.
        WeightsError: The networks are missing or damaged.
    """
    config.refuse_split()
    scenes = read_scenes(config.data)[: config.limit]
    weights = shipped_weights()
    reader = TextReader.load()
    score = SpottingScore()
    begun = time.perf_counter()
    for scene in scenes:
        # Labels count pixels of the file as stored, so nothing may be turned or reduced silently.
        pixels, scale = read_image(scene.image)
        score.add(read_words(reader(pixels), scale), scene.words)
    return Report(
        task="text.spotting",
        data=str(config.data),
        split=None,
        model_name="+".join(entry.name for entry in weights),
        model_sha256="+".join(entry.sha256 for entry in weights),
        n=len(scenes),
        seconds=time.perf_counter() - begun,
        metrics=score.metrics(),
    )


def read_words(page: Page, scale: float = 1.0) -> list[ReadWord]:
    """Return the words of a page, brought from a picture's reduced scale to that of its file."""
    return [
        ReadWord(word.text, tuple((x / scale, y / scale) for x, y in word.polygon))
        for word in page.words
    ]
