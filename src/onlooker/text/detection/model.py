"""DB-type text segmentation: a light backbone of our own, a feature pyramid, two maps.

The *probability* map is high on the core of each word (the word shrunk on all sides, so that
neighbours stay apart), the *threshold* map, used in training only, is high along the words' edges.
Both have half the side of the picture: a stroke of ten-pixel text is then still two cells.

References:
    Liao et al. 2020, "Real-time scene text detection with differentiable binarization" (AAAI),
    section 3: the two maps. Lin et al. 2017, "Feature pyramid networks". The residual block (large
    depthwise kernel, then two pointwise convolutions) follows Liu et al. 2022, "A ConvNet for the
    2020s", with batch norm and ReLU, which ONNX Runtime fuses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from onlooker.errors import ConfigError

STRIDE = 32
"""Sides of the input must be multiples of this: five halvings."""

OUTPUT_STRIDE = 2
"""Pixels of the picture per cell of the maps."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Shape of the network.

    Attributes:
        stem: Channels at half the side.
        channels: Channels at 1/4, 1/8, 1/16 and 1/32 of the side.
        depths: Residual blocks at each of these.
        kernel: Side of the depthwise kernels (odd).
        expansion: Widening inside a block.
        neck: Channels of the pyramid.
        head: Channels of the last hidden layer.

    Raises:
        ConfigError: A value is out of its range.
    """

    stem: int = 16
    channels: tuple[int, ...] = (32, 64, 128, 192)
    depths: tuple[int, ...] = (1, 2, 4, 3)
    kernel: int = 5
    expansion: int = 2
    neck: int = 48
    head: int = 32

    def __post_init__(self) -> None:
        if len(self.channels) != 4 or len(self.depths) != 4:
            raise ConfigError(
                "model.channels and model.depths need four numbers each, "
                f"got {self.channels} and {self.depths}"
            )
        if self.kernel % 2 == 0 or min(self.stem, self.neck, self.head, *self.channels) < 1:
            raise ConfigError("model.kernel must be odd and all widths at least 1")


def _conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, act: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if act:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class _Block(nn.Module):  # type: ignore[misc]
    """Depthwise, widen, narrow, add."""

    def __init__(self, channels: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.mix = _conv(channels, channels, kernel, groups=channels, act=False)
        self.widen = _conv(channels, channels * expansion, 1)
        self.narrow = _conv(channels * expansion, channels, 1, act=False)
        # Starts as the identity, so that depth does no harm to a short training.
        norm = self.narrow[1]
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.zeros_(norm.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.narrow(self.widen(self.mix(x)))
        return out


class DBNet(nn.Module):  # type: ignore[misc]
    """Backbone, pyramid and head.

    Args:
        config: Shape of the network.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = _conv(3, config.stem, 3, 2)
        self.stages = nn.ModuleList()
        width = config.stem
        for channels, depth in zip(config.channels, config.depths, strict=True):
            blocks = [_Block(channels, config.kernel, config.expansion) for _ in range(depth)]
            self.stages.append(nn.Sequential(_conv(width, channels, 3, 2), *blocks))
            width = channels
        self.lateral = nn.ModuleList(nn.Conv2d(c, config.neck, 1) for c in config.channels)
        self.smooth = nn.ModuleList(
            _conv(config.neck, config.neck, 3, groups=config.neck) for _ in config.channels[:-1]
        )
        self.hidden = _conv(config.neck, config.head, 3)
        # Two maps (probability first), each as 2 × 2 cells for a quarter-side feature.
        self.maps = nn.Conv2d(config.head, 2 * OUTPUT_STRIDE**2, 1)
        assert self.maps.bias is not None
        # Text is rare: beginning at 5 % spares the first steps (Lin et al. 2017, focal loss).
        nn.init.constant_(self.maps.bias[: OUTPUT_STRIDE**2], -3.0)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the pyramid's finest map: (N, 3, H, W) → (N, head, H/4, W/4)."""
        x = self.stem(x)  # (N, stem, H/2, W/2)
        levels: list[torch.Tensor] = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        y: torch.Tensor = self.lateral[3](levels[3])  # (N, neck, H/32, W/32)
        for i in (2, 1, 0):
            y = self.lateral[i](levels[i]) + F.interpolate(y, scale_factor=2.0, mode="nearest")
            y = self.smooth[i](y)
        out: torch.Tensor = self.hidden(y)
        return out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute logits: (N, 3, H, W) → (N, 2, H/2, W/2), probability and threshold."""
        return F.pixel_shuffle(self.maps(self.features(x)), OUTPUT_STRIDE)


class ProbabilityNet(nn.Module):  # type: ignore[misc]
    """What is exported: bytes in, the probability map out; the threshold map is cut off.

    The input's scaling lies inside, so that whoever runs the file cannot get it wrong.
    """

    def __init__(self, net: DBNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) float32 in [0, 255] → (N, 1, H/2, W/2) in [0, 1]."""
        features = self.net.features(scaled(pictures))
        cells = OUTPUT_STRIDE**2
        bias = self.net.maps.bias
        assert bias is not None
        logits = F.conv2d(features, self.net.maps.weight[:cells], bias[:cells])
        return torch.sigmoid(F.pixel_shuffle(logits, OUTPUT_STRIDE))


def scaled(pictures: torch.Tensor) -> torch.Tensor:
    """Bring pixels from [0, 255] to about [-1, 1]."""
    return (pictures - 127.5) * (1 / 64.0)


MODELS = {"db": DBNet}
"""Name of the architecture → class; all take a `ModelConfig`."""
