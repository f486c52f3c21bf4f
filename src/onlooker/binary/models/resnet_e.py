"""ResNetE-18 and -34: residual networks in which every binary convolution has its own shortcut.

Bethge, Yang, Bornstein, Meinel 2019, "Back to Simplicity: how to train accurate BNNs from
scratch?", sec. 3.2. No bottlenecks, no ReLU in the body; where the map shrinks, the shortcut is an
average pooling and a float 1×1 convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from onlooker.binary.layers import Binarization, BinaryConv2d, draw_weights
from onlooker.binary.models.stems import build_stem, scaled


class Unit(nn.Module):  # type: ignore[misc]
    """One binary 3×3 convolution and a batch norm, around a shortcut."""

    def __init__(
        self,
        binarization: Binarization,
        inputs: int,
        outputs: int,
        stride: int,
        binary_shortcut: bool,
    ) -> None:
        super().__init__()
        self.conv = BinaryConv2d(inputs, outputs, 3, stride, 1, binarization=binarization)
        self.norm = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            layers: list[nn.Module] = []
            if stride != 1:
                # Rounding up, as the convolution beside it does.
                layers.append(nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False))
            if binary_shortcut:
                layers.append(BinaryConv2d(inputs, outputs, 1, binarization=binarization))
            else:
                layers.append(nn.Conv2d(inputs, outputs, 1, bias=False))
                draw_weights(layers[-1].weight)
            self.shortcut = nn.Sequential(*layers, nn.BatchNorm2d(outputs))

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, H / stride, W / stride)."""
        shortcut = maps if self.shortcut is None else self.shortcut(maps)
        return self.norm(self.conv(maps)) + shortcut


class ResNetE(nn.Module):  # type: ignore[misc]
    """Picture → logits; ``blocks`` in each stage, of two units each."""

    def __init__(
        self,
        binarization: Binarization,
        classes: int = 1000,
        stem: str = "imagenet",
        width: float = 1.0,
        *,
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        binary_shortcut: bool = False,
    ) -> None:
        super().__init__()
        inputs = scaled(64, width)
        self.stem = build_stem(stem, inputs, last_norm=True)
        units = []
        for stage, count in enumerate(blocks):
            outputs = scaled(64 * 2**stage, width)
            for unit in range(2 * count):
                stride = 2 if stage and not unit else 1
                units.append(Unit(binarization, inputs, outputs, stride, binary_shortcut))
                inputs = outputs
        self.body = nn.Sequential(*units)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(inputs, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (N, 3, H, W) to logits (N, classes)."""
        maps = self.relu(self.body(self.stem(pictures)))
        return self.head(torch.flatten(self.pool(maps), 1))
