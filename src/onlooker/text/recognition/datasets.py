"""Labelled crops of words: ``labels.tsv`` (lines ``images/x.jpg<TAB>text``) and ``images/``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onlooker.errors import ConfigError

LABELS_NAME = "labels.tsv"


@dataclass(frozen=True, slots=True)
class LabelledCrop:
    """A picture of a word and what it says."""

    image: Path
    text: str


def read_labels(folder: Path) -> list[LabelledCrop]:
    """Read the labels of a folder of crops; pictures are not opened.

    Raises:
        ConfigError: The folder or its labels are missing or malformed, or a picture is not there.
    """
    labels = folder / LABELS_NAME
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; --data takes one with {LABELS_NAME}")
    if not labels.is_file():
        raise ConfigError(f"{folder} has no {LABELS_NAME}; expected lines image<TAB>text")
    try:
        content = labels.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{labels} cannot be read: {error}") from error
    crops = []
    # Not splitlines(): it would break a label that holds, say, U+2028.
    for number, raw in enumerate(content.split("\n"), start=1):
        line = raw.removesuffix("\r")
        if not line:
            continue
        name, tab, text = line.partition("\t")
        if not tab or not name:
            raise ConfigError(f"{labels}, line {number}: {line!r}; expected image<TAB>text")
        image = folder / name
        if not image.is_file():
            raise ConfigError(f"{labels}, line {number}: {image} is not there")
        crops.append(LabelledCrop(image=image, text=text))
    if not crops:
        raise ConfigError(f"{labels} is empty; expected lines image<TAB>text")
    return crops
