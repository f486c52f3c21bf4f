"""PyTorch network → graph: traced by torch.fx, then walked layer by layer.

A value on the way is a map, or what flattening made of one. Layers that only matter while training
vanish; what cannot be expressed is an error that names the layer.
"""

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

from onlooker.binary import layers, quantizers
from onlooker.binary.converter_layers import (
    affine_of_norm,
    binary_weights,
    pool_padding,
    scaling_of,
    window_of,
)
from onlooker.binary.fold import Affine
from onlooker.binary.format import Activation
from onlooker.binary.graph import (
    Graph,
    Kind,
    Op,
    Value,
    Window,
    concatenated,
    cut,
    joined,
    pushed,
    width,
)
from onlooker.errors import ConfigError

_DROPPED = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
_SIGNS = (quantizers.BinaryQuantizer, quantizers.ProgressiveSign)
_LEAVES = (layers.BinaryConv2d, layers.BinaryLinear, *_SIGNS)


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


@dataclass
class Network:
    """What tracing found.

    Attributes:
        graph: The operations.
        module: The traced network.
        readers: The float convolutions, each with the node that made what it reads and the
            channels of that.
        fixed: Whether the network takes pictures of one size only.
    """

    graph: Graph
    module: fx.GraphModule
    readers: dict[Op, tuple[fx.Node, int]]
    fixed: bool


class _Tracer(fx.Tracer):  # type: ignore[misc]
    def is_leaf_module(self, module: nn.Module, path: str) -> bool:
        return isinstance(module, _LEAVES) or bool(super().is_leaf_module(module, path))


def trace(model: nn.Module, shape: tuple[int, ...]) -> Network:
    """Trace a network in evaluation mode.

    Args:
        model: The network, in float32.
        shape: (N, C, H, W), or (N, C) for networks without maps.

    Raises:
        ConfigError: It cannot be traced, or something in it cannot be expressed.
    """
    try:
        traced = fx.GraphModule(model, _Tracer().trace(model))
    except Exception as error:  # torch.fx raises many kinds
        raise ConfigError(
            f"{type(model).__name__} cannot be traced by torch.fx: {error}"
        ) from error
    return _Walker(traced, shape).run()


