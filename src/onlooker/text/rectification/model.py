"""The rectifier: a squashed picture of a word → its outline for each of four directions.

A few residual convolutions and one hidden layer. Which way a word runs is a choice, and a choice
between two outlines cannot be averaged: the network says how likely each of four directions is, and
draws an outline for each.

References:
    Jaderberg et al. 2015, "Spatial transformer networks"; Shi et al. 2016 and 2018 (RARE, ASTER:
    control points along both edges of a word, learnt from the reading alone). Here the points are
    known from the rendering, so they are learnt directly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from onlooker.errors import ConfigError
from onlooker.text.rectification.geometry import DIRECTIONS, EDGE_POINTS, SIDE_PX

_CELLS = SIDE_PX // 16


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes of the network.

    Attributes:
        stem: Channels after the first convolution, at half the side.
        channels: Channels at a quarter, an eighth and a sixteenth of the side.
        depths: Residual blocks at each of these.
        narrow: Channels to which the last picture is reduced before it is laid flat.
        hidden: Units of the hidden layer.
    """

    stem: int = 16
    channels: tuple[int, ...] = (32, 56, 80)
    depths: tuple[int, ...] = (1, 1, 1)
    narrow: int = 40
    hidden: int = 192

    def __post_init__(self) -> None:
        """Check that there are three stages."""
        if len(self.channels) != 3 or len(self.depths) != 3:
            raise ConfigError(
                f"model.channels and model.depths need three numbers each, not {self.channels} "
                f"and {self.depths}"
            )


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class _Residual(nn.Module):  # type: ignore[misc]
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels, 3)
        self.second = _convolution(channels, channels, 3)

    def forward(self, features: Tensor) -> Tensor:
        change = self.second(functional.relu(self.first(features)))
        return functional.relu(features + change)


class OutlineNet(nn.Module):  # type: ignore[misc]
    """See the module's docstring; input and output as in :meth:`forward`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(1, config.stem, 3, 2), nn.ReLU(inplace=True)]
        before = config.stem
        for channels, depth in zip(config.channels, config.depths, strict=True):
            layers += [_convolution(before, channels, 3, 2), nn.ReLU(inplace=True)]
            layers += [_Residual(channels) for _ in range(depth)]
            before = channels
        layers += [_convolution(before, config.narrow, 1), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Linear(config.narrow * _CELLS * _CELLS + 1, config.hidden)
        self.directions = nn.Linear(config.hidden, DIRECTIONS + 1)
        self.points = nn.Linear(config.hidden, DIRECTIONS * 4 * EDGE_POINTS)
        self._start_plainly()

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _start_plainly(self) -> None:
        """Begin with outlines that fill the picture, turned by quarters."""
        t = torch.linspace(0, 1, EDGE_POINTS)
        upper = torch.stack([t, torch.full_like(t, 0.1)], dim=1)
        outline = torch.cat([upper, upper + torch.tensor([0.0, 0.8])])
        outlines = [outline]
        for _ in range(DIRECTIONS - 1):  # a quarter clockwise: (x, y) → (1 - y, x)
            outline = torch.stack([1 - outline[:, 1], outline[:, 0]], dim=1)
            outlines.append(outline)
        self.points.weight.mul_(0.1)
        self.points.bias.copy_(torch.stack(outlines).flatten())

    def forward(self, pictures: Tensor, shapes: Tensor) -> tuple[Tensor, Tensor]:
        """Draw outlines.

        Args:
            pictures: ``(n, 1, 64, 64)``, standardised.
            shapes: ``(n, 1)``, logarithm of width over height before squashing.

        Returns:
            Logits ``(n, 5)`` of running to the right, down, to the left, up, and of no word; and
            outlines ``(n, 4, 20)`` for the four directions, over width and height.
        """
        flat = self.features(pictures).flatten(1)
        hidden = functional.relu(self.hidden(torch.cat([flat, shapes], dim=1)))
        points = self.points(hidden).unflatten(1, (DIRECTIONS, 4 * EDGE_POINTS))
        return cast(Tensor, self.directions(hidden)), cast(Tensor, points)


MODELS = {"outline": OutlineNet}
"""Name of the architecture → class; all take a `ModelConfig`."""
