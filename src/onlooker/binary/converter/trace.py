"""PyTorch network → graph: traced by torch.fx, then walked layer by layer.

A value on the way is a map, or what flattening made of one. Layers that only matter while training
vanish; what cannot be expressed is an error that names the layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from onlooker.binary import layers, quantizers
from onlooker.binary.converter.fold import Affine
from onlooker.binary.converter.functions import Functions, Traced
from onlooker.binary.converter.graph import (
    Graph,
    Kind,
    Op,
    Value,
    Window,
    joined,
    pushed,
    width,
)
from onlooker.binary.converter.layers import (
    affine_of_norm,
    binary_weights,
    pool_padding,
    scaling_of,
    window_of,
)
from onlooker.binary.format import Activation
from onlooker.errors import ConfigError

_DROPPED = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
_SIGNS = (quantizers.BinaryQuantizer, quantizers.ProgressiveSign)
_LEAVES = (layers.BinaryConv2d, layers.BinaryLinear, *_SIGNS)


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
    def __init__(self) -> None:
        super().__init__(autowrap_functions=(quantizers.sign,))

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
    walker = _Walker(traced, shape)
    walker.run()
    return Network(walker.graph, traced, walker.readers, walker.fixed)


class _Walker(Functions):
    def __init__(self, module: fx.GraphModule, shape: tuple[int, ...]) -> None:
        self.module, self.shape = module, shape
        self.graph = Graph()
        self.readers: dict[Op, tuple[fx.Node, int]] = {}
        self.fixed = False
        self.found: dict[fx.Node, Any] = {}
        self.real = {}

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def run(self) -> None:
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
                try:
                    self.real[node] = getattr(interpreter, node.op)(node.target, *args)
                except (RuntimeError, ValueError, TypeError, IndexError) as error:
                    raise ConfigError(
                        f"{self.name} cannot compute an input of {self.shape}: {error}"
                    ) from error
                self.found[node] = self._node(node)
        for op in self.graph.ops:
            if op.kind != Kind.BINARY and any(ref.op.kind == Kind.SIGN for ref in op.inputs):
                raise ConfigError(f"{op.name} reads signs, which only binary layers can")
        if any(ref.op.kind == Kind.SIGN for ref in self.graph.result):
            raise ConfigError("the network's result are signs, which only binary layers can read")
        joined(self.graph)
        pushed(self.graph)

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
            step = affine_of_norm(layer, self._fail)
            return replace(found, value=self.graph.affine(found.value, step, self.name, layer))
        if isinstance(layer, _SIGNS):
            return replace(found, value=self.graph.sign(found.value, self.name))
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
            return self._pooling(Kind.MAX, found, *sizes, layer.ceil_mode)
        if isinstance(layer, nn.AvgPool2d):
            padded = bool(np.any(layer.padding)) and layer.count_include_pad
            if padded or layer.divisor_override:
                raise self._fail("average pooling that counts the padding")
            sizes = (layer.kernel_size, layer.stride, layer.padding, 1)
            return self._pooling(Kind.MEAN, found, *sizes, layer.ceil_mode)
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
            made = self.graph.convolution(
                Kind.BINARY, self.graph.sign(value, self.name), signs, window, self.name
            )
            scaling = scaling_of(layer, self._fail)
            if scaling is not None:
                made = self.graph.affine(made, Affine(scaling), self.name, ("scaling", layer))
            return made
        weights = np.ascontiguousarray(weight.detach().numpy(), np.float32)
        made = self.graph.convolution(Kind.FLOAT, value, weights, window, self.name)
        self.readers[made[0].op] = (self.node.all_input_nodes[0], width(value))
        if layer.bias is not None:
            if not bool(torch.isfinite(layer.bias).all()):
                raise ConfigError(f"{self.name}: its bias is not all finite numbers")
            bias = np.ascontiguousarray(layer.bias.detach().numpy(), np.float32)
            made = self.graph.affine(made, Affine(shift=bias), self.name, ("bias", layer))
        return made

    def _pooling(
        self,
        kind: Kind,
        found: Traced,
        kernel: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        ceil_mode: bool,
    ) -> Traced:
        found = self._map(found)
        real = self.real[self.node]
        window, fixed = pool_padding(
            found.size,
            tuple(real.shape[-2:]),
            kernel,
            stride,
            padding,
            dilation,
            ceil_mode,
            self._fail,
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


def _name_of(node: fx.Node) -> str:
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack") or {}
    path = next(reversed(stack), "") if stack else ""
    return f"{path}: {node.name}" if path else str(node.name)