class _Walker:
    def __init__(self, module: fx.GraphModule, shape: tuple[int, ...]) -> None:
        self.module, self.shape = module, shape
        self.graph = Graph()
        self.readers: dict[Op, tuple[fx.Node, int]] = {}
        self.fixed = False
        self.node: fx.Node
        self.name = ""
        self.found: dict[fx.Node, Any] = {}
        self.real: dict[fx.Node, Any] = {}

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def run(self) -> Network:
        interpreter = fx.Interpreter(self.module)
        generator = torch.Generator().manual_seed(0)
        inputs = 0
        for node in self.module.graph.nodes:
            self.node, self.name = node, _name_of(node)
            if node.op == "placeholder":
                inputs += 1
                if inputs > 1:
                    raise ConfigError(f"the network takes more than one input: {node.name}")
                self.real[node] = torch.rand(self.shape, generator=generator)
                self.found[node] = self._input()
            elif node.op == "output":
                self._output(self.found.get(node.args[0], node.args[0]))
            else:
                args = fx.node.map_arg((node.args, node.kwargs), lambda key: self.real[key])
                self.real[node] = getattr(interpreter, node.op)(node.target, *args)
                self.found[node] = self._node(node)
        for op in self.graph.ops:
            if op.kind != Kind.BINARY and any(ref.op.kind == Kind.SIGN for ref in op.inputs):
                raise ConfigError(f"{op.name} reads signs, which only binary layers can")
        if any(ref.op.kind == Kind.SIGN for ref in self.graph.result):
            raise ConfigError("the network's result are signs, which only binary layers can read")
        joined(self.graph)
        pushed(self.graph)
        return Network(self.graph, self.module, self.readers, self.fixed)

    def _input(self) -> Traced:
        ref = self.graph.make(Kind.INPUT, self.shape[1], (), "input")
        if len(self.shape) == 2:
            return Traced((ref,), (1, 1), flat=True)
        return Traced((ref,), (self.shape[2], self.shape[3]))

    def _output(self, found: Any) -> None:
        if not isinstance(found, Traced):
            raise ConfigError("the network must give one tensor")
        if found.flat and found.size != (1, 1):
            raise ConfigError("the network's result is a flattened map; give the map itself")
        graph = self.graph
        self.graph.result = tuple(graph.whole(ref, "result") for ref in found.value)

    def _fail(self, what: str) -> ConfigError:
        return ConfigError(f"{self.name}: {what}; the packed file cannot express it")

    def _node(self, node: fx.Node) -> Any:
        args = fx.node.map_arg(node.args, lambda key: self.found[key])
        kwargs = fx.node.map_arg(node.kwargs, lambda key: self.found[key])
        if node.op == "call_module":
            layer = self.module.get_submodule(str(node.target))
            (found,) = args
            if not isinstance(found, Traced):
                raise self._fail(f"{type(layer).__name__} of {type(found).__name__}")
            return self._layer(layer, found)
        if node.op == "get_attr":
            return self.real[node]
        reads = any(
            isinstance(self.found[source], Traced | list) for source in node.all_input_nodes
        )
        if not reads:
            return self.real[node]
        if node.op == "call_method":
            return self._method(str(node.target), args, kwargs)
        return self._function(node.target, args, kwargs)

    # Layers.

    def _layer(self, layer: nn.Module, found: Traced) -> Traced:
        if isinstance(layer, _DROPPED):
            return found
        if isinstance(layer, layers.BinaryConv2d | nn.Conv2d):
            return self._convolution(layer, self._map(found))
        if isinstance(layer, layers.BinaryLinear | nn.Linear):
            return self._linear(layer, found)
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
            self._per_channel(found, "batch norm")
            if layer.running_mean is None:
                raise self._fail("batch norm without running statistics")
            step = affine_of_norm(layer)
            return replace(found, value=self.graph.affine(found.value, step, self.name, layer))
        if isinstance(layer, _SIGNS):
            return replace(found, value=self._signs(found.value))
        if isinstance(layer, nn.Flatten):
            return self._reshaped(found)
        if isinstance(layer, nn.ReLU):
            return self._activation(found, Activation.RELU)
        if isinstance(layer, nn.Tanh):
            return self._activation(found, Activation.TANH)
        if isinstance(layer, nn.Hardtanh):
            return self._hard_tanh(found, layer.min_val, layer.max_val)
        if isinstance(layer, nn.MaxPool2d):
            sizes = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
            return self._pooling(Kind.MAX, found, *sizes)
        if isinstance(layer, nn.AvgPool2d):
            padded = bool(np.any(layer.padding)) and layer.count_include_pad
            if padded or layer.divisor_override:
                raise self._fail("average pooling that counts the padding")
            return self._pooling(
                Kind.MEAN, found, layer.kernel_size, layer.stride, layer.padding, 1
            )
        if isinstance(layer, nn.AdaptiveAvgPool2d):
            return self._adaptive(Kind.MEAN, found)
        if isinstance(layer, nn.AdaptiveMaxPool2d):
            return self._adaptive(Kind.MAX, found)
        if isinstance(layer, nn.ChannelShuffle):
            return self._shuffled(found, layer.groups)
        raise self._fail(f"layer {type(layer).__name__}")

    def _convolution(self, layer: nn.Conv2d, found: Traced) -> Traced:
        window = window_of(layer, self._fail)
        made = self._sums(layer, found.value, layer.weight, window)
        return self._resized(found, made)

    def _linear(self, layer: nn.Linear, found: Traced) -> Traced:
        if not found.flat and found.size != (1, 1):
            raise self._fail("a linear layer along the width of a map")
        if not found.flat and self.real[self.node].ndim != 2:
            raise self._fail("a linear layer of a map")
        height, across = found.size
        if found.size != (1, 1):
            self.fixed = True
        weight = layer.weight.reshape(layer.out_features, width(found.value), height, across)
        made = self._sums(layer, found.value, weight, Window(kernel=found.size))
        return Traced(made, (1, 1), flat=True)

    def _sums(
        self, layer: nn.Conv2d | nn.Linear, value: Value, weight: Tensor, window: Window
    ) -> Value:
        if not bool(torch.isfinite(weight).all()):
            raise ConfigError(f"{self.name}: its weights are not all finite numbers")
        if isinstance(layer, layers.BinaryConv2d | layers.BinaryLinear):
            signs = binary_weights(layer, weight, self._fail)
            if isinstance(layer, layers.BinaryConv2d):
                window = replace(
                    window, zero_padding=layer.padding_value == 0 and any(window.padding)
                )
            made = self.graph.convolution(Kind.BINARY, self._signs(value), signs, window, self.name)
            scaling = scaling_of(layer, self._fail)
            if scaling is not None:
                made = self.graph.affine(made, Affine(scaling), self.name, ("scaling", layer))
            return made
        weights = np.ascontiguousarray(weight.detach().numpy(), np.float32)
        made = self.graph.convolution(Kind.FLOAT, value, weights, window, self.name)
        self.readers[made[0].op] = (self.node.all_input_nodes[0], width(value))
        if layer.bias is not None:
            bias = np.ascontiguousarray(layer.bias.detach().numpy(), np.float32)
            made = self.graph.affine(made, Affine(shift=bias), self.name, ("bias", layer))
        return made

    def _signs(self, value: Value) -> Value:
        if all(ref.op.kind == Kind.SIGN and ref.whole for ref in value):
            return value
        return self.graph.sign(value, self.name)

    def _activation(self, found: Traced, step: Activation) -> Traced:
        return replace(found, value=self.graph.activation(found.value, step, self.name))

    def _hard_tanh(self, found: Traced, low: float, high: float) -> Traced:
        if (low, high) != (-1, 1):
            raise self._fail(f"clipping to [{low}, {high}], not [-1, 1]")
        return self._activation(found, Activation.HARD_TANH)

    def _pooling(
        self, kind: Kind, found: Traced, kernel: Any, stride: Any, padding: Any, dilation: Any
    ) -> Traced:
        found = self._map(found)
        real = self.real[self.node]
        window, fixed = pool_padding(
            found.size, tuple(real.shape[-2:]), kernel, stride, padding, dilation, self._fail
        )
        self.fixed = self.fixed or fixed
        made = self.graph.pooling(kind, found.value, window, self.name)
        return self._resized(found, made)

    def _adaptive(self, kind: Kind, found: Traced) -> Traced:
        found = self._map(found)
        wanted = tuple(self.real[self.node].shape[-2:])
        if wanted == (1, 1):
            return Traced(
                self.graph.pooling(kind, found.value, Window(kernel=(0, 0)), self.name), (1, 1)
            )
        down, across = (size // want for size, want in zip(found.size, wanted, strict=True))
        if (down * wanted[0], across * wanted[1]) != found.size:
            raise self._fail(f"pooling of {found.size} to {wanted}, which are no equal parts")
        self.fixed = True
        window = Window(kernel=(down, across), stride=(down, across))
        return self._resized(found, self.graph.pooling(kind, found.value, window, self.name))

    def _shuffled(self, found: Traced, groups: int) -> Traced:
        order = np.arange(width(found.value)).reshape(groups, -1).T.ravel()
        return replace(found, value=self.graph.gather(found.value, order, self.name))

    # Functions and methods.

    def _function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if target in (operator.add, operator.iadd, torch.add):
            return self._added(args[0], args[1], kwargs)
        if target in (operator.mul, operator.imul, torch.mul):
            return self._multiplied(args[0], args[1])
        if target in (torch.cat, torch.concat, torch.concatenate):
            return self._concatenated(*args, **kwargs)
        if target is operator.getitem:
            return self._item(*args)
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
        if target is functional.max_pool2d:
            return self._pool_function(Kind.MAX, nn.MaxPool2d, args, kwargs)
        if target is functional.avg_pool2d:
            return self._pool_function(Kind.MEAN, nn.AvgPool2d, args, kwargs)
        if target is functional.adaptive_avg_pool2d:
            return self._adaptive(Kind.MEAN, args[0])
        if target is torch.mean:
            return self._mean(args[0])
        if target is torch.channel_shuffle or target is functional.channel_shuffle:
            return self._shuffled(args[0], args[1])
        if target is quantizers.sign:
            return replace(args[0], value=self._signs(args[0].value))
        methods = {
            torch.flatten: "flatten",
            torch.reshape: "reshape",
            torch.transpose: "transpose",
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
        if name == "transpose":
            return self._transposed(found)
        if name in ("chunk", "split"):
            return self._parts(found)
        if name == "mean":
            return self._mean(found)
        functions: dict[str, Callable[..., Any]] = {
            "add": torch.add,
            "add_": torch.add,
            "mul": torch.mul,
            "relu": torch.relu,
            "relu_": torch.relu,
            "tanh": torch.tanh,
        }
        if name in functions:
            return self._function(functions[name], args, kwargs)
        raise self._fail(f"method {name}")

    def _pool_function(self, kind: Kind, layer: type[nn.Module], args: Any, kwargs: Any) -> Traced:
        del kind
        return self._layer(layer(*args[1:], **kwargs), args[0])

    def _added(self, one: Any, other: Any, kwargs: Any) -> Traced:
        if kwargs.get("alpha", 1) != 1:
            raise self._fail("an addition with a factor")
        if isinstance(one, Traced) and isinstance(other, Traced):
            if one.size != other.size or width(one.value) != width(other.value):
                raise self._fail("an addition of maps of unequal size")
            return replace(one, value=self.graph.add(one.value, other.value, self.name))
        found, number = (one, other) if isinstance(one, Traced) else (other, one)
        return self._affine(found, shift=self._numbers(found, number))

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
        self._per_channel(found, "arithmetic with a constant")
        return np.ascontiguousarray(spread.reshape(channels))

    def _concatenated(self, parts: Any, dim: int = 1, **kwargs: Any) -> Traced:
        dim = kwargs.get("axis", dim)
        first = parts[0]
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
        if len(shape) == 5 and shape[1] * shape[2] == channels and shape[3:] == size:
            if not found.flat and found.order is None:
                return replace(found, order=np.arange(channels).reshape(shape[1:3]))
        raise self._fail(f"a reshape to {shape}")

    def _regrouped(self, found: Traced) -> Traced:
        if found.order is None:
            return found
        value = self.graph.gather(found.value, found.order.ravel().tolist(), self.name)
        return Traced(value, found.size)

    def _transposed(self, found: Traced) -> Traced:
        if found.order is None:
            raise self._fail("a transposition")
        turned = found.order.T
        if tuple(self.real[self.node].shape[1:3]) != turned.shape:
            raise self._fail("a transposition of anything but groups of channels")
        return replace(found, order=turned)

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


def _name_of(node: fx.Node) -> str:
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack") or {}
    path = next(reversed(stack), "") if stack else ""
    return f"{path}: {node.name}" if path else str(node.name)
