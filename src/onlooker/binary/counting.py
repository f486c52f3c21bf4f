"""Counting: what a network computes and weighs, as the papers count it.

``ops`` of Bethge et al. 2019 and Liu et al. 2018: float multiply-accumulates plus binary ones / 64.
The size takes one bit for a binary weight and four bytes for a float one, the four vectors of a
batch norm (scale, shift, mean, variance) included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from onlooker.binary.layers import BinaryConv2d, BinaryLinear

#: Bits that a processor of 64 bits multiplies at once.
_WORD = 64


@dataclass(frozen=True, kw_only=True)
class Count:
    """What :func:`count` found.

    Attributes:
        binary_weights: Weights of one bit.
        float_weights: Weights and biases in float, those of batch norms left out.
        norm_values: Values of batch norms: scale, shift, mean, variance.
        binary_macs: Multiply-accumulates of one bit, for one picture.
        float_macs: Those in float.
    """

    binary_weights: int
    float_weights: int
    norm_values: int
    binary_macs: int
    float_macs: int

    @property
    def ops(self) -> float:
        """Return the papers' operations."""
        return self.float_macs + self.binary_macs / _WORD

    @property
    def size_bytes(self) -> float:
        """Return the size with one bit a binary weight, four bytes any other number."""
        return self.binary_weights / 8 + 4 * (self.float_weights + self.norm_values)


@torch.no_grad()  # type: ignore[untyped-decorator]
def count(model: nn.Module, shape: tuple[int, int, int] = (3, 224, 224)) -> Count:
    """Count the weights of ``model``, and what it computes for one picture.

    Args:
        model: Any network of convolutions, linear layers and batch norms.
        shape: Channels, height, width of the picture, which is run through the network.
    """
    binary_macs = float_macs = 0

    def add(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal binary_macs, float_macs
        # A weight is used once at each place of the result: (1, O, H, W), or (1, …, O).
        places = output.numel() // module.weight.shape[0]
        macs = module.weight.numel() * places
        if isinstance(module, BinaryConv2d | BinaryLinear):
            binary_macs += macs
        else:
            float_macs += macs

    hooks = [
        module.register_forward_hook(add)
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    training = model.training
    try:
        model.eval()(torch.zeros(1, *shape))
    finally:
        for hook in hooks:
            hook.remove()
        model.train(training)
    binary = sum(
        module.weight.numel()
        for module in model.modules()
        if isinstance(module, BinaryConv2d | BinaryLinear)
    )
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    learnt = sum(p.numel() for norm in norms for p in norm.parameters())
    running = sum(buffer.numel() for norm in norms for buffer in norm.buffers() if buffer.ndim == 1)
    return Count(
        binary_weights=binary,
        float_weights=sum(p.numel() for p in model.parameters()) - binary - learnt,
        norm_values=learnt + running,
        binary_macs=binary_macs,
        float_macs=float_macs,
    )
