from __future__ import annotations

import numpy as np

from onlooker.classification.augment import crop_and_flip, cut_out, mix


def test_pictures_are_shifted_and_half_are_mirrored() -> None:
    rng = np.random.default_rng(0)
    picture = np.arange(1, 1 + 6 * 5 * 3, dtype=np.uint8).reshape(1, 6, 5, 3)
    changed = crop_and_flip(np.repeat(picture, 400, axis=0), 2, rng)
    padded = np.pad(picture[0], ((2, 2), (2, 2), (0, 0)))
    windows = [padded[y : y + 6, x : x + 5] for y in range(5) for x in range(5)]
    plain = {window.tobytes() for window in windows}
    mirrored = {window[:, ::-1].tobytes() for window in windows}
    found = [one.tobytes() for one in changed]
    assert set(found) <= plain | mirrored
    assert len(set(found)) == 50  # every shift, both ways
    assert 150 < sum(one in plain for one in found) < 250


def test_without_a_pad_nothing_is_shifted() -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (4, 6, 6, 3)).astype(np.uint8)
    changed = crop_and_flip(pictures, 0, np.random.default_rng(1))
    for before, after in zip(pictures, changed, strict=True):
        assert (after == before).all() or (after == before[:, ::-1]).all()


def test_a_square_is_cut_out() -> None:
    pictures = np.zeros((200, 32, 32, 3), np.uint8)
    cut_out(pictures, 8, np.random.default_rng(0))
    areas = (pictures == 128).all(axis=3).sum(axis=(1, 2))
    assert areas.max() == 64 and areas.min() >= 16


def test_partners_and_shares_of_mixup() -> None:
    partners, share = mix(16, 0.2, np.random.default_rng(0))
    assert sorted(partners.tolist()) == list(range(16))
    assert 0.5 <= share <= 1
