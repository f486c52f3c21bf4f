"""Measure the reader end to end, through the same `TextReader` that users run."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from onlooker.media.image import read_image
from onlooker.metrics import EvaluationConfig, Report
from onlooker.text.detection.methods import DEFAULT, weights_of
from onlooker.text.pipeline import TextReader, shipped_weights
from onlooker.text.rectification.geometry import turned_about
from onlooker.text.spotting.datasets import read_scenes
from onlooker.text.spotting.metrics import ReadWord, SpottingScore, TrueWord

if TYPE_CHECKING:
    from onlooker.records import Page, Polygon


def evaluate(config: EvaluationConfig) -> Report:
    """Read every picture of a folder of scenes with the shipped reader, and compare.

    Args:
        config: A folder with ``annotations.jsonl``; it has no splits. ``detector`` is
            a name of `onlooker.text.detection.methods`. ``turned`` turns each picture about its
            middle, and the places of its words with it.

    Raises:
        ConfigError: A split or an unknown detector is asked for, or the folder or its labels are
            missing or malformed.
        MediaError: A picture cannot be read.
        WeightsError: The networks are missing or damaged.
    """
    config.refuse_split()
    scenes = read_scenes(config.data)[: config.limit]
    detector = config.detector or DEFAULT
    weights = (weights_of(detector), *shipped_weights()[1:])
    reader = TextReader.load(detection=detector)
    rng = np.random.default_rng(0)
    score = SpottingScore()
    begun = time.perf_counter()
    for scene in scenes:
        # Labels count pixels of the file as stored, so nothing may be turned or reduced silently.
        pixels, scale = read_image(scene.image)
        words = scene.words
        if config.turned is not None:
            by = rng.uniform(-180, 180) if config.turned == "any" else float(config.turned)
            shown = turned_about(pixels, by)
            before, after = ((p.shape[1] / scale, p.shape[0] / scale) for p in (pixels, shown))
            pixels, words = shown, turned_words(words, by, before, after)
        score.add(read_words(reader(pixels), scale), words)
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


def turned_words(
    words: Sequence[TrueWord],
    degrees: float,
    before: tuple[float, float],
    after: tuple[float, float],
) -> tuple[TrueWord, ...]:
    """Return where words stand once their picture is turned clockwise about its middle.

    Args:
        words: Their polygons begin where each word begins, and go on doing so.
        degrees: By how much.
        before: Width and height of the picture.
        after: Those of the canvas on which it lies turned, its middle on the canvas's.
    """
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def turned(polygon: Polygon) -> Polygon:
        offsets = [(x - before[0] / 2, y - before[1] / 2) for x, y in polygon]
        return tuple(
            (x * cosine - y * sine + after[0] / 2, x * sine + y * cosine + after[1] / 2)
            for x, y in offsets
        )

    return tuple(replace(word, polygon=turned(word.polygon)) for word in words)
