"""Colours that go together: pairs of a ground and an ink, learned from photos.

``palettes.json`` holds the pairs; ``recipes/text.synthesis/learn_palettes.py`` made it by
clustering the two main colours of small parts of freely licensed photos without text.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

#: Share of red, green and blue in brightness (ITU-R BT.601), as OpenCV's grey.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_FILE = Path(__file__).with_name("palettes.json")


@cache
def _table() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    rows = json.loads(_FILE.read_text(encoding="utf-8"))["pairs"]
    pairs = np.array([row["ground"] + row["ink"] for row in rows], np.float32).reshape(-1, 2, 3)
    weights = np.array([row["weight"] for row in rows])
    return pairs, np.cumsum(weights) / weights.sum()


def draw_pair(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Draw a ground and an ink → (2, 3) float32 in [0, 255]; common pairs more often."""
    pairs, ends = _table()
    pair = pairs[min(int(np.searchsorted(ends, rng.random())), len(pairs) - 1)]
    return np.asarray(pair if rng.random() < 0.7 else pair[::-1], np.float32)
