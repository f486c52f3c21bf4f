"""A small residual network for square crops: characters, and text or not.

Input ``(N, 2, 32, 32)`` float32: the crop, stretched to a square and standardised, and a plane that
holds the logarithm of its width over its height, because stretching hides the shape by which "l"
differs from "m"; see ``crops.py``. Output ``(N, classes)`` logits.

The blocks are those of He et al. 2016; sizes were chosen by the number of crops that one CPU core
trains on in ten minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from onlooker.errors import ConfigError
from onlooker.text.recognition.model import Residual


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes of the network.

    Attributes:
        channels: Of the four stages (32 × 32, 16 × 16, 8 × 8, 4 × 4).
        blocks: Residual blocks in the last three stages.
        dropout: Share of the features of the last layer that are left out while training.
        classes: How many there are to tell apart.
    """

    channels: tuple[int, int, int, int] = (16, 32, 64, 104)
    blocks: tuple[int, int, int] = (1, 2, 1)
    dropout: float = 0.1
    classes: int = 62

    def __post_init__(self) -> None:
        """Check the sizes."""
        if self.classes < 2 or min(self.channels) < 1 or min(self.blocks) < 0:
            raise ConfigError(
                f"model: classes {self.classes}, channels {self.channels}, blocks {self.blocks}; "
                "expected two classes or more, and positive sizes"
            )


class CropClassifier(nn.Module):  # type: ignore[misc]
    """Square crops → logits of their classes."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        first, *wider = config.channels
        layers: list[nn.Module] = [
            nn.Conv2d(2, first, 3, 1, 1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        ]
        inputs = first
        for outputs, blocks in zip(wider, config.blocks, strict=True):
            layers += [
                nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
            layers += [Residual(outputs) for _ in range(blocks)]
            inputs = outputs
        self.features = nn.Sequential(*layers)
        # One weight a place and channel: where a stroke lies tells more than that it is there.
        self.pool = nn.Conv2d(inputs, inputs, 4, groups=inputs)
        self.dropout = config.dropout
        self.head = nn.Linear(2 * inputs, config.classes)

    def forward(self, crops: Tensor) -> Tensor:
        """Map (N, 2, 32, 32) to logits (N, classes)."""
        maps = self.features(crops)  # (N, C, 4, 4)
        placed = functional.relu(self.pool(maps).flatten(1))
        joined = torch.cat([placed, maps.mean(dim=(2, 3))], dim=1)  # (N, 2 C)
        return self.head(functional.dropout(joined, self.dropout, self.training))


MODELS = {"cnn": CropClassifier}
