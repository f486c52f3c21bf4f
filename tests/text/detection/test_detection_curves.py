"""Words on curves, drawn as cores in the map as training draws them."""

import cv2
import numpy as np
import pytest

from onlooker.metrics import iou, polygon_area
from onlooker.text.detection import curves, predict
from onlooker.text.detection.curves import EDGE_POINTS, bent
from onlooker.text.detection.geometry import shrink_outlines
from onlooker.text.detection.predict import DetectorConfig, cores
from onlooker.text.lines import corners_of, direction_of
from onlooker.text.synthesis.scenes import outlined

CELLS = 450


def as_polygon(points):
    return tuple((float(x), float(y)) for x, y in points)


def arc(radius, height, start, end, *, inwards=False, centre=(450.0, 450.0)):
    """Outline a word on a circle; its letters' tops point outwards, or inwards."""
    angle = np.linspace(start, end, 41)
    up = -1 if inwards else 1
    ring = np.stack([np.sin(angle), -up * np.cos(angle)], axis=1)
    top, bottom = ring * (radius + up * height / 2), ring * (radius - up * height / 2)
    return np.concatenate([top, bottom[::-1]]) + centre


def core_map(*words):
    cells = np.zeros((CELLS, CELLS), np.uint8)
    for word in words:
        core = shrink_outlines(np.asarray(word, np.float32)[None])[0]
        cv2.fillPoly(cells, [np.rint((core / 2 - 0.5) * 16).astype(np.int32)], (1,), shift=4)
    return cells.astype(np.float32)


def outer_contour(cells):
    contours, _ = cv2.findContours(cells, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    (contour,) = contours
    return contour


@pytest.mark.parametrize(
    ("radius", "height", "start", "end", "inwards"),
    [
        (150, 30, -0.8, 0.8, False),
        (150, 30, -0.8, 0.8, True),
        (150, 30, -1.6, 1.6, False),  # half a circle
        (150, 30, -2.4, 2.4, False),  # three quarters
        (150, 30, -2.6, 2.6, True),
        (60, 12, -1.0, 1.0, False),  # small
        (40, 9, -0.8, 0.8, False),
        (300, 100, -0.9, 0.9, False),  # large
        (400, 20, -0.3, 0.3, True),  # long
        (150, 40, 0.3, 2.4, False),  # down the right of a ring
        (60, 16, -2.0, -0.2, False),  # up its left
    ],
)
def test_words_on_a_circle_are_followed(radius, height, start, end, inwards):
    word = arc(radius, height, start, end, inwards=inwards)
    ((outline, score, short),) = cores(core_map(word), DetectorConfig())
    assert iou(as_polygon(outline), as_polygon(word)) > 0.85
    assert score == 1.0
    assert short == pytest.approx(height, rel=0.12)
    half, odd = divmod(len(outline), 2)
    assert not odd
    assert EDGE_POINTS[0] <= half <= EDGE_POINTS[1]
    # It begins and ends where the text does, as it is read.
    slack = 4 + 0.2 * height  # two cells, and what a smooth line makes of an end
    for at, true in ((0, 0), (half - 1, 40), (half, 41), (-1, -1)):
        assert np.linalg.norm(outline[at] - word[true]) < slack
    x, y = outline.T
    assert np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)) > 0  # clockwise


def test_a_curve_seen_in_perspective_is_thicker_at_its_near_end():
    warp = cv2.getPerspectiveTransform(
        np.float32([[0, 0], [900, 0], [900, 900], [0, 900]]),
        np.float32([[0, 150], [900, 0], [900, 900], [0, 750]]),
    )
    word = cv2.perspectiveTransform(np.float32([arc(220, 50, -1.1, 1.1)]), warp)[0]
    ((outline, _, _),) = cores(core_map(word), DetectorConfig())
    assert iou(as_polygon(outline), as_polygon(word)) > 0.85
    half = len(outline) // 2
    assert np.linalg.norm(outline[half - 1] - outline[half]) > 1.1 * np.linalg.norm(
        outline[0] - outline[-1]
    )


def straight(width, height, degrees, at=(450, 450)):
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return (corners @ np.array([[cos, sin], [-sin, cos]]) + at).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 3, 17, -40, 66, 90])
@pytest.mark.parametrize("size", [(200, 40), (60, 9), (30, 14), (600, 12), (50, 50), (500, 300)])
def test_straight_words_stay_rectangles_to_the_last_bit(monkeypatch, degrees, size):
    cells = core_map(outlined(straight(*size, degrees)[None])[0])
    (found,) = cores(cells, DetectorConfig())
    monkeypatch.setattr(predict, "bent", lambda contour: None)
    (before,) = cores(cells, DetectorConfig())
    assert found[0].shape == (4, 2)
    assert np.array_equal(found[0], before[0])
    assert found[1:] == before[1:]


