"""Words of one frame → lines: chains of neighbours that choose each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from onlooker.text.lines.frames import Floats, Frame

Bools = npt.NDArray[np.bool_]

MAX_GAP_HEIGHTS = 1.0
"""Widest space inside a line, in heights of its words: word spaces are 0.2 to 0.6 of a height,
gutters between columns 1.3 and more."""
MIN_OVERLAP = 0.5
"""Least vertical overlap of neighbours, as a share of the lower one's height."""
MIN_HEIGHT_RATIO = 0.4
"""A word of small letters ("on") beside one with ascenders and descenders ("Play") has 0.5."""
BRIDGED_GAP_HEIGHTS = 3.0
"""Widest space inside a line of justified text, where its neighbours run across."""
WIDE_SPACE_HEIGHTS = 1.6
"""Widest space where no line of the block shows a gutter; the narrowest gutters begin at 1.3."""
BRIDGE_REACH_HEIGHTS = 2.2
"""Distance within which lines belong to one paragraph: lines follow each other at 1.2 to 1.8."""
BLOCK_REACH_HEIGHTS = 8.0
"""Some five lines above and below say whether a space is a gutter."""
BRIDGED_HEIGHT_RATIO = 0.6
"""Lines of one paragraph are of one size, but for what their letters make of it."""


def chains_of(frame: Frame, marks: Bools) -> list[list[int]]:
    """Join neighbours that choose each other, then pieces of lines of a paragraph.

    Args:
        frame: Words of one direction.
        marks: Of each word of the frame, whether it holds neither letters nor figures: dashes and
            bullets are low, whatever the height of their line.

    Returns:
        Chains of positions within the frame, each from left to right.
    """
    return _bridged(frame, _neighbours(frame, marks))


def _neighbours(frame: Frame, marks: Bools) -> list[list[int]]:
    count = len(frame.members)
    left, right, height = frame.left, frame.right, frame.height
    best_right = np.full(count, -1)
    cost_left = np.full(count, np.inf)
    best_left = np.full(count, -1)
    for i in range(count):
        gap = left - right[i]
        lower = np.minimum(height, height[i])
        higher = np.maximum(height, height[i])
        # Heights of both baselines in the middle of the gap: each follows its own slope.
        reach_i = (right[i] - left[i]) / 2 + gap / 2
        reach_j = (right - left) / 2 + gap / 2
        rise = np.abs(
            frame.middle[i] + frame.slope[i] * reach_i - (frame.middle - frame.slope * reach_j)
        )
        overlap = np.minimum((height + height[i]) / 2 - rise, lower)
        fits = (
            (gap <= MAX_GAP_HEIGHTS * (height + height[i]) / 2)
            & (gap >= -0.5 * lower)
            & (left + right > left[i] + right[i])
            & (overlap >= MIN_OVERLAP * lower)
            & ((lower >= MIN_HEIGHT_RATIO * higher) | marks | marks[i])
        )
        fits[i] = False
        if not fits.any():
            continue
        cost = np.where(fits, np.maximum(gap, 0.0) + 2.0 * rise, np.inf)
        j = int(np.argmin(cost))
        best_right[i] = j
        nearer = cost < cost_left
        best_left[nearer] = i
        cost_left[nearer] = cost[nearer]
    chains: list[list[int]] = []
    for i in range(count):
        before = best_left[i]
        if before >= 0 and best_right[before] == i:
            continue  # not the first of its line
        chain = [i]
        while (after := int(best_right[chain[-1]])) >= 0 and best_left[after] == chain[-1]:
            chain.append(after)
        chains.append(chain)
    return chains


def _bridged(frame: Frame, chains: list[list[int]]) -> list[list[int]]:
    """Join pieces of a line across wide spaces that the lines above or below run across.

    Justified text has spaces as wide as gutters. But the lines of a paragraph cover each other's
    spaces, while a gutter runs on through the lines beside.
    """
    while len(chains) > 1:
        left = np.array([frame.left[chain].min() for chain in chains])
        right = np.array([frame.right[chain].max() for chain in chains])
        height = np.array([np.median(frame.height[chain]) for chain in chains])
        middle = np.array(
            [np.average(frame.middle[chain], weights=frame.height[chain]) for chain in chains]
        )
        after = np.full(len(chains), -1)
        for i in range(len(chains)):
            gap = left - right[i]
            low = np.minimum(height, height[i])
            beside = (
                (np.abs(middle - middle[i]) <= (1 - MIN_OVERLAP) * low)
                & (low >= BRIDGED_HEIGHT_RATIO * np.maximum(height, height[i]))
                & (gap >= -0.5 * low)
                & (gap <= BRIDGED_GAP_HEIGHTS * low)
                & (left + right > left[i] + right[i])
            )
            beside[i] = False
            if not beside.any():
                continue
            j = int(np.argmin(np.where(beside, gap, np.inf)))
            if _runs_on(i, j, left, right, middle, height):
                continue
            after[i] = j
        before = np.full(len(chains), -1)
        for i in np.flatnonzero(after >= 0).tolist():
            j = after[i]
            if before[j] < 0 or right[i] > right[before[j]]:
                before[j] = i
        joined = []
        for i in range(len(chains)):
            if before[i] >= 0 and after[before[i]] == i:
                continue
            chain = list(chains[i])
            at = i
            while after[at] >= 0 and before[after[at]] == at:
                at = int(after[at])
                chain += chains[at]
            joined.append(chain)
        if len(joined) == len(chains):
            break
        chains = joined
    return chains


def _runs_on(i: int, j: int, left: Floats, right: Floats, middle: Floats, height: Floats) -> bool:
    """Say whether the space between two pieces goes on between the lines above and below.

    It does unless one of the next lines runs across and none stops there, or more lines of a
    justified block run across than stop, near ones counting more.
    """
    off = np.abs(middle - (middle[i] + middle[j]) / 2) / height[i]
    alike = np.minimum(height, height[i]) >= BRIDGED_HEIGHT_RATIO * np.maximum(height, height[i])
    rows = alike & (off > 0.5) & (off <= BLOCK_REACH_HEIGHTS)
    across = rows & (left <= right[i] - 0.5 * height[i]) & (right >= left[j] + 0.5 * height[i])
    gap, at = left[j] - right[i], (right[i] + left[j]) / 2
    begins = rows & (np.abs(left - at) <= max(gap, height[i]))
    stops = np.zeros(len(left), dtype=bool)
    for k in np.flatnonzero(rows & (np.abs(right - at) <= max(gap, height[i]))):
        level = begins & (np.abs(middle - middle[k]) <= 0.5 * height[k])
        stops[k] = bool((level & (left - right[k] >= MAX_GAP_HEIGHTS * height[k])).any())
    near = off <= BRIDGE_REACH_HEIGHTS
    if (across & near).any() and not (stops & near).any():
        return False
    if across.any() and not stops.any() and gap <= WIDE_SPACE_HEIGHTS * height[i]:
        return False
    # Several lines of a justified paragraph may have wide spaces one above the other. All its lines
    # begin and end where those begin and end that run across; rows of a table seldom do.
    level = np.abs(middle - (middle[i] + middle[j]) / 2) <= 0.5 * height[i]
    slack = 1.5 * height[i]
    for k in np.flatnonzero(across):
        inside = level & (left >= left[k] - slack) & (right <= right[k] + slack)
        across[k] = (
            inside.any()
            and left[inside].min() <= left[k] + slack
            and right[inside].max() >= right[k] - slack
        )
    weights = 1.0 / np.maximum(off, 0.5)
    return float(weights[across].sum()) <= float(weights[stops].sum())
