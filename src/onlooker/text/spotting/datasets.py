"""Scenes with word polygons and texts: ``annotations.jsonl`` beside ``images/``.

One JSON object a line: ``{"image": "images/x.jpg", "words": [{"polygon": [[x, y], …], "text": "…",
"ignore": false}]}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onlooker.errors import ConfigError
from onlooker.records import Polygon
from onlooker.text.spotting.metrics import TrueWord

ANNOTATIONS_NAME = "annotations.jsonl"


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and the words that people saw in it."""

    image: Path
    words: tuple[TrueWord, ...]


def read_scenes(folder: Path) -> list[Scene]:
    """Read the labels of a folder of scenes; pictures are not opened.

    Raises:
        ConfigError: The folder or its labels are missing or malformed, or a picture is not there.
    """
    labels = folder / ANNOTATIONS_NAME
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; --data takes one with annotations.jsonl")
    if not labels.is_file():
        raise ConfigError(
            f"{folder} has no annotations.jsonl; expected one line a picture: "
            '{"image": …, "words": [{"polygon", "text", "ignore"}]}'
        )
    try:
        text = labels.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{labels} cannot be read: {error}") from error
    scenes = list(_scenes(text, labels))
    if not scenes:
        raise ConfigError(f"{labels} is empty; expected one line a picture")
    for scene in scenes:
        if not scene.image.is_file():
            raise ConfigError(f"{labels} names {scene.image.name}, but {scene.image} is not there")
    return scenes


def _scenes(text: str, labels: Path) -> Iterator[Scene]:
    # Not splitlines(): it would break a label that holds, say, U+2028.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            image = labels.parent / str(entry["image"])
            words = tuple(
                TrueWord(str(word["text"]), _polygon(word["polygon"]), bool(word["ignore"]))
                for word in entry["words"]
            )
        except (ValueError, TypeError, KeyError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise ConfigError(
                f"{labels}, line {number}: {reason}; expected "
                '{"image": …, "words": [{"polygon": [[x, y], …], "text": …, "ignore": …}]}'
            ) from error
        yield Scene(image, words)


def _polygon(points: object) -> Polygon:
    if not isinstance(points, list) or len(points) < 3:
        raise ValueError(f"a polygon needs three or more points, got {points!r}")
    polygon = tuple((float(x), float(y)) for x, y in points)
    if not all(math.isfinite(value) for point in polygon for value in point):
        raise ValueError(f"a polygon has a point that is no number: {points!r}")
    return polygon
