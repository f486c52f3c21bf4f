"""Training of binary convolutions on a CPU with eight-bit gradients, several times as fast.

Forward, a binary convolution multiplies signs by signs; backward, it multiplies the gradient of its
output by signs twice: by those of the weights and by those of the input. With that gradient in
eight bits, all three are sums of bytes that are looked up by four signs at once, in a fraction of
the time that products of floats take. The rounding is at random, up or down, so that a gradient is
right on average, as it is with a batch drawn at random; what it adds is a little noise. One scale
serves for a few pictures.

Gupta et al. 2015, "Deep learning with limited numerical precision" (stochastic rounding); Zhou et
al. 2016, "DoReFa-Net", sec. 2.5 (gradients of few bits in binary networks).

    network = ResNet18(Binarization()).to(memory_format=torch.channels_last)
    set_gradient_bits(network, 8)  # in onlooker.binary.layers; then train as ever
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

import torch
from torch import Tensor

from onlooker.binary.native import library_path
from onlooker.binary.quantizers import BinaryQuantizer, Sign
from onlooker.errors import OnlookerError

Geometry = tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]

# The kernels take channels in panels of this many.
_PANEL = 16

# Of malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


class _Shape(ctypes.Structure):
    """``onlooker_training_shape`` of ``native/src/gradients.h``."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            *("pictures", "height", "width", "channels"),
            *("filters", "kernel_height", "kernel_width"),
            *("stride_y", "stride_x", "padding_y", "padding_x", "dilation_y", "dilation_x"),
        )
    ]


@cache
def _library() -> ctypes.CDLL | None:
    path = library_path()
    if path is None:
        return None
    try:
        library = ctypes.CDLL(str(path))
        library.onlooker_training_kernels.restype = ctypes.c_char_p
        library.onlooker_training_sign_bytes.restype = ctypes.c_int64
    except (OSError, AttributeError):
        return None
    pointer, shape = ctypes.c_void_p, ctypes.POINTER(_Shape)
    library.onlooker_training_sign_bytes.argtypes = [shape]
    library.onlooker_training_forward.argtypes = [
        *(shape, pointer, pointer, ctypes.c_float),
        *(pointer, pointer, pointer, pointer, ctypes.c_int),
    ]
    library.onlooker_training_backward.argtypes = [
        *(shape, pointer, pointer, pointer, pointer),
        *(ctypes.c_uint64, pointer, pointer, ctypes.c_int),
    ]
    return library


def available() -> bool:
    """Return whether there are compiled kernels for this CPU.

    Those in plain C++ are there to compare with, and are slower than PyTorch: they count only where
    ``ONLOOKER_CPU`` asks for them.
    """
    name = kernels()
    return name not in ("none", "reference") or name == os.environ.get("ONLOOKER_CPU")


def kernels() -> str:
    """Return the instruction set of the kernels: ``avx2``, ``reference``, or ``none``."""
    library = _library()
    return "none" if library is None else str(library.onlooker_training_kernels().decode())


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next step, where it is glibc.

    It would give maps of many megabytes back to the system, which clears their pages again when
    they are asked for: 8 % of a step's time on one thread.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 32 << 20)  # more is refused
        mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_TOP_PAD, 64 << 20)


def takes(values: Tensor, weight: Tensor, geometry: Geometry, padding_value: int) -> bool:
    """Return whether :func:`sign_convolution` takes this case.

    It takes float32 on the CPU, without autocast; channels and filters that are multiples of 16, in
    one group; and what is padded with is −1.

    Args:
        values: Input (N, C, H, W).
        weight: Latent weights (O, C, kernel height, kernel width).
        geometry: Stride, padding, dilation, groups.
        padding_value: What is padded with behind the sign.
    """
    _, padding, _, groups = geometry
    plain = values.dtype == weight.dtype == torch.float32 and values.device.type == "cpu"
    panels = weight.shape[0] % _PANEL == 0 and weight.shape[1] % _PANEL == 0
    signs_only = padding_value == -1 or padding == (0, 0)
    usual = plain and panels and signs_only and groups == 1 and len(values) > 0
    return usual and not torch.is_autocast_enabled("cpu") and available()


