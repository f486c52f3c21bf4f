from __future__ import annotations

import cv2
import numpy as np
import pytest

from onlooker.errors import ConfigError
from onlooker.text.detection.methods import load_detector, weights_of
from onlooker.text.detection.mser.grouping import group_letters
from onlooker.text.detection.mser.labels import UNKNOWN, label_regions
from onlooker.text.detection.mser.predict import outermost
from onlooker.text.detection.mser.regions import Regions, crops_of, propose

LEFT = (20, 54, 92, 114, 255, 294, 331)


def sign(ink: int = 20, paper: int = 220) -> np.ndarray:
    """Draw a sign as a camera sees it: MSER finds nothing in a picture of two grey levels."""
    picture = np.full((120, 420, 3), paper, np.uint8)
    for x, letter in zip(LEFT, "EXITHAL", strict=True):
        cv2.putText(picture, letter, (x, 80), cv2.FONT_HERSHEY_SIMPLEX, 2, (ink, ink, ink), 5)
    noise = np.random.default_rng(1).normal(0, 2, picture.shape)
    seen = cv2.GaussianBlur(picture, (0, 0), 1.0) + noise
    return np.clip(seen, 0, 255).astype(np.uint8)


WORDS = np.array(
    [
        [(20, 34), (156, 34), (156, 84), (20, 84)],
        [(257, 34), (366, 34), (366, 84), (257, 84)],
    ],
    np.float32,
)


@pytest.mark.parametrize(("ink", "paper"), [(20, 220), (235, 30), (150, 110)])
def test_letters_are_among_the_regions(ink: int, paper: int) -> None:
    picture = sign(ink, paper)
    regions = propose(picture)
    labels = label_regions(regions, WORDS, np.zeros(2, np.bool_), picture.shape[:2])
    letters = regions.take(np.flatnonzero(labels == 1))
    assert (letters.bright == (ink > paper)).all()
    assert all(np.abs(letters.boxes[:, 0] - x).min() < 15 for x in LEFT)
    crops, shapes = crops_of(picture, letters)
    assert crops.shape == (len(letters), 32, 32)
    assert (shapes > 0).all()


def test_regions_of_ignored_words_are_unknown() -> None:
    picture = sign()
    regions = propose(picture)
    labels = label_regions(regions, WORDS, np.array([True, True]), picture.shape[:2])
    assert not (labels == 1).any()
    assert (labels == UNKNOWN).any()


def test_letters_become_words() -> None:
    picture = sign()
    regions = propose(picture)
    labels = label_regions(regions, WORDS, np.zeros(2, np.bool_), picture.shape[:2])
    scores = np.where(labels == 1, 0.99, 0.01).astype(np.float32)
    kept = outermost(regions, scores, 0.6)
    groups = group_letters(regions.take(kept), scores[kept])
    assert len(groups) == 2
    groups.sort(key=lambda group: group.corners[0, 0])
    for group, word in zip(groups, WORDS, strict=True):
        assert np.abs(group.corners - word).max() < 20
        assert group.confidence == pytest.approx(0.99)


def test_nothing_gives_nothing() -> None:
    assert len(propose(np.full((50, 50, 3), 128, np.uint8))) == 0
    assert len(propose(np.zeros((3, 3, 3), np.uint8))) == 0
    empty = Regions(
        np.zeros((0, 4), np.int64),
        np.zeros(0, np.bool_),
        np.zeros(0, np.int64),
        np.zeros((0, 3), np.float32),
        [],
    )
    assert group_letters(empty, np.zeros(0, np.float32)) == []


def test_unknown_methods_are_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'mser'"):
        load_detector("msr")
    assert weights_of("mser").name == "mser.synth1"


@pytest.mark.weights
def test_words_are_found() -> None:
    detector = load_detector("mser", threads=1)
    found, nothing = detector([sign(), np.zeros((0, 5, 3), np.uint8)])
    assert len(found) == 2
    assert nothing == []
    assert detector([]) == []
