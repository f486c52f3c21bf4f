import numpy as np
import pytest

from onlooker.text.detection.geometry import SHRINK, extents, growth, shrink_outlines
from onlooker.text.synthesis.scenes import outlined


def rectangle(width, height, angle=0.0, at=(50.0, 40.0)):
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
    cos, sin = np.cos(angle), np.sin(angle)
    return (half @ np.array([[cos, sin], [-sin, cos]]) + at)[None].astype(np.float32)


def sides(quads):
    lengths = np.linalg.norm(np.roll(quads, -1, axis=1) - quads, axis=2)[0]
    return sorted(lengths[:2])


@pytest.mark.parametrize("size", [(80, 20), (20, 80), (10, 10), (300, 12)])
@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2])
def test_growing_undoes_shrinking(size, angle):
    word = rectangle(*size, angle)
    core = shrink_outlines(word)
    short, long = sides(core)
    assert short == pytest.approx(min(size) * (1 - 2 * SHRINK), rel=1e-4)
    more = 2 * growth(long, short)
    assert (short + more, long + more) == pytest.approx((min(size), max(size)), rel=1e-4)


def test_the_core_lies_inside_whatever_the_perspective():
    word = np.array([[[10, 10], [90, 20], [88, 50], [12, 34]]], np.float32)
    core = shrink_outlines(word)[0]
    for corner in core:
        a, b = word[0], np.roll(word[0], -1, axis=0)
        cross = (b - a)[:, 0] * (corner - a)[:, 1] - (b - a)[:, 1] * (corner - a)[:, 0]
        assert (cross > 0).all()


def test_a_negative_share_grows():
    grown = shrink_outlines(rectangle(40, 20), -0.5)[0]
    assert np.ptp(grown, axis=0) == pytest.approx([60, 40])


def test_further_points_on_the_edges_change_nothing():
    quad = np.array([[[10, 10], [90, 20], [88, 50], [12, 34]]], np.float32)
    outline = outlined(quad)
    assert np.allclose(extents(outline), extents(quad), rtol=0.01)
    corners = shrink_outlines(outline)[0, [0, 5, 6, 11]]
    assert np.allclose(corners, shrink_outlines(quad)[0], atol=0.1)


def test_a_word_on_a_circle_is_as_thick_everywhere_after_shrinking():
    angles = np.linspace(-1, 1, 6)
    ring = np.stack([np.sin(angles), -np.cos(angles)], axis=1)
    outline = np.concatenate([ring * 60, ring[::-1] * 40])[None].astype(np.float32)
    along, across = extents(outline)
    assert across == pytest.approx(20)
    assert along == pytest.approx(100, rel=0.01)  # 2 rad at a radius of 50, in five chords
    radii = np.linalg.norm(shrink_outlines(outline)[0], axis=1)
    assert radii[1:5] == pytest.approx(60 - 20 * SHRINK, abs=0.2)
    assert radii[7:11] == pytest.approx(40 + 20 * SHRINK, abs=0.2)