def test_other_shapes_are_not_taken_for_curves():
    ragged = core_map(outlined(straight(300, 30, 0)[None])[0]).astype(np.uint8)
    ragged[:, 200:204] = cv2.dilate(ragged, np.ones((9, 1), np.uint8))[:, 200:204]  # a tall letter
    ragged[:, 260:262] = cv2.dilate(ragged, np.ones((9, 1), np.uint8))[:, 260:262]
    assert bent(outer_contour(ragged)) is None
    corner = np.zeros((100, 100), np.uint8)
    corner[10:90, 10:70] = 1
    corner[10:60, 10:40] = 0  # an L: two lines that run together
    assert bent(outer_contour(corner)) is None
    wave = np.zeros((200, 400), np.uint8)
    x = np.arange(20, 380)
    line = np.stack([x, 100 + 30 * np.sin((x - 20) / 360 * 2 * np.pi)], axis=1)
    cv2.polylines(wave, [np.rint(line).astype(np.int32)], False, (1,), 12)
    assert bent(outer_contour(wave)) is None
    ring = np.zeros((200, 200), np.uint8)
    cv2.circle(ring, (100, 100), 80, (1,), 12)
    assert bent(outer_contour(ring)) is None


def test_what_winds_on_is_passed_over_at_once(monkeypatch):
    def walk(mask):
        raise AssertionError("walked along it")

    monkeypatch.setattr(curves, "_way", walk)
    cells = np.zeros((CELLS, CELLS), np.uint8)
    for row, y in enumerate(range(5, CELLS - 25, 20)):
        cells[y : y + 9, 5 : CELLS - 5] = 1
        side = 5 if row % 2 else CELLS - 14
        cells[y : y + 29, side : side + 9] = 1
    assert bent(outer_contour(cells)) is None
    frame = np.zeros_like(cells)
    cv2.ellipse(frame, (CELLS // 2, CELLS // 2), (200, 200), 0, 0, 330, 1, 6)
    assert bent(outer_contour(frame)) is None


def test_random_blobs_give_nothing_odd():
    rng = np.random.default_rng(3)
    for _ in range(60):
        noise = cv2.GaussianBlur(rng.normal(size=(120, 160)).astype(np.float32), (0, 0), 6)
        field = np.clip(0.62 + noise / noise.std() * 0.3, 0, 1).astype(np.float32)
        for outline, _, short in cores(field, DetectorConfig(min_score=0.0)):
            assert np.isfinite(outline).all()
            assert short > 0
            assert len(outline) % 2 == 0
            assert polygon_area(as_polygon(outline)) > 0


def word_of(outline, merit=1.0):
    return predict._Word(np.asarray(outline, np.float64), merit, merit)


def test_a_word_under_an_arc_is_another_word():
    top = arc(150, 30, -1.3, 1.3)
    below = straight(150, 40, 0, at=(450, 400))  # inside the arc's rectangle
    assert not predict._same(word_of(top), word_of(below))
    assert len(predict._best([word_of(top), word_of(below)])) == 2


def test_a_curve_seen_twice_is_one_word():
    one, other = arc(150, 30, -1.3, 1.3), arc(152, 32, -1.25, 1.3)
    chord = straight(120, 30, 0, at=(450, 300))  # part of it, seen at another scale
    assert predict._same(word_of(one), word_of(other))
    (kept,) = predict._best([word_of(one), word_of(other, 0.9), word_of(chord, 0.8)])
    assert np.array_equal(kept.corners, one)


def test_what_a_curve_covers_is_exact():
    one, other = arc(150, 30, -1.3, 1.3), arc(150, 30, 0.0, 2.0)
    shared = sum(
        cv2.intersectConvexConvex(a, b)[0]
        for a in predict._pieces(word_of(one))
        for b in predict._pieces(word_of(other))
    )
    assert shared == pytest.approx(30 * 150 * 1.3, rel=0.01)


def small_words(centre, columns, rows):
    """Fill a block with words of 90 x 20 pixels."""
    x, y = centre
    return [
        word_of(straight(90, 20, 0, at=(x + 100 * (i - (columns - 1) / 2), y + 25 * j)))
        for i in range(columns)
        for j in range(-(rows // 2), rows - rows // 2)
    ]


def test_a_block_of_small_words_is_no_large_word():
    block = word_of(straight(300, 100, 0, at=(450, 450)))
    inside = small_words((450, 438), 3, 4)
    assert predict._without_blocks([block], inside) == []
    assert predict._without_blocks([block], inside[:3]) == [block]  # too few
    letters = [word_of(straight(60, 90, 0, at=(330 + 80 * i, 450))) for i in range(4)]
    assert predict._without_blocks([block], letters) == [block]


@pytest.mark.parametrize(
    "large",
    [arc(220, 50, -2.6, 2.6), straight(1000, 90, -40, at=(450, 450))],
    ids=["ring", "diagonal"],
)
def test_small_words_beside_a_large_one_do_not_make_it_a_block(large):
    """They lie in the box around it, not on it."""
    word = word_of(large)
    beside = small_words((450, 450), 3, 10) if len(large) > 4 else small_words((700, 650), 4, 10)
    assert sum(map(predict._area, beside)) > 0.3 * predict._area(word)
    assert predict._without_blocks([word], beside) == [word]


@pytest.mark.parametrize("turn", [0.0, 0.7, -0.7])
@pytest.mark.parametrize("reach", [0.6, 1.5, 2.2])
def test_the_rectangle_around_a_curve_runs_as_its_text(turn, reach):
    for inwards in (False, True):
        word = arc(100, 30, turn - reach, turn + reach, inwards=inwards)
        corners = corners_of(as_polygon(word))
        way = turn if not inwards else -turn
        off = direction_of(corners) - way
        assert abs((off + np.pi) % (2 * np.pi) - np.pi) < np.deg2rad(50)
