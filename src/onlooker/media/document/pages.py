"""An open PDF document and its pages."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from onlooker.errors import MediaError
from onlooker.media.document.pictures import pictures_of
from onlooker.media.document.places import corners_of, view_matrix
from onlooker.media.document.text_layer import is_cipher, lines_of, page_words
from onlooker.media.files import PathLike, as_path, open_file, shown
from onlooker.records import Box, MediaFacts, TextLine, bounding_box

_LOCK = threading.RLock()
"""PDFium is not thread-safe, not even for two different documents."""

MAX_RENDER_SIDE_PX = 8192
"""Longest side of a rendered page: 200 MB at most, for a square page."""

MAX_PICTURE_BYTES = 400_000_000
"""Memory that one picture on a page may take when PDFium decodes it; as for photos."""

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

Pixels = NDArray[np.uint8]


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

    def __exit__(self, *error: object) -> None:
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
            to_view = view_matrix(page, width, height)
            boxes = []
            for _, bounds in pictures_of(page):
                left, top, right, bottom = bounding_box(corners_of(bounds, to_view))
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
        for raw, _ in pictures_of(page):
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
            words, senseless, total = page_words(page)
            to_view = view_matrix(page, width, height)
        text = " ".join(word.text for word in words)
        garbage = total > 0 and (senseless > GARBAGE_SHARE * total or is_cipher(text))
        lines = () if garbage else lines_of(words, to_view, width, height)
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
