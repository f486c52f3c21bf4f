"""PDF documents: pages → the words of their text layer with places, and pictures of the pages.

Example:
    >>> with Document.open("slides.pdf") as document:  # doctest: +SKIP
    ...     print([line.text for line in document.page_lines(0)])
"""

from __future__ import annotations

import ctypes
import math
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from onlooker.errors import MediaError
from onlooker.media.files import PathLike, as_path, open_file, shown
from onlooker.media.reading_order import order_boxes
from onlooker.records import Box, MediaFacts, Point, Polygon, TextLine, TextWord

_LOCK = threading.RLock()
"""PDFium is not thread-safe, not even for two different documents."""

MAX_RENDER_SIDE_PX = 8192
"""Longest side of a rendered page: 200 MB at most, for a square page."""

MAX_PICTURE_BYTES = 400_000_000
"""Memory that one picture on a page may take when PDFium decodes it; as for photos."""

MAX_PAGE_CHARS = 200_000
"""Characters of a page that are looked at. A full page of newspaper has 20,000."""

MAX_PAGE_OBJECTS = 20_000
"""Objects of a page that are looked at when pictures are sought."""

PICTURE_SHARE = 0.04
"""Share of the page from which on a picture is large enough to carry text that one can read: a
fifth of the width by a fifth of the height."""

COVERED_WORDS = 15
"""A picture that fills the page (`FULL_SHARE`) under so many words of the text layer is a
background, or a scan that was read already: reading it again finds the same words."""

FULL_SHARE = 0.7

GARBAGE_SHARE = 0.2
"""Share of characters without a meaning from which on a text layer is thrown away. Formulas bring
a few; a font without a map to Unicode makes nearly all of them so."""

VOWEL_SHARES = (0.12, 0.75)
"""Outside of these shares of vowels, a longer text in Latin letters is no language but a font with
a private order of letters. Natural texts of European languages lie between 0.30 and 0.55."""

_VOWELS = frozenset("aeiouyäöüáàâãåæéèêëíìîïóòôõøœúùûýÿ")
_MIN_LATIN = 80

Pixels = NDArray[np.uint8]


@dataclass(slots=True)
class _Word:
    """A word while it is put together: its characters' boxes in page space."""

    text: str
    boxes: list[tuple[float, float, float, float]]
    angle: float
    size: float


