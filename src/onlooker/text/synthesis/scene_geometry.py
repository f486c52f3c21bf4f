"""How a block of text lies in a scene: its angle, and the perspective it is seen in."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.text.synthesis.specification import Chances

Polygons = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]


def draw_angle(rng: np.random.Generator, chances: Chances) -> float:
    """Draw a rotation in radians: mostly level, sometimes steep, rarely upright."""
    if not chances.on(rng, "rotation"):
        return 0.0
    kind, strength = rng.random(), chances.strength["rotation"]
    if kind < 0.55:
        return float(strength * rng.normal(0, 0.03))
    if kind < 0.88:
        return float(strength * rng.normal(0, 0.16))
    if kind < 0.96:
        return float(strength * rng.uniform(-0.8, 0.8))
    return float(rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.05))


def tilt(
    rng: np.random.Generator,
    width: int,
    height: int,
    angle: float,
    center: Floats,
    chances: Chances,
) -> npt.NDArray[np.float64]:
    """Compute the 3 × 3 map from a block to the scene: turned, and tilted away at times."""
    corners = frame_of(width, height, 0.0)
    middle = corners.mean(axis=0)
    turned = corners - middle
    if chances.on(rng, "perspective"):
        strength = chances.strength["perspective"]
        away = strength * rng.normal(0, 0.11)  # one end farther than the other
        shear = chances.strength["shear"] * rng.normal(0, 0.12) * (chances.share["shear"] > 0)
        squeeze = 1 - strength * abs(rng.normal(0, 0.15))
        side = turned[:, 0] / max(width / 2, 1)
        turned = np.stack(
            [
                turned[:, 0] * max(squeeze, 0.5),
                turned[:, 1] * (1 + away * side) + shear * turned[:, 0],
            ],
            axis=1,
        )
    cos, sin = np.cos(angle), np.sin(angle)
    turned = turned @ np.array([[cos, sin], [-sin, cos]]) + center
    return np.asarray(cv2.getPerspectiveTransform(corners, turned.astype(np.float32)))


def frame_of(width: float, height: float, margin: float) -> Polygons:
    """Return the corners of a rectangle with a margin around it → (4, 2)."""
    low, right, bottom = -margin, width + margin, height + margin
    return np.asarray([[low, low], [right, low], [right, bottom], [low, bottom]], np.float32)


def warped(points: Polygons, warp: Floats) -> Polygons:
    """Move points (n, 2) by a 3 × 3 map."""
    return np.asarray(cv2.perspectiveTransform(points[None].astype(np.float32), warp)[0])
