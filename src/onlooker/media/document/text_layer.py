"""The text layer of a page: characters → words → lines in reading order."""

from __future__ import annotations

import ctypes
import math
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from onlooker.media.document.places import corners_of
from onlooker.media.reading_order import order_boxes
from onlooker.records import Polygon, TextLine, TextWord, bounding_box

MAX_PAGE_CHARS = 200_000
"""Characters of a page that are looked at. A full page of newspaper has 20,000."""

VOWEL_SHARES = (0.12, 0.75)
"""Outside of these shares of vowels, a longer text in Latin letters is no language but a font with
a private order of letters. Natural texts of European languages lie between 0.30 and 0.55."""

_VOWELS = frozenset("aeiouyäöüáàâãåæéèêëíìîïóòôõøœúùûýÿ")
_MIN_LATIN = 80

_HYPHENS = {0x0002: "-", 0xFFFE: "-", 0x00AD: "-"}
"""What PDFium gives for a hyphen at the end of a line, and the soft hyphen."""

_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)


@dataclass(slots=True)
class Word:
    """A word while it is put together: its characters' boxes in page space."""

    text: str
    boxes: list[tuple[float, float, float, float]]
    angle: float
    size: float


def page_words(page: Any) -> tuple[list[Word], int, int]:
    """Return the words of the text layer in its own order, the senseless characters, and all."""
    text_page = pdfium.FPDFText_LoadPage(page)
    if not text_page:
        return [], 0, 0
    try:
        return _collect(text_page)
    finally:
        pdfium.FPDFText_ClosePage(text_page)


def _collect(text_page: Any) -> tuple[list[Word], int, int]:
    count = min(pdfium.FPDFText_CountChars(text_page), MAX_PAGE_CHARS)
    words: list[Word] = []
    word: Word | None = None
    senseless = total = 0
    sides = [ctypes.c_double() for _ in range(4)]
    high = 0
    for at in range(count):
        code = pdfium.FPDFText_GetUnicode(text_page, at)
        if 0xD800 <= code < 0xDC00:
            high = code
            continue
        if 0xDC00 <= code < 0xE000:
            code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00) if high else 0xFFFD
        high = 0
        char = _HYPHENS.get(code) or chr(code if code < 0x110000 else 0xFFFD)
        if char.isspace() or code == 0:
            word = None
            continue
        total += 1
        if _is_senseless(char) or pdfium.FPDFText_HasUnicodeMapError(text_page, at) == 1:
            senseless += 1
            continue
        pdfium.FPDFText_GetCharBox(text_page, at, *sides)
        left, right, bottom, top = (side.value for side in sides)
        if not (math.isfinite(left + right + bottom + top)) or right < left or top < bottom:
            continue
        box = (left, bottom, right, top)
        if word is None or not _continues(word, box):
            angle = float(pdfium.FPDFText_GetCharAngle(text_page, at))
            size = float(pdfium.FPDFText_GetFontSize(text_page, at))
            word = Word("", [], angle if math.isfinite(angle) else 0.0, size)
            words.append(word)
        word.text += char
        word.boxes.append(box)
    for entry in words:
        entry.text = unicodedata.normalize("NFC", entry.text.translate(_LIGATURES))
    return [entry for entry in words if entry.text], senseless, total


def _is_senseless(char: str) -> bool:
    return char == "\ufffd" or unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs")


def _continues(word: Word, box: tuple[float, float, float, float]) -> bool:
    """Say whether a character stands near enough to the last one to belong to the same word.

    PDFium marks most gaps itself; this catches jumps to another column or line without one.
    """
    left, bottom, right, top = word.boxes[-1]
    reach = 2.0 * max(right - left, top - bottom, box[2] - box[0], box[3] - box[1], 1.0)
    across = max(box[0] - right, left - box[2])
    along = max(box[1] - top, bottom - box[3])
    return max(across, along) <= reach


