"""What a page is written as: plain objects for JSON, hOCR, searchable PDF, a picture with boxes."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.errors import MediaError
from onlooker.records import Page, Polygon, TextLine, TextWord
from onlooker.records.geometry import bounding_box
from onlooker.text.lines import corners_of, direction_of

Picture = npt.NDArray[np.uint8]


def scale_lines(lines: Iterable[TextLine], factor: float) -> tuple[TextLine, ...]:
    """Return lines with every coordinate multiplied by ``factor``."""
    return tuple(
        TextLine(tuple(replace(word, polygon=_scaled(word.polygon, factor)) for word in line.words))
        for line in lines
    )


def scale_page(page: Page, factor: float) -> Page:
    """Return a page with every coordinate multiplied by ``factor``.

    For a picture that was read at a reduced size: ``factor`` is one over its scale.
    """
    if factor == 1.0:
        return page
    return Page(
        round(page.width * factor),
        round(page.height * factor),
        scale_lines(page.lines, factor),
        tuple(replace(place, polygon=_scaled(place.polygon, factor)) for place in page.unread),
    )


def _scaled(polygon: Polygon, factor: float) -> Polygon:
    return tuple((x * factor, y * factor) for x, y in polygon)


def page_to_json(page: Page) -> dict[str, object]:
    """Return a page as plain objects: lines with words, their polygons (pixels) and confidence.

    Words whose characters have known places list a polygon for each in ``characters``.
    """
    return {
        "width": page.width,
        "height": page.height,
        "text": page.text,
        "lines": [
            {
                "text": line.text,
                "confidence": round(line.confidence, 4),
                "box": [round(value, 1) for value in line.box],
                "words": [
                    {
                        "text": word.text,
                        "confidence": round(word.confidence, 4),
                        "polygon": _rounded(word.polygon),
                    }
                    | (
                        {"characters": [_rounded(one) for one in word.char_polygons]}
                        if word.char_polygons
                        else {}
                    )
                    for word in line.words
                ],
            }
            for line in page.lines
        ],
        "unread": [
            {"polygon": _rounded(place.polygon), "confidence": round(place.confidence, 4)}
            for place in page.unread
        ],
    }


def _rounded(polygon: Polygon) -> list[list[float]]:
    return [[round(x, 1), round(y, 1)] for x, y in polygon]


# hOCR ---------------------------------------------------------------------------------------------

_HOCR_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" \
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>{title}</title>
  <meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
  <meta name="ocr-system" content="onlooker {version}"/>
  <meta name="ocr-capabilities" content="ocr_page ocr_line ocrx_word ocrx_cinfo"/>
 </head>
 <body>
"""
_HOCR_TAIL = " </body>\n</html>\n"


def hocr(pages: Iterator[tuple[str, int, Page]], title: str) -> Iterator[str]:
    """Write pages as hOCR 1.2 (Breuel 2007), piece by piece.

    Args:
        pages: Name of the picture or document, page number in it from 0, and its text.
        title: Title of the document.

    Yields:
        Pieces of one XHTML document: boxes ``xyxy`` in pixels, ``x_wconf`` in percent,
        ``textangle`` in degrees counter-clockwise, as the format defines it.
    """
    from onlooker import __version__

    yield _HOCR_HEAD.format(title=_xml(title), version=_xml(__version__))
    for number, (name, page_number, page) in enumerate(pages, start=1):
        # A name with a quote would end the property; the format knows no escape for it.
        image = _xml('image "' + name.replace('"', "%22") + '"')
        yield (
            f'  <div class="ocr_page" id="page_{number}" title="{image}; '
            f'bbox 0 0 {page.width} {page.height}; ppageno {page_number}">\n'
        )
        for row, line in enumerate(page.lines, start=1):
            yield from _hocr_line(line, f"{number}_{row}")
        yield "  </div>\n"
    yield _HOCR_TAIL


def _hocr_line(line: TextLine, key: str) -> Iterator[str]:
    angle = -math.degrees(_line_direction(line))
    turned = f"; textangle {angle:.1f}" if abs(angle) >= 0.5 else ""
    yield f'   <span class="ocr_line" id="line_{key}" title="{_bbox(line.box)}{turned}">\n'
    for column, word in enumerate(line.words, start=1):
        yield (
            f'    <span class="ocrx_word" id="word_{key}_{column}" title="{_bbox(word.box)}; '
            f'x_wconf {round(100 * word.confidence)}">{_hocr_characters(word)}</span>\n'
        )
    yield "   </span>\n"


