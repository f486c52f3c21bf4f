"""Compare pictures of a video, block by block, so that one new line of text is seen.

A mean over the whole picture hides a new bullet line and shouts at a speaker's moving head. So
pictures are compared at 320 pixels' width in blocks of 10 × 10: a change counts by where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from onlooker.media.video import Picture
from onlooker.records import Box

Luma = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Shares = NDArray[np.float32]

GLANCE_PX = 320
"""Largest side of the pictures that are compared: a line of 20-pixel text in 720p is 5 high."""
BLOCK_PX = 10
# Steps of brightness (of 256). Re-encoding a still slide moves reduced pixels by up to 12 at key
# frames (x264, CRF 23 to 30); grey text on white moves them by 25 and more.
_STEP = 20
# Share of a block's pixels that must change: a mouse pointer in 720p covers 12 reduced pixels.
_BLOCK_SHARE = 0.08
# Window for the paper's brightness: 1.5 blocks, so wider than the lines of text that vanish in it.
_PAPER_PX = 15
# A change of the picture covers two blocks and 60 reduced pixels: a word of five letters.
_LEAST_BLOCKS = 2
_LEAST_PIXELS = 60
# Ink that was there and is gone: above this share it is another slide, not one that grew. A page
# number or a clock is 2 %; one replaced line of twelve is 8 %.
_LOST_SHARE = 0.08
_LOST_PIXELS = 40
# A block has ink (share of its pixels) and has lost it (share of its ink; text that replaces other
# text hits half of the same pixels). Three such blocks are a word of six letters in 720p, more than
# a mouse pointer or a page number covers.
_BLOCK_INK, _BLOCK_LOST, _LOST_BLOCKS = 0.12, 0.4, 3
# A picture with less ink than this (share of its pixels) is blank: anything may be added to it, so
# a picture after it is a new one.
BLANK_SHARE = 0.0015


# A pan that leaves less than this in common cannot be told from chance.
_LEAST_OVERLAP = 0.3


@dataclass(slots=True, eq=False)
class Glance:
    """A frame as the segmenter sees it.

    Attributes:
        time_s: Time in seconds.
        luma: (h, w) uint8, reduced to `GLANCE_PX`, as coded (not turned upright).
        picture: The decoded frame, for conversion at full size.
    """

    time_s: float
    luma: Luma
    picture: Picture
    _textured: Mask | None = None

    @property
    def textured(self) -> Mask:
        """The blocks that have some ink: only there can motion be seen."""
        if self._textured is None:
            self._textured = block_shares(ink(self.luma)) >= _BLOCK_SHARE
        return self._textured

    @classmethod
    def of(cls, picture: Picture, time_s: float | None = None) -> Glance:
        """Look at a picture, when it appears or at another time while it is shown."""
        if time_s is None:
            time_s = picture.time_s
        return cls(time_s, picture.luma(GLANCE_PX), picture)


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between two pictures outside some region.

    Attributes:
        pixels: Reduced pixels that changed.
        blocks: Blocks that changed.
        where: (rows, columns) blocks that changed.
    """

    pixels: int
    blocks: int
    where: Mask

    @property
    def counts(self) -> bool:
        """Whether it is more than noise or a mouse pointer."""
        return self.pixels >= _LEAST_PIXELS and self.blocks >= _LEAST_BLOCKS


def changed_pixels(a: Luma, b: Luma) -> Mask:
    """Return where two reduced pictures differ by more than noise."""
    return np.asarray(cv2.absdiff(a, b) > _STEP)


