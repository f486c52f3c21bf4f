"""How a word's ink is seen: turned, slanted, in perspective, on an arc, cut out tight or loose."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.text.synthesis.specification import Chances

#: Angle in radians of the gentle arcs that words stand on (standard deviation).
_ARC_SPREAD = 0.35
#: Share of loose pictures on an arc: curved words are what there is to learn from them.
_LOOSE_ARC_SHARE = 0.2
#: Pixels of the largest loose picture; larger ones are drawn smaller. The rectifier looks at 4,096.
_LOOSE_AREA_PX = 20_000
#: Points along the upper and along the lower edge of an outline.
OUTLINE_POINTS = 5


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the ink comes to lie in the crop.

    Attributes:
        homography: From pixels of the ink to pixels of the crop.
        width: Of the crop, pixels.
        height: Of the crop, pixels.
        thickness: Height of the text in the crop, pixels.
    """

    homography: npt.NDArray[np.float64]
    width: int
    height: int
    thickness: float


def place(
    rng: np.random.Generator,
    chances: Chances,
    shape: tuple[int, int],
    text: str,
    *,
    em_px: float,
    scale: float,
    thickness: float,
    clean: bool,
    loose: bool,
    stacks: bool,
) -> Placement | None:
    """Choose how ink is seen and cut out.

    Args:
        rng: Where all chance comes from.
        chances: Of rotation, shear, perspective.
        shape: Height and width of the ink.
        text: What it says.
        em_px: Pixels per em of the ink.
        scale: From pixels of the ink to pixels of the crop.
        thickness: Height of the text in the ink, without the rise of a bend or arc.
        clean: Upright and straight.
        loose: Turned by any angle, at most :data:`_LOOSE_AREA_PX` large.
        stacks: The letters stand below each other.

    Returns:
        The placement, or None where the crop would be nearly empty.
    """
    ink_height, ink_width = shape
    thickness, em = thickness * scale, em_px * scale
    angle = 0.0
    if loose:
        angle = draw_turn(rng, stacks=stacks)
    elif not clean:
        kind = rng.random()
        spread = 1.2 if kind < 0.4 else 5.0 if kind < 0.77 else 12.0
        angle = math.radians(min(max(spread * rng.standard_normal(), -30), 30))
        angle *= chances.strength["rotation"] * (1.0 if ink_width > ink_height else 0.6)
    if not chances.on(rng, "rotation"):
        angle = 0.0
    cos, sin = math.cos(angle), math.sin(angle)
    shear = 0.0
    if not clean and chances.on(rng, "shear"):
        shear = min(max(0.15 * rng.standard_normal(), -0.4), 0.4) * chances.strength["shear"]
    half_x, half_y = ink_width / 2 * scale, ink_height / 2 * scale
    turn = np.array([[cos, sin], [cos * shear - sin, sin * shear + cos]], np.float32)
    placed = np.array(
        [[-half_x, -half_y], [half_x, -half_y], [half_x, half_y], [-half_x, half_y]], np.float32
    )
    placed = placed @ turn
    if not clean and chances.on(rng, "perspective"):
        jitter = 0.1 * rng.standard_normal((4, 2))
        jitter = np.minimum(np.maximum(jitter, -0.32, out=jitter), 0.32, out=jitter)
        placed += (thickness * chances.strength["perspective"]) * jitter.astype(np.float32)
    if loose and not clean and rng.random() < 0.3:
        placed = receding(rng, placed)
    (x0, y0), (x1, y1) = placed.min(axis=0).tolist(), placed.max(axis=0).tolist()
    if loose:
        area = (x1 - x0 + 0.3 * thickness) * (y1 - y0 + 0.3 * thickness)
        shrink = min(1.0, math.sqrt(_LOOSE_AREA_PX / area))
        placed, em, thickness = placed * np.float32(shrink), em * shrink, thickness * shrink
        x0, y0, x1, y1 = x0 * shrink, y0 * shrink, x1 * shrink, y1 * shrink

    # The crop: the box around the placed corners, with margins (< 0: cuts into the text).
    kind = rng.random()
    low, high = (0.0, 0.12) if kind < 0.45 else (0.05, 0.38) if kind < 0.88 else (-0.06, 0.1)
    if loose and rng.random() < 0.25:  # a careless box, or a turned picture's enlarged canvas
        low, high = 0.0, 1.2
    margins = [(low + (high - low) * share) * thickness for share in rng.random(4).tolist()]
    if len(text) <= 2 or not text[-1].isalnum():  # a cut would remove the whole mark
        margins = [max(margin, 0.0) for margin in margins]
    left, top, right, bottom = margins
    if thickness < 0.45 * em:  # "-", "...", "~": the crop of a reader is not that tight
        extra = (0.75 * em - thickness) / 2
        top += extra * (0.6 + 0.8 * rng.random())
        bottom += extra * (0.6 + 0.8 * rng.random())
    width, height = math.ceil(x1 - x0 + left + right), math.ceil(y1 - y0 + top + bottom)
    if width < 3 or height < 3:
        return None
    corners = np.array(
        [[0, 0], [ink_width, 0], [ink_width, ink_height], [0, ink_height]], np.float32
    )
    placed += np.array([left - x0, top - y0], np.float32)
    return Placement(cv2.getPerspectiveTransform(corners, placed), width, height, thickness)


