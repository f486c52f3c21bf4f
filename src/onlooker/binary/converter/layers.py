"""What the converter takes out of PyTorch's layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from onlooker.binary.converter.fold import Affine, batch_norm
from onlooker.binary.converter.graph import Window
from onlooker.binary.layers import BinaryConv2d, BinaryLinear
from onlooker.binary.quantizers import BinaryQuantizer, ProgressiveSign, StraightSign
from onlooker.errors import ConfigError

Fail = Callable[[str], ConfigError]


def affine_of_norm(layer: nn.BatchNorm2d | nn.BatchNorm1d, fail: Fail) -> Affine:
    """Return batch norm with its running statistics as a step."""

    def numbers(values: Tensor | None) -> npt.NDArray[np.float32] | None:
        return None if values is None else values.detach().numpy().astype(np.float32)

    mean, variance = numbers(layer.running_mean), numbers(layer.running_var)
    weight, bias = numbers(layer.weight), numbers(layer.bias)
    assert mean is not None and variance is not None, "checked by the caller"
    given = (mean, variance, weight, bias)
    finite = all(values is None or bool(np.isfinite(values).all()) for values in given)
    if not finite or (variance + layer.eps <= 0).any():
        raise fail("statistics, scale or shift that are no finite numbers")
    with np.errstate(over="ignore"):
        step = batch_norm(mean, variance, weight, bias, layer.eps)
    assert step.scale is not None and step.shift is not None, "batch norm has both"
    if not (np.isfinite(step.scale).all() and np.isfinite(step.shift).all()):
        raise fail("statistics whose quotient is no finite number")
    return step


def binary_weights(
    layer: BinaryConv2d | BinaryLinear, weight: Tensor, fail: Fail
) -> npt.NDArray[np.bool_]:
    """Return the signs of a binary layer's weights."""
    if not isinstance(layer.activation, BinaryQuantizer | ProgressiveSign):
        raise fail(f"inputs quantized by {type(layer.activation).__name__}, not to one bit")
    if not isinstance(layer.weight_quantizer, StraightSign):
        raise fail(f"weights quantized by {type(layer.weight_quantizer).__name__}, not to one bit")
    return np.asarray(weight.detach().numpy() >= 0)


def scaling_of(layer: BinaryConv2d | BinaryLinear, fail: Fail) -> npt.NDArray[np.float32] | None:
    """Return the factor of each output channel, or None."""
    if layer.scaling == "none":
        return None
    if layer.scaling == "xnor":
        raise fail("scaling 'xnor', which depends on the input: train with 'none' or 'bireal'")
    axes = tuple(range(1, layer.weight.ndim))
    # By PyTorch, as in the layer: NumPy adds up in another order.
    return np.asarray(layer.weight.detach().abs().mean(dim=axes).numpy(), np.float32)


def window_of(layer: nn.Conv2d, fail: Fail) -> Window:
    """Return the geometry of a convolution."""
    if layer.padding_mode != "zeros":
        raise fail(f"padding {layer.padding_mode!r}")
    if layer.padding == "valid":
        down = across = 0
    elif layer.padding == "same":
        reach = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        before = [size // 2 for size in reach]
        after = [size - part for size, part in zip(reach, before, strict=True)]
        padding = (before[0], before[1], after[0], after[1])
        return _window(layer, padding)
    else:
        down, across = layer.padding
    return _window(layer, (down, across, down, across))


def _window(layer: nn.Conv2d, padding: tuple[int, int, int, int]) -> Window:
    return Window(
        kernel=layer.kernel_size,
        stride=layer.stride,
        padding=padding,
        dilation=layer.dilation,
        groups=layer.groups,
    )


def pool_padding(
    size: tuple[int, int],
    result: tuple[int, int],
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    fail: Fail,
) -> tuple[Window, bool]:
    """Return the geometry of a pooling, and whether it holds for this size of input only.

    Rounding the result's size up is the same as padding more below and on the right.
    """
    kernels, pads = _pair(kernel), _pair(padding)
    if _pair(dilation) != (1, 1):
        raise fail("pooling with dilation")
    strides = _pair(stride if stride is not None else kernel)
    after, fixed = [], False
    for axis in (0, 1):
        extra = strides[axis] - 1 if ceil_mode else 0
        if extra and pads[axis] + strides[axis] > kernels[axis]:
            # PyTorch leaves out a window that would lie in the padding alone: it depends on the
            # size whether there is one.
            reached = (result[axis] - 1) * strides[axis] + kernels[axis]
            extra = max(0, reached - size[axis] - 2 * pads[axis])
            fixed = True
        after.append(pads[axis] + extra)
    window = Window(
        kernel=kernels,
        stride=strides,
        padding=(pads[0], pads[1], after[0], after[1]),
    )
    if any(extra >= length for extra, length in zip(after, kernels, strict=True)):
        raise fail("pooling that pads more than its window")
    return window, fixed


def _pair(value: Any) -> tuple[int, int]:
    one, other = (value, value) if isinstance(value, int) else value
    return int(one), int(other)
