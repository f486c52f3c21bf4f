"""Layers with weights and activations of one bit, in place of ``nn.Conv2d`` and ``nn.Linear``.

A layer takes real numbers, makes signs of them, and multiplies them by the signs of its weights:
the result is an integer, the number of products that agree less those that do not. The real
*latent weights* are what training changes; only their signs are used, and kept in the end.

As in BMXNet v2: convolutions pad with −1 after the sign, so that what flows is one bit everywhere,
and there is no bias, which a batch norm behind would take away again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from onlooker.binary import gradients
from onlooker.binary.quantizers import (
    ApproxSign,
    BinaryQuantizer,
    DoReFaActivation,
    DoReFaWeight,
    ProgressiveSign,
    Sign,
    StraightSign,
    SwishSign,
    sign,
)
from onlooker.errors import ConfigError

ACTIVATIONS = ("sign", "approx-sign", "swish-sign", "progressive-sign", "dorefa")
SCALINGS = ("none", "bireal", "xnor")


@dataclass(frozen=True, kw_only=True)
class Binarization:
    """How binary layers quantize; one for a whole network.

    Attributes:
        activation: One of ``ACTIVATIONS``.
        clip: Of ``sign``: gradients pass where |x| ≤ clip.
        bits: Of ``dorefa``: bits of activations and weights.
        scaling: ``none``; ``bireal``: outputs are multiplied by the mean |w| of their filter
            (Liu et al. 2018); ``xnor``: by the mean |x| under the filter as well (Rastegari et al.
            2016).
        padding_value: What convolutions pad with behind the quantizer, −1 or 0.
    """

    activation: str = "sign"
    clip: float = 1.0
    bits: int = 2
    scaling: str = "none"
    padding_value: int = -1

    def __post_init__(self) -> None:
        """Check the names and values."""
        if self.activation not in ACTIVATIONS:
            raise ConfigError(f"activation {self.activation!r}; expected one of {ACTIVATIONS}")
        if self.scaling not in SCALINGS:
            raise ConfigError(f"scaling {self.scaling!r}; expected one of {SCALINGS}")
        if self.padding_value not in (-1, 0):
            raise ConfigError(f"padding_value must be -1 or 0, not {self.padding_value}")
        self.activation_quantizer(), self.weight_quantizer()

    def activation_quantizer(self) -> nn.Module:
        """Build the quantizer of a layer's inputs."""
        if self.activation == "sign":
            return Sign(self.clip)
        if self.activation == "dorefa":
            return DoReFaActivation(self.bits)
        plain = {
            "approx-sign": ApproxSign,
            "swish-sign": SwishSign,
            "progressive-sign": ProgressiveSign,
        }
        return plain[self.activation]()

    def weight_quantizer(self) -> nn.Module:
        """Build the quantizer of a layer's weights."""
        return DoReFaWeight(self.bits) if self.activation == "dorefa" else StraightSign()


class BinaryConv2d(nn.Conv2d):  # type: ignore[misc]
    """A convolution of signs by signs; takes the arguments of ``nn.Conv2d``, without a bias.

    Attributes:
        activation: Quantizer of the input.
        weight_quantizer: Quantizer of the latent weights.
        padding_value: −1 or 0.
        scaling: See :class:`Binarization`.
        gradient_bits: See :func:`set_gradient_bits`.
    """

    gradient_bits: int = 32

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = False,
        *,
        binarization: Binarization | None = None,
    ) -> None:
        if bias:
            raise ConfigError("a binary convolution has no bias: put a batch norm behind it")
        if isinstance(padding, str):
            raise ConfigError(f"padding {padding!r}; expected a number or two")
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=False
        )
        binarization = binarization or Binarization()
        self.activation = binarization.activation_quantizer()
        self.weight_quantizer = binarization.weight_quantizer()
        self.padding_value = binarization.padding_value
        self.scaling = binarization.scaling

    def reset_parameters(self) -> None:
        """Draw the latent weights, Xavier gaussian as in BMXNet."""
        draw_weights(self.weight)

    def forward(self, values: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, O, H', W')."""
        geometry = (self.stride, self.padding, self.dilation, self.groups)
        signs_only = isinstance(self.activation, BinaryQuantizer)
        if signs_only and isinstance(self.weight_quantizer, StraightSign):
            if self.gradient_bits == 8 and gradients.takes(
                values, self.weight, geometry, self.padding_value
            ):
                outputs = gradients.sign_convolution(values, self.weight, self.activation, geometry)
            else:
                outputs = _SignConvolution.apply(
                    values, self.weight, self.activation, geometry, self.padding_value
                )
        else:
            quantized = _padded(self.activation(values), self.padding, self.padding_value)
            weight = self.weight_quantizer(self.weight)
            outputs = functional.conv2d(
                quantized, weight, None, self.stride, 0, self.dilation, self.groups
            )
        if self.scaling == "none":
            return outputs
        outputs = outputs * self.weight.abs().mean(dim=(1, 2, 3)).view(1, -1, 1, 1)
        return outputs * self._input_scale(values) if self.scaling == "xnor" else outputs

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _input_scale(self, values: Tensor) -> Tensor:
        """Return the mean |x| under the filter at each place (XNOR-Net, sec. 3.2: K = A * k)."""
        mean = values.abs().unflatten(1, (self.groups, -1)).mean(2)  # (N, groups, H, W)
        size = self.kernel_size[0] * self.kernel_size[1]
        box = mean.new_full((self.groups, 1, *self.kernel_size), 1 / size)
        scale = functional.conv2d(
            mean, box, None, self.stride, self.padding, self.dilation, self.groups
        )
        return scale.repeat_interleave(self.out_channels // self.groups, dim=1)

    def extra_repr(self) -> str:
        """Describe the layer."""
        return f"{super().extra_repr()}, padding_value={self.padding_value}, scaling={self.scaling}"


class BinaryLinear(nn.Linear):  # type: ignore[misc]
    """A fully connected layer of signs by signs; ``nn.Linear`` without a bias.

    Attributes: as of :class:`BinaryConv2d`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = False,
        *,
        binarization: Binarization | None = None,
    ) -> None:
        if bias:
            raise ConfigError("a binary layer has no bias: put a batch norm behind it")
        super().__init__(in_features, out_features, bias=False)
        binarization = binarization or Binarization()
        self.activation = binarization.activation_quantizer()
        self.weight_quantizer = binarization.weight_quantizer()
        self.scaling = binarization.scaling

    def reset_parameters(self) -> None:
        """Draw the latent weights, Xavier gaussian as in BMXNet."""
        draw_weights(self.weight)

    def forward(self, values: Tensor) -> Tensor:
        """Map (..., I) to (..., O)."""
        outputs = functional.linear(self.activation(values), self.weight_quantizer(self.weight))
        if self.scaling == "none":
            return outputs
        outputs = outputs * self.weight.abs().mean(dim=1)
        if self.scaling == "xnor":
            outputs = outputs * values.detach().abs().mean(dim=-1, keepdim=True)
        return outputs

    def extra_repr(self) -> str:
        """Describe the layer."""
        return f"{super().extra_repr()}, scaling={self.scaling}"


