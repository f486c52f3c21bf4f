"""Measure the recogniser on labelled crops, through the same `TextRecognizer` that users run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onlooker.hub import choose, sha256_of
from onlooker.media.image import read_image
from onlooker.metrics import EvaluationConfig, Report, expected_calibration_error
from onlooker.text.charset import unreadable
from onlooker.text.crops import cut_out
from onlooker.text.lines import corners_of
from onlooker.text.recognition.datasets import LABELS_NAME, read_labels
from onlooker.text.recognition.lexicon import Lexicon
from onlooker.text.recognition.metrics import recognition_metrics
from onlooker.text.recognition.predict import DECODING, TextRecognizer
from onlooker.text.recognition.weights import LANGUAGE_MODEL, WEIGHTS
from onlooker.text.rectification.geometry import turned_about
from onlooker.text.rectification.predict import TextRectifier
from onlooker.text.rectification.reading import read_turned
from onlooker.text.rectification.weights import WEIGHTS as RECTIFIERS
from onlooker.text.spotting.datasets import ANNOTATIONS_NAME, read_scenes

Picture = npt.NDArray[np.uint8]

MODEL = "ctc.synth2-int8"
RECTIFIER = "outline.synth1"
#: Crops that are held decoded at once: bounds memory on large sets.
_CHUNK = 256


def evaluate(config: EvaluationConfig) -> Report:
    """Read every crop of a folder, however its word lies, and compare with the labels.

    Args:
        config: A folder with ``labels.tsv``, or scenes with ``annotations.jsonl``, whose words are
            cut out; it has no splits. ``model`` is a name or a file, as `TextRecognizer.load` takes
            it.

    Returns:
        The measures of `onlooker.text.recognition.metrics`, and ``labels_outside_charset``: how
        many labels hold a character that the reader cannot write, so that they count as misread.
        The seconds hold decoding the pictures.

    Raises:
        ConfigError: A split is asked for, or the folder or its labels are missing or malformed.
        MediaError: A picture cannot be read.
        WeightsError: The network is missing, damaged, or no recogniser.
    """
    config.refuse_split()
    lexicon = None if config.lexicon is None else Lexicon.read(config.lexicon)
    decoding = config.decoding or DECODING
    recognizer = TextRecognizer.load(config.model or MODEL, decoding=decoding, lexicon=lexicon)
    used = {_name_of(config.model or MODEL): sha256_of(recognizer.path)}
    others = [choose(RECTIFIERS, RECTIFIER)]
    if decoding == "lm":
        others.insert(0, choose(WEIGHTS, LANGUAGE_MODEL))
    used |= {weights.name: weights.sha256 for weights in others}
    rectifier = TextRectifier.load(RECTIFIER)
    rng = np.random.default_rng(0)
    begun = time.perf_counter()
    pairs: list[tuple[str, str]] = []
    probabilities: list[float] = []
    crops = islice(_labelled(config.data), config.limit)
    while part := list(islice(crops, _CHUNK)):
        shown = [_turned(rng, crop, config.turned) for crop, _ in part]
        read = [one.reading for one in read_turned(recognizer, rectifier, shown)]
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
        model_name="+".join(used),
        model_sha256="+".join(used.values()),
        n=len(pairs),
        seconds=time.perf_counter() - begun,
        metrics=metrics,
    )


def _name_of(model: str) -> str:
    return model if model in WEIGHTS else Path(model).stem


def _turned(rng: np.random.Generator, crop: Picture, how: str | None) -> Picture:
    if how is None or not crop.size:
        return crop
    return turned_about(crop, rng.uniform(-180, 180) if how == "any" else float(how))


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