def sign_convolution(
    values: Tensor,
    weight: Tensor,
    quantizer: BinaryQuantizer,
    geometry: Geometry,
) -> Tensor:
    """Convolve the signs of ``values`` with those of ``weight``; backward, in eight bits.

    Args:
        values: Input (N, C, H, W), float32; fastest in memory format ``channels_last``.
        weight: Latent weights (O, C, kernel height, kernel width), float32; likewise.
        quantizer: Gives the slope that stands for the sign's derivative.
        geometry: Stride, padding (with −1, behind the sign), dilation, groups (1).

    Returns:
        Whole numbers (N, O, H', W'), float32, in memory format ``channels_last``.
    """
    outputs: Tensor = _ByteConvolution.apply(values, weight, quantizer, geometry)
    return outputs


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _empty_pictures(*shape: int) -> Tensor:
    return torch.empty(shape, memory_format=torch.channels_last)


class _ByteConvolution(torch.autograd.Function):  # type: ignore[misc]
    """Kept for the backward pass: bits of the signs, and bits that say where |x| ≤ clip.

    Quantizers other than :class:`Sign` need the input itself in place of that bit.
    """

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        weight: Tensor,
        quantizer: BinaryQuantizer,
        geometry: Geometry,
    ) -> Tensor:
        stride, padding, dilation, _ = geometry
        count, channels, *size = values.shape
        filters, _, *kernel = weight.shape
        padded = [size[k] + 2 * padding[k] for k in (0, 1)]
        extent = [padded[k] - dilation[k] * (kernel[k] - 1) - 1 for k in (0, 1)]
        values = values.contiguous(memory_format=torch.channels_last)
        weight = weight.contiguous(memory_format=torch.channels_last)
        outputs = _empty_pictures(count, filters, *(extent[k] // stride[k] + 1 for k in (0, 1)))
        filter_bytes = torch.empty(weight.numel(), dtype=torch.uint8)
        clipped = isinstance(quantizer, Sign)
        mask = torch.empty(values.numel() // 8, dtype=torch.uint8) if clipped else None
        shape = _Shape(
            *(count, *size, channels, filters, *kernel),
            *(*stride, *padding, *dilation),
        )
        library = _library()
        assert library is not None  # `takes` was asked
        signs = torch.empty(library.onlooker_training_sign_bytes(shape), dtype=torch.uint8)
        failed = library.onlooker_training_forward(
            shape,
            *(values.data_ptr(), weight.data_ptr(), quantizer.clip if clipped else 0.0),
            *(outputs.data_ptr(), signs.data_ptr(), _address(mask), filter_bytes.data_ptr()),
            torch.get_num_threads(),
        )
        if failed:
            raise OnlookerError(f"no memory for a convolution of {count} × {channels} × {size}")
        ctx.save_for_backward(signs, filter_bytes, mask if clipped else values)
        ctx.shape, ctx.quantizer, ctx.clipped = shape, quantizer, clipped
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        signs, filter_bytes, kept = ctx.saved_tensors
        shape = ctx.shape
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_values = of_weight = None
        if ctx.needs_input_grad[0]:
            of_values = _empty_pictures(shape.pictures, shape.channels, shape.height, shape.width)
        if ctx.needs_input_grad[1]:
            of_weight = _empty_pictures(
                *(shape.filters, shape.channels, shape.kernel_height, shape.kernel_width)
            )
        library = _library()
        assert library is not None
        failed = library.onlooker_training_backward(
            shape,
            *(gradient.data_ptr(), signs.data_ptr(), _address(kept) if ctx.clipped else None),
            *(filter_bytes.data_ptr(), int(torch.randint(2**62, ()))),
            *(_address(of_values), _address(of_weight), torch.get_num_threads()),
        )
        if failed:
            raise OnlookerError(f"no memory for gradients of {tuple(gradient.shape)}")
        if of_values is not None and not ctx.clipped:
            of_values = ctx.quantizer.through(of_values, kept)
        return of_values, of_weight, None, None