def _hocr_characters(word: TextWord) -> str:
    """Write the text of a word, with a box around each character where they are known."""
    polygons = word.char_polygons
    if len(polygons) != len(word.text):
        return _xml(word.text)
    return "".join(
        f'<span class="ocrx_cinfo" title="x_bboxes {_bbox(bounding_box(one))[5:]}">{_xml(c)}</span>'
        for c, one in zip(word.text, polygons, strict=True)
    )


def _bbox(box: tuple[float, float, float, float]) -> str:
    left, top, right, bottom = box
    return (
        f"bbox {max(0, math.floor(left))} {max(0, math.floor(top))} "
        f"{max(0, math.ceil(right))} {max(0, math.ceil(bottom))}"
    )


def _line_direction(line: TextLine) -> float:
    """Direction of the longest word: the short ones tell it badly."""
    longest = max(line.words, key=lambda word: len(word.text))
    return direction_of(corners_of(longest.polygon))


def _xml(text: str) -> str:
    """Escape text; characters that XML 1.0 forbids, and lone surrogates, become U+FFFD."""
    allowed = "".join(
        c
        if c in "\t\n\r" or "\x20" <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
        else "\ufffd"
        for c in text
    )
    return escape(allowed, quote=True)


# PDF ----------------------------------------------------------------------------------------------

_POINTS_PER_PIXEL = 72 / 150
"""A photo has no true size; at 150 pixels an inch a page of 1240 × 1754 comes out as A4."""
_MAX_SIDE_POINTS = 14400.0
"""Largest page that PDF 1.7 readers must accept (ISO 32000-1, annex C.2)."""
_JPEG_QUALITY = 85
_GLYPH_WIDTH = 500
"""Advance of each glyph in thousandths of the font size; words are stretched to their width."""
_QUARTERS = ((1, 0), (0, 1), (-1, 0), (0, -1))
_CODES = 255
"""Character codes of one font; code 0 is left out."""


