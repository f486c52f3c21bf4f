"""ResNet-18 in float: the network that the binary ones are measured against, and their teacher.

He, Zhang, Ren, Sun 2015, "Deep residual learning for image recognition". ``binarize`` makes a
binary network of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from onlooker.binary.layers import draw_weights
from onlooker.binary.models.stems import build_stem, scaled


class Block(nn.Module):  # type: ignore[misc]
    """Two 3×3 convolutions with batch norm around a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()
        self.shortcut: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, H / stride, W / stride)."""
        shortcut = maps if self.shortcut is None else self.shortcut(maps)
        inner = self.relu1(self.norm1(self.conv1(maps)))
        return self.relu2(self.norm2(self.conv2(inner)) + shortcut)


class FloatResNet18(nn.Module):  # type: ignore[misc]
    """Picture → logits; four stages of two blocks."""

    def __init__(self, classes: int = 1000, stem: str = "imagenet", width: float = 1.0) -> None:
        super().__init__()
        inputs = scaled(64, width)
        layers: list[nn.Module] = [build_stem(stem, inputs)]
        if stem == "cifar":
            layers += [nn.BatchNorm2d(inputs), nn.ReLU()]
        self.stem = nn.Sequential(*layers)
        blocks = []
        for stage in range(4):
            outputs = scaled(64 * 2**stage, width)
            blocks += [Block(inputs, outputs, 2 if stage else 1), Block(outputs, outputs, 1)]
            inputs = outputs
        self.body = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                draw_weights(module.weight)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (N, 3, H, W) to logits (N, classes)."""
        return self.head(torch.flatten(self.pool(self.body(self.stem(pictures))), 1))
