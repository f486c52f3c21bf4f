"""Thresholds: batch norm and sign as one comparison, ties and all, against PyTorch itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from onlooker.binary.converter.calibrate import Calibration, Covariance, Observer
from onlooker.binary.converter.fold import (
    Affine,
    batch_norm,
    composed,
    float_thresholds,
    integer_thresholds,
    oriented,
)
from onlooker.binary.converter.rounding import quantized_weights
from onlooker.binary.format import Activation
from onlooker.errors import ConfigError

Floats = npt.NDArray[np.float32]
EPSILON = 1e-5


def statistics(rng: np.random.Generator, channels: int, ones: int) -> tuple[Floats, ...]:
    """Draw mean, variance, weight, bias: half of the channels turn exactly at an integer."""
    mean = rng.integers(-ones, ones + 1, channels).astype(np.float32)
    mean += rng.choice([0, 0, 0.5, 1e-3], channels).astype(np.float32)
    variance = (10.0 ** rng.uniform(-3, 5, channels)).astype(np.float32)
    weight = rng.normal(size=channels).astype(np.float32) * rng.choice([0, 1, 1, 1e3], channels)
    bias = rng.normal(size=channels).astype(np.float32) * rng.choice([0, 0, 1, 1e-6], channels)
    return mean, variance, weight.astype(np.float32), bias.astype(np.float32)


def torch_norm(values: Floats, numbers: tuple[Floats, ...]) -> Floats:
    """Batch norm of (values, C) by PyTorch."""
    mean, variance, weight, bias = map(torch.from_numpy, numbers)
    normed = functional.batch_norm(
        torch.from_numpy(values), mean, variance, weight, bias, eps=EPSILON
    )
    return np.asarray(normed.numpy())


@pytest.mark.parametrize("seed", range(20))
def test_batch_norm_is_pytorchs_to_the_last_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = statistics(rng, 200, 500)
    values = rng.normal(size=(64, 200)).astype(np.float32) * 300
    step = batch_norm(*numbers, EPSILON)
    np.testing.assert_array_equal(step(values), torch_norm(values, numbers))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), ones=st.integers(1, 3_000))
def test_integer_thresholds_at_every_integer(seed: int, ones: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = statistics(rng, 40, ones)
    dots = np.repeat(np.arange(-ones, ones + 1)[:, None], 40, axis=1)
    expected = torch_norm(dots.astype(np.float32), numbers) >= 0
    thresholds, flips = integer_thresholds([batch_norm(*numbers, EPSILON)], 40, ones)
    np.testing.assert_array_equal((dots >= thresholds) ^ flips, expected)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), relu=st.booleans(), scaled=st.booleans())
def test_integer_thresholds_of_longer_chains(seed: int, relu: bool, scaled: bool) -> None:
    """Scaling, batch norm, activation, batch norm: as in Bi-Real networks with ReLU."""
    rng = np.random.default_rng(seed)
    first, second = statistics(rng, 40, 100), statistics(rng, 40, 2)
    scale = rng.uniform(0.01, 0.1, 40).astype(np.float32)
    dots = np.repeat(np.arange(-100, 101)[:, None], 40, axis=1)
    values = dots.astype(np.float32)
    chain: list[Any] = []
    if scaled:
        values = values * scale
        chain.append(Affine(scale))
    values = torch_norm(values, first)
    values = np.maximum(values, 0) if relu else np.clip(values, -1, 1)
    chain += [batch_norm(*first, EPSILON), Activation.RELU if relu else Activation.HARD_TANH]
    expected = torch_norm(values, second) >= 0
    chain.append(batch_norm(*second, EPSILON))
    thresholds, flips = integer_thresholds(chain, 40, 100)
    np.testing.assert_array_equal((dots >= thresholds) ^ flips, expected)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_float_thresholds_next_to_where_they_turn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = statistics(rng, 40, 50)
    thresholds, flips = float_thresholds([batch_norm(*numbers, EPSILON)], 40)
    turn = np.where(np.isfinite(thresholds), thresholds, 0).astype(np.float32)
    values = [rng.normal(size=(30, 40)).astype(np.float32) * 100, turn[None]]
    for direction in (-np.inf, np.inf):
        beside = turn
        for _ in range(5):
            beside = np.nextafter(beside, np.float32(direction))
            values.append(beside[None])
    rows = np.concatenate(values)
    expected = torch_norm(rows, numbers) >= 0
    np.testing.assert_array_equal((rows >= thresholds) ^ flips, expected)


def test_signs_that_never_turn() -> None:
    zero = np.zeros(4, np.float32)
    step = Affine(zero, np.float32([1, 0, -0.0, -1]))
    thresholds, flips = integer_thresholds([step], 4, 9)
    assert thresholds.tolist() == [-(2**31)] * 3 + [2**31 - 1]
    assert not flips.any()
    floats, flips = float_thresholds([step], 4)
    assert floats.tolist() == [-np.inf] * 3 + [np.inf]
    assert not flips.any()


def test_the_sign_of_a_number_turns_at_zero() -> None:
    thresholds, flips = float_thresholds([], 3)
    assert thresholds.tolist() == [0, 0, 0]
    assert not np.signbit(thresholds).any()
    assert not flips.any()


def test_a_huge_scale_does_not_overflow() -> None:
    steps = [Affine(np.float32([3e38, -3e38])), Affine(np.float32([0, 1]), np.float32([-1, 0]))]
    floats, flips = float_thresholds(steps, 2)
    assert floats[0] == np.inf
    assert flips.tolist() == [False, True]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_maximum_is_taken_before_batch_norm(seed: int) -> None:
    """sign(norm2(max(norm(x)))) from max(± x), exactly, at scales of either sign and zero."""
    rng = np.random.default_rng(seed)
    before, behind = statistics(rng, 40, 20), statistics(rng, 40, 3)
    windows = rng.integers(-20, 21, (30, 9, 40)).astype(np.float32)
    normed = torch_norm(windows.reshape(-1, 40), before).reshape(windows.shape)
    expected = torch_norm(normed.max(axis=1), behind) >= 0
    steps = [batch_norm(*before, EPSILON)]
    direction, undo = oriented(steps, 40)
    chain = [undo, *steps, batch_norm(*behind, EPSILON)]
    thresholds, flips = float_thresholds(chain, 40)
    largest = (windows * direction).max(axis=1)
    np.testing.assert_array_equal((largest >= thresholds) ^ flips, expected)


def test_steps_are_composed() -> None:
    rng = np.random.default_rng(1)
    steps = [Affine(*rng.normal(size=(2, 5)).astype(np.float32)) for _ in range(3)]
    scale, shift = composed(steps, 5)
    values = rng.normal(size=(7, 5)).astype(np.float32)
    expected = values.astype(float)
    for step in steps:
        expected = expected * step.scale + step.shift
    np.testing.assert_allclose(values * scale + shift, expected)


# Bytes.


def test_weights_use_seven_bits_and_no_more() -> None:
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(20, 3, 3, 3)) * 10 ** rng.uniform(-5, 5, (20, 1, 1, 1))
    weights[4] = 0
    integers, steps = quantized_weights(weights)
    assert integers.dtype == np.int8
    assert np.abs(integers.astype(int)).max() <= 63
    assert not integers[4].any()
    error = np.abs(integers * steps[:, None, None, None] - weights)
    largest = np.abs(weights).max(axis=(1, 2, 3))
    # Half a step, but for the few that are clipped: those are off by less than that.
    assert (np.median(error.reshape(20, -1), axis=1) <= 0.5 * largest / 63).all()
    assert (error.reshape(20, -1).max(axis=1) <= 0.41 * largest).all()


def test_weights_are_rounded_for_what_they_see() -> None:
    """Neighbours that see nearly the same: errors that cancel leave a smaller one."""
    rng = np.random.default_rng(6)
    common = rng.normal(size=(4_000, 2, 1))
    patches = (common + 0.1 * rng.normal(size=(4_000, 2, 18))).astype(np.float32)
    watched = Covariance(2, 18)
    for first in range(0, 4_000, 1_000):
        watched.see(patches[first : first + 1_000])
    expected = [np.cov(patches[:, group].astype(float).T, bias=True) for group in (0, 1)]
    np.testing.assert_allclose(watched.result(), expected, atol=0.01)
    weights = rng.normal(size=(10, 2, 3, 3))
    errors = []
    for covariance in (None, watched.result()):
        integers, steps = quantized_weights(weights, covariance)
        assert np.abs(integers.astype(int)).max() <= 63
        lost = (integers * steps[:, None, None, None] - weights).reshape(2, 5, 18)
        errors.append(float(np.square(np.einsum("ngk,gok->ngo", patches, lost)).mean()))
    assert errors[1] < errors[0] / 3


@pytest.mark.parametrize("ranges", ["max", "percentile"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_ranges_hold_what_was_seen_and_zero(ranges: str, per_channel: bool) -> None:
    rng = np.random.default_rng(3)
    seen = rng.normal(size=(8, 5, 20, 20)).astype(np.float32)
    seen *= np.float32([1, 10, 0.1, 0, 3])[:, None, None]
    seen[:, 1] = np.maximum(seen[:, 1], 0)
    observer = Observer(5)
    for first in range(0, 8, 2):
        observer.see(seen[first : first + 2])
    calibration = Calibration(ranges=ranges, per_channel=per_channel, percentile=99.9)
    held = observer.bytes(calibration)
    assert (held.zero == np.rint(held.zero)).all()
    steps = seen * held.inverse_scale[:, None, None] + held.zero[:, None, None]
    inside = (steps > -1) & (steps < 256)
    assert inside.mean() > (0.99 if ranges == "percentile" else 0.999999)
    if per_channel:
        assert held.zero[1] == 0
        assert held.inverse_scale[2] > 40 * held.inverse_scale[1]
    else:
        assert len(set(held.inverse_scale.tolist())) == 1


def test_wrong_ranges_are_refused() -> None:
    with pytest.raises(ConfigError, match="ranges 'mean'"):
        Calibration(ranges="mean")
    with pytest.raises(ConfigError, match="percentile"):
        Calibration(percentile=20)


def test_convolutions_in_bytes_are_near_those_in_float() -> None:
    """Every kind of float layer: padded, grouped, dilated, scaled input, negative values."""
    from onlooker.binary.converter import convert
    from onlooker.binary.reference import ReferenceModel

    from .networks import Floats as FloatLayers
    from .networks import randomized

    torch.manual_seed(4)
    rng = np.random.default_rng(5)
    pixels = (rng.integers(0, 256, (6, 3, 24, 20)) / 255).astype(np.float32)
    mean, std = np.float32([0.5, 0.4, 0.45]), np.float32([0.2, 0.25, 0.3])
    prepared = (pixels - mean[:, None, None]) / std[:, None, None]
    model = randomized(nn.Sequential(nn.BatchNorm2d(3), FloatLayers()))
    with torch.no_grad():
        expected = model(torch.from_numpy(prepared)).numpy()
    metadata = {"input": {"mean": mean.tolist(), "std": std.tolist()}}
    for described in (metadata, {}):  # the pixels themselves, or a range chosen for them
        packed = convert(model, (1, 3, 24, 20), calibration=prepared, metadata=described)
        assert len(packed.nodes) == 6  # the batch norm of the picture costs nothing
        found = ReferenceModel(packed)(prepared)
        assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
