"""Cores of words that run on a curve: their middle line, and the outline of the whole word.

A core is a band of even thickness. Cells of the band are ordered by their way from one end (a
geodesic distance, which also follows more than half a circle), a smooth line is laid through their
middle, and each cell is then told by its place along that line and its distance from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.text.detection.geometry import SHRINK, growth

Floats = npt.NDArray[np.float64]

EDGE_POINTS = (7, 16)
"""Least and most points along the top of a curved word, and as many along its bottom."""
_CHORD = 0.04
"""Between two points the word may bulge so far, in thicknesses: it costs about that much IoU."""

_FULL = 0.7
"""A core that fills so much of the smallest rectangle around it is straight. On generated scenes
most straight cores fill more; words whose middle rises by 0.3 of their height less."""
_HOLLOW = 0.84
"""A core that fills so much of its convex hull is not bent: 19 in 20 that are fill less."""
_LONG = (2.4, 3.6)
"""Least length of a curved core in its own thickness: of words twice as long as high; shorter ones
than the second must rise twice as much, for one odd letter makes up more of them."""
_LONGEST = 80.0
"""Greatest length of a curved core in its own thickness: some 75 letters. What winds on (frames,
ornaments) is no word, and to walk along it costs seconds."""
_THIN_CELLS = 0.9
"""Thickness, between the middles of the outer cells, under which a core is too coarse to tell a
curve: words of 7 px."""
_RISE = 0.3
"""Least rise of the middle line over its chord, in the thickness of the whole word. Tall letters
and tails make cores of straight words rise by up to 0.33, of one in fifty by more than 0.2."""
_ONE_WAY = 0.75
"""Least share of all turns of the middle line that go the same way: waves are taken as straight,
for they come of single tall letters."""
_KINK = 0.4
"""Greatest share of one of seven parts in the whole turn: letters on a ring turn evenly, on one
seen in perspective at 45 degrees up to 0.3."""
_AGREES = 0.78
"""Least IoU of the band and the core that it describes; the band must also beat the rectangle."""
_CELLS_ACROSS = 9.0
"""Thicker cores are looked at reduced to this."""
_LEAST_BINS = 8
"""Parts along a band of which each tells its middle."""
_ORDERS = (1, 3, 5)
"""Middle lines that are tried: an arc of a circle, then polynomials of these degrees. Letters on
rings lie on circles; seen in perspective, on what 5 follows within 1 % all around."""
_CLOSE = 0.06
"""A line that lies so near to the middle of its band, in thicknesses, needs no higher degree."""
_STEEP = 0.34
"""Cosine of the direction from which a curve counts as running up or down: 70 degrees."""


@dataclass(frozen=True, slots=True)
class Band:
    """A core that is bent.

    Attributes:
        middle: ``(n, 2)`` points of the middle line in the order of reading, evenly spaced, from
            one end to the other; x and y in cells, whose centres are whole numbers.
        thickness: ``(n,)`` of the band there, in cells.
    """

    middle: Floats
    thickness: Floats

    @property
    def length(self) -> float:
        """Length of the middle line, in cells."""
        return float(np.linalg.norm(np.diff(self.middle, axis=0), axis=1).sum())


def bent(contour: npt.NDArray[np.int32]) -> Band | None:
    """Tell whether a core is bent, and how it runs.

    Args:
        contour: ``(n, 1, 2)``, the outer contour of a connected core, through its outermost cells.

    Returns:
        The band that it is; None for a core that is straight, short, or no band.
    """
    _, (width, height), _ = cv2.minAreaRect(contour)
    inside = cv2.contourArea(contour)
    if inside >= _FULL * width * height or inside < _THIN_CELLS * max(width, height):
        return None
    # With half a cell around both, or the steps of small cores would count as hollows.
    hull = cv2.convexHull(contour)
    edge = cv2.arcLength(hull, True) / 2
    if inside + edge >= _HOLLOW * (cv2.contourArea(hull) + edge):
        return None
    x, y, columns, rows = cv2.boundingRect(contour)
    mask = np.zeros((rows + 2, columns + 2), np.uint8)
    cv2.drawContours(mask, [contour], -1, (1,), cv2.FILLED, offset=(1 - x, 1 - y))
    if max(width, height) > 3 * min(width, height) and not _sags(mask, max(width, height)):
        return None
    across = 2 * float(cv2.distanceTransform(mask, cv2.DIST_L2, 3).max())
    if not 0.7 * _LONG[0] * across**2 <= int(mask.sum()) <= _LONGEST * across**2:
        return None
    factor = max(1.0, across / _CELLS_ACROSS)
    if factor > 1:
        size = (max(1, round(mask.shape[1] / factor)), max(1, round(mask.shape[0] / factor)))
        mask = (cv2.resize(mask * np.uint8(255), size, interpolation=cv2.INTER_AREA) > 127).astype(
            np.uint8
        )
    factors = np.array([(columns + 2) / mask.shape[1], (rows + 2) / mask.shape[0]])
    found = _band(mask, inside / max(width * height, 1e-6))
    if found is None:
        return None
    middle = (found.middle + 0.5) * factors - 0.5 + (x - 1, y - 1)
    return Band(middle, found.thickness * float(factors.mean()))


def _sags(mask: npt.NDArray[np.uint8], length: float) -> bool:
    """Say at little cost whether the middle third of a long core lies off its outer thirds."""
    cells = np.argwhere(mask).astype(np.float64)
    cells -= cells.mean(axis=0)
    _, axes = np.linalg.eigh(cells.T @ cells)
    along, off = np.abs(cells @ axes[:, 1]), cells @ axes[:, 0]
    inner = along < length / 6
    if inner.all() or not inner.any():
        return False
    # Of a rise s the thirds show 0.44 s; half of that, to be safe.
    least = 0.22 * _RISE * len(cells) / length / (1 - 2 * SHRINK)
    return bool(abs(off[inner].mean() - off[~inner].mean()) >= least)


def outline_around(band: Band, spread_px: float, thinnest: float) -> tuple[Floats, float] | None:
    """Grow a bent core to the outline of its word.

    Args:
        band: In cells of two pixels.
        spread_px: By how much cores come out too thick.
        thinnest: Least thickness of a core, in cells.

    Returns:
        ``(2 k, 2)`` pixels with k from `EDGE_POINTS`, clockwise from the top left of the text as it
        is read, half along the top and half back along the bottom; and the word's height. None
        where the inner edge would run backwards: the curve is too tight for a word.
    """
    # As with rectangles, a core takes in every cell that its outline touches: a cell too much.
    thickness = 2 * np.maximum(band.thickness - 1, thinnest) - spread_px
    length = 2 * max(band.length - 1, thinnest) - spread_px
    more = growth(length, float(thickness.mean()))
    points = 2 * band.middle + 1  # cell (i, j) spans pixels 2i to 2i + 2
    ends = more - (2 * band.length - length) / 2  # of the line, beyond what the cells show
    knots = _knots(points)
    # A chord of an arc that is s long and turns by t leaves s t / 8 between them.
    turn, height = float(np.abs(_turns(points)).sum()), float(thickness.mean()) + 2 * more
    count = 1 + np.ceil(np.sqrt(knots[-1] * turn / (8 * _CHORD * height)))
    at = np.linspace(-ends, knots[-1] + ends, int(np.clip(count, *EDGE_POINTS)))
    middle, down = _at(knots, points, at)
    half = (np.interp(at, knots, thickness) / 2 + more)[:, None]
    top, bottom = middle - half * down, middle + half * down
    way = np.stack([down[:, 1], -down[:, 0]], axis=1)[:-1]
    for edge in (top, bottom):
        if ((np.diff(edge, axis=0) * way).sum(axis=1) <= 0).any():
            return None
    return np.concatenate([top, bottom[::-1]]), height


def _turns(line: Floats) -> Floats:
    """Measure by how much a line turns from part to part, in radians."""
    steps = np.diff(line[::6], axis=0)  # parts long enough for their direction to mean something
    angles = np.diff(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0])))
    return np.asarray(angles * len(steps) / max(len(angles), 1), np.float64)


def _extended(knots: Floats, points: Floats, at: Floats) -> Floats:
    """Interpolate a line, continued straight beyond its ends → ``(m, 2)``."""
    line = np.stack([np.interp(at, knots, points[:, i]) for i in (0, 1)], axis=1)
    for end, inner, beyond in (
        (0, 2, np.minimum(at, 0.0)),
        (-1, -3, np.maximum(at - knots[-1], 0.0)),
    ):
        way = points[end] - points[inner]
        way = way / max(float(np.linalg.norm(way)), 1e-9)
        line += np.abs(beyond)[:, None] * way
    return np.asarray(line, np.float64)


def _band(mask: npt.NDArray[np.uint8], filled: float) -> Band | None:
    """Lay a line through a mask, and take it if mask and band agree."""
    cells = np.argwhere(mask)[:, ::-1].astype(np.float64)  # x, y
    way = _way(mask)[mask > 0]
    bins = max(_LEAST_BINS, min(24, int(way.max()) // 3))
    number = np.minimum((way / max(float(way.max()), 1.0) * bins).astype(int), bins - 1)
    counts = np.bincount(number, minlength=bins)
    known = counts > 0
    if int(known.sum()) < _LEAST_BINS:
        return None
    means = np.stack(
        [np.bincount(number, cells[:, i], bins)[known] / counts[known] for i in (0, 1)], axis=1
    )
    best: Band | None = None
    for order in _ORDERS:
        line = _smooth(means, np.sqrt(counts[known]), order)
        # Most cores that come here are straight but for odd letters.
        first = best or Band(line, np.full(len(line), len(cells) / max(_knots(line)[-1], 1.0)))
        if _rise(first) < 0.5 * _RISE:
            return None
        for _ in range(2):
            along, off, knots = _places(cells, line)
            low, high = float(along.min()) - 0.5, float(along.max()) + 0.5
            number = np.clip(((along - low) / (high - low) * bins).astype(int), 0, bins - 1)
            counts = np.bincount(number, minlength=bins)
            if counts.min() == 0:
                return None
            share = (np.arange(bins) + 0.5) / bins
            at = low + share * (high - low)
            shift = np.bincount(number, off, bins) / counts
            points, normal = _at(knots, line, at)
            line = _smooth(points + shift[:, None] * normal, np.ones(bins), order, share)
        thick = counts / ((high - low) / bins)
        # In perspective one end is thicker.
        slope, level = np.polyfit(share[1:-1], thick[1:-1], 1)
        thick = np.maximum(level + slope * np.linspace(0, 1, len(line)), 0.3 * thick.mean())
        best = Band(line, thick)
        if float(np.sqrt(np.mean(shift[1:-1] ** 2))) < _CLOSE * float(thick.mean()):
            break
    assert best is not None  # _ORDERS is not empty
    return _judged(best, mask, filled)


def _judged(band: Band, mask: npt.NDArray[np.uint8], filled: float) -> Band | None:
    """Return a band in reading order if it is long, bent, and like the mask."""
    thick = float(band.thickness.mean())
    line = band.middle
    if band.length < _LONG[0] * thick:
        return None
    if _rise(band) < (_RISE if band.length >= _LONG[1] * thick else 2 * _RISE):
        return None
    turns = _turns(line)
    if abs(turns.sum()) < max(_ONE_WAY * np.abs(turns).sum(), np.abs(turns).max() / _KINK):
        return None
    _, normal = _at(_knots(line), line, _knots(line))
    half = band.thickness[:, None] / 2 - 0.5  # OpenCV fills every cell that an edge touches
    edge = np.concatenate([line - half * normal, (line + half * normal)[::-1]])
    drawn = np.zeros_like(mask)
    cv2.fillPoly(drawn, [np.rint(edge * 16).astype(np.int32)], (1,), shift=4)
    shared, either = int((drawn & mask).sum()), int((drawn | mask).sum())
    if shared < _AGREES * either or shared < (filled + 0.05) * either:
        return None
    if _backwards(line):
        return Band(line[::-1].copy(), band.thickness[::-1].copy())
    return band


def _rise(band: Band) -> float:
    """Measure how far a band leaves the straight way between its ends, in heights of the word."""
    line = band.middle
    chord = line[-1] - line[0]
    span = float(np.linalg.norm(chord))
    if span <= 0.5 * band.length:
        return float("inf")  # nearly a ring
    across = (line - line[0]) @ np.array([-chord[1], chord[0]]) / span
    thick = float(band.thickness.mean())
    # A core is thinner than its word by what `growth` adds on both sides.
    return float(np.abs(across).max()) / (thick + 2 * growth(thick, thick))


def _backwards(line: Floats) -> bool:
    """Say whether text along a line probably runs the other way: to the right, where that tells."""
    quarter = len(line) // 4
    right, down = line[-1 - quarter] - line[quarter]
    if abs(right) >= _STEEP * float(np.hypot(right, down)):
        return bool(right < 0)
    # Up or down, rather as on a ring whose letters point outwards: clockwise.
    return float(_turns(line).sum()) < 0


def _way(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Measure for each cell how far it is, inside the mask, from one end of it."""
    y, x = np.argwhere(mask)[0]
    for _ in range(2):  # the farthest from anywhere is an end; then the way from there
        far = _steps(mask, int(x), int(y))
        y, x = np.unravel_index(int(far.argmax()), far.shape)
    return _steps(mask, int(x), int(y))