class Document:
    """An open PDF document. Safe to use from several threads, one call at a time.

    Attributes:
        path: The file.
    """

    def __init__(self, path: PathLike, file: BinaryIO, raw: pypdfium2.PdfDocument) -> None:
        self.path = as_path(path)
        self._file = file
        self._document = raw

    @classmethod
    def open(cls, path: PathLike) -> Document:
        """Open a document.

        Raises:
            MediaError: It is missing, unreadable, empty, damaged, protected by a password, or no
                PDF.
        """
        file = open_file(path)
        try:
            with _LOCK:
                raw = pypdfium2.PdfDocument(file)
        except pypdfium2.PdfiumError as error:
            file.close()
            raise MediaError(f"cannot open {shown(path)}: {_open_reason(error)}") from error
        except (OSError, ValueError, RuntimeError) as error:
            file.close()
            raise MediaError(f"cannot open {shown(path)}: {error}") from error
        document = cls(path, file, raw)
        if len(document) == 0:
            document.close()
            raise MediaError(f"cannot open {shown(path)}: the document has no pages")
        return document

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        with _LOCK:
            self._document.close()
        self._file.close()

    def __enter__(self) -> Document:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        with _LOCK:
            return len(self._document)

    @cached_property
    def facts(self) -> MediaFacts:
        """Pages, and the size of the first one in points."""
        try:
            width, height = self.page_size(0)
        except MediaError:
            width = height = 0.0  # a damaged first page does not cost the others
        return MediaFacts(
            kind="document",
            width=round(width),
            height=round(height),
            pages=len(self),
            container="pdf",
        )

    @cached_property
    def info(self) -> dict[str, str]:
        """The document information (title, author, subject, keywords …), empty values left out."""
        with _LOCK:
            try:
                entries = self._document.get_metadata_dict(skip_empty=True)
            except (pypdfium2.PdfiumError, UnicodeDecodeError):
                return {}
        cleaned = {key: value.replace("\0", "").strip() for key, value in entries.items()}
        return {key: value for key, value in cleaned.items() if value}

    def page_size(self, index: int) -> tuple[float, float]:
        """Return width and height of a page as shown, in points (1/72 inch).

        Args:
            index: Page from 0.

        Raises:
            MediaError: The page is damaged, or there is none of that number.
        """
        with self._page(index) as page:
            return self._size(page, index)

    def page_lines(self, index: int) -> list[TextLine]:
        """Return the text layer of a page in reading order.

        Args:
            index: Page from 0.

        Returns:
            Lines of words with polygons in points, origin at the top left of the page as shown.
            None for a page without text layer, or whose text layer is garbage.

        Raises:
            MediaError: The page is damaged, or there is none of that number.
        """
        return list(self._layer(index)[0])

    def picture_boxes(self, index: int) -> list[Box]:
        """Return the places of the pictures on a page that are large enough to carry text.

        Args:
            index: Page from 0.

        Returns:
            Boxes in points, origin at the top left, clipped to the page; large ones first.

        Raises:
            MediaError: The page is damaged, or there is none of that number.
        """
        with self._page(index) as page:
            width, height = self._size(page, index)
            to_view = _view_matrix(page, width, height)
            boxes = []
            for _, bounds in _pictures(page):
                left, top, right, bottom = _box(_corners(bounds, to_view))
                left, right = max(0.0, left), min(width, right)
                top, bottom = max(0.0, top), min(height, bottom)
                share = max(0.0, right - left) * max(0.0, bottom - top) / (width * height)
                if share >= PICTURE_SHARE:
                    boxes.append((share, (left, top, right, bottom)))
        return [box for _, box in sorted(boxes, reverse=True)]

    def needs_reading(self, index: int) -> bool:
        """Say whether a page shows text that its text layer may not hold.

        That is so where there is no text layer, where it is garbage, and where a large picture
        stands on the page, unless it fills the page behind many words of the layer.

        Args:
            index: Page from 0.

        Raises:
            MediaError: The page is damaged, or there is none of that number.
        """
        lines, garbage = self._layer(index)
        if garbage or not lines:
            return True
        boxes = self.picture_boxes(index)
        if not boxes:
            return False
        width, height = self.page_size(index)
        left, top, right, bottom = boxes[0]
        if (right - left) * (bottom - top) < FULL_SHARE * width * height:
            return True
        centres = (
            ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            for box in (word.box for line in lines for word in line.words)
        )
        covered = sum(left <= x <= right and top <= y <= bottom for x, y in centres)
        return covered < COVERED_WORDS

    def render(self, index: int, max_side: int) -> tuple[Pixels, float]:
        """Draw a page on white.

        Args:
            index: Page from 0.
            max_side: Longest side of the result in pixels, at most `MAX_RENDER_SIDE_PX`.

        Returns:
            Pixels ``(H, W, 3)`` uint8 RGB, and the scale: pixels for one point.

        Raises:
            MediaError: The page is damaged, holds a picture too large to decode, or there is none
                of that number.
            ValueError: ``max_side`` is not positive.
        """
        if max_side < 1:
            raise ValueError(f"max_side must be positive, got {max_side}")
        with self._page(index) as page:
            width, height = self._size(page, index)
            self._refuse_bombs(page, index)
            scale = min(max_side, MAX_RENDER_SIDE_PX) / max(width, height)
            columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
            bitmap = None
            try:
                bitmap = pypdfium2.PdfBitmap.new_native(columns, rows, pdfium.FPDFBitmap_BGR)
                bitmap.fill_rect((255, 255, 255, 255), 0, 0, columns, rows)
                flags = pdfium.FPDF_ANNOT | pdfium.FPDF_REVERSE_BYTE_ORDER
                pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, columns, rows, 0, flags)
                pixels = np.array(bitmap.to_numpy(), np.uint8, copy=True)
            except (pypdfium2.PdfiumError, MemoryError, ValueError) as error:
                raise MediaError(f"cannot draw {self._name(index)}: {error}") from error
            finally:
                if bitmap is not None:
                    bitmap.close()
        return pixels, scale

    def _name(self, index: int) -> str:
        return f"page {index + 1} of {shown(self.path)}"

    @contextmanager
    def _page(self, index: int) -> Iterator[Any]:
        """Load a page under the lock."""
        with _LOCK:
            if self._file.closed:
                raise MediaError(f"cannot read {self._name(index)}: the document is closed")
            count = len(self._document)
            if not 0 <= index < count:
                raise MediaError(
                    f"there is no page {index + 1} in {shown(self.path)}: it has {count}"
                )
            try:
                page = self._document.get_page(index)
            except pypdfium2.PdfiumError as error:
                raise MediaError(f"cannot read {self._name(index)}: it is damaged") from error
            try:
                yield page
            finally:
                page.close()

    def _size(self, page: Any, index: int) -> tuple[float, float]:
        width, height = page.get_size()
        if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
            raise MediaError(f"cannot read {self._name(index)}: its size is {width} x {height}")
        return float(width), float(height)

    def _refuse_bombs(self, page: Any, index: int) -> None:
        for raw, _ in _pictures(page):
            data = pdfium.FPDF_IMAGEOBJ_METADATA()
            if pdfium.FPDFImageObj_GetImageMetadata(raw, page, data):
                needed = data.width * data.height * max(1, data.bits_per_pixel) // 8
                if needed > MAX_PICTURE_BYTES:
                    raise MediaError(
                        f"cannot draw {self._name(index)}: a picture of {data.width}x{data.height}"
                        f" pixels on it would take {needed / 1e6:,.0f} MB, and"
                        f" {MAX_PICTURE_BYTES / 1e6:,.0f} MB are the most"
                    )

    def _layer(self, index: int) -> tuple[tuple[TextLine, ...], bool]:
        """Return the lines of a page, and whether its text layer was thrown away as garbage."""
        if self._last_layer is not None and self._last_layer[0] == index:
            return self._last_layer[1]
        with self._page(index) as page:
            width, height = self._size(page, index)
            words, senseless, total = _page_words(page)
            to_view = _view_matrix(page, width, height)
        text = " ".join(word.text for word in words)
        garbage = total > 0 and (senseless > GARBAGE_SHARE * total or _is_cipher(text))
        lines = () if garbage else _lines(words, to_view, width, height)
        self._last_layer = (index, (lines, garbage))
        return lines, garbage

    _last_layer: tuple[int, tuple[tuple[TextLine, ...], bool]] | None = None


