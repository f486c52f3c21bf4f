"""Where characters stand along a crop, from the columns at which CTC wrote them, and its ink."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from onlooker.text.charset import CHARSET

Spans = list[tuple[float, float]]

#: Advance of each character of the charset in fifths of an "n": medians over 150 faces.
_ADVANCES = (
    "23455762334523235555555555225554766665566346576656655668655343553554543552252755553435"
    "57554323566666686555533336666666666665555555557445542222555555555555555975555535844422"
    "55334277674355666665776555544553555545545456566555556456755555876786655556677877553337"
)
_WIDTHS = dict(zip(CHARSET, map(int, _ADVANCES), strict=True))
#: The network writes a character so many columns right of its middle: measured on rendered words
#: (benchmarks/character_boxes.py), as are the two below.
_LATE = 0.26
#: A lone character reaches at most so many columns to either side.
_LONE = 4.0
#: Places at which a border is tried, over the width of its narrower neighbour, and what leaving
#: the middle costs against the contrast there (0 to 1).
_REACH = np.linspace(-0.45, 0.45, 13)
_COST = 0.2 * (_REACH / _REACH[-1]) ** 2


def divide(text: str, centres: npt.NDArray[np.float64], columns: int) -> Spans:
    """Divide a line between its characters, in proportion to how wide such characters are.

    Args:
        text: The characters.
        centres: Where each was written, in columns from the left.
        columns: Of the whole crop.

    Returns:
        For each character its left and right end as fractions of the crop's width.
    """
    middles = centres - _LATE
    if len(text) == 1:
        half = max(0.5, min(float(middles[0]), columns - float(middles[0]), _LONE))
        edges = np.array([middles[0] - half, middles[0] + half])
    else:
        half_widths = np.array([_WIDTHS[c] for c in text]) / 2
        apart = np.diff(middles)
        units = half_widths[:-1] + half_widths[1:]
        inner = middles[:-1] + apart * half_widths[:-1] / units
        scale = (middles[-1] - middles[0]) / units.sum()
        first = middles[0] - scale * half_widths[0]
        last = middles[-1] + scale * half_widths[-1]
        edges = np.concatenate(([first], inner, [last]))
    return list(itertools.pairwise((edges.clip(0, columns) / columns).tolist()))


def contrast(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Measure how much ink each border between pixel columns touches.

    Args:
        pictures: ``(n, h, W)`` grey.

    Returns:
        ``(n, W + 1)`` in [0, 1]: 0 where a column beside the border is even from top to bottom.
    """
    spread = np.ptp(pictures.astype(np.float32), axis=1)
    spread /= np.maximum(spread.max(axis=1, keepdims=True), 1.0)
    borders = np.empty((spread.shape[0], spread.shape[1] + 1), np.float32)
    borders[:, 1:-1] = np.minimum(spread[:, 1:], spread[:, :-1])
    borders[:, 0], borders[:, -1] = spread[:, 0], spread[:, -1]
    return borders


def snap(spans: Sequence[tuple[float, float]], borders: npt.NDArray[np.float32]) -> Spans:
    """Move the borders between characters to where there is least ink near by.

    Args:
        spans: Of neighbouring characters, as `divide` gives them.
        borders: ``(W + 1,)`` of their crop, as `contrast` gives them.
    """
    if len(spans) < 2:
        return list(spans)
    edges = np.array([*(first for first, _ in spans), spans[-1][1]])
    pixels = len(borders) - 1
    widths = np.maximum(np.diff(edges), 0.0)
    reach = np.minimum(widths[:-1], widths[1:])
    tried = edges[1:-1, None] + reach[:, None] * _REACH  # (n - 1, places)
    at = np.rint(tried * pixels).astype(np.intp).clip(0, pixels)
    best = (borders[at] + _COST).argmin(axis=1)
    edges[1:-1] = tried[np.arange(len(best)), best]
    return list(itertools.pairwise(edges.tolist()))