def _steps(mask: npt.NDArray[np.uint8], x: int, y: int) -> npt.NDArray[np.float32]:
    """Count steps inside a mask from a cell; every other one may slant."""
    far = np.zeros(mask.shape, np.float32)
    front = np.zeros_like(mask)
    front[y, x] = 1
    shapes = [cv2.getStructuringElement(s, (3, 3)) for s in (cv2.MORPH_CROSS, cv2.MORPH_RECT)]
    step = 0
    while True:
        step += 1
        grown = cv2.dilate(front, shapes[step % 2]) & mask
        new = grown != front
        if not new.any():
            if step % 2 == 0:  # what only touches at a corner is reached by the next step
                continue
            return far
        far[new] = step
        front = grown


def _smooth(points: Floats, weights: Floats, order: int, share: Floats | None = None) -> Floats:
    """Lay an arc (1) or a polynomial through points → 49 points evenly spaced from end to end."""
    if order == 1:
        return _arc(points, weights)
    if share is None:
        share = _knots(points)
        share = share / max(share[-1], 1e-9)
    order = min(order, len(points) - 1)
    fine = np.linspace(0, 1, 49)
    fits = np.polynomial.polynomial.polyfit(2 * share - 1, points, order, w=weights)
    line = np.asarray(np.polynomial.polynomial.polyval(2 * fine - 1, fits).T, np.float64)
    knots = _knots(line)
    even = np.linspace(0, knots[-1], len(line))
    return np.stack([np.interp(even, knots, line[:, i]) for i in (0, 1)], axis=1)


