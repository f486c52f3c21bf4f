"""Regions that may be letters: maximally stable in brightness or in a colour.

References:
    Matas et al. 2002, "Robust wide baseline stereo from maximally stable extremal regions";
    Neumann & Matas 2012, "Real-time scene text localization and recognition" (several channels
    find letters that one alone does not).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

#: Settings of OpenCV's finder: grey levels over which a region must stay the same, its largest
#: relative growth over them, and by how much regions of a tower must differ in size. OpenCV's
#: defaults (5, 0.25, 0.2) find one letter in three of plain black type, because smooth edges make
#: a letter grow with every level; these find nearly all. The second row finds faint letters.
_STEADY = (8, 0.5, 0.1)
_FAINT = (3, 0.5, 0.05)
_MIN_AREA_PX = 16
#: Largest share of the picture: one letter is seldom larger.
_MAX_AREA = 0.12
_MIN_HEIGHT_PX = 7
#: Wider regions are lines, edges and shadows, not letters or joined words.
_MAX_ASPECT = 8.0
_MIN_ASPECT = 0.06
#: Regions of which the boxes agree so far are one, seen in two channels or at two levels.
_SAME_IOU = 0.8
#: Room around a region in what the verifier sees, over its height: the neighbours tell much.
_AROUND = 0.3


@dataclass(frozen=True, slots=True)
class Regions:
    """Candidates of one picture, n of them.

    Attributes:
        boxes: ``(n, 4)`` int64, xyxy in whole pixels, ends excluded.
        bright: ``(n,)`` bool: brighter than what is around them.
        areas: ``(n,)`` int64, their pixels.
        colors: ``(n, 3)`` float32, their mean colour.
        hulls: The convex hull of each, ``(k, 2)`` int32.
    """

    boxes: Ints
    bright: npt.NDArray[np.bool_]
    areas: Ints
    colors: Floats
    hulls: list[npt.NDArray[np.int32]]

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, indices: npt.NDArray[np.intp] | list[int]) -> Regions:
        """Return some of them."""
        chosen = np.asarray(indices, np.intp)
        return Regions(
            self.boxes[chosen],
            self.bright[chosen],
            self.areas[chosen],
            self.colors[chosen],
            [self.hulls[i] for i in chosen.tolist()],
        )


def propose(picture: Picture) -> Regions:
    """Find the regions of a picture ``(H, W, 3)`` RGB that have a letter's size and shape."""
    height, width = picture.shape[:2]
    found: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], bool]] = []
    if min(height, width) >= _MIN_HEIGHT_PX:
        largest = max(_MIN_AREA_PX + 1, int(_MAX_AREA * height * width))
        grey, *colored = channels_of(picture)
        for channel, (delta, growth, apart) in (
            (grey, _STEADY),
            (grey, _FAINT),
            *((channel, _STEADY) for channel in colored),
        ):
            finder = cv2.MSER.create(delta, _MIN_AREA_PX, largest, growth, apart)
            points, around = finder.detectRegions(channel)
            found += _plausible(
                [np.asarray(one, np.int32) for one in points],
                np.asarray(around, np.int32).reshape(-1, 4),
                channel,
            )
    kept = _unlike([box for _, box, _ in found], [len(points) for points, _, _ in found])
    boxes, hulls, colors, bright, areas = [], [], [], [], []
    for index in kept:
        own, (x, y, w, h), is_bright = found[index]
        boxes.append((x, y, x + w, y + h))
        hulls.append(np.asarray(cv2.convexHull(own), np.int32).reshape(-1, 2))
        sample = own[:: max(1, len(own) // 64)]  # a mean needs no more
        colors.append(picture[sample[:, 1], sample[:, 0]].mean(axis=0))
        bright.append(is_bright)
        areas.append(len(own))
    return Regions(
        np.array(boxes, np.int64).reshape(-1, 4),
        np.array(bright, np.bool_),
        np.array(areas, np.int64),
        np.array(colors, np.float32).reshape(-1, 3),
        hulls,
    )


def channels_of(picture: Picture) -> list[Picture]:
    """Return what is searched: grey, red and blue (green is nearly grey)."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    return [grey, np.ascontiguousarray(picture[:, :, 0]), np.ascontiguousarray(picture[:, :, 2])]


def _plausible(
    points: list[npt.NDArray[np.int32]], boxes: npt.NDArray[np.int32], channel: Picture
) -> list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], bool]]:
    if not len(boxes):
        return []
    w, h = boxes[:, 2], boxes[:, 3]
    good = (h >= _MIN_HEIGHT_PX) & (w >= 2) & (w <= _MAX_ASPECT * h) & (w >= _MIN_ASPECT * h)
    kept = []
    for index in np.flatnonzero(good).tolist():
        x, y, width, height = boxes[index].tolist()
        part = channel[y : y + height, x : x + width]
        own = points[index][:: max(1, len(points[index]) // 64)]
        inside = float(channel[own[:, 1], own[:, 0]].mean())
        count = len(points[index])
        rest = width * height - count
        # What is in the box and not in the region; a full box tells nothing, so look further out.
        if rest > 0.1 * width * height:
            around = (float(part.sum()) - inside * count) / rest
        else:
            edge = channel[max(0, y - 2) : y + height + 2, max(0, x - 2) : x + width + 2]
            around = float(edge.sum() - part.sum()) / max(1, edge.size - part.size)
        kept.append((points[index], boxes[index], inside > around))
    return kept


def _unlike(boxes: list[npt.NDArray[np.int32]], areas: list[int]) -> list[int]:
    """Drop regions whose box is nearly that of a larger one → indices of the others.

    Regions of one letter form a tower, from its core to its halo. Boxes are compared only within
    cells of a grid over (centre, log size), and the cells beside it, which is fast and nearly
    exact.
    """
    if not boxes:
        return []
    xywh = np.stack(boxes).astype(np.float64)
    order = np.argsort(-np.array(areas), kind="stable")
    low, high = xywh[:, :2], xywh[:, :2] + xywh[:, 2:]
    size = xywh[:, 2] * xywh[:, 3]
    kept: list[int] = []
    cells: dict[tuple[int, int], list[int]] = {}
    for index in order.tolist():
        x, y = int(xywh[index, 0]) // 16, int(xywh[index, 1]) // 16
        near = [
            k for a in (x - 1, x, x + 1) for b in (y - 1, y, y + 1) for k in cells.get((a, b), ())
        ]
        if near:
            others = np.array(near)
            shared = np.clip(
                np.minimum(high[index], high[others]) - np.maximum(low[index], low[others]), 0, None
            ).prod(axis=1)
            if (shared > _SAME_IOU * (size[index] + size[others] - shared)).any():
                continue
        kept.append(index)
        cells.setdefault((x, y), []).append(index)
    return sorted(kept)


def crops_of(picture: Picture, regions: Regions) -> tuple[npt.NDArray[np.uint8], Floats]:
    """Cut out what the verifier sees.

    Bright regions are inverted, so that what is asked about is always the dark part.

    Returns:
        ``(n, 32, 32)`` uint8 and the boxes' width over height, ``(n,)``.
    """
    from onlooker.text.characters.crops import SIDE_PX

    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    rows, columns = grey.shape
    pixels = np.empty((len(regions), SIDE_PX, SIDE_PX), np.uint8)
    for index, (x0, y0, x1, y1) in enumerate(regions.boxes.tolist()):
        more = max(1, round(_AROUND * (y1 - y0)))
        part = grey[
            max(0, y0 - more) : min(rows, y1 + more), max(0, x0 - more) : min(columns, x1 + more)
        ]
        how = cv2.INTER_AREA if part.shape[0] > SIDE_PX else cv2.INTER_LINEAR
        pixels[index] = cv2.resize(part, (SIDE_PX, SIDE_PX), interpolation=how)
    pixels[regions.bright] = 255 - pixels[regions.bright]
    wide = (regions.boxes[:, 2] - regions.boxes[:, 0]).astype(np.float32)
    high = (regions.boxes[:, 3] - regions.boxes[:, 1]).astype(np.float32)
    return pixels, np.asarray(wide / np.maximum(high, 1), np.float32)
