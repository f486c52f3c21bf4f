"""Text apart from its ground, by the skeletons of both.

A method of this name is part of the systems that SceneTextReg grew out of: Yang, Quehl, Sack 2012,
"A skeleton based binarization approach for video text recognition" (WIAMIS), and 2014, "A framework
for improved video text detection and recognition" (Multimedia Tools and Applications). Public are
their abstracts: whether text is darker or brighter than its ground is found first; then a skeleton
of the text gives what the text's pixels look like, and seeds from which they are found. Window
sizes, the skeleton's definition and the growing were not to be had; what stands here is ours:

1. For text darker and for text brighter than the ground: a rough mask by the local mean; its
   distance transform; its skeleton, the ridge of that transform.
2. The polarity whose strokes are more regular in width and touch less of the crop's border.
3. The text's level at each place is the mean of grey along the text's skeleton nearby, the ground's
   level that along the skeleton of the ground. What is nearer to the former is text.
4. Of its connected parts those stay that hold a piece of the skeleton and are no specks.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: Crops are binarised at this height: thin strokes must be two pixels wide to have a ridge.
HEIGHT_PX = 48
_MAX_WIDTH_PX = 960
#: Window of the local mean, over the height: wider than a stroke, narrower than two letters.
_WINDOW = 0.75
#: How much darker than the local mean ink is, over the crop's deviation: noise is not.
_DARKER = 0.2
#: Reach of the levels along the skeletons, over the height: light changes slower than this.
_REACH = 0.4
#: What touching the border weighs against irregular strokes: the ground does both.
_BORDER_WEIGHT = 1.5
#: Specks: parts smaller than this share of the squared height; a dot of an "i" is some 0.01.
_SPECK = 0.004


@dataclass(frozen=True, slots=True)
class BinaryWord:
    """A binarised crop.

    Attributes:
        mask: ``(48, W)`` uint8, 1 where text is.
        grey: The crop at the same size, text dark on light.
        bright: The text was brighter than its ground.
    """

    mask: Mask
    grey: Mask
    bright: bool


def binarize(crop: npt.NDArray[np.uint8]) -> BinaryWord:
    """Separate the text of a word's crop from its ground.

    Args:
        crop: ``(H, W, 3)`` RGB or ``(H, W)`` grey uint8, with a pixel at least.
    """
    grey = crop if crop.ndim == 2 else cv2.cvtColor(crop[:, :, :3], cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    target = int(np.clip(round(width * HEIGHT_PX / height), 4, _MAX_WIDTH_PX))
    how = cv2.INTER_AREA if height > HEIGHT_PX else cv2.INTER_CUBIC
    grey = np.asarray(cv2.resize(grey, (target, HEIGHT_PX), interpolation=how), np.uint8)
    views = [_view(255 - grey if bright else grey) for bright in (False, True)]
    bright = views[1].quality > views[0].quality
    dark = np.asarray(255 - grey if bright else grey, np.uint8)
    mask = _refined(dark.astype(np.float32), views[int(bright)])
    return BinaryWord(mask=mask, grey=dark, bright=bool(bright))


@dataclass(frozen=True, slots=True)
class _View:
    """The crop seen as dark text: rough mask, skeleton, how much it looks like text."""

    rough: Mask
    ridge: npt.NDArray[np.bool_]
    quality: float


def _view(grey: Mask) -> _View:
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.8).astype(np.float32)
    size = int(_WINDOW * HEIGHT_PX) | 1
    local = cv2.blur(smooth, (size, size), borderType=cv2.BORDER_REFLECT)
    level = 0.5 * (local + float(smooth.mean()))  # the inside of thick strokes must stay ink
    rough = (smooth < level - _DARKER * float(smooth.std())).astype(np.uint8)
    ridge, distance = skeleton(rough)
    if not ridge.any():
        return _View(rough, ridge, -np.inf)
    widths = distance[ridge]
    border = np.concatenate([rough[0], rough[-1], rough[:, 0], rough[:, -1]])
    quality = -float(widths.std() / widths.mean()) - _BORDER_WEIGHT * float(border.mean())
    return _View(rough, ridge, quality)


def skeleton(mask: Mask) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Find the ridge of a mask's distance transform → skeleton, distances.

    Pixels of which no neighbour is farther from the mask's edge (Blum 1967, the medial axis). It
    may have gaps, which does no harm here: it is a sample of the strokes' middles.
    """
    distance = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5), np.float32)
    highest = cv2.dilate(distance, np.ones((3, 3), np.uint8))
    return (distance >= highest - 1e-3) & (distance > 0), distance


def _refined(grey: Floats, view: _View) -> Mask:
    """Assign each pixel to the nearer of the levels along both skeletons."""
    if not view.ridge.any():
        return np.zeros(grey.shape, np.uint8)
    others, away = skeleton((1 - view.rough).astype(np.uint8))
    others &= away >= 2  # a pixel beside the ink is half ink
    if not others.any():
        others = view.rough == 0
    text = _level(grey, view.ridge)
    ground = _level(grey, others)
    mask = (grey < 0.5 * (text + ground)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    seeded = np.zeros(count, np.bool_)
    seeded[np.unique(labels[view.ridge & (mask > 0)])] = True
    seeded &= stats[:, cv2.CC_STAT_AREA] >= _SPECK * HEIGHT_PX**2
    seeded[0] = False
    return np.asarray(seeded[labels], np.uint8)


def _level(grey: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """Spread the grey of some pixels smoothly over the picture."""
    weight = where.astype(np.float32)
    sigma = _REACH * HEIGHT_PX
    # Everywhere a little, so that far from all of them the mean holds.
    mean = float(grey[where].mean())
    total = cv2.GaussianBlur(weight * grey, (0, 0), sigma) + np.float32(1e-4 * mean)
    return np.asarray(total / (cv2.GaussianBlur(weight, (0, 0), sigma) + np.float32(1e-4)))
