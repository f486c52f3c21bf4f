"""Outlines of words, and the straight strips that are cut along them.

An outline is an even number of points, ten where a network draws it: half along the upper edge of a
word in reading order, half along its lower edge in the same direction. Their order says which way
the word runs. (A *polygon* of a word goes back along the lower edge.)
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.records import Polygon

Picture = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]

#: What arithmetic may make of points, and what is derived from them.
Floats = npt.NDArray[np.floating[Any]]

#: Points along each edge of an outline that a network draws.
EDGE_POINTS = 5
#: To the right, down, to the left, up.
DIRECTIONS = 4
#: Side of the square to which a crop is squashed before it is looked at.
SIDE_PX = 64
#: Height of the strips that are read: the recogniser sees 32 of it, smoothed from these.
STRIP_PX = 48
#: Longest strip, in heights: some 60 letters.
_LONGEST = 40.0


def squash(crop: Picture, side_px: int = SIDE_PX) -> Picture:
    """Bring a crop, grey or RGB, of any shape to a grey square ``(side, side)`` uint8."""
    grey = crop if crop.ndim == 2 else cv2.cvtColor(crop[:, :, :3], cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    # Averaging along a side that shrinks, interpolation along one that grows: OpenCV's area mode
    # would repeat pixels there.
    if width > side_px or height > side_px:
        small = (min(width, side_px), min(height, side_px))
        grey = cv2.resize(grey, small, interpolation=cv2.INTER_AREA)
    if grey.shape != (side_px, side_px):
        grey = cv2.resize(grey, (side_px, side_px), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grey, np.uint8)


def half_turned(outline: Points) -> Points:
    """Return the outline ``(2 k, 2)`` of the same place read the other way round."""
    return np.ascontiguousarray(outline[::-1])


def outline_of(polygon: Polygon) -> Points:
    """Return the outline ``(2 k, 2)`` of a word's polygon of 2 k points."""
    points = np.asarray(polygon, np.float32)
    half = len(points) // 2
    return np.concatenate([points[:half], points[half:][::-1]])


def stretch_of(polygon: Polygon, start: float, end: float) -> Polygon:
    """Cut a stretch of a word's polygon out.

    Args:
        polygon: 2 k points, clockwise from the top left: half along the top, half back along the
            bottom.
        start: Where the stretch begins, as a share of the way along the polygon.
        end: Where it ends.

    Returns:
        As many points as it takes to follow the polygon, evenly spaced as its are; at least four.
    """
    points = np.asarray(polygon, np.float64)
    half = len(points) // 2
    edges, steps = np.stack([points[:half], points[half:][::-1]]), half - 1
    at = np.linspace(start, end, max(2, int(np.ceil((end - start) * steps - 1e-6)) + 1)) * steps
    piece = np.clip(at.astype(int), 0, steps - 1)
    share = (at - piece)[None, :, None]
    upper, lower = edges[:, piece] + share * (edges[:, piece + 1] - edges[:, piece])
    return tuple((float(x), float(y)) for x, y in (*upper, *lower[::-1]))


def size_of(outline: Floats) -> tuple[Floats, Floats]:
    """Measure length and thickness of outlines ``(..., 2 k, 2)`` → two arrays (...)."""
    half = outline.shape[-2] // 2
    upper, lower = outline[..., :half, :], outline[..., half:, :]
    steps = np.diff((upper + lower) / 2, axis=-2)
    return np.hypot(*_xy(steps)).sum(axis=-1), np.hypot(*_xy(lower - upper)).mean(axis=-1)


def direction_of(outline: Floats) -> Floats:
    """Measure which way outlines ``(..., 2 k, 2)``, in pixels, run: radians, 0 right, clockwise."""
    half = outline.shape[-2] // 2
    middle = (outline[..., :half, :] + outline[..., half:, :]) / 2
    whole, inner = middle[..., -1, :] - middle[..., 0, :], middle[..., -2, :] - middle[..., 1, :]
    # The ends of nearly a whole circle say nothing.
    closed = np.hypot(*_xy(whole)) < 0.5 * size_of(outline)[1]
    along = np.where(closed[..., None], inner, whole)
    return np.arctan2(along[..., 1], along[..., 0])


def _xy(points: Floats) -> tuple[Floats, Floats]:
    return points[..., 0], points[..., 1]