def is_cipher(text: str) -> bool:
    """Say whether a longer text in Latin letters has far too few or too many vowels."""
    letters = [char for char in text.lower() if char.isalpha() and char < "\u0250"]
    if len(letters) < _MIN_LATIN:
        return False
    share = sum(char in _VOWELS for char in letters) / len(letters)
    return not VOWEL_SHARES[0] <= share <= VOWEL_SHARES[1]


def _word_polygon(word: Word, to_view: NDArray[np.float64]) -> tuple[Polygon, float]:
    """Return the corners of a word as shown, from its first letter's top left, and its angle.

    The angle is that of the reading direction, clockwise as shown, in radians.
    """
    # The character's angle is given clockwise in page space, whose y points up.
    direction = to_view[:, :2] @ np.array([math.cos(word.angle), -math.sin(word.angle)])
    angle = math.atan2(float(direction[1]), float(direction[0]))
    corners = np.array([point for box in word.boxes for point in corners_of(box, to_view)])
    turns = round(angle / (math.pi / 2))
    if abs(angle - turns * math.pi / 2) < 0.02:
        left, top = corners.min(axis=0)
        right, bottom = corners.max(axis=0)
        upright = [(left, top), (right, top), (right, bottom), (left, bottom)]
        # Turned text begins at another corner: reading downwards, at the top right.
        start = turns % 4
        ordered = upright[start:] + upright[:start]
        return tuple((float(x), float(y)) for x, y in ordered), turns * math.pi / 2
    # Slanted: upright boxes of letters are too large; lay a band of the font's height through
    # their centres.
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    boxes = np.array([bounding_box(corners_of(box, to_view)) for box in word.boxes])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    heights = boxes[:, 3] - boxes[:, 1]
    half = 0.35 * (word.size if word.size > 1.5 else float(np.median(heights)))
    near, far = (centres @ along).min() - half * 0.7, (centres @ along).max() + half * 0.7
    middle = float(np.median(centres @ across))
    points = [
        along * u + across * v
        for u, v in (
            (near, middle - half),
            (far, middle - half),
            (far, middle + half),
            (near, middle + half),
        )
    ]
    return tuple((float(x), float(y)) for x, y in points), angle


def lines_of(
    words: list[Word], to_view: NDArray[np.float64], width: float, height: float
) -> tuple[TextLine, ...]:
    """Join words that stand on one line, then bring the lines into reading order.

    Words off the page (presenters' leftovers) are dropped: nobody can see them.
    """
    lines: list[list[TextWord]] = []
    last: tuple[float, float, float, float] | None = None  # angle, from, to, middle
    last_height = 0.0
    for word in words:
        polygon, angle = _word_polygon(word, to_view)
        left, top, right, bottom = bounding_box(polygon)
        if right <= 0 or bottom <= 0 or left >= width or top >= height:
            continue
        cos, sin = math.cos(angle), math.sin(angle)
        us = [x * cos + y * sin for x, y in polygon]
        vs = [y * cos - x * sin for x, y in polygon]
        tall = max(vs) - min(vs)
        # A full stop or a dash is low; the font's size says how high its line is.
        tall = max(tall, 0.5 * word.size if word.size > 1.5 else 0.0)
        middle = (max(vs) + min(vs)) / 2
        record = TextWord(word.text, polygon, 1.0)
        joins = (
            last is not None
            and abs(angle - last[0]) < 0.05
            and abs(middle - last[3]) <= 0.5 * max(tall, last_height)
            and -0.5 * max(tall, last_height)
            <= min(us) - last[2]
            <= 1.5 * max(tall, last_height, 1.0)
        )
        if joins and last is not None:
            lines[-1].append(record)
            last = (angle, last[1], max(us), middle if tall >= last_height else last[3])
            last_height = max(tall, last_height)
        else:
            lines.append([record])
            last = (angle, min(us), max(us), middle)
            last_height = tall
    finished = [TextLine(tuple(line)) for line in lines]
    order = order_boxes([line.box for line in finished])
    return tuple(finished[at] for at in order)
