from __future__ import annotations

import pytest

from onlooker.metrics import covered, intersection_area, iou, match_regions, polygon_area


def box(x0, y0, x1, y1):
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def test_area_of_a_box_and_of_a_tilted_square():
    assert polygon_area(box(10, 10, 14, 13)) == pytest.approx(12)
    assert polygon_area(((0, 5), (5, 0), (10, 5), (5, 10))) == pytest.approx(50)
    assert polygon_area(((0, 0), (1, 1))) == 0


def test_iou_by_hand():
    # 2×2 boxes sharing a 1×2 strip: 2 / (4 + 4 - 2)
    assert iou(box(0, 0, 2, 2), box(1, 0, 3, 2)) == pytest.approx(2 / 6)
    assert iou(box(0, 0, 2, 2), box(2, 0, 3, 2)) == 0
    assert iou(box(0, 0, 2, 2), box(0, 0, 2, 2)) == pytest.approx(1)


def test_the_direction_of_the_corners_does_not_matter():
    a, b = box(0, 0, 2, 2), box(1, 0, 3, 2)
    assert iou(tuple(reversed(a)), b) == pytest.approx(2 / 6)


def test_iou_far_from_the_origin_keeps_its_digits():
    assert iou(box(90000, 90000, 90002, 90002), box(90001, 90000, 90003, 90002)) == pytest.approx(
        2 / 6, abs=1e-4
    )


def test_a_dented_polygon():
    arrow = ((0, 0), (100, 0), (50, 50), (100, 100), (0, 100))  # a square less a triangle: 7500
    assert polygon_area(arrow) == pytest.approx(7500)
    assert intersection_area(arrow, box(0, 0, 100, 100)) == pytest.approx(7500, rel=0.01)
    assert intersection_area(arrow, box(60, 45, 100, 55)) == pytest.approx(0, abs=30)


def test_covered_is_the_share_of_the_first():
    assert covered(box(0, 0, 2, 2), box(0, 0, 1, 10)) == pytest.approx(0.5)
    assert covered(box(0, 0, 1, 10), box(0, 0, 2, 2)) == pytest.approx(0.2)
    assert covered(((0, 0), (0, 0), (0, 0), (0, 0)), box(0, 0, 2, 2)) == 0


def test_matching_takes_each_region_once_and_the_best_first():
    true = [box(0, 0, 10, 10), box(20, 0, 30, 10)]
    predicted = [box(0, 0, 10, 8), box(0, 0, 10, 10), box(20, 0, 30, 4)]
    assert match_regions(predicted, true) == [(1, 0)]
    assert match_regions(predicted, true, threshold=0.3) == [(1, 0), (2, 1)]
    assert match_regions([], true) == []


def test_a_dented_polygon_that_only_touches_another():
    dented = [(0, 0), (2000, 0), (2000, 900), (1000, 450), (0, 900)]
    beside = [(1999.9999999, 10), (2600, 10), (2600, 800), (1999.9999999, 800)]
    assert iou(dented, beside) == pytest.approx(0.0, abs=1e-6)
