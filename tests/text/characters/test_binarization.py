from __future__ import annotations

import cv2
import numpy as np
import pytest

from onlooker.text.characters.binarization import HEIGHT_PX, binarize, skeleton


def word(text: str = "Hello", ink: int = 40, paper: int = 200) -> np.ndarray:
    picture = np.full((64, 40 * len(text) + 20, 3), paper, np.uint8)
    cv2.putText(picture, text, (12, 50), cv2.FONT_HERSHEY_SIMPLEX, 1.7, (ink, ink, ink), 7)
    return picture


@pytest.mark.parametrize(("ink", "paper"), [(30, 220), (220, 30), (120, 60), (90, 130)])
def test_both_polarities_and_faint_text_are_found(ink: int, paper: int) -> None:
    found = binarize(word(ink=ink, paper=paper))
    truth = binarize(word(ink=0, paper=255)).mask
    assert found.bright == (ink > paper)
    assert found.mask.shape == found.grey.shape == truth.shape
    shared = (found.mask & truth).sum() / (found.mask | truth).sum()
    assert shared > 0.85


def test_uneven_light_does_not_matter() -> None:
    picture = word(ink=20, paper=160).astype(np.float32)
    light = np.linspace(0.5, 1.5, picture.shape[1], dtype=np.float32)[None, :, None]
    lit = binarize(np.clip(picture * light, 0, 255).astype(np.uint8))
    truth = binarize(word(ink=0, paper=255)).mask
    assert (lit.mask & truth).sum() / (lit.mask | truth).sum() > 0.8


def test_an_even_surface_has_no_text() -> None:
    assert not binarize(np.full((20, 60, 3), 128, np.uint8)).mask.any()
    assert binarize(np.zeros((1, 1, 3), np.uint8)).mask.shape[0] == HEIGHT_PX


def test_skeleton_of_a_bar_is_its_middle() -> None:
    bar = np.zeros((21, 60), np.uint8)
    bar[8:13, 5:55] = 1
    ridge, distance = skeleton(bar)
    assert set(np.flatnonzero(ridge[:, 30])) == {10}
    assert distance[10, 30] == pytest.approx(3, abs=0.2)
