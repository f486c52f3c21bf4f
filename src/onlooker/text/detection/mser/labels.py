"""Which regions of a generated scene are letters, by the words drawn into it.

Scenes know their words, not their letters. A region is a letter (or some joined ones) if it lies in
a word, is as high as a letter, and of the polarity in which the word is written, which is the one
whose regions are higher: letters are higher than the holes and gaps between their strokes.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.text.detection.mser.regions import Regions

#: Shares of a region's box in a word from which it belongs to it, and below which it is outside.
_IN, _OUT = 0.75, 0.1
#: Heights over the word's: of a letter at least ("o" among capitals); of a dot or a piece at most.
_LETTER, _PIECE = 0.42, 0.28
UNKNOWN = -1


def label_regions(
    regions: Regions,
    words: npt.NDArray[np.float32],
    ignored: npt.NDArray[np.bool_],
    shape: tuple[int, int],
) -> npt.NDArray[np.int64]:
    """Label regions.

    Args:
        regions: What was proposed in the scene.
        words: ``(k, 4, 2)`` corners of words, clockwise from the top left.
        ignored: ``(k,)`` words that are not to be learnt from.
        shape: Height and width of the scene.

    Returns:
        ``(n,)``: 1 text, 0 not, -1 unknown.
    """
    count = len(regions)
    labels = np.zeros(count, np.int64)
    best = np.full(count, -1)
    most = np.zeros(count)
    boxes = regions.boxes
    sizes = np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1)
    for index, word in enumerate(words):
        low = np.clip(np.floor(word.min(axis=0)).astype(int) - 1, 0, None)
        high = np.minimum(np.ceil(word.max(axis=0)).astype(int) + 2, (shape[1], shape[0]))
        if (high <= low).any():
            continue
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        cv2.fillPoly(mask, [np.round(word - low).astype(np.int32)], 1)
        table = cv2.integral(mask)
        x0, x1 = (np.clip(boxes[:, i] - low[0], 0, mask.shape[1]) for i in (0, 2))
        y0, y1 = (np.clip(boxes[:, i] - low[1], 0, mask.shape[0]) for i in (1, 3))
        shared = (table[y1, x1] - table[y0, x1] - table[y1, x0] + table[y0, x0]) / sizes
        better = shared > most
        most[better], best[better] = shared[better], index
    heights = boxes[:, 3] - boxes[:, 1]
    sides = np.linalg.norm(np.roll(words, -1, axis=1) - words, axis=2)
    word_heights = (sides[:, 1] + sides[:, 3]) / 2 if len(words) else np.zeros(0)
    labels[(most > _OUT) & (most < _IN)] = UNKNOWN
    for index in range(len(words)):
        touching = best == index
        inside = touching & (most >= _IN)
        if ignored[index]:
            labels[touching & (most > _OUT)] = UNKNOWN
            continue
        relative = heights / max(float(word_heights[index]), 1e-3)
        letters = inside & (relative >= _LETTER)
        weight = [
            float((heights[letters & (regions.bright == polarity)] ** 2).sum())
            for polarity in (False, True)
        ]
        written = weight[1] > weight[0]
        labels[letters & (regions.bright == written)] = 1
        labels[inside & (relative > _PIECE) & (relative < _LETTER)] = UNKNOWN
    return labels
