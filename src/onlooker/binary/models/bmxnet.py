"""LeNet and ResNet-18 of BMXNet, the first version.

Yang, Fritzsche, Bartz, Meinel 2017, "BMXNet: an open-source binary neural network implementation
based on MXNet", and its symbol files. First and last layer are float, all others binary, the 1×1
convolutions of shortcuts too. The ResNet is the pre-activation kind (He et al. 2016, "Identity
mappings"): the first unit of each of its four stages has a 1×1 convolution as its shortcut, fed by
the unit's first batch norm and sign; the others add their input as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from onlooker.binary.layers import Binarization, BinaryConv2d, BinaryLinear
from onlooker.binary.models.stems import build_stem, scaled
from onlooker.errors import ConfigError


class LeNet(nn.Module):  # type: ignore[misc]
    """Digits (N, 1, 28, 28) → logits: float and binary convolution, binary and float layer."""

    def __init__(
        self,
        binarization: Binarization,
        classes: int = 10,
        stem: str = "digits",
        width: float = 1.0,
    ) -> None:
        super().__init__()
        if stem != "digits" or width != 1.0:
            raise ConfigError(f"LeNet has stem 'digits' and width 1, not {stem!r} and {width}")
        self.features = nn.Sequential(
            nn.Conv2d(1, 64, 5),
            nn.Tanh(),
            nn.MaxPool2d(2, 2),
            nn.BatchNorm2d(64),
            BinaryConv2d(64, 64, 5, binarization=binarization),
            nn.BatchNorm2d(64),
            nn.MaxPool2d(2, 2),
        )
        self.hidden = BinaryLinear(64 * 4 * 4, 1000, binarization=binarization)
        self.norm = nn.BatchNorm1d(1000)
        self.tanh = nn.Tanh()
        self.head = nn.Linear(1000, classes)

    def forward(self, digits: Tensor) -> Tensor:
        """Map (N, 1, 28, 28) to logits (N, classes)."""
        maps = self.features(digits)  # (N, 64, 4, 4)
        return self.head(self.tanh(self.norm(self.hidden(torch.flatten(maps, 1)))))


class Unit(nn.Module):  # type: ignore[misc]
    """Two binary 3×3 convolutions, each behind a batch norm, around a shortcut."""

    def __init__(
        self, binarization: Binarization, inputs: int, outputs: int, stride: int, first: bool
    ) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = BinaryConv2d(inputs, outputs, 3, stride, 1, binarization=binarization)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = BinaryConv2d(outputs, outputs, 3, 1, 1, binarization=binarization)
        self.shortcut: BinaryConv2d | None = None
        if first:
            self.shortcut = BinaryConv2d(inputs, outputs, 1, stride, binarization=binarization)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, H / stride, W / stride)."""
        normed = self.norm1(maps)
        shortcut = maps if self.shortcut is None else self.shortcut(normed)
        return self.conv2(self.norm2(self.conv1(normed))) + shortcut


class ResNet18(nn.Module):  # type: ignore[misc]
    """Picture → logits: four stages of two units."""

    def __init__(
        self,
        binarization: Binarization,
        classes: int = 1000,
        stem: str = "imagenet",
        width: float = 1.0,
    ) -> None:
        super().__init__()
        widths = [scaled(base, width) for base in (64, 128, 256, 512)]
        self.stem = build_stem(stem, widths[0])
        units: list[nn.Module] = []
        inputs = widths[0]
        for stage, outputs in enumerate(widths):
            units.append(Unit(binarization, inputs, outputs, 2 if stage else 1, first=True))
            units.append(Unit(binarization, outputs, outputs, 1, first=False))
            inputs = outputs
        self.body = nn.Sequential(*units)
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(inputs, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (N, 3, H, W) to logits (N, classes)."""
        maps = self.body(self.stem(pictures))
        return self.head(torch.flatten(self.pool(self.relu(self.norm(maps))), 1))