def draw_arc(rng: np.random.Generator, chances: Chances, letters: int, *, loose: bool) -> float:
    """Draw the angle of the circle that a word stands on, 0 for most."""
    share = _LOOSE_ARC_SHARE if loose else chances.share["arc"]
    if letters < 3 or rng.random() >= share:
        return 0.0
    if loose and rng.random() < 0.6:
        return float(rng.uniform(0.4, 3.4) * (1 if rng.random() < 0.65 else -1))
    angle = min(max(_ARC_SPREAD * rng.standard_normal(), -0.9), 0.9)
    return float(chances.strength["arc"] * angle)


def draw_turn(rng: np.random.Generator, *, stacks: bool) -> float:
    """Draw by what angle a loose word is turned, in radians, clockwise.

    Most words stand upright or nearly so; stacked ones, drawn on their side, stand.
    """
    kind = rng.random()
    if kind < 0.35:
        degrees = rng.normal(0, 5)
    elif kind < 0.68:
        degrees = rng.normal(0, 22)
    elif kind < 0.8:
        degrees = rng.normal(90 if rng.random() < 0.5 else -90, 7)
    elif kind < 0.85:
        degrees = rng.normal(180, 8)
    else:
        degrees = rng.uniform(-180, 180)
    if stacks and kind < 0.9:
        degrees = 90 + rng.normal(0, 8)
    return float(np.deg2rad(degrees))


def receding(rng: np.random.Generator, corners: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Make one side of four corners (clockwise) smaller, as seen from the other: perspective."""
    near = int(rng.random() * 4)
    one, two = (near + 2) % 4, (near + 3) % 4
    pivot = corners[one] + (corners[two] - corners[one]) * rng.uniform(-0.3, 1.3)
    side = float(np.linalg.norm(corners[two] - corners[one]))
    depth = float(np.linalg.norm(corners[two] - corners[near]))
    # Of a long side this much and no more, or its end letters would lie flat.
    factor = 1 - rng.uniform(0.05, 0.5) * min(1.0, depth / max(side, 1.0))
    moved = corners.copy()
    for corner in (one, two):
        moved[corner] = pivot + (corners[corner] - pivot) * factor
    return moved


def outline_of(height: int, width: int, bend: float = 0.0) -> npt.NDArray[np.float32]:
    """List points along both edges of ink bent by ``bend`` (see ``render_text``) → (10, 2) x, y."""
    x = np.linspace(0, width, OUTLINE_POINTS, dtype=np.float32)
    rise = abs(bend) * width
    middle = 2 * x / width - 1
    sinks = rise * (middle**2 if bend > 0 else 1 - middle**2)
    thick = max(height - np.ceil(rise), 1.0)
    upper = np.stack([x, sinks], axis=1)
    return np.concatenate([upper, upper + np.array([0, thick])]).astype(np.float32)
