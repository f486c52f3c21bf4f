"""Entrances of the networks, in float: picture → the first maps.

A batch norm without scale and shift comes first: in training it standardises each colour over the
batch, later by the mean and variance of the training. ``imagenet`` is that of ResNet (He et al.
2015), ``cifar`` the "thumbnail" of BMXNet v2, and ``grouped`` that of Bethge et al. 2020,
"MeliusNet", sec. 3.3: three 3×3 convolutions, two of them in groups, at a quarter of the cost.
"""

from __future__ import annotations

from torch import nn

from onlooker.binary.layers import draw_weights
from onlooker.errors import ConfigError

STEMS = ("imagenet", "grouped", "cifar")


def build_stem(name: str, outputs: int, *, last_norm: bool = False) -> nn.Sequential:
    """Build the entrance: (N, 3, H, W) → (N, outputs, H / 4, W / 4); of ``cifar`` (…, H, W).

    Args:
        name: One of ``STEMS``.
        outputs: Channels of its result; of ``grouped`` a multiple of 16.
        last_norm: Put one more batch norm at its end, for networks that begin with a sign.
    """
    layers: list[nn.Module] = [nn.BatchNorm2d(3, affine=False)]
    if name == "imagenet":
        layers += [*_convolution(3, outputs, 7, 2), nn.MaxPool2d(3, 2, 1)]
    elif name == "grouped":
        if outputs % 16:
            raise ConfigError(f"the grouped stem has a multiple of 16 channels, not {outputs}")
        layers += [
            *_convolution(3, outputs // 2, 3, 2),
            *_convolution(outputs // 2, outputs // 2, 3, 1, groups=4),
            *_convolution(outputs // 2, outputs, 3, 1, groups=8),
            nn.MaxPool2d(3, 2, 1),
        ]
    elif name == "cifar":
        layers.append(nn.Conv2d(3, outputs, 3, 1, 1, bias=False))
    else:
        raise ConfigError(f"no stem named {name!r}; expected one of {STEMS}")
    if last_norm:
        layers.append(nn.BatchNorm2d(outputs))
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            draw_weights(layer.weight)
    return nn.Sequential(*layers)


def scaled(channels: int, width: float) -> int:
    """Return ``channels`` times ``width``, rounded.

    Raises:
        ConfigError: Nothing is left.
    """
    result = round(channels * width)
    if result < 1:
        raise ConfigError(f"width {width} leaves {result} of {channels} channels")
    return result


def _convolution(
    inputs: int, outputs: int, size: int, stride: int, groups: int = 1
) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]