def _open_reason(error: pypdfium2.PdfiumError) -> str:
    text = str(error)
    if "assword" in text:
        return "it is protected by a password: save a copy without one"
    if "ecurity" in text:
        return "its kind of encryption is not supported: save a copy without it"
    return "it is damaged, cut short, or no PDF"


def _pictures(page: Any) -> Iterator[tuple[Any, Box]]:
    """Yield the picture objects of a page with their bounds in page space, forms included.

    Forms are entered four levels deep; deeper ones are rare, and a document can nest them so that
    walking takes for ever.
    """
    budget = MAX_PAGE_OBJECTS
    count = pdfium.FPDFPage_CountObjects(page)
    stack: list[tuple[Any, int, Any]] = [
        (pdfium.FPDFPage_GetObject(page, at), 0, None) for at in range(min(count, budget))
    ]
    bounds = [ctypes.c_float() for _ in range(4)]
    while stack and budget > 0:
        raw, depth, matrix = stack.pop()
        budget -= 1
        kind = pdfium.FPDFPageObj_GetType(raw)
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            if pdfium.FPDFPageObj_GetBounds(raw, *bounds):
                left, bottom, right, top = (value.value for value in bounds)
                corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
                for a, b, c, d, e, f in reversed(matrix or ()):
                    corners = [(a * x + c * y + e, b * x + d * y + f) for x, y in corners]
                yield raw, _box(corners)
        elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < 4:
            m = pdfium.FS_MATRIX()
            pdfium.FPDFPageObj_GetMatrix(raw, m)
            chain = (*(matrix or ()), (m.a, m.b, m.c, m.d, m.e, m.f))
            inner = pdfium.FPDFFormObj_CountObjects(raw)
            stack.extend(
                (pdfium.FPDFFormObj_GetObject(raw, at), depth + 1, chain)
                for at in range(min(max(inner, 0), budget))
            )


