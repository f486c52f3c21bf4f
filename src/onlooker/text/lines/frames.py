"""Words → frames: words of about one direction, in coordinates in which they run to the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.records import Point, Polygon
from onlooker.text.lines.skew import estimate_skew

Floats = npt.NDArray[np.float64]

CLASS_DEGREES = 30.0
"""Words within this angle of the main direction share its frame."""
VOTE_DEGREES = 12.0
"""Half width of the window in which directions vote for the main one."""
RELIABLE_ASPECT = 1.5
"""Below this width : height the corners say little about a word's direction."""


def corners_of(polygon: Polygon) -> Floats:
    """Return four corners, clockwise from the top left of the text as it is read.

    Args:
        polygon: Three or more corners. Others than four are replaced by those of the smallest
            rectangle around them. Of an even number, half lie along the top of the text and half
            back along its bottom, and say which way it runs; else the rectangle begins with the
            corner nearest the first.

    Returns:
        Array (4, 2).
    """
    points = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    if len(points) == 4:
        return points
    rectangle = cv2.boxPoints(cv2.minAreaRect(points.astype(np.float32))).astype(np.float64)
    edges = np.roll(rectangle, -1, axis=0) - rectangle
    if edges[0, 0] * edges[1, 1] - edges[0, 1] * edges[1, 0] < 0:  # counter-clockwise as drawn
        rectangle = rectangle[::-1]
    half, odd = divmod(len(points), 2)
    if odd or half < 3:
        first = int(np.argmin(((rectangle - points[0]) ** 2).sum(axis=1)))
    else:
        # Half-way along: at the ends of an arc its corners are near any of the rectangle's.
        middle = points[:half] + points[half:][::-1]
        along = middle[-1 - half // 4] - middle[half // 4]
        sides = np.roll(rectangle, -1, axis=0) - rectangle
        lengths = np.maximum(np.linalg.norm(sides, axis=1), 1e-9)
        first = int(np.argmax((sides @ along) / lengths))
    return np.roll(rectangle, -first, axis=0)


def direction_of(corners: Floats) -> float:
    """Return the direction in which a word runs, in radians, 0 to the right, clockwise positive."""
    along = corners[1] - corners[0] + corners[2] - corners[3]
    return float(np.arctan2(along[1], along[0]))


def turned(polygon: Polygon, quarters: int) -> Polygon:
    """Begin a polygon of four at another corner: the text reads in another direction.

    Args:
        polygon: Four corners, clockwise.
        quarters: Quarter turns clockwise of the reading direction.
    """
    shift = quarters % 4
    moved: list[Point] = [*polygon[shift:], *polygon[:shift]]
    return tuple(moved)


@dataclass(frozen=True, slots=True)
class Frame:
    """Words of one direction, in coordinates in which they run to the right."""

    angle: float
    members: npt.NDArray[np.intp]
    left: Floats
    right: Floats
    middle: Floats  # y of the centres
    height: Floats
    slope: Floats  # dy/dx of each word against the frame; 0 where its corners cannot tell


def frames_of(polygons: Sequence[Polygon]) -> list[Frame]:
    """Share words out over directions, the strongest direction first."""
    if not polygons:
        return []
    corners = np.stack([corners_of(polygon) for polygon in polygons])  # (N, 4, 2)
    along = (corners[:, 1] - corners[:, 0] + corners[:, 2] - corners[:, 3]) / 2
    down = (corners[:, 3] - corners[:, 0] + corners[:, 2] - corners[:, 1]) / 2
    width = np.maximum(np.hypot(*along.T), 1e-6)
    height = np.maximum(np.hypot(*down.T), 1e-6)
    angles = np.arctan2(along[:, 1], along[:, 0])
    reliable = width >= RELIABLE_ASPECT * height
    # A long word tells its direction better than a short one, which counts only among its like.
    weights = np.where(reliable, width, 0.05 * width)

    frames: list[Frame] = []
    rest = np.arange(len(polygons))
    while len(rest):
        off = np.abs(turn(angles[rest, None] - angles[None, rest]))
        votes = (off <= np.radians(VOTE_DEGREES)) @ weights[rest]
        # Equal votes: the more upright direction.
        winner = min(range(len(rest)), key=lambda i: (-round(votes[i], 6), abs(angles[rest[i]]), i))
        near = off[winner] <= np.radians(VOTE_DEGREES)
        main = angles[rest[winner]]
        shifts = turn(angles[rest[near]] - main)
        angle = float(main + np.average(shifts, weights=weights[rest[near]]))
        # A square word of another angle, short of a quarter turn, has merely a badly fitted box.
        reach = np.where(reliable[rest], CLASS_DEGREES, 50.0)
        chosen = np.abs(turn(angles[rest] - angle)) <= np.radians(reach)
        chosen[winner] = True
        members = rest[chosen]
        rest = rest[~chosen]
        middles = corners[members].mean(axis=1) @ rotation(angle)
        skew = estimate_skew(middles, height[members], width[members])
        angle += skew
        placed = corners[members] @ rotation(angle)  # (M, 4, 2)
        off = turn(angles[members] - angle)
        low = height[members]
        if skew:
            # Upright boxes around words that lean: as high as the word and its rise.
            rise = width[members] * np.abs(np.tan(off))
            low = np.where(np.abs(off) < 2 * abs(skew), np.maximum(low - rise, 0.5 * low), low)
            off = np.where(np.abs(off) < 2 * abs(skew), 0.0, off)
        frames.append(
            Frame(
                angle=angle,
                members=members,
                left=placed[:, :, 0].min(axis=1),
                right=placed[:, :, 0].max(axis=1),
                middle=placed[:, :, 1].mean(axis=1),
                height=low,
                slope=np.where(reliable[members], np.tan(np.clip(off, -1.0, 1.0)), 0.0),
            )
        )
    return frames


def rotation(angle: float) -> Floats:
    """Return the matrix that brings points (N, 2), from the left, into a frame."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def turn(angle: Floats) -> Floats:
    """Bring angles into (−π, π]."""
    turned: Floats = np.pi - (np.pi - angle) % (2 * np.pi)
    return turned