def grid(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return rows and columns of blocks of a reduced picture."""
    return max(1, round(shape[0] / BLOCK_PX)), max(1, round(shape[1] / BLOCK_PX))


def block_shares(mask: Mask) -> Shares:
    """Return the share of set pixels in each block, (rows, columns) float32."""
    rows, columns = grid(mask.shape)
    shares = cv2.resize(mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(shares, np.float32)


def compare(a: Luma, b: Luma, ignored: Mask) -> Change:
    """Compare two pictures outside the ignored blocks.

    Args:
        a: (h, w) uint8, reduced.
        b: Likewise, of the same size.
        ignored: (rows, columns) blocks to leave out.
    """
    shares = block_shares(changed_pixels(a, b))
    shares[ignored] = 0.0
    where = shares >= _BLOCK_SHARE
    area = a.shape[0] * a.shape[1] / shares.size
    return Change(int(shares[where].sum() * area), int(where.sum()), where)


def moved_blocks(a: Luma, b: Luma) -> Mask:
    """Return the blocks in which something moved between two frames close in time."""
    return block_shares(changed_pixels(a, b)) >= _BLOCK_SHARE / 2


def spread(where: Mask) -> float:
    """Return which share of the picture the box around most of the blocks covers.

    The outer twentieth on each side is left out, so that a mouse pointer far off does not count.
    """
    if not where.any():
        return 0.0
    share = 1.0
    for axis in (0, 1):
        places = np.nonzero(where)[axis]
        low, high = np.quantile(places, (0.05, 0.95))
        share *= (float(high) - float(low) + 1) / where.shape[axis]
    return share


def ink(luma: Luma) -> Mask:
    """Return the pixels that stand out from the paper around them: text, lines, small things.

    The median of what is around is the paper as long as ink covers less than half of it, and unlike
    the mean it does not turn paper beside ink into ink.
    """
    paper = cv2.medianBlur(luma, _PAPER_PX)
    return np.asarray(cv2.absdiff(luma, paper) > _STEP)


@dataclass(frozen=True, slots=True)
class Loss:
    """What of a picture's ink is not in another.

    Attributes:
        share: Share of the ink that is gone.
        pixels: Reduced pixels of ink that are gone.
        blocks: Blocks that lost nearly half of their ink or more.
        there: Reduced pixels of ink in the earlier picture.
    """

    share: float
    pixels: int
    blocks: int
    there: int


def ink_lost(a: Luma, b: Luma, ignored: Mask) -> Loss:
    """Return what of the ink of ``a`` is gone in ``b``, outside the ignored blocks."""
    marked = ink(a)
    had = block_shares(marked)
    lost = block_shares(marked & changed_pixels(a, b))
    had[ignored] = lost[ignored] = 0.0
    area = a.size / had.size
    there, gone = float(had.sum() * area), float(lost.sum() * area)
    emptied = (had >= _BLOCK_INK) & (lost >= _BLOCK_LOST * had)
    return Loss(gone / max(1.0, there), round(gone), int(emptied.sum()), round(there))


def grew(a: Luma, b: Luma, ignored: Mask) -> bool:
    """Return whether ``b`` is ``a`` with something added: a slide that builds up."""
    loss = ink_lost(a, b, ignored)
    if loss.there < BLANK_SHARE * a.size or loss.blocks >= _LOST_BLOCKS:
        return False
    return loss.share < _LOST_SHARE or loss.pixels < _LOST_PIXELS


def is_blank(luma: Luma) -> bool:
    """Return whether there is nothing to read: one colour, black, a plain background."""
    return float(ink(luma).mean()) < BLANK_SHARE


def sharpness(luma: Luma) -> float:
    """Return how crisp a picture is: the mean square of its Laplacian."""
    edges = cv2.Laplacian(luma, cv2.CV_16S)
    return float(np.square(edges.astype(np.float32)).mean())


def shift(a: Luma, b: Luma) -> tuple[float, float, float]:
    """Follow a pan or scroll from one picture to another.

    Returns:
        How far it went, as shares of width and height, and how well the two correlate once it is
        undone, in [0, 1]: pictures of one scene do by 0.8 and more, most others by less than 0.4.

    References:
        Kuglin & Hines 1975: phase correlation; here of edges, as plain areas correlate anyhow.
    """
    a, b = (cv2.resize(x, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for x in (a, b))
    window = cv2.createHanningWindow((a.shape[1], a.shape[0]), cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(_edges(a), _edges(b), window)
    rows, columns = a.shape
    width, height = columns - abs(dx), rows - abs(dy)
    if width * height < _LEAST_OVERLAP * a.size:
        return 0.0, 0.0, 0.0
    back = np.array([[1, 0, -dx], [0, 1, -dy]])
    undone = cv2.warpAffine(b, back, (columns, rows), flags=cv2.INTER_LINEAR)
    left, top = max(0, int(np.ceil(-dx))), max(0, int(np.ceil(-dy)))
    box = slice(top, top + int(height)), slice(left, left + int(width))
    # A little blur, as a shift by parts of a pixel blurs one of the two.
    here = cv2.GaussianBlur(a, (3, 3), 0)[box].astype(np.float32)
    there = cv2.GaussianBlur(undone, (3, 3), 0)[box].astype(np.float32)
    here -= here.mean()
    there -= there.mean()
    scale = float(np.sqrt(np.square(here).sum() * np.square(there).sum()))
    likeness = float((here * there).sum()) / scale if scale else 0.0
    return dx / columns, dy / rows, max(0.0, likeness)


def _edges(luma: Luma) -> NDArray[np.float32]:
    smooth = cv2.GaussianBlur(luma, (3, 3), 0)
    return np.asarray(np.abs(cv2.Laplacian(smooth, cv2.CV_32F)), np.float32)


def boxes(where: Mask, width: int, height: int, turns: int) -> tuple[Box, ...]:
    """Return the boxes around connected blocks, in pixels of the upright frame.

    Args:
        where: (rows, columns) blocks.
        width: Width of the upright frame.
        height: Its height.
        turns: Quarter turns anticlockwise from the coded to the upright frame.
    """
    upright = np.ascontiguousarray(np.rot90(where, turns)).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(upright, connectivity=8)
    rows, columns = upright.shape
    x_px, y_px = width / columns, height / rows
    found = []
    for left, top, wide, high, _ in stats[1:count].tolist():
        found.append((left * x_px, top * y_px, (left + wide) * x_px, (top + high) * y_px))
    return tuple(found)


def filled(where: Mask, most: float) -> Mask:
    """Fill the boxes around connected blocks, one block of margin, where they stay small.

    Args:
        where: (rows, columns) blocks.
        most: Largest share of the picture that one box may cover; larger ones stay as they are.
    """
    out = where.copy()
    near = cv2.dilate(where.astype(np.uint8), np.ones((3, 3), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    for left, top, wide, high, _ in stats[1:count].tolist():
        if wide * high <= most * where.size:
            out[top : top + high, left : left + wide] = True
    return out
