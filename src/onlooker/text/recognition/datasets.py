"""Labelled crops of words, and of single characters within them.

``labels.tsv``: lines ``images/x.jpg<TAB>text``. ``chars.tsv``: lines
``x.jpg<TAB>x0,y0,x1,y1<TAB>character``, boxes in pixels of ``images/x.jpg``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onlooker.errors import ConfigError

LABELS_NAME = "labels.tsv"
CHARACTERS_NAME = "chars.tsv"


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
    crops = []
    for where, columns in _rows(folder, LABELS_NAME, "image<TAB>text", 2):
        image = folder / columns[0]
        if not image.is_file():
            raise ConfigError(f"{where}: {image} is not there")
        crops.append(LabelledCrop(image=image, text=columns[1]))
    return crops


@dataclass(frozen=True, slots=True)
class LabelledCharacter:
    """A character in a picture of a word: its box, ``xyxy`` in pixels, and which it is."""

    image: Path
    box: tuple[int, int, int, int]
    character: str


def read_characters(folder: Path) -> list[LabelledCharacter]:
    """Read the boxes of single characters; pictures are not opened.

    Raises:
        ConfigError: The folder or its labels are missing or malformed, or a picture is not there.
    """
    layout = "image<TAB>x0,y0,x1,y1<TAB>character"
    characters = []
    for where, columns in _rows(folder, CHARACTERS_NAME, layout, 3):
        image = folder / "images" / columns[0]
        if not image.is_file():
            raise ConfigError(f"{where}: {image} is not there")
        try:
            x0, y0, x1, y1 = (int(number) for number in columns[1].split(","))
        except ValueError:
            raise ConfigError(f"{where}: box {columns[1]!r}; expected x0,y0,x1,y1") from None
        if not (x0 < x1 and y0 < y1 and len(columns[2]) == 1):
            raise ConfigError(f"{where}: an empty box, or not one character; expected {layout}")
        characters.append(
            LabelledCharacter(image=image, box=(x0, y0, x1, y1), character=columns[2])
        )
    return characters


def _rows(folder: Path, name: str, layout: str, columns: int) -> Iterator[tuple[str, list[str]]]:
    """Yield (where it stands, its columns) for each line; the last column may hold tabs."""
    labels = folder / name
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; --data takes one with {name}")
    if not labels.is_file():
        raise ConfigError(f"{folder} has no {name}; expected lines {layout}")
    try:
        content = labels.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{labels} cannot be read: {error}") from error
    # Not splitlines(): it would break a label that holds, say, U+2028.
    lines = [line.removesuffix("\r") for line in content.split("\n")]
    if not any(lines):
        raise ConfigError(f"{labels} is empty; expected lines {layout}")
    for number, line in enumerate(lines, start=1):
        if line:
            row = line.split("\t", columns - 1)
            if len(row) < columns or not row[0]:
                raise ConfigError(f"{labels}, line {number}: {line!r}; expected {layout}")
            yield f"{labels}, line {number}", row
