"""Quantizers: a real number → the few values that a layer computes with, and how gradients pass.

Forward, the binary ones are all the same: the sign, with sign(0) = +1. They differ in the slope
that the backward pass puts in place of the sign's derivative, which is zero almost everywhere: the
straight-through estimator of Hinton 2012 and Bengio et al. 2013, or one that is nearer the sign.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from onlooker.errors import ConfigError


def sign(values: Tensor) -> Tensor:
    """Return −1 where a value is below zero, else +1 (so that zero, and −0, give +1)."""
    # Twenty times as fast as comparing; adding zero turns −0 into 0.
    return torch.copysign(torch.ones_like(values), values + 0.0)


class SlopedSign(torch.autograd.Function):  # type: ignore[misc]
    """The sign; backward, gradients are multiplied by the slope of a quantizer."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, quantizer: BinaryQuantizer) -> Tensor:
        """Return the signs of ``values``."""
        ctx.save_for_backward(values)
        ctx.quantizer = quantizer
        return sign(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Multiply the gradient by the slope."""
        return ctx.quantizer.through(gradient, *ctx.saved_tensors), None


class _Rounded(torch.autograd.Function):  # type: ignore[misc]
    """Round to one of ``levels`` + 1 steps in [0, 1]; gradients pass straight through."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, levels: int) -> Tensor:
        """Return ``values``, which lie in [0, 1], on the grid (Zhou et al. 2016, eq. 5)."""
        return torch.round(values * levels) / levels

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Hand the gradient on."""
        return gradient, None


class BinaryQuantizer(nn.Module):  # type: ignore[misc]
    """Real numbers → −1 or +1; what its heirs add is the slope of the backward pass."""

    def through(self, gradient: Tensor, values: Tensor) -> Tensor:
        """Return the gradient of ``values``, given that of their signs."""
        raise NotImplementedError

    def forward(self, values: Tensor) -> Tensor:
        """Return the signs."""
        return SlopedSign.apply(values, self)


class StraightSign(BinaryQuantizer):
    """The sign, with gradients passed as they are: for weights (BMXNet does not clip those)."""

    def through(self, gradient: Tensor, values: Tensor) -> Tensor:
        """Return the gradient as it is."""
        return gradient


class Sign(BinaryQuantizer):
    """The sign; gradients pass where |x| ≤ ``clip`` and are cancelled elsewhere.

    Courbariaux et al. 2016, "Binarized neural networks", eq. 4 (clip 1); Bethge et al. use 1.3 in
    their best runs.
    """

    def __init__(self, clip: float = 1.0) -> None:
        super().__init__()
        if not clip > 0:
            raise ConfigError(f"clip must be positive, not {clip}; the papers use 1.0 and 1.3")
        self.clip = float(clip)

    def through(self, gradient: Tensor, values: Tensor) -> Tensor:
        """Return the gradient where |x| ≤ clip, else zero."""
        # One vectorised pass, six times as fast as a mask. It asks for |x| < limit: the limit is
        # the number in float32 that follows clip.
        limit = float(np.nextafter(np.float32(self.clip), np.float32(np.inf)))
        return torch.ops.aten.hardtanh_backward(gradient, values, -limit, limit)

    def extra_repr(self) -> str:
        """Describe the setting."""
        return f"clip={self.clip}"


class ApproxSign(BinaryQuantizer):
    """The sign; backward, the slope 2 − 2 |x| of a piecewise quadratic within |x| < 1.

    Liu et al. 2018, "Bi-Real Net", eq. 7.
    """

    def through(self, gradient: Tensor, values: Tensor) -> Tensor:
        """Return the gradient times the slope of the quadratic."""
        return gradient * (2 - 2 * values.abs()).clamp_min(0)


class SwishSign(BinaryQuantizer):
    """The sign; backward, the slope of SignSwish, 2 σ(βx) (1 + βx (1 − σ(βx))) − 1.

    Darabi et al. 2018, "BNN+: improved binary network training", eq. 5; β is 5 there.
    """

    def __init__(self, beta: float = 5.0) -> None:
        super().__init__()
        if not beta > 0:
            raise ConfigError(f"beta must be positive, not {beta}; the paper uses 5 and 10")
        self.beta = float(beta)

    def through(self, gradient: Tensor, values: Tensor) -> Tensor:
        """Return the gradient times β (2 − βx tanh(βx / 2)) / (1 + cosh(βx))."""
        # Beyond 30 the slope is zero in float32 and the hyperbolic cosine would overflow.
        scaled = (self.beta * values.float()).clamp(-30, 30)
        slope = self.beta * (2 - scaled * torch.tanh(scaled / 2)) / (1 + torch.cosh(scaled))
        return gradient * slope.to(gradient.dtype)

    def extra_repr(self) -> str:
        """Describe the setting."""
        return f"beta={self.beta}"


class ProgressiveSign(nn.Module):  # type: ignore[misc]
    """A ramp that grows as steep as the sign while training; in evaluation mode the sign itself.

    While training: clamp(x / (1 − λ), −1, 1) with λ = 1 − 2^(−10 p) at the share ``p`` of the
    training that is done (bitorch 0.4, ``ProgressiveSign``). Call :meth:`set_progress` as it goes
    on; at the end the ramp is 1/1024 wide.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("width", torch.ones(()))

    def set_progress(self, progress: float) -> None:
        """Set the share of the training that is done, in [0, 1]."""
        if not 0 <= progress <= 1:
            raise ConfigError(f"progress must lie in [0, 1], not {progress}")
        self.width.fill_(2.0 ** (-10.0 * progress))

    def forward(self, values: Tensor) -> Tensor:
        """Return the ramp's values, or the signs."""
        if not self.training:
            return sign(values)
        return (values / self.width.to(values.dtype)).clamp(-1, 1)


class DoReFaActivation(nn.Module):  # type: ignore[misc]
    """Activations of ``bits`` bits: [0, 1], rounded (Zhou et al. 2016, "DoReFa-Net", sec. 2.4)."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = _checked_bits(bits)

    def forward(self, values: Tensor) -> Tensor:
        """Return the rounded values."""
        return _Rounded.apply(values.clamp(0, 1), 2**self.bits - 1)

    def extra_repr(self) -> str:
        """Describe the setting."""
        return f"bits={self.bits}"


class DoReFaWeight(nn.Module):  # type: ignore[misc]
    """Weights of ``bits`` bits: 2 · round(tanh(w) / (2 max |tanh(w)|) + 1/2) − 1.

    Zhou et al. 2016, "DoReFa-Net", eq. 9. For one bit take :class:`StraightSign`: BMXNet does.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = _checked_bits(bits)

    def forward(self, values: Tensor) -> Tensor:
        """Return the rounded weights, in [−1, 1]."""
        squashed = torch.tanh(values)
        largest = squashed.abs().amax().clamp_min(torch.finfo(values.dtype).tiny)
        return 2 * _Rounded.apply(squashed / (2 * largest) + 0.5, 2**self.bits - 1) - 1

    def extra_repr(self) -> str:
        """Describe the setting."""
        return f"bits={self.bits}"


def _checked_bits(bits: int) -> int:
    # Above 16, float32 no longer tells the steps apart.
    if not 2 <= bits <= 16:
        raise ConfigError(f"bits must lie between 2 and 16, not {bits}; for one bit use a sign")
    return int(bits)
