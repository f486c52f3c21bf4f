"""From page space, whose origin and directions are the file's, to the page as shown."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from onlooker.records import Box, Point


def view_matrix(page: Any, width: float, height: float) -> NDArray[np.float64]:
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


def corners_of(bounds: Box, to_view: NDArray[np.float64]) -> list[Point]:
    """Return the corners of bounds in page space as shown, from the top left of the page space."""
    left, bottom, right, top = bounds
    points = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]])
    return [(float(x), float(y)) for x, y in points @ to_view.T]
