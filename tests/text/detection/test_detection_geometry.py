import numpy as np
import pytest

from onlooker.text.detection.geometry import SHRINK, growth, shrink_quads


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
    core = shrink_quads(word)
    short, long = sides(core)
    assert short == pytest.approx(min(size) * (1 - 2 * SHRINK), rel=1e-4)
    more = 2 * growth(long, short)
    assert (short + more, long + more) == pytest.approx((min(size), max(size)), rel=1e-4)


def test_the_core_lies_inside_whatever_the_perspective():
    word = np.array([[[10, 10], [90, 20], [88, 50], [12, 34]]], np.float32)
    core = shrink_quads(word)[0]
    for corner in core:
        a, b = word[0], np.roll(word[0], -1, axis=0)
        cross = (b - a)[:, 0] * (corner - a)[:, 1] - (b - a)[:, 1] * (corner - a)[:, 0]
        assert (cross > 0).all()


def test_a_negative_share_grows():
    grown = shrink_quads(rectangle(40, 20), -0.5)[0]
    assert np.ptp(grown, axis=0) == pytest.approx([60, 40])
