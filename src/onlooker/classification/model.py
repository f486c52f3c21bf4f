"""The networks that tell what a picture shows, by recipe."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from onlooker.binary.layers import Binarization
from onlooker.binary.models import FLOAT_MODELS, MODELS, build
from onlooker.errors import ConfigError

__all__ = ["FLOAT_MODELS", "MODELS", "ModelConfig", "build_network"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which network.

    Attributes:
        name: One of ``MODELS`` (binary) or ``FLOAT_MODELS``.
        classes: Number of classes.
        stem: One of ``onlooker.binary.models.STEMS``.
        width: All channels are multiplied by this.
        binarization: How binary layers quantize.
    """

    name: str = "resnet-e-18"
    classes: int = 10
    stem: str = "cifar"
    width: float = 1.0
    binarization: Binarization = field(default_factory=Binarization)

    def __post_init__(self) -> None:
        """Check the ranges; names are checked where the network is built."""
        if self.classes < 2 or self.width <= 0:
            raise ConfigError(
                f"classes must be 2 at least, width above 0, not {self.classes} and {self.width}"
            )


def build_network(config: ModelConfig) -> nn.Module:
    """Build the network with random weights."""
    return build(
        config.name,
        config.binarization,
        classes=config.classes,
        stem=config.stem,
        width=config.width,
    )
