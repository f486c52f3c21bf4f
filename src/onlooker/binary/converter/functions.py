"""Functions and methods that networks call between their layers, as operations of the graph."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from onlooker.binary import quantizers
from onlooker.binary.converter.fold import Affine
from onlooker.binary.converter.graph import Graph, Kind, Value, Window, concatenated, cut, width
from onlooker.binary.format import Activation
from onlooker.errors import ConfigError


@dataclass(frozen=True)
class Traced:
    """A tensor of the network.

    Attributes:
        value: The map that it is.
        size: Height and width of that map.
        flat: Whether the tensor is (N, C · H · W), not (N, C, H, W).
        order: Where channels were split into groups, (N, groups, C / groups, H, W): their order.
    """

    value: Value
    size: tuple[int, int]
    flat: bool = False
    order: npt.NDArray[np.int64] | None = None


class Functions:
    """What is called at a node of the trace.

    Attributes:
        graph: Grows as the trace is walked.
        shape: Of the network's input.
        node, name: Where the walk is.
        real: What PyTorch computed for each node so far, from an input of that shape.
        fixed: Whether the network takes pictures of one size only.
    """

    graph: Graph
    shape: tuple[int, ...]
    node: fx.Node
    name: str
    real: dict[fx.Node, Any]
    fixed: bool

    def _layer(self, layer: nn.Module, found: Traced) -> Traced:
        raise NotImplementedError

    def _adaptive(self, kind: Kind, found: Traced) -> Traced:
        raise NotImplementedError

    def _fail(self, what: str) -> ConfigError:
        return ConfigError(f"{self.name}: {what}; the packed file cannot express it")

    def _activation(self, found: Traced, step: Activation) -> Traced:
        return replace(found, value=self.graph.activation(found.value, step, self.name))

    def _hard_tanh(self, found: Traced, low: float, high: float) -> Traced:
        if (low, high) != (-1, 1):
            raise self._fail(f"clipping to [{low}, {high}], not [-1, 1]")
        return self._activation(found, Activation.HARD_TANH)

    def _shuffled(self, found: Traced, groups: int) -> Traced:
        order = np.arange(width(found.value)).reshape(groups, -1).T.ravel()
        return replace(found, value=self.graph.gather(found.value, order, self.name))

    # Functions and methods.

    def _function(self, target: Any, args: Any, kwargs: Any) -> Any:
        # What may be given by name is looked for by place.
        named = [kwargs[name] for name in ("input", "tensors", "other") if name in kwargs]
        kwargs = {
            name: kwargs[name] for name in kwargs if name not in ("input", "tensors", "other")
        }
        args = (*args, *named)
        if target in (operator.add, operator.iadd, torch.add):
            return self._added(args[0], args[1], kwargs)
        if target in (operator.sub, operator.isub, torch.sub, torch.subtract):
            return self._subtracted(args[0], args[1], kwargs)
        if target in (operator.mul, operator.imul, torch.mul):
            return self._multiplied(args[0], args[1])
        if target in (operator.truediv, operator.itruediv, torch.div, torch.true_divide):
            return self._divided(args[0], args[1], kwargs)
        if target in (operator.neg, torch.neg):
            return self._multiplied(args[0], -1.0)
        if target in (torch.cat, torch.concat, torch.concatenate):
            return self._concatenated(*args, **kwargs)
        if target is operator.getitem:
            return self._item(*args)
        if target is getattr and args[1] in ("shape", "dtype", "device", "ndim"):
            return self.real[self.node]
        if target in (torch.relu, torch.relu_, functional.relu):
            return self._activation(args[0], Activation.RELU)
        if target in (torch.tanh, functional.tanh):
            return self._activation(args[0], Activation.TANH)
        if target is functional.hardtanh:
            low = kwargs.get("min_val", args[1] if len(args) > 1 else -1.0)
            high = kwargs.get("max_val", args[2] if len(args) > 2 else 1.0)
            return self._hard_tanh(args[0], low, high)
        if target is functional.dropout:
            return args[0]
        if target in (functional.max_pool2d, functional.avg_pool2d):
            # A window that was computed follows the size of the map; the file's does not.
            self.fixed = self.fixed or len(self.node.all_input_nodes) > 1
        if target is functional.max_pool2d:
            return self._layer(nn.MaxPool2d(*args[1:], **kwargs), args[0])
        if target is functional.avg_pool2d:
            return self._layer(nn.AvgPool2d(*args[1:], **kwargs), args[0])
        if target is functional.adaptive_avg_pool2d:
            return self._adaptive(Kind.MEAN, args[0])
        if target is torch.mean:
            return self._mean(args[0])
        if target is torch.channel_shuffle or target is functional.channel_shuffle:
            return self._shuffled(args[0], args[1])
        if target is quantizers.sign:
            return replace(args[0], value=self.graph.sign(args[0].value, self.name))
        methods = {
            torch.flatten: "flatten",
            torch.reshape: "reshape",
            torch.transpose: "transpose",
            torch.permute: "permute",
            torch.squeeze: "squeeze",
            torch.chunk: "chunk",
            torch.split: "split",
        }
        if target in methods:
            return self._method(methods[target], args, kwargs)
        raise self._fail(f"function {getattr(target, '__name__', target)}")

    def _method(self, name: str, args: Any, kwargs: Any) -> Any:
        found = args[0]
        if name in ("size", "dim", "numel"):
            return self.real[self.node]
        if name in ("contiguous", "clone", "float", "detach"):
            return found
        if name in ("view", "reshape", "flatten", "squeeze"):
            return self._reshaped(found)
        if name in ("transpose", "permute"):
            return self._permuted(found, name, args[1:], kwargs)
        if name in ("chunk", "split"):
            return self._parts(found)
        if name == "mean":
            return self._mean(found)
        functions: dict[str, Callable[..., Any]] = {
            "add": torch.add,
            "add_": torch.add,
            "sub": torch.sub,
            "sub_": torch.sub,
            "mul": torch.mul,
            "mul_": torch.mul,
            "div": torch.div,
            "div_": torch.div,
            "neg": torch.neg,
            "relu": torch.relu,
            "relu_": torch.relu,
            "tanh": torch.tanh,
        }
        if name in functions:
            return self._function(functions[name], args, kwargs)
        raise self._fail(f"method {name}")

    def _added(self, one: Any, other: Any, kwargs: Any) -> Traced:
        if kwargs.get("alpha", 1) != 1:
            raise self._fail("an addition with a factor")
        if isinstance(one, Traced) and isinstance(other, Traced):
            if one.size != other.size or width(one.value) != width(other.value):
                raise self._fail("an addition of maps of unequal size")
            return replace(one, value=self.graph.add(one.value, other.value, self.name))
        found, number = (one, other) if isinstance(one, Traced) else (other, one)
        return self._affine(found, shift=self._numbers(found, number))

    def _subtracted(self, one: Any, other: Any, kwargs: Any) -> Traced:
        # A change of sign is exact: x − y is x + (−y), to the last bit.
        if isinstance(other, Traced):
            return self._added(one, self._affine(other, scale=self._numbers(other, -1.0)), kwargs)
        return self._added(one, -other, kwargs)

    def _divided(self, one: Any, other: Any, kwargs: Any) -> Traced:
        if not isinstance(one, Traced) or isinstance(other, Traced):
            raise self._fail("a division by a map")
        if kwargs.get("rounding_mode") is not None:
            raise self._fail("a division that rounds")
        # Rounded once, the product with the inverse in float64 is the quotient: that of two float32
        # numbers lies never so near to the middle of two others.
        with np.errstate(divide="ignore"):
            inverse: Any = 1 / self._numbers(one, other).astype(np.float64)
        if (np.abs(inverse) > np.finfo(np.float32).max).any():
            raise self._fail("a division by zero, or nearly")
        return self._affine(one, scale=inverse, fused=True)

    def _multiplied(self, one: Any, other: Any) -> Traced:
        if isinstance(one, Traced) and isinstance(other, Traced):
            raise self._fail("a product of two maps")
        found, number = (one, other) if isinstance(one, Traced) else (other, one)
        return self._affine(found, scale=self._numbers(found, number))

    def _affine(self, found: Traced, **numbers: Any) -> Traced:
        value = self.graph.affine(found.value, Affine(**numbers), self.name, self.node)
        return replace(found, value=value)

    def _numbers(self, found: Traced, number: Any) -> npt.NDArray[np.float32]:
        """Return a constant as one number a channel."""
        channels = width(found.value)
        constant = np.asarray(
            number.detach().numpy() if isinstance(number, Tensor) else number, np.float32
        )
        shape = (1, channels) if found.flat else (1, channels, 1, 1)
        try:
            spread = np.broadcast_to(constant, shape)
        except ValueError:
            raise self._fail(f"arithmetic with a constant of shape {constant.shape}") from None
        if not np.isfinite(constant).all():
            raise self._fail("arithmetic with a constant that is no finite number")
        self._per_channel(found, "arithmetic with a constant")
        return np.ascontiguousarray(spread.reshape(channels))

    def _concatenated(self, parts: Any, dim: int = 1, **kwargs: Any) -> Traced:
        dim = kwargs.get("axis", dim)
        first: Traced = parts[0]
        if any(not isinstance(part, Traced) or part.size != first.size for part in parts):
            raise self._fail("a concatenation of maps of unequal size")
        if dim not in (1, 1 - self.real[self.node].ndim) or (first.flat and first.size != (1, 1)):
            raise self._fail(f"a concatenation along axis {dim}, not of channels")
        return replace(first, value=concatenated([part.value for part in parts]))

    def _item(self, found: Any, index: Any) -> Any:
        if not isinstance(found, Traced):
            return found[index]
        every = slice(None)
        channels = width(found.value)
        if (
            not isinstance(index, tuple)
            or len(index) < 2
            or any(part != every for part in (index[0], *index[2:]))
            or not isinstance(index[1], slice)
            or index[1].step not in (None, 1)
            or (found.flat and found.size != (1, 1))
        ):
            raise self._fail(f"a slice {index} of anything but channels")
        first, last, _ = index[1].indices(channels)
        if first >= last:
            raise self._fail(f"a slice {index} that is empty")
        return replace(found, value=cut(found.value, first, last))

    def _parts(self, found: Traced) -> list[Traced]:
        real = self.real[self.node]
        if sum(part.shape[1] for part in real) != width(found.value):
            raise self._fail("parts of anything but channels")
        made, first = [], 0
        for part in real:
            last = first + part.shape[1]
            made.append(replace(found, value=cut(found.value, first, last)))
            first = last
        return made

    def _mean(self, found: Traced) -> Traced:
        real = self.real[self.node]
        channels = width(found.value)
        count = self.shape[0]
        source = self.real[self.node.all_input_nodes[0]]
        wanted = source.mean((2, 3)) if source.ndim == 4 else source
        if real.numel() != count * channels or not torch.equal(real.flatten(1), wanted):
            raise self._fail("a mean of anything but height and width")
        value = self.graph.pooling(Kind.MEAN, found.value, Window(kernel=(0, 0)), self.name)
        return Traced(value, (1, 1), flat=real.ndim == 2)

    # Shapes.

    def _reshaped(self, found: Traced) -> Traced:
        shape = tuple(self.real[self.node].shape)
        channels, size = width(found.value), found.size
        count = self.shape[0]
        if shape == (count, channels * math.prod(size)):
            if found.order is not None:
                found = self._regrouped(found)
            return Traced(found.value, size, flat=True)
        if shape == (count, channels, *size):
            return replace(self._regrouped(found), flat=False)
        plain = not found.flat and found.order is None
        if plain and len(shape) == 5 and shape[1] * shape[2] == channels and shape[3:] == size:
            return replace(found, order=np.arange(channels).reshape(shape[1:3]))
        raise self._fail(f"a reshape to {shape}")

    def _regrouped(self, found: Traced) -> Traced:
        if found.order is None:
            return found
        value = self.graph.gather(found.value, found.order.ravel().tolist(), self.name)
        return Traced(value, found.size)

    def _permuted(self, found: Traced, name: str, axes: Any, kwargs: Any) -> Traced:
        ndim = self.real[self.node].ndim
        if name == "transpose":
            named = [kwargs[key] for key in ("dim0", "dim1") if key in kwargs]
            one, other = list(axes) + named
            places = list(range(ndim))
            places[one], places[other] = places[other], places[one]
        else:
            given = kwargs.get("dims", axes[0] if len(axes) == 1 else axes)
            places = [place % ndim for place in given]
        if places == list(range(ndim)):
            return found
        if found.order is None or places != [0, 2, 1, 3, 4]:
            raise self._fail("a transposition of anything but groups of channels")
        return replace(found, order=found.order.T)

    def _map(self, found: Traced) -> Traced:
        if found.flat or found.order is not None:
            raise self._fail("a layer for maps behind a flattened map")
        return found

    def _resized(self, found: Traced, value: Value) -> Traced:
        height, across = self.real[self.node].shape[-2:]
        return replace(found, value=value, size=(height, across))

    def _per_channel(self, found: Traced, what: str) -> None:
        if found.order is not None or (found.flat and found.size != (1, 1)):
            raise self._fail(f"{what} behind a flattened map; put it before, or pool the map")