class SearchablePdf:
    """Writes a PDF of pictures with their text laid over them invisibly.

    The text is set in Type 3 fonts whose glyphs are empty and whose ``ToUnicode`` maps name the
    characters, so that it can be found, selected and copied, needs no font file, and cannot show.
    Pages are written as they come; only the table of objects is kept. The file appears under its
    name when all is written; after an error nothing is left behind.

    References:
        ISO 32000-1:2008, 9.6.5 (Type 3 fonts), 9.10.3 (ToUnicode), 7.5 (file structure).

    Example:
        >>> with SearchablePdf(Path("notes.pdf")) as pdf:      # doctest: +SKIP
        ...     pdf.add_page(picture, reader(picture))
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = path.with_name(f".{path.name[:200]}.part")
        self._offsets: list[int] = []
        self._pages: list[int] = []
        self._codes: dict[str, int] = {" ": 0}
        try:
            self._file: BinaryIO = self._temporary.open("wb")
        except OSError as error:
            raise MediaError(
                f"{path} cannot be written: {error.strerror}; choose another --output"
            ) from error
        self._file.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        self._catalog, self._tree, self._fonts = self._reserve(), self._reserve(), self._reserve()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self._pages:  # no reader opens a PDF without a page
                self._finish()
                self._file.close()
                self._temporary.replace(self.path)
        finally:
            self._file.close()
            self._temporary.unlink(missing_ok=True)

    def add_page(
        self, pixels: Picture, page: Page, *, size_points: tuple[float, float] | None = None
    ) -> None:
        """Append a picture and its text.

        Args:
            pixels: Picture (H, W, 3) uint8 RGB, of any resolution: it is stretched over the page.
            page: Its text; polygons in pixels of a picture ``page.width`` × ``page.height``.
            size_points: Width and height of the page; None: 150 pixels of ``page`` an inch.
        """
        width, height = size_points or (
            page.width * _POINTS_PER_PIXEL,
            page.height * _POINTS_PER_PIXEL,
        )
        shrink = min(1.0, _MAX_SIDE_POINTS / max(width, height, 1.0))
        width, height = max(width * shrink, 3.0), max(height * shrink, 3.0)
        image = self._add(
            self._stream(
                _jpeg(pixels),
                f"/Type /XObject /Subtype /Image /Width {pixels.shape[1]} "
                f"/Height {pixels.shape[0]} /ColorSpace /DeviceRGB /BitsPerComponent 8 "
                "/Filter /DCTDecode",
            )
        )
        drawing = f"q {_number(width)} 0 0 {_number(height)} 0 0 cm /Im Do Q\n"
        drawing += self._text(
            page, width / max(page.width, 1), height / max(page.height, 1), height
        )
        content = self._add(
            self._stream(zlib.compress(drawing.encode("ascii")), "/Filter /FlateDecode")
        )
        entries = (
            f"/Type /Page /Parent {self._tree} 0 R "
            f"/MediaBox [0 0 {_number(width)} {_number(height)}] /Contents {content} 0 R "
            f"/Resources << /XObject << /Im {image} 0 R >> /Font {self._fonts} 0 R >>"
        )
        self._pages.append(self._add(f"<< {entries} >>".encode("ascii")))

    def _text(self, page: Page, scale_x: float, scale_y: float, height: float) -> str:
        parts = ["BT 3 Tr\n"]
        for line in page.lines:
            for index, word in enumerate(line.words):
                # A space at the end of a word, so that those who copy a line get its spaces.
                text = word.text + (" " if index + 1 < len(line.words) else "")
                corners = corners_of(word.polygon) * (scale_x, scale_y)
                corners[:, 1] = height - corners[:, 1]  # PDF counts from the bottom
                along = (corners[1] - corners[0] + corners[2] - corners[3]) / 2
                size = float(np.hypot(*(corners[0] - corners[3] + corners[1] - corners[2]))) / 2
                if size <= 0 or not along.any() or not word.text:
                    continue
                # The nearest quarter turn: Poppler, and so many a search, takes a word that
                # rises by six degrees for several.
                cos, sin = _QUARTERS[round(math.atan2(along[1], along[0]) / (math.pi / 2)) % 4]
                ends = corners @ (cos, sin)
                across = float((corners @ (-sin, cos)).mean()) - size / 2
                start, length = float(ends.min()), float(np.ptp(ends))
                x, y = start * cos - across * sin, start * sin + across * cos
                stretch = 100 * length / (len(word.text) * size * _GLYPH_WIDTH / 1000)
                parts.append(
                    f"{_number(cos)} {_number(sin)} {_number(-sin)} {_number(cos)} "
                    f"{_number(x)} {_number(y)} Tm {_number(stretch)} Tz\n"
                )
                parts.extend(
                    f"/F{font} {_number(size)} Tf <{codes.hex()}> Tj\n"
                    for font, codes in self._encoded(text)
                )
        parts.append("ET\n")
        return "".join(parts)

    def _encoded(self, text: str) -> Iterator[tuple[int, bytes]]:
        """Part a text into runs of one font each."""
        run, current = bytearray(), -1
        for character in text:
            number = self._codes.setdefault(character, len(self._codes))
            font, code = divmod(number, _CODES)
            if font != current and run:
                yield current, bytes(run)
                run = bytearray()
            current = font
            run.append(code + 1)
        if run:
            yield current, bytes(run)

    def _finish(self) -> None:
        characters = list(self._codes)
        names = []
        for font in range(math.ceil(len(characters) / _CODES)):
            number = self._add_font(characters[font * _CODES : (font + 1) * _CODES])
            names.append(f"/F{font} {number} 0 R")
        self._fill(self._fonts, f"<< {' '.join(names)} >>".encode("ascii"))
        kids = " ".join(f"{page} 0 R" for page in self._pages)
        self._fill(
            self._tree,
            f"<< /Type /Pages /Kids [{kids}] /Count {len(self._pages)} >>".encode("ascii"),
        )
        self._fill(self._catalog, f"<< /Type /Catalog /Pages {self._tree} 0 R >>".encode("ascii"))
        start = self._file.tell()
        count = len(self._offsets) + 1
        self._file.write(f"xref\n0 {count}\n0000000000 65535 f \n".encode("ascii"))
        for offset in self._offsets:
            self._file.write(f"{offset:010d} 00000 n \n".encode("ascii"))
        self._file.write(
            f"trailer\n<< /Size {count} /Root {self._catalog} 0 R >>\n"
            f"startxref\n{start}\n%%EOF\n".encode("ascii")
        )

    def _add_font(self, characters: Sequence[str]) -> int:
        glyph = self._add(
            self._stream(f"{_GLYPH_WIDTH} 0 0 0 {_GLYPH_WIDTH} 1000 d1".encode("ascii"), "")
        )
        codes = range(1, len(characters) + 1)
        pairs = "".join(
            f"<{code:02X}> <{character.encode('utf-16-be', 'replace').hex().upper()}>\n"
            for code, character in zip(codes, characters, strict=True)
        )
        blocks = []
        lines = pairs.splitlines(keepends=True)
        for start in range(0, len(lines), 100):  # at most 100 entries a block (Adobe TN 5411)
            block = lines[start : start + 100]
            blocks.append(f"{len(block)} beginbfchar\n{''.join(block)}endbfchar\n")
        to_unicode = self._add(
            self._stream(
                (
                    "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
                    "/CMapName /Onlooker def\n/CMapType 2 def\n"
                    "1 begincodespacerange\n<00> <FF>\nendcodespacerange\n"
                    f"{''.join(blocks)}endcmap\n"
                    "CMapName currentdict /CMap defineresource pop\nend\nend\n"
                ).encode("ascii"),
                "",
            )
        )
        names = " ".join(f"/g{code}" for code in codes)
        procs = " ".join(f"/g{code} {glyph} 0 R" for code in codes)
        widths = " ".join([str(_GLYPH_WIDTH)] * len(characters))
        return self._add(
            f"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 {_GLYPH_WIDTH} 1000] "
            f"/FontMatrix [0.001 0 0 0.001 0 0] /FirstChar 1 /LastChar {len(characters)} "
            f"/Widths [{widths}] /Encoding << /Type /Encoding /Differences [1 {names}] >> "
            f"/CharProcs << {procs} >> /Resources << >> /ToUnicode {to_unicode} 0 R >>".encode(
                "ascii"
            )
        )

    @staticmethod
    def _stream(data: bytes, entries: str) -> bytes:
        head = f"<< {entries} /Length {len(data)} >>\nstream\n".encode("ascii")
        return head + data + b"\nendstream"

    def _reserve(self) -> int:
        self._offsets.append(0)
        return len(self._offsets)

    def _fill(self, number: int, body: bytes) -> None:
        self._offsets[number - 1] = self._file.tell()
        self._file.write(f"{number} 0 obj\n".encode("ascii") + body + b"\nendobj\n")

    def _add(self, body: bytes) -> int:
        number = self._reserve()
        self._fill(number, body)
        return number


def _number(value: float) -> str:
    """Write a number as PDF knows it: no exponent."""
    return f"{value:.4f}".rstrip("0").rstrip(".") or "0"


def _jpeg(pixels: Picture) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()


# Overlay ------------------------------------------------------------------------------------------

_READ_COLOR = (0, 150, 80)
_UNREAD_COLOR = (220, 60, 40)


def draw_overlay(pixels: Picture, page: Page) -> Picture:
    """Draw what was read over a picture: words green with their text above, unread places red.

    Args:
        pixels: Picture (H, W, 3), the one the page was read from or a smaller version of it.
        page: Its text.

    Returns:
        A new array of the same shape.
    """
    scale = np.array([pixels.shape[1] / max(page.width, 1), pixels.shape[0] / max(page.height, 1)])
    canvas = np.ascontiguousarray(pixels).copy()
    thick = max(2, round(max(pixels.shape[:2]) / 600))

    def outline(polygon: Polygon, color: tuple[int, int, int]) -> None:
        points = np.rint(np.asarray(polygon) * scale).astype(np.int32)
        cv2.polylines(canvas, [points], True, color, thick, cv2.LINE_AA)

    for place in page.unread:
        outline(place.polygon, _UNREAD_COLOR)
    for word in page.words:
        outline(word.polygon, _READ_COLOR)
    # OpenCV 5 brings a font with accents, Greek and mathematics; Pillow's own has ASCII alone.
    face = cv2.FontFace("sans")
    for word in page.words:
        corners = corners_of(word.polygon) * scale
        size = int(np.clip(0.6 * np.hypot(*(corners[3] - corners[0])), 11, 28))
        left, top = np.rint(corners.min(axis=0)).astype(int).tolist()
        _, _, wide, high = cv2.getTextSize((0, 0), word.text, (0, 0), face, size)
        # Above the word; at the upper edge of the picture, over it. Never out of the picture.
        x = max(0, min(left, canvas.shape[1] - wide - 2))
        y = max(top - thick - high - 1, 0)
        cv2.rectangle(canvas, (x, y), (x + wide + 2, y + high + 2), (255, 255, 255), cv2.FILLED)
        baseline = y + round(0.77 * high) + 1
        cv2.putText(canvas, word.text, (x + 1, baseline), _READ_COLOR, face, size)
    return canvas
