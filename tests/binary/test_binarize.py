from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from torch import nn  # noqa: E402

from onlooker.binary.binarize import binarize  # noqa: E402
from onlooker.binary.layers import Binarization, BinaryConv2d, BinaryLinear  # noqa: E402
from onlooker.binary.models import build  # noqa: E402
from onlooker.errors import ConfigError  # noqa: E402


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=2, dilation=2, groups=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 16, 3, padding="same"),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 12),
        nn.Linear(12, 4),
    )


def test_all_but_first_and_last_become_binary_and_keep_their_weights() -> None:
    model = network()
    weights = {name: module.weight for name, module in model.named_children() if name in "2570"}
    biases = (model[5].bias, model[7].bias)
    found = binarize(model, Binarization(clip=1.3))
    assert found is model
    assert type(model[0]) is nn.Conv2d and type(model[8]) is nn.Linear
    assert isinstance(model[2], BinaryConv2d) and model[2].groups == 2 and model[2].stride == (2, 2)
    assert model[2].activation.clip == 1.3
    assert isinstance(model[5][0], BinaryConv2d) and model[5][0].padding == (1, 1)
    assert isinstance(model[7][0], BinaryLinear)
    assert model[2].weight is weights["2"] and model[5][0].weight is weights["5"]
    assert torch.equal(model[5][1].bias, biases[0]) and torch.equal(model[7][1].bias, biases[1])
    assert isinstance(model[1], nn.Hardtanh) and isinstance(model[4], nn.Hardtanh)
    logits = model(torch.rand(8, 3, 11, 11))
    assert logits.shape == (8, 4)
    logits.square().sum().backward()
    assert bool(model[2].weight.grad.abs().sum() > 0)


def test_layers_named_stay() -> None:
    model = binarize(network(), exclude=["2", "7"], biases="drop", keep_relu=True)
    assert type(model[2]) is nn.Conv2d and type(model[7]) is nn.Linear
    assert isinstance(model[5], BinaryConv2d) and isinstance(model[1], nn.ReLU)
    whole = build("resnet-18", classes=10, stem="cifar", width=0.25)
    binarize(whole, exclude=["body.7", "body.2.shortcut"])
    binary = {name for name, m in whole.named_modules() if isinstance(m, BinaryConv2d)}
    assert not any(name.startswith(("body.7", "body.2.shortcut")) for name in binary)
    assert {"body.0.conv1", "body.4.shortcut.0"} <= binary


def test_first_and_last_too_if_asked_for() -> None:
    model = binarize(network(), first_and_last=True)
    assert isinstance(model[0], BinaryConv2d) and isinstance(model[8][0], BinaryLinear)


def test_a_binary_network_has_nothing_left_to_binarise() -> None:
    model = binarize(network(), first_and_last=True)
    with pytest.raises(ConfigError, match="no layer to binarise"):
        binarize(model, first_and_last=True)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="'9'"):
        binarize(network(), exclude=["9"])
    with pytest.raises(ConfigError, match="biases"):
        binarize(network(), biases="keep")
    model = network()
    model[2] = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")
    with pytest.raises(ConfigError, match="2 pads by 'reflect'"):
        binarize(model)
    model[2] = nn.Conv2d(8, 8, 2, padding="same")
    with pytest.raises(ConfigError, match="differently"):
        binarize(model)