def set_gradient_bits(network: nn.Module, bits: int) -> None:
    """Choose the precision of gradients in the binary convolutions of a network.

    Layers that the kernels for eight bits do not take (see :func:`onlooker.binary.gradients.takes`)
    go on in float32.

    Args:
        network: Any; fastest in memory format ``channels_last``.
        bits: 32: PyTorch's convolutions; 8: the project's own, several times as fast.

    Raises:
        ConfigError: Other bits, or 8 where the kernels were not built.
    """
    if bits not in (8, 32):
        raise ConfigError(f"gradient_bits must be 8 or 32, not {bits}")
    if bits == 8 and not gradients.available():
        raise ConfigError(
            "gradient_bits = 8 needs compiled kernels for this CPU (AVX2), which are not here: "
            "reinstall onlooker with a C++ compiler, or train with gradient_bits = 32"
        )
    if bits == 8:
        gradients.keep_freed_memory()
    for layer in network.modules():
        if isinstance(layer, BinaryConv2d):
            layer.gradient_bits = bits


def draw_weights(weight: Tensor) -> None:
    """Fill weights from a gaussian of variance 2 / fan-in: MXNet's Xavier, magnitude 2."""
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


def _padded(values: Tensor, padding: tuple[int, int], value: int) -> Tensor:
    down, across = padding
    if not (down or across):
        return values
    return functional.pad(values, (across, across, down, down), value=float(value))


class _SignConvolution(torch.autograd.Function):  # type: ignore[misc]
    """Signs of inputs, padded, convolved with signs of weights: one step, with little to keep.

    Kept for the backward pass: the input, its padded signs and the signs of the weights. The
    gradient of the input does not depend on what was padded, and is computed as if that were zero,
    which is cheaper than the gradient of a padded input: 2.25 times for maps of 4 × 4.
    """

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        weight: Tensor,
        quantizer: BinaryQuantizer,
        geometry: tuple[tuple[int, int], tuple[int, int], tuple[int, int], int],
        padding_value: int,
    ) -> Tensor:
        stride, padding, dilation, groups = geometry
        autocast = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if autocast else values.dtype
        signs = sign(values).to(dtype)
        filters = sign(weight.detach()).to(dtype)
        if padding_value:
            signs = _padded(signs, padding, padding_value)
        ctx.save_for_backward(values, signs, filters)
        ctx.quantizer, ctx.geometry, ctx.padding_value = quantizer, geometry, padding_value
        ctx.weight_dtype = weight.dtype
        inner = (0, 0) if padding_value else padding
        return torch.conv2d(signs, filters, None, stride, inner, dilation, groups)

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        values, signs, filters = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.geometry
        of_values = of_weight = None
        rest = (False, [0, 0], groups)
        if ctx.needs_input_grad[0]:
            of_values, _, _ = torch.ops.aten.convolution_backward(
                gradient,
                values.to(gradient.dtype),  # of the right shape; what it holds does not matter
                filters,
                None,
                stride,
                padding,
                dilation,
                *rest,
                [True, False, False],
            )
            of_values = ctx.quantizer.through(of_values.to(values.dtype), values)
        if ctx.needs_input_grad[1]:
            inner = (0, 0) if ctx.padding_value else padding
            _, of_weight, _ = torch.ops.aten.convolution_backward(
                gradient, signs, filters, None, stride, inner, dilation, *rest, [False, True, False]
            )
            of_weight = of_weight.to(ctx.weight_dtype)
        return of_values, of_weight, None, None, None
