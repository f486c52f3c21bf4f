"""Letters → words: neighbours of one height, colour and line that stand close together.

Grouping by pairs of neighbours is that of Epshtein et al. 2010 ("Detecting text in natural scenes
with stroke width transform", section 4: heights within a factor of two, distance within some
widths, like colours) with regions instead of strokes; the values are ours,
set looking at generated scenes and at some of the development scenes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.text.detection.mser.regions import Regions

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GroupingConfig:
    """When two letters belong to one word.

    Attributes:
        heights: The higher one is at most so many times as high ("b" beside "o", and a bit).
        gap: Largest room between them, over the higher one's height. A space is wider than a
            quarter of an em, most gaps between letters are narrower.
        lines: Least share of the lower one's height at which both stand on the same rows.
        color: Largest distance of their mean colours, of 0 … 441.
        lone_score: A letter that stands alone is a word only if the verifier is so sure of it.
        level_deg: A word turned by less is given an upright box.
    """

    heights: float = 2.2
    gap: float = 0.22
    lines: float = 0.45
    color: float = 90.0
    lone_score: float = 0.97
    level_deg: float = 5.0


@dataclass(frozen=True, slots=True)
class Group:
    """A word: its corners ``(4, 2)`` clockwise from the top left, its letters, its confidence."""

    corners: Floats
    members: list[int]
    confidence: float


def group_letters(
    regions: Regions, scores: npt.NDArray[np.float32], config: GroupingConfig | None = None
) -> list[Group]:
    """Join letters to words.

    Args:
        regions: Those that the verifier took for letters.
        scores: ``(n,)`` its probabilities.
        config: The rules.
    """
    config = config or GroupingConfig()
    count = len(regions)
    if not count:
        return []
    x0, y0, x1, y1 = regions.boxes.astype(np.float64).T
    height, width = y1 - y0, x1 - x0
    order = np.argsort(x0, kind="stable")
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    widest = float(width.max() + config.gap * height.max())
    starts = x0[order]
    for rank, i in enumerate(order.tolist()):
        end = int(np.searchsorted(starts, x1[i] + config.gap * height.max() + 1))
        others = order[rank + 1 : end]
        if not len(others) or widest <= 0:
            continue
        tall = np.maximum(height[i], height[others])
        low = np.minimum(height[i], height[others])
        gap = np.maximum(x0[i], x0[others]) - np.minimum(x1[i], x1[others])
        rows = np.minimum(y1[i], y1[others]) - np.maximum(y0[i], y0[others])
        away = np.linalg.norm(regions.colors[others] - regions.colors[i], axis=1)
        joined = (
            (tall <= config.heights * low)
            & (gap <= config.gap * tall)
            & (rows >= config.lines * low)
            & (away <= config.color)
            & (regions.bright[others] == regions.bright[i])
        )
        for j in others[joined].tolist():
            parent[root(j)] = root(i)
    members: dict[int, list[int]] = {}
    for i in range(count):
        members.setdefault(root(i), []).append(i)
    groups = []
    for some in members.values():
        confidence = float(scores[some].mean())
        lone = len(some) == 1 and width[some[0]] < 1.6 * height[some[0]]
        if lone and confidence < config.lone_score:
            continue
        points = np.concatenate([regions.hulls[i] for i in some])
        groups.append(Group(_corners(points, config.level_deg), some, confidence))
    return groups


def _corners(points: npt.NDArray[np.int32], level_deg: float) -> Floats:
    """Bound the letters by an upright box, or by a turned one where that is clearly smaller."""
    x, y, w, h = cv2.boundingRect(points)
    upright = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], np.float64)
    center, (width, height), angle = cv2.minAreaRect(points)
    lean = (angle + 45) % 90 - 45
    if abs(lean) <= level_deg or (width + 1) * (height + 1) > 0.8 * w * h:
        return upright
    turned = cv2.boxPoints((center, (width + 1, height + 1), angle)).astype(np.float64)
    sides = np.roll(turned, -1, axis=0) - turned
    first = int(np.argmax(sides[:, 0] / np.maximum(np.hypot(*sides.T), 1e-9)))
    return np.roll(turned, -first, axis=0)
