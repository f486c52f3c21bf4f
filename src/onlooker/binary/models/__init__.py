"""Networks whose convolutions are binary, one family a file; each file opens with its paper.

All take pictures ``(N, 3, H, W)`` float32, RGB in [0, 1] (LeNet: ``(N, 1, 28, 28)``), and give
logits ``(N, classes)``. All but LeNet begin with a batch norm without scale and shift: it
standardises each colour by the mean and variance of the training, so that nothing has to be done to
a picture before.

    >>> import torch
    >>> from onlooker.binary.models import build
    >>> network = build("resnet-e-18", classes=10, stem="cifar", width=0.5)
    >>> network(torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 10])
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial

from torch import nn

from onlooker.binary.layers import Binarization
from onlooker.binary.models.bmxnet import LeNet, ResNet18
from onlooker.binary.models.densenet import DenseLayout, DenseNet
from onlooker.binary.models.resnet import FloatResNet18
from onlooker.binary.models.resnet_e import ResNetE
from onlooker.binary.models.stems import STEMS
from onlooker.errors import ConfigError

__all__ = ["FLOAT_MODELS", "LENET", "MODELS", "STEMS", "build"]

#: Widths behind the transitions: round(floor(channels / reduction) / 32) · 32, with the published
#: reductions (BinaryDenseNet-28: 2.7, 2.7, 2.2; -37: 3.3, 3.3, 4; -45: 2.7, 3.3, 4).
LAYOUTS = {
    "binary-densenet-28": DenseLayout(layers=(6, 6, 6, 5), widths=(160, 192, 256)),
    "binary-densenet-37": DenseLayout(layers=(6, 8, 12, 6), widths=(128, 192, 256)),
    "binary-densenet-37-dilated": DenseLayout(
        layers=(6, 8, 12, 6),
        widths=(128, 192, 256),
        dilations=(1, 1, 2, 4),
        pools=(True, False, False),
    ),
    "binary-densenet-45": DenseLayout(layers=(6, 12, 14, 8), widths=(160, 288, 288)),
    "meliusnet-22": DenseLayout(layers=(4, 5, 4, 4), widths=(160, 224, 256), improvement=True),
    "meliusnet-29": DenseLayout(layers=(4, 6, 8, 6), widths=(128, 192, 256), improvement=True),
    # For CIFAR: few layers where maps are large, as batch norms and memory cost more there than the
    # binary convolutions do.
    "binary-densenet-26": DenseLayout(layers=(3, 4, 6, 8), widths=(128, 192, 288)),
    # The authors' DenseNet-21 for CIFAR (growth 128, reduction 2), and its like with layers that
    # are split in two and in four, for the comparison of "Back to Simplicity".
    "binary-densenet-21": DenseLayout(layers=(4, 4, 4, 4), widths=(288, 384, 448), growth=128),
    "binary-densenet-21-no-relu": DenseLayout(
        layers=(4, 4, 4, 4), widths=(288, 384, 448), growth=128, relu=False
    ),
    "binary-densenet-21-split-2": DenseLayout(layers=(8, 8, 8, 8), widths=(288, 384, 448)),
    "binary-densenet-21-split-4": DenseLayout(
        layers=(16, 16, 16, 16), widths=(288, 384, 448), growth=32
    ),
    "meliusnet-12": DenseLayout(layers=(2, 2, 2, 2), widths=(96, 128, 128), improvement=True),
}

#: Takes digits: of one channel, of 28 pixels.
LENET = "bmxnet-lenet"

#: Name → called with binarization, number of classes, stem, width.
MODELS: dict[str, Callable[[Binarization, int, str, float], nn.Module]] = {
    LENET: LeNet,
    "bmxnet-resnet-18": ResNet18,
    "resnet-e-18": partial(ResNetE, blocks=(2, 2, 2, 2)),
    "resnet-e-34": partial(ResNetE, blocks=(3, 4, 6, 3)),
    "resnet-e-18-binary-shortcut": partial(ResNetE, blocks=(2, 2, 2, 2), binary_shortcut=True),
    **{name: partial(DenseNet, layout=layout) for name, layout in LAYOUTS.items()},
}

#: Name → called with number of classes, stem, width.
FLOAT_MODELS: dict[str, Callable[[int, str, float], nn.Module]] = {"resnet-18": FloatResNet18}


def build(
    name: str,
    binarization: Binarization | None = None,
    *,
    classes: int | None = None,
    stem: str | None = None,
    width: float = 1.0,
) -> nn.Module:
    """Build a network with random weights.

    Args:
        name: One of ``MODELS`` or ``FLOAT_MODELS``.
        binarization: How its binary layers quantize; None: the defaults.
        classes: Number of logits; None: ImageNet's 1000, of LeNet the ten digits.
        stem: One of ``STEMS``; LeNet: ``digits``, which is its only one. None: LeNet's, of others
            ``imagenet``.
        width: All channels are multiplied by this.

    Raises:
        ConfigError: There is no network, or stem, of this name.
    """
    usual_classes, usual_stem = (10, "digits") if name == LENET else (1000, "imagenet")
    classes, stem = usual_classes if classes is None else classes, stem or usual_stem
    if name in FLOAT_MODELS:
        return FLOAT_MODELS[name](classes, stem, width)
    if name in MODELS:
        return MODELS[name](binarization or Binarization(), classes, stem, width)
    near = get_close_matches(name, [*MODELS, *FLOAT_MODELS], n=3, cutoff=0.0)
    raise ConfigError(f"no network named {name!r}; the closest are {', '.join(near)}")
