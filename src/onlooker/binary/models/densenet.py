"""BinaryDenseNet-28, -37, -37-dilated and -45, and MeliusNet-22 and -29.

Bethge, Yang, Bornstein, Meinel 2019, "Back to Simplicity: how to train accurate BNNs from
scratch?" (BinaryDenseNet, sec. 3.3); Bethge, Bartz, Yang, Chen, Meinel 2020, "MeliusNet: an
improved network architecture for binary neural networks".

Dense layers without bottleneck: each makes ``growth`` channels more. In MeliusNet each is followed
by an improvement block, which adds to the channels just made. Between stages stands a transition:
batch norm, max pooling, ReLU, float 1×1 convolution, in this order, so that the float convolution
runs at a quarter of the cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from onlooker.binary.layers import Binarization, BinaryConv2d, draw_weights
from onlooker.binary.models.stems import build_stem, scaled
from onlooker.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DenseLayout:
    """The shape of a dense network.

    Attributes:
        layers: Dense layers of each stage.
        widths: Channels behind each transition; between the stages, so one fewer.
        growth: Channels that a dense layer makes.
        initial: Channels of the stem.
        dilations: Of the convolutions of each stage.
        pools: Whether each transition halves the map.
        improvement: Whether a dense layer is followed by an improvement block (MeliusNet).
        relu: Whether transitions have their ReLU.
    """

    layers: tuple[int, ...]
    widths: tuple[int, ...]
    growth: int = 64
    initial: int = 64
    dilations: tuple[int, ...] = (1, 1, 1, 1)
    pools: tuple[bool, ...] = (True, True, True)
    improvement: bool = False
    relu: bool = True

    def __post_init__(self) -> None:
        """Check that the lengths agree."""
        stages = len(self.layers)
        lengths = (len(self.widths) + 1, len(self.pools) + 1, len(self.dilations))
        if lengths != (stages, stages, stages):
            raise ConfigError(
                f"{stages} stages need {stages} dilations and {stages - 1} widths and pools, not "
                f"{self.dilations}, {self.widths}, {self.pools}"
            )


class DenseLayer(nn.Module):  # type: ignore[misc]
    """Batch norm, sign, binary 3×3 convolution; its result is put behind the input."""

    def __init__(self, binarization: Binarization, inputs: int, growth: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.conv = BinaryConv2d(
            inputs, growth, 3, 1, dilation, dilation, binarization=binarization
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, I + growth, H, W)."""
        return torch.cat([maps, self.conv(self.norm(maps))], 1)


class ImprovementBlock(nn.Module):  # type: ignore[misc]
    """Batch norm, sign, binary 3×3 convolution; its result is added to the last channels."""

    def __init__(self, binarization: Binarization, inputs: int, growth: int, dilation: int) -> None:
        super().__init__()
        self.kept = inputs - growth
        self.norm = nn.BatchNorm2d(inputs)
        self.conv = BinaryConv2d(
            inputs, growth, 3, 1, dilation, dilation, binarization=binarization
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, I, H, W) to the same shape."""
        better = maps[:, self.kept :] + self.conv(self.norm(maps))
        return torch.cat([maps[:, : self.kept], better], 1)


class DenseNet(nn.Module):  # type: ignore[misc]
    """Picture → logits, by a :class:`DenseLayout`."""

    def __init__(
        self,
        binarization: Binarization,
        classes: int = 1000,
        stem: str = "imagenet",
        width: float = 1.0,
        *,
        layout: DenseLayout,
    ) -> None:
        super().__init__()
        channels = scaled(layout.initial, width)
        growth = scaled(layout.growth, width)
        self.stem = build_stem(stem, channels)
        body: list[nn.Module] = []
        for stage, count in enumerate(layout.layers):
            dilation = layout.dilations[stage]
            for _ in range(count):
                body.append(DenseLayer(binarization, channels, growth, dilation))
                channels += growth
                if layout.improvement:
                    body.append(ImprovementBlock(binarization, channels, growth, dilation))
            if stage < len(layout.widths):
                outputs = scaled(layout.widths[stage], width)
                body.append(_transition(channels, outputs, layout.pools[stage], layout.relu))
                channels = outputs
        self.body = nn.Sequential(*body)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (N, 3, H, W) to logits (N, classes)."""
        maps = self.relu(self.norm(self.body(self.stem(pictures))))
        return self.head(torch.flatten(self.pool(maps), 1))


def _transition(inputs: int, outputs: int, pool: bool, relu: bool) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 1, bias=False)
    draw_weights(convolution.weight)
    layers: list[nn.Module] = [nn.BatchNorm2d(inputs)]
    if pool:
        layers.append(nn.MaxPool2d(2, 2))
    if relu:
        layers.append(nn.ReLU())
    return nn.Sequential(*layers, convolution)