def _view_matrix(page: Any, width: float, height: float) -> NDArray[np.float64]:
    """Return the 2x3 matrix from page space (origin anywhere, y up) to the page as shown.

    PDFium's own mapping is asked at three points, so that crop boxes and rotation agree with what
    `Document.render` draws.
    """
    fine = 1_000_000  # device units across the page: its answers are whole numbers
    images = []
    for x, y in ((0.0, 0.0), (100.0, 0.0), (0.0, 100.0)):
        column, row = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDF_PageToDevice(page, 0, 0, fine, fine, 0, x, y, column, row)
        images.append((column.value * width / fine, row.value * height / fine))
    (ox, oy), (ax, ay), (bx, by) = images
    return np.array(
        [[(ax - ox) / 100, (bx - ox) / 100, ox], [(ay - oy) / 100, (by - oy) / 100, oy]]
    )


def _corners(bounds: Box, to_view: NDArray[np.float64]) -> list[Point]:
    left, bottom, right, top = bounds
    points = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]])
    return [(float(x), float(y)) for x, y in points @ to_view.T]


def _box(points: list[Point]) -> Box:
    xs = [x for x, _ in points]
    ys = [y for _, y in points]
    return (min(xs), min(ys), max(xs), max(ys))


def _page_words(page: Any) -> tuple[list[_Word], int, int]:
    """Return the words of the text layer in its own order, the senseless characters, and all."""
    text_page = pdfium.FPDFText_LoadPage(page)
    if not text_page:
        return [], 0, 0
    try:
        return _collect(text_page)
    finally:
        pdfium.FPDFText_ClosePage(text_page)


def _collect(text_page: Any) -> tuple[list[_Word], int, int]:
    count = min(pdfium.FPDFText_CountChars(text_page), MAX_PAGE_CHARS)
    words: list[_Word] = []
    word: _Word | None = None
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
            word = _Word("", [], angle if math.isfinite(angle) else 0.0, size)
            words.append(word)
        word.text += char
        word.boxes.append(box)
    for entry in words:
        entry.text = unicodedata.normalize("NFC", entry.text.translate(_LIGATURES))
    return [entry for entry in words if entry.text], senseless, total


_HYPHENS = {0x0002: "-", 0xFFFE: "-", 0x00AD: "-"}
"""What PDFium gives for a hyphen at the end of a line, and the soft hyphen."""

_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)


def _is_senseless(char: str) -> bool:
    return char == "\ufffd" or unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs")


def _continues(word: _Word, box: tuple[float, float, float, float]) -> bool:
    """Say whether a character stands near enough to the last one to belong to the same word.

    PDFium marks most gaps itself; this catches jumps to another column or line without one.
    """
    left, bottom, right, top = word.boxes[-1]
    reach = 2.0 * max(right - left, top - bottom, box[2] - box[0], box[3] - box[1], 1.0)
    across = max(box[0] - right, left - box[2])
    along = max(box[1] - top, bottom - box[3])
    return max(across, along) <= reach


def _is_cipher(text: str) -> bool:
    """Say whether a longer text in Latin letters has far too few or too many vowels."""
    letters = [char for char in text.lower() if char.isalpha() and char < "\u0250"]
    if len(letters) < _MIN_LATIN:
        return False
    share = sum(char in _VOWELS for char in letters) / len(letters)
    return not VOWEL_SHARES[0] <= share <= VOWEL_SHARES[1]


def _word_polygon(word: _Word, to_view: NDArray[np.float64]) -> tuple[Polygon, float]:
    """Return the corners of a word as shown, from its first letter's top left, and its angle.

    The angle is that of the reading direction, clockwise as shown, in radians.
    """
    # The character's angle is given clockwise in page space, whose y points up.
    direction = to_view[:, :2] @ np.array([math.cos(word.angle), -math.sin(word.angle)])
    angle = math.atan2(float(direction[1]), float(direction[0]))
    corners = np.array([point for box in word.boxes for point in _corners(box, to_view)])
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
    boxes = np.array([_box(_corners(box, to_view)) for box in word.boxes])
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


def _lines(
    words: list[_Word], to_view: NDArray[np.float64], width: float, height: float
) -> tuple[TextLine, ...]:
    """Join words that stand on one line, then bring the lines into reading order.

    Words off the page (presenters' leftovers) are dropped: nobody can see them.
    """
    lines: list[list[TextWord]] = []
    last: tuple[float, float, float, float] | None = None  # angle, from, to, middle
    last_height = 0.0
    for word in words:
        polygon, angle = _word_polygon(word, to_view)
        left, top, right, bottom = _box(list(polygon))
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
