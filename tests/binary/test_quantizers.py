"""Quantizers and layers: what goes forward, and the gradients that the papers give."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from torch.nn import functional  # noqa: E402

from onlooker.binary.layers import Binarization, BinaryConv2d, BinaryLinear  # noqa: E402
from onlooker.binary.quantizers import (  # noqa: E402
    ApproxSign,
    BinaryQuantizer,
    DoReFaActivation,
    DoReFaWeight,
    ProgressiveSign,
    Sign,
    StraightSign,
    SwishSign,
    sign,
)
from onlooker.errors import ConfigError  # noqa: E402

VALUES = [-2.0, -1.3, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 1.2999, 1.3, 1.3001, 3.0]


def slope(quantizer: BinaryQuantizer, values: list[float]) -> list[float]:
    x = torch.tensor(values, requires_grad=True)
    quantizer(x).sum().backward()
    assert x.grad is not None
    return list(x.grad)


def test_zero_of_either_sign_is_plus_one() -> None:
    assert sign(torch.tensor([-0.0, 0.0, -1e-30, 1e-30])).tolist() == [1, 1, -1, 1]
    for quantizer in (StraightSign(), Sign(), ApproxSign(), SwishSign(), ProgressiveSign().eval()):
        signs = quantizer(torch.tensor(VALUES)).tolist()
        assert signs == [-1, -1, -1, -1, 1, 1, 1, 1, 1, 1, 1, 1]


def test_gradients_are_cancelled_outside_of_the_clip() -> None:
    assert slope(Sign(1.0), VALUES) == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert slope(Sign(1.3), VALUES) == [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]
    assert slope(StraightSign(), VALUES) == [1] * len(VALUES)


def test_slopes_are_those_of_the_papers() -> None:
    expected = [max(0.0, 2 - 2 * abs(x)) for x in VALUES]
    assert slope(ApproxSign(), VALUES) == pytest.approx(expected)
    # SignSwish: 2 σ(βx) (1 + βx (1 − σ(βx))) − 1, differentiated by PyTorch.
    x = torch.tensor([*VALUES, 40.0], dtype=torch.float64, requires_grad=True)
    inner = torch.sigmoid(5 * x)
    (2 * inner * (1 + 5 * x * (1 - inner)) - 1).sum().backward()
    assert x.grad is not None
    found = slope(SwishSign(), [*VALUES, 40.0])
    assert found == pytest.approx(x.grad.tolist(), abs=1e-5)
    assert found[5] == pytest.approx(5.0)


def test_a_progressive_sign_grows_steep() -> None:
    quantizer = ProgressiveSign()
    x = torch.tensor([-0.5, 0.25])
    assert quantizer(x).tolist() == [-0.5, 0.25]
    quantizer.set_progress(0.1)
    assert quantizer(x).tolist() == [-1.0, 0.5]
    quantizer.set_progress(1.0)
    assert quantizer(x).tolist() == [-1.0, 1.0]
    with pytest.raises(ConfigError, match="progress"):
        quantizer.set_progress(1.5)


def test_dorefa_rounds_and_lets_gradients_pass() -> None:
    x = torch.tensor([-1.0, 0.1, 0.4, 0.9, 2.0], requires_grad=True)
    y = DoReFaActivation(2)(x)
    assert y.tolist() == pytest.approx([0, 0, 1 / 3, 1, 1])
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 1, 1, 1, 0]
    w = DoReFaWeight(2)(torch.tensor([-3.0, -0.1, 0.2, 3.0]))
    assert w.tolist() == pytest.approx([-1, -1 / 3, 1 / 3, 1], abs=1e-5)
    with pytest.raises(ConfigError, match="sign"):
        DoReFaWeight(1)


GEOMETRIES = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": (3, 5), "padding": (0, 2), "groups": 2},
    {"kernel_size": 3, "padding": 2, "dilation": 2},
    {"kernel_size": 1, "stride": 2},
]


@pytest.mark.parametrize("padding_value", [-1, 0])
@pytest.mark.parametrize("activation", ["sign", "approx-sign", "swish-sign"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_convolution_is_that_of_signs(
    geometry: dict[str, object], activation: str, padding_value: int
) -> None:
    torch.manual_seed(0)
    binarization = Binarization(activation=activation, padding_value=padding_value)
    layer = BinaryConv2d(6, 4, binarization=binarization, **geometry)  # type: ignore[arg-type]
    values = torch.randn(3, 6, 9, 7, requires_grad=True)
    found = layer(values)
    weighted = torch.randn_like(found)
    (found * weighted).sum().backward()

    # The same out of the quantizers and a plain convolution of what they give.
    again = values.detach().clone().requires_grad_()
    latent = layer.weight.detach().clone().requires_grad_()
    down, across = layer.padding
    padded = functional.pad(
        layer.activation(again), (across, across, down, down), value=padding_value
    )
    expected = functional.conv2d(
        padded, StraightSign()(latent), None, layer.stride, 0, layer.dilation, layer.groups
    )
    (expected * weighted).sum().backward()
    assert torch.equal(found, expected)
    assert values.grad is not None and latent.grad is not None and again.grad is not None
    torch.testing.assert_close(values.grad, again.grad)
    torch.testing.assert_close(layer.weight.grad, latent.grad)


def test_scaling_multiplies_by_means() -> None:
    torch.manual_seed(0)
    values = torch.randn(2, 4, 5, 5)
    plain = BinaryConv2d(4, 3, 3, padding=1)
    by_weight = BinaryConv2d(4, 3, 3, padding=1, binarization=Binarization(scaling="bireal"))
    by_both = BinaryConv2d(4, 3, 3, padding=1, binarization=Binarization(scaling="xnor"))
    for layer in (by_weight, by_both):
        layer.weight = plain.weight
    alpha = plain.weight.abs().mean((1, 2, 3)).view(1, 3, 1, 1)
    k = functional.avg_pool2d(values.abs().mean(1, keepdim=True), 3, 1, 1)
    torch.testing.assert_close(by_weight(values), plain(values) * alpha)
    torch.testing.assert_close(by_both(values), plain(values) * alpha * k)


def test_a_linear_layer_is_that_of_signs() -> None:
    torch.manual_seed(0)
    layer = BinaryLinear(8, 5)
    values = torch.randn(3, 8)
    assert torch.equal(layer(values), sign(values) @ sign(layer.weight).T)
    scaled = BinaryLinear(8, 5, binarization=Binarization(scaling="xnor"))
    scaled.weight = layer.weight
    scale = layer.weight.abs().mean(1) * values.abs().mean(1, keepdim=True)
    torch.testing.assert_close(scaled(values), layer(values) * scale)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="approx-sign"):
        Binarization(activation="approx_sign")
    with pytest.raises(ConfigError, match="bireal"):
        Binarization(scaling="yes")
    with pytest.raises(ConfigError, match="padding_value"):
        Binarization(padding_value=1)
    with pytest.raises(ConfigError, match="clip"):
        Binarization(clip=0.0)
    with pytest.raises(ConfigError, match="bias"):
        BinaryConv2d(2, 2, 3, bias=True)
    with pytest.raises(ConfigError, match="bias"):
        BinaryLinear(2, 2, bias=True)