def _arc(points: Floats, weights: Floats) -> Floats:
    """Lay a circle through points: least squares of x² + y² = 2 a x + 2 b y + c (Kåsa 1976)."""
    origin = points.mean(axis=0)
    near = points - origin
    system = np.column_stack([2 * near, np.ones(len(near))]) * weights[:, None]
    (a, b, c), *_ = np.linalg.lstsq(system, (near**2).sum(axis=1) * weights, rcond=None)
    radius = float(np.sqrt(max(c + a * a + b * b, 1e-9)))
    angles = np.unwrap(np.arctan2(near[:, 1] - b, near[:, 0] - a))
    beyond = (angles[-1] - angles[0]) / (len(angles) - 1) / 2  # points are middles of pieces
    at = np.linspace(angles[0] - beyond, angles[-1] + beyond, 49)
    line = np.stack([a + radius * np.cos(at), b + radius * np.sin(at)], axis=1) + origin
    return np.asarray(line, np.float64)


def _knots(line: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])


def _at(knots: Floats, line: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Return points of a line, continued beyond its ends, and the normals to their right."""
    points = _extended(knots, line, at)
    reach = 0.03 * knots[-1]
    tangent = _extended(knots, line, at + reach) - _extended(knots, line, at - reach)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    return points, np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)


def _places(cells: Floats, line: Floats) -> tuple[Floats, Floats, Floats]:
    """Measure how far along a line cells lie, and how far to its right; with the line's knots."""
    knots = _knots(line)
    ends = 0.3 * knots[-1]
    at = np.linspace(-ends, knots[-1] + ends, 97)
    points, normals = _at(knots, line, at)
    nearest = ((cells[:, None] - points[None]) ** 2).sum(axis=2).argmin(axis=1)
    rest, normal = cells - points[nearest], normals[nearest]
    along = at[nearest] + rest[:, 0] * normal[:, 1] - rest[:, 1] * normal[:, 0]
    return along, (rest * normal).sum(axis=1), knots
