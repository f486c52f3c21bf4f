"""Make a binary network of a float one: all layers but the first and the last."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import nn

from onlooker.binary.layers import Binarization, BinaryConv2d, BinaryLinear
from onlooker.errors import ConfigError

BIASES = ("norm", "drop")


def binarize(
    model: nn.Module,
    binarization: Binarization | None = None,
    *,
    exclude: Collection[str] = (),
    first_and_last: bool = False,
    biases: str = "norm",
    keep_relu: bool = False,
) -> nn.Module:
    """Replace the convolutions and linear layers of ``model`` by binary ones, in place.

    The weights stay, as the latent weights of the binary layers. First and last are the layers that
    the network names first and last, which in most networks are those that run first and last.

    A binary layer has no bias, and gives integers as large as its number of inputs, so that a batch
    norm has to follow. Networks have none behind layers with a bias: those get one.

    Args:
        model: A float network; it is changed.
        binarization: How the binary layers quantize; None: the defaults.
        exclude: Names, as of ``named_modules``, of layers, or of parts of the network, that stay.
        first_and_last: Binarise the first and the last layer too.
        biases: What becomes of a layer with a bias: ``norm``, the binary layer and a batch norm
            whose shift begins as the bias; ``drop``, the binary layer alone.
        keep_relu: Leave ``nn.ReLU`` and ``nn.ReLU6`` as they are. Else they become ``nn.Hardtanh``:
            behind a ReLU there is nothing below zero, and all signs would be +1.

    Returns:
        ``model``.

    Raises:
        ConfigError: A name of ``exclude`` is not in the network, nothing is left to binarise, or a
            layer pads in a way that binary layers do not.

    Example:
        >>> from onlooker.binary.models import build
        >>> network = binarize(build("resnet-18", classes=10, stem="cifar", width=0.25))
        >>> sum(isinstance(module, BinaryConv2d) for module in network.modules())
        19
    """
    if biases not in BIASES:
        raise ConfigError(f"biases {biases!r}; expected one of {BIASES}")
    names = [name for name, _ in model.named_modules()]
    for name in exclude:
        if name not in names or not name:
            raise ConfigError(f"exclude: the network has no part named {name!r}")
    binary = BinaryConv2d | BinaryLinear
    layers = [
        name for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    if not first_and_last:
        layers = layers[1:-1]
    chosen = [
        name
        for name in layers
        if not any(name == out or name.startswith(f"{out}.") for out in exclude)
        and not isinstance(model.get_submodule(name), binary)
    ]
    if not chosen:
        raise ConfigError("there is no layer to binarise: first, last and excluded ones stay")
    for name in chosen:
        layer = model.get_submodule(name)
        _replace(model, name, _binary_twin(name, layer, binarization or Binarization(), biases))
    if not keep_relu:
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.ReLU | nn.ReLU6) and name:
                _replace(model, name, nn.Hardtanh())
    return model


def _binary_twin(name: str, layer: nn.Module, binarization: Binarization, biases: str) -> nn.Module:
    twin: BinaryConv2d | BinaryLinear
    norm: nn.Module
    if isinstance(layer, nn.Conv2d):
        if layer.padding_mode != "zeros":
            raise ConfigError(f"{name} pads by {layer.padding_mode!r}; exclude it")
        twin = BinaryConv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            layer.stride,
            _padding(name, layer),
            layer.dilation,
            layer.groups,
            binarization=binarization,
        )
        norm = nn.BatchNorm2d(layer.out_channels)
    else:
        twin = BinaryLinear(layer.in_features, layer.out_features, binarization=binarization)
        norm = nn.BatchNorm1d(layer.out_features)
    twin.weight = layer.weight
    twin.train(layer.training)
    if layer.bias is None or biases == "drop":
        return twin
    with torch.no_grad():
        norm.bias.copy_(layer.bias)
    return nn.Sequential(twin, norm.to(layer.weight.device).train(layer.training))


def _padding(name: str, layer: nn.Conv2d) -> tuple[int, int]:
    if not isinstance(layer.padding, str):
        down, across = layer.padding
        return int(down), int(across)
    if layer.padding == "valid":
        return (0, 0)
    spans = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    if spans[0] % 2 or spans[1] % 2:
        raise ConfigError(f"{name} pads its sides differently ('same', an even kernel); exclude it")
    return (spans[0] // 2, spans[1] // 2)


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, module)
