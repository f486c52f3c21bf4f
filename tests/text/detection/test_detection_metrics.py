import numpy as np
import pytest

from onlooker.metrics import iou
from onlooker.text.detection.metrics import DetectionScore


def box(x, y, width, height):
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


def test_by_hand():
    score = DetectionScore()
    score.add(
        [
            box(0, 0, 100, 20),  # the first word exactly
            box(200, 0, 60, 20),  # 60 of 100 columns of the second: IoU 0.6
            box(0, 100, 49, 20),  # 49 of 100 columns of the third: IoU 0.49, no hit
            box(300, 300, 20, 20),  # half of it in the ignored region: dropped
            box(400, 400, 20, 20),  # nothing there
        ],
        true=[box(0, 0, 100, 20), box(200, 0, 100, 20), box(0, 100, 100, 20)],
        ignored=[box(310, 290, 50, 50)],
    )
    assert score.metrics()["precision"] == pytest.approx(2 / 4)
    assert score.metrics()["recall"] == pytest.approx(2 / 3)
    assert score.metrics()["hmean"] == pytest.approx(2 * (1 / 2) * (2 / 3) / (1 / 2 + 2 / 3))


def test_one_prediction_cannot_count_for_two_words_nor_two_for_one():
    score = DetectionScore()
    score.add([box(0, 0, 10, 10)] * 2, true=[box(0, 0, 10, 10)], ignored=[])
    assert score.metrics()["precision"] == 0.5
    score = DetectionScore()
    score.add([box(0, 0, 10, 10)], true=[box(0, 0, 10, 10)] * 2, ignored=[])
    assert score.metrics()["recall"] == 0.5


def test_pictures_are_summed_not_averaged():
    score = DetectionScore()
    score.add([box(0, 0, 10, 10)], true=[box(0, 0, 10, 10)], ignored=[])
    score.add([], true=[box(0, 0, 10, 10)] * 3, ignored=[])
    assert score.metrics()["recall"] == 0.25
    assert score.metrics()["precision"] == 1.0


def test_a_set_without_words_has_no_measure():
    score = DetectionScore()
    score.add([box(0, 0, 10, 10)], true=[], ignored=[])
    assert score.metrics() == {"precision": None, "recall": None, "hmean": None}


def test_no_prediction_is_zero_not_an_error():
    score = DetectionScore()
    score.add([], true=[box(0, 0, 10, 10)], ignored=[])
    assert score.metrics() == {"precision": 0.0, "recall": 0.0, "hmean": 0.0}


def arc(start, end, points=13):
    """Outline a word on a circle of 100 around (150, 150), 30 high; angles from the top."""
    angle = np.linspace(start, end, points)
    ring = np.stack([np.sin(angle), -np.cos(angle)], axis=1)
    edges = np.concatenate([ring * 115, (ring * 85)[::-1]]) + 150
    return tuple((float(x), float(y)) for x, y in edges)


def test_words_on_curves_are_compared_by_what_they_cover():
    word = arc(-1.2, 1.2)
    score = DetectionScore()
    # 1.8 of 2.4 radians: IoU 0.75. What lies under the arc, in its rectangle, is another word.
    score.add([arc(-0.6, 1.2), box(110, 110, 80, 30)], true=[word], ignored=[])
    assert (score.hits, score.predicted, score.true) == (1, 2, 1)
    assert iou(word, arc(-0.6, 1.2)) == pytest.approx(0.75, abs=0.01)
    assert iou(word, box(110, 110, 80, 30)) < 0.01
    score = DetectionScore()
    score.add([arc(-0.6, 1.2), arc(0.5, 1.8)], true=[], ignored=[word])
    assert score.predicted == 0
    score = DetectionScore()
    score.add([arc(0.5, 2.0)], true=[], ignored=[word])  # 0.7 of 1.5 radians inside
    assert score.predicted == 1
