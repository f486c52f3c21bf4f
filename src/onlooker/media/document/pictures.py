"""The pictures on a page."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pypdfium2.raw as pdfium

from onlooker.records import Box, bounding_box

MAX_PAGE_OBJECTS = 20_000
"""Objects of a page that are looked at when pictures are sought."""


def pictures_of(page: Any) -> Iterator[tuple[Any, Box]]:
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
                yield raw, bounding_box(corners)
        elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < 4:
            m = pdfium.FS_MATRIX()
            pdfium.FPDFPageObj_GetMatrix(raw, m)
            chain = (*(matrix or ()), (m.a, m.b, m.c, m.d, m.e, m.f))
            inner = pdfium.FPDFFormObj_CountObjects(raw)
            stack.extend(
                (pdfium.FPDFFormObj_GetObject(raw, at), depth + 1, chain)
                for at in range(min(max(inner, 0), budget))
            )
