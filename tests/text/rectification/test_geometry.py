from __future__ import annotations

import cv2
import numpy as np
import pytest

from onlooker.text.rectification.geometry import (
    EDGE_POINTS,
    direction_of,
    grown,
    half_turned,
    size_of,
    squash,
    strip_of,
    turned_about,
)

CENTRE, RADIUS, THICK = 150.0, 100.0, 40.0


def straight(left: float, top: float, width: float, height: float) -> np.ndarray:
    x = np.linspace(left, left + width, EDGE_POINTS)
    upper = np.stack([x, np.full_like(x, top)], axis=1)
    return np.concatenate([upper, upper + np.array([0, height])]).astype(np.float32)


def bands(height: int = 40, width: int = 200) -> np.ndarray:
    """Draw a strip that grows brighter along it, and jumps half-way down."""
    strip = np.broadcast_to(np.linspace(20, 160, width), (height, width)).copy()
    strip[height // 2 :] += 80
    return strip.astype(np.uint8)


def test_a_straight_outline_cuts_out_what_it_encloses() -> None:
    picture = np.zeros((100, 300), np.uint8)
    picture[30:70, 50:250] = bands()
    strip = strip_of(picture, straight(50, 30, 200, 40), 40)
    assert strip.shape == (40, 200)
    assert np.abs(strip.astype(int) - bands()).max() <= 1


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, 33, -118])
def test_a_turned_outline_lays_the_strip_straight(degrees: float) -> None:
    picture = np.zeros((100, 300), np.uint8)
    picture[30:70, 50:250] = bands()
    turned = turned_about(picture, degrees)
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    centre = np.array(turned.shape[::-1]) / 2
    outline = (straight(50, 30, 200, 40) - (150, 50)) @ turn.T + centre
    strip = strip_of(turned, outline.astype(np.float32), 40)
    inner = (slice(4, -4), slice(4, -4))
    off = np.abs(strip.astype(int) - bands())[inner]
    off[14:18] = 0  # the jump is blurred by turning
    assert off.max() <= 4
    assert direction_of(outline) == pytest.approx((a + np.pi) % (2 * np.pi) - np.pi, abs=1e-3) or (
        degrees == 180
    )


def test_an_outline_on_an_arc_lays_the_strip_straight() -> None:
    # A ring around the centre, as bright as its angle is wide: along the strip it grows evenly.
    y, x = np.mgrid[:300, :300] + 0.5
    angle = np.arctan2(x - CENTRE, CENTRE - y)  # 0 at the top, clockwise
    picture = np.clip(128 + 100 * angle / np.pi * 2, 0, 255).astype(np.uint8)
    at = np.linspace(-np.pi / 2, np.pi / 2, EDGE_POINTS)
    edges = [
        np.stack([CENTRE + r * np.sin(at), CENTRE - r * np.cos(at)], axis=1)
        for r in (RADIUS + THICK / 2, RADIUS - THICK / 2)
    ]
    outline = np.concatenate(edges).astype(np.float32)
    strip = strip_of(picture, outline, 40).astype(float)
    wanted = np.linspace(28, 228, strip.shape[1])
    assert np.abs(strip - wanted).max() < 8
    assert strip.shape[1] == pytest.approx(np.pi * RADIUS, rel=0.05)


def test_half_turns_and_growth() -> None:
    outline = straight(50, 30, 200, 40)
    assert np.array_equal(half_turned(half_turned(outline)), outline)
    assert abs(direction_of(half_turned(outline))) == pytest.approx(np.pi)
    wider = grown(outline, 0.5, 0.25)
    assert wider.min(axis=0).tolist() == [30, 20]
    assert wider.max(axis=0).tolist() == [270, 80]
    length, thickness = size_of(wider)
    assert (float(length), float(thickness)) == (240, 60)


def test_any_crop_is_squashed_to_a_grey_square() -> None:
    for shape in ((1, 1), (3, 500), (500, 3, 3), (64, 64), (90, 200, 3)):
        squashed = squash(np.full(shape, 77, np.uint8))
        assert squashed.shape == (64, 64)
        assert np.abs(squashed.astype(int) - 77).max() <= 1


def test_quarter_turns_are_exact_and_others_keep_the_whole_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (20, 50, 3), dtype=np.uint8)
    assert np.array_equal(turned_about(picture, 90), cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE))
    assert turned_about(picture, 45).shape == (50, 50, 3)
