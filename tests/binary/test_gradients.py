"""Convolutions in bytes: exact forward, gradients right on average, odd shapes, odd callers."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from onlooker.binary import gradients
from onlooker.binary.layers import Binarization, BinaryConv2d, set_gradient_bits
from onlooker.errors import ConfigError

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not gradients.available(), reason="the kernels were not built"),
]

# Pictures, channels, height, width, filters, kernel, stride, padding, dilation.
SHAPES = [
    (8, 16, 8, 8, 32, 3, 1, 1, 1),
    (5, 32, 9, 7, 16, 3, 2, 1, 1),
    (3, 16, 4, 4, 48, 1, 2, 0, 1),
    (6, 32, 8, 10, 16, 3, 1, 2, 2),
    (2, 16, 13, 140, 16, 5, 3, 1, 1),
    (33, 48, 2, 2, 32, 3, 1, 1, 1),  # nine groups of pictures, two scales
    (4, 16, 7, 7, 16, 3, 2, 0, 1),
    (2, 16, 3, 600, 16, 3, 1, 1, 1),
    (33, 48, 5, 5, 80, 3, 1, 1, 1),  # odd numbers of pixels, half vectors of channels
    (1, 528, 3, 3, 16, 1, 1, 0, 1),
    (2, 80, 6, 6, 1040, 1, 1, 0, 1),
    (2, 16, 1, 1, 528, 3, 1, 1, 1),
    (4, 16, 5, 5, 16, 2, 4, 3, 1),  # strides beyond the kernel, padding beyond it
]


def _layers(shape: tuple[int, ...], **options: object) -> tuple[BinaryConv2d, BinaryConv2d, Tensor]:
    count, channels, height, width, filters, kernel, stride, padding, dilation = shape
    binarization = Binarization(**options)
    pair = []
    for bits in (32, 8):
        torch.manual_seed(1)
        layer = BinaryConv2d(
            channels, filters, kernel, stride, padding, dilation, binarization=binarization
        )
        set_gradient_bits(layer, bits)
        pair.append(layer)
    values = torch.randn(count, channels, height, width)
    values[0, 0, 0, 0] = -0.0
    return *pair, values


def _gradients(layer: BinaryConv2d, values: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    values = values.clone().requires_grad_()
    layer.zero_grad()
    layer(values).backward(gradient)
    assert values.grad is not None and layer.weight.grad is not None
    return values.grad, layer.weight.grad.clone()


def _whole_gradient(outputs: Tensor, largest: int = 30) -> Tensor:
    """Draw whole numbers that are not rounded: four of them add up to 123, so that scales are 1."""
    gradient = torch.randint(-largest, largest + 1, outputs.shape).float()
    gradient[:, :4, 0, 0] = 0
    gradient[::4, :4, 0, 0] = torch.tensor([33.0, 30.0, -30.0, 30.0])
    return gradient


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_pytorch_where_no_rounding_is_needed(shape: tuple[int, ...]) -> None:
    floats, bytewise, values = _layers(shape, clip=1.3)
    outputs = bytewise(values)
    assert torch.equal(outputs, floats(values))
    gradient = _whole_gradient(outputs)
    for found, expected in zip(
        _gradients(bytewise, values, gradient), _gradients(floats, values, gradient), strict=True
    ):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("sign", [-1, 1])
def test_largest_sums_do_not_overflow(sign: int) -> None:
    floats, bytewise, _ = _layers((8, 512, 16, 16, 1024, 1, 1, 0, 1))
    values = torch.ones(8, 512, 16, 16)
    for layer in (floats, bytewise):
        nn.init.constant_(layer.weight, 1.0)
    gradient = _whole_gradient(torch.empty(8, 1024, 16, 16))
    gradient[:, 4:] = gradient[:, :, 1:] = gradient[..., 1:] = sign * 30.0
    for found, expected in zip(
        _gradients(bytewise, values, gradient),
        _gradients(floats, values, gradient),
        strict=True,
    ):
        assert torch.equal(found, expected)


@pytest.mark.skipif(gradients.kernels() == "reference", reason="there is nothing to compare with")
def test_all_kernels_do_the_same(tmp_path: Path) -> None:
    script = (
        "import sys, torch\n"
        "from onlooker.binary.layers import BinaryConv2d, set_gradient_bits\n"
        "torch.manual_seed(5)\n"
        "layer = BinaryConv2d(48, 80, 3, 2, 1)\n"
        "set_gradient_bits(layer, 8)\n"
        "values = torch.randn(9, 48, 11, 13, requires_grad=True)\n"
        "outputs = layer(values)\n"
        "outputs.backward(torch.randn_like(outputs) ** 3)\n"
        "torch.save([outputs.detach(), values.grad, layer.weight.grad], sys.argv[1])\n"
    )
    found = []
    for name in ("reference", gradients.kernels()):
        path = tmp_path / f"{name}.pt"
        environment = {**os.environ, "ONLOOKER_CPU": name}
        subprocess.run([sys.executable, "-c", script, str(path)], env=environment, check=True)
        found.append(torch.load(path))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_gradients_are_right_on_average() -> None:
    floats, bytewise, values = _layers((6, 32, 8, 8, 32, 3, 1, 1, 1))
    torch.manual_seed(3)
    gradient = torch.randn(6, 32, 8, 8) ** 3  # long tails
    expected = _gradients(floats, values, gradient)
    rounds = 400
    drawn = [_gradients(bytewise, values, gradient) for _ in range(rounds)]
    for k in (0, 1):
        found = torch.stack([pair[k] for pair in drawn])
        noise = found.std(0)
        relative = (noise.square().sum() / expected[k].square().sum()).sqrt()
        assert 0 < relative < 0.2
        # The mean's error, in its standard deviations: gaussian where there is no bias.
        error = (found.mean(0) - expected[k])[noise > 0] / noise[noise > 0] * rounds**0.5
        assert error.square().mean() == pytest.approx(1, abs=0.15)
        assert abs(float(error.mean())) < 5 / len(error) ** 0.5


def test_a_seed_decides_and_threads_do_not() -> None:
    _, bytewise, values = _layers((9, 32, 12, 12, 64, 3, 2, 1, 1))
    gradient = torch.randn(9, 64, 6, 6)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            torch.manual_seed(7)
            found.append(_gradients(bytewise, values, gradient))
    finally:
        torch.set_num_threads(before)
    another = _gradients(bytewise, values, gradient)
    for k in (0, 1):
        assert torch.equal(found[0][k], found[1][k]) and torch.equal(found[0][k], found[2][k])
        assert not torch.equal(found[0][k], another[k])


def test_other_quantizers_multiply_their_slope() -> None:
    for activation in ("approx-sign", "swish-sign"):
        floats, bytewise, values = _layers((4, 16, 6, 6, 16, 3, 1, 1, 1), activation=activation)
        gradient = _whole_gradient(torch.empty(4, 16, 6, 6))
        for found, expected in zip(
            _gradients(bytewise, values, gradient),
            _gradients(floats, values, gradient),
            strict=True,
        ):
            torch.testing.assert_close(found, expected)


def test_a_gradient_that_is_no_number_stays_seen() -> None:
    _, bytewise, values = _layers((4, 16, 6, 6, 16, 3, 1, 1, 1))
    for bad in (float("nan"), float("inf")):
        gradient = torch.ones(4, 16, 6, 6)
        gradient[2, 3, 1, 1] = bad
        assert all(tensor.isnan().any() for tensor in _gradients(bytewise, values, gradient))
    assert not any(
        tensor.any() for tensor in _gradients(bytewise, values, torch.zeros(4, 16, 6, 6))
    )


def test_memory_formats_and_views_make_no_difference() -> None:
    _, bytewise, values = _layers((4, 16, 6, 6, 16, 3, 1, 1, 1))
    gradient = _whole_gradient(torch.empty(4, 16, 6, 6))
    expected = _gradients(bytewise, values, gradient)
    strided = torch.stack([values, values], -1)[..., 0]
    layouts = (values.to(memory_format=torch.channels_last), strided)
    for view, weights in itertools.product(layouts, (False, True)):
        if weights:
            bytewise = bytewise.to(memory_format=torch.channels_last)
        found = _gradients(bytewise, view, gradient.to(memory_format=torch.channels_last))
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_only_what_is_asked_for_is_computed() -> None:
    _, bytewise, values = _layers((4, 16, 6, 6, 16, 3, 1, 1, 1))
    bytewise(values).sum().backward()  # no gradient of the input
    assert bytewise.weight.grad is not None
    bytewise.weight.requires_grad_(False)
    values.requires_grad_()
    bytewise(values).sum().backward()
    assert values.grad is not None
    with torch.no_grad():
        assert not bytewise(values).requires_grad


@pytest.mark.parametrize(
    "options",
    [{"groups": 2}, {"channels": 24}, {"dtype": torch.float64}, {"padding_value": 0}],
)
def test_other_cases_are_left_to_pytorch(options: dict[str, object]) -> None:
    channels = int(str(options.get("channels", 32)))
    groups = int(str(options.get("groups", 1)))
    padding_value = int(str(options.get("padding_value", -1)))
    binarization = Binarization(padding_value=padding_value)
    layer = BinaryConv2d(channels, 32, 3, 1, 1, 1, groups, binarization=binarization)
    set_gradient_bits(layer, 8)
    values = torch.randn(4, channels, 5, 5, requires_grad=True)
    if "dtype" in options:
        layer, values = layer.double(), values.detach().double().requires_grad_()
    geometry = (layer.stride, layer.padding, layer.dilation, layer.groups)
    assert not gradients.takes(values, layer.weight, geometry, padding_value)
    layer(values).sum().backward()
    assert values.grad is not None and values.grad.dtype == values.dtype


def test_bits_are_chosen_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(BinaryConv2d(16, 16, 3), nn.ReLU())
    assert network[0].gradient_bits == 32
    set_gradient_bits(network, 8)
    assert network[0].gradient_bits == 8
    with pytest.raises(ConfigError, match="16"):
        set_gradient_bits(network, 16)
    gradients._library.cache_clear()
    monkeypatch.setenv("ONLOOKER_ENGINE", str(Path("nowhere") / "none.so"))
    try:
        assert gradients.kernels() == "none"
        with pytest.raises(ConfigError, match="compiler"):
            set_gradient_bits(network, 8)
    finally:
        gradients._library.cache_clear()