def grown(outline: Points, along: float, across: float) -> Points:
    """Move the edges of an outline outwards, by shares of its thickness.

    Args:
        outline: ``(2 k, 2)``, x and y.
        along: For its first and last end.
        across: For its upper and lower edge.
    """
    upper, lower = np.split(outline, 2)
    _, thickness = size_of(outline)
    down = (lower - upper) * np.float32(across)
    upper, lower = upper - down, lower + down
    moved = []
    for edge in (upper, lower):
        edge = edge.copy()
        for end, inner in ((0, 1), (-1, -2)):
            step = edge[end] - edge[inner]
            length = max(float(np.linalg.norm(step)), 1e-6)
            edge[end] += step * np.float32(along * thickness / length)
        moved.append(edge)
    return np.concatenate(moved).astype(np.float32)


def turned_about(crop: Picture, degrees: float) -> Picture:
    """Turn a crop clockwise about its centre, on a canvas that holds all of it.

    Quarter turns are exact; at other angles the crop's edge is continued into the corners.
    """
    if degrees % 90 == 0:
        return np.ascontiguousarray(np.rot90(crop, -int(degrees // 90)))
    height, width = crop.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), -degrees, 1.0)
    cosine, sine = np.abs(matrix[0, :2])
    size = (
        int(np.ceil(width * cosine + height * sine)),
        int(np.ceil(width * sine + height * cosine)),
    )
    matrix[:, 2] += (np.array(size) - (width, height)) / 2
    turned = cv2.warpAffine(
        crop, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(turned, np.uint8)


def strip_of(crop: Picture, outline: Points, height_px: int) -> Picture:
    """Cut a word out along its outline and lay it straight.

    The edges are splines through the points, parametrised by their distance along the middle line,
    so that letters keep their width whatever the spacing of the points.

    Args:
        crop: ``(H, W)`` or ``(H, W, 3)`` uint8; its edge is continued where the outline leaves it.
        outline: ``(2 k, 2)``, x and y in pixels of the crop; corners of pixels are whole numbers.
        height_px: Height of the strip.

    Returns:
        The strip, ``height_px`` high, grey or RGB as the crop is.
    """
    exact = outline.astype(np.float64)
    upper, lower = np.split(exact, 2)
    middle = (upper + lower) / 2
    steps = np.maximum(np.linalg.norm(np.diff(middle, axis=0), axis=1), 1e-3)
    knots = np.concatenate([[0.0], np.cumsum(steps)])
    length, thickness = size_of(outline)
    shape = float(np.clip(length / np.maximum(thickness, 1e-3), 0.1, _LONGEST))
    width_px = max(1, round(shape * height_px))
    at = (np.arange(width_px) + 0.5) / width_px * knots[-1]
    top, bottom = _spline(knots, upper, at), _spline(knots, lower, at)  # (W, 2)
    down = ((np.arange(height_px) + 0.5) / height_px)[:, None, None]
    grid = (top[None] + (bottom - top)[None] * down).astype(np.float32)  # (H, W, 2)
    scale = float(thickness) / height_px
    if scale > 1.5:  # a warp alone skips pixels
        size = (max(1, round(crop.shape[1] / scale)), max(1, round(crop.shape[0] / scale)))
        factors = np.array([size[0] / crop.shape[1], size[1] / crop.shape[0]], np.float32)
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
        grid = grid * factors
    # OpenCV's coordinates are centres of pixels, outlines count from their corners.
    grid -= np.float32(0.5)
    strip = cv2.remap(crop, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(strip, np.uint8)


def _spline(
    knots: npt.NDArray[np.float64], points: npt.NDArray[np.float64], at: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Interpolate points ``(n, 2)`` by cubic pieces (Catmull and Rom 1974) → (m, 2)."""
    slopes = np.gradient(points, knots, axis=0)
    piece = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    span = (knots[piece + 1] - knots[piece])[:, None]
    t = ((at - knots[piece])[:, None] / span).clip(0, 1)
    p0, p1, m0, m1 = points[piece], points[piece + 1], slopes[piece], slopes[piece + 1]
    result: npt.NDArray[np.float64] = (
        (2 * t**3 - 3 * t**2 + 1) * p0
        + (t**3 - 2 * t**2 + t) * span * m0
        + (3 * t**2 - 2 * t**3) * p1
        + (t**3 - t**2) * span * m1
    )
    return result
