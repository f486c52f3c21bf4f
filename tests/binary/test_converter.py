"""Converted network = trained network, computed by the reference.

Where all that flows is integers and signs, the numbers must be equal. Behind float layers two
things differ by rounding: PyTorch adds up in another order, and multiplies and adds in one step. A
sign of a number so near to zero that rounding decides it may fall either way, and all that follows
with it. Such pictures are recognised (``torch_outputs``) and left out; that enough remain is
asserted.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from onlooker.binary.converter import convert
from onlooker.binary.format import Operation, OutletKind, PackedFile, from_bytes, to_bytes
from onlooker.binary.layers import Binarization, BinaryConv2d, BinaryLinear
from onlooker.binary.models import FLOAT_MODELS, MODELS, build
from onlooker.binary.quantizers import Sign
from onlooker.binary.reference import ReferenceModel
from onlooker.errors import ConfigError

from . import networks
from .networks import randomized


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Maps this small take longer on two threads, and much longer on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


Floats = npt.NDArray[np.float32]


def packed_of(model: nn.Module, shape: tuple[int, ...], **settings: Any) -> PackedFile:
    """Convert, and send the result through the bytes of a file."""
    return from_bytes(to_bytes(convert(model, shape, **settings)), "network")


@torch.no_grad()
def torch_outputs(model: nn.Module, inputs: Floats) -> tuple[Floats, bool]:
    """Return what PyTorch computes, and whether a sign on the way hangs on rounding.

    How much is rounded is seen by computing it in float64 as well.
    """
    rounded, outputs = seen_by_signs(model, torch.from_numpy(inputs))
    exact, _ = seen_by_signs(copy.deepcopy(model).double(), torch.from_numpy(inputs).double())
    tie = False
    for one, other in zip(rounded, exact, strict=True):
        error = (one.double() - other).abs().transpose(0, 1).flatten(1).amax(1)
        # What is zero in both was made so, by ReLU or a scale of 0: rounding has no part in it.
        size = (one.abs() + (one == 0) * (other == 0) * 1e9).transpose(0, 1).flatten(1)
        tie = tie or bool((size < 4 * error[:, None]).any())
    return outputs.numpy(), tie


def seen_by_signs(model: nn.Module, inputs: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return the inputs of all binary layers, and the network's result."""
    seen: list[Tensor] = []
    hooks = [
        layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        for layer in model.modules()
        if isinstance(layer, BinaryConv2d | BinaryLinear)
    ]
    outputs = model(inputs)
    for hook in hooks:
        hook.remove()
    return seen, outputs


def pictures(shape: tuple[int, ...], seed: int) -> Floats:
    """Return one picture of 8-bit pixels, or one vector."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, (1, *shape[1:])) / 255).astype(np.float32)


def reference_outputs(packed: PackedFile, inputs: Floats) -> Floats:
    return ReferenceModel(packed)(inputs if inputs.ndim == 4 else inputs[:, :, None, None])


def assert_agree(
    model: nn.Module, packed: PackedFile, shape: tuple[int, ...], *, wanted: int = 2, most: int = 30
) -> None:
    """Compare on pictures that no tie spoils."""
    compared = 0
    for seed in range(most):
        inputs = pictures(shape, seed)
        expected, tie = torch_outputs(model, inputs)
        if tie:
            continue
        found = reference_outputs(packed, inputs)
        assert found.shape == expected.shape or found.shape == expected.squeeze((2, 3)).shape
        found = found.reshape(expected.shape)
        scale = np.abs(expected).max() or 1.0
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * scale)
        compared += 1
        if compared == wanted:
            return
    raise AssertionError(f"only {compared} of {most} pictures were free of ties")


@pytest.mark.parametrize("name", [*MODELS, *FLOAT_MODELS])
def test_all_models_agree(name: str) -> None:
    torch.manual_seed(1)
    digits = name == "bmxnet-lenet"
    shape = (1, 1, 28, 28) if digits else (1, 3, 32, 32)
    # A quarter as wide: the same graph, with a sixteenth of the weights.
    settings = {"stem": "digits"} if digits else {"width": 0.25}
    model = randomized(build(name, classes=10, **settings), seed=2)
    assert_agree(model, packed_of(model, shape), shape)


@pytest.mark.parametrize("stem", ["imagenet", "grouped", "cifar"])
@pytest.mark.parametrize("name", ["resnet-e-18", "binary-densenet-28", "meliusnet-22"])
def test_models_of_other_stems_and_sizes_agree(name: str, stem: str) -> None:
    torch.manual_seed(3)
    shape = (1, 3, 45, 38) if stem != "cifar" else (1, 3, 17, 14)
    model = randomized(build(name, classes=7, stem=stem, width=0.25), seed=4)
    assert_agree(model, packed_of(model, (5, 3, 64, 64)), shape)


INTEGERS: dict[str, Callable[[], nn.Module]] = {
    "padded with -1": networks.AllBinary,
    "padded with 0": lambda: networks.AllBinary(networks.ZERO),
    "scaled": lambda: networks.AllBinary(networks.SCALED),
}


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("size", [(19, 24), (32, 20)])
def test_integers_agree_bit_for_bit(kind: str, size: tuple[int, int]) -> None:
    torch.manual_seed(5)
    for seed in range(4):
        model = randomized(INTEGERS[kind](), seed)
        packed = packed_of(model, (1, 3, *size))
        inputs = np.concatenate([pictures((1, 3, *size), place) for place in range(3)])
        expected, _ = torch_outputs(model, inputs)
        # Scaling multiplies the last sums by one float number, which is rounded alike.
        np.testing.assert_array_equal(reference_outputs(packed, inputs), expected)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "odd": (networks.Odd, (1, 3, 21, 26)),
    "odd, padded with 0": (lambda: networks.Odd(networks.ZERO), (1, 3, 20, 27)),
    "odd, scaled": (lambda: networks.Odd(networks.SCALED), (1, 3, 21, 26)),
    "sums": (networks.Sums, (1, 3, 12, 14)),
    "slices": (networks.Slices, (1, 3, 11, 9)),
    "grown": (networks.Grown, (1, 3, 16, 16)),
    "vectors": (networks.Vectors, (1, 17)),
    "floats": (networks.Floats, (1, 3, 20, 18)),
    "ladder": (networks.Ladder, (1, 3, 22, 18)),
    "signs": (networks.Signs, (1, 3, 13, 18)),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_other_networks_agree(name: str, seed: int) -> None:
    torch.manual_seed(seed)
    make, shape = NETWORKS[name]
    model = randomized(make(), seed)
    assert_agree(model, packed_of(model, shape), shape)


@pytest.mark.parametrize("activation", ["approx-sign", "swish-sign", "progressive-sign"])
def test_other_quantizers_are_signs_too(activation: str) -> None:
    torch.manual_seed(6)
    model = randomized(networks.AllBinary(Binarization(activation=activation)))
    inputs = pictures((1, 3, 20, 20), 0)
    expected, _ = torch_outputs(model, inputs)
    found = reference_outputs(packed_of(model, (1, 3, 20, 20)), inputs)
    np.testing.assert_array_equal(found, expected)


def test_a_trained_network_is_left_as_it_is() -> None:
    model = networks.AllBinary().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    convert(model, (1, 3, 20, 20))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# What the engine pays for.


def kinds_of(packed: PackedFile) -> list[Operation]:
    return [node.operation for node in packed.nodes]


def test_nothing_but_bits_flows_between_plain_binary_layers() -> None:
    packed = packed_of(randomized(networks.AllBinary()), (1, 3, 20, 20))
    middle = [node for node in packed.nodes if node.operation == Operation.BINARY_CONVOLUTION]
    assert [outlet.kind for outlet in middle[0].outlets] == [OutletKind.BITS_BY_INTEGER]
    assert [outlet.kind for outlet in middle[1].outlets] == [OutletKind.INTEGER]  # to the pooling
    assert middle[0].scale == middle[0].shift == -1


def test_dense_layers_write_bits_into_every_later_layer() -> None:
    packed = packed_of(randomized(build("binary-densenet-28")), (1, 3, 64, 64))
    first = next(node for node in packed.nodes if node.operation == Operation.BINARY_CONVOLUTION)
    bits = [outlet for outlet in first.outlets if outlet.kind == OutletKind.BITS_BY_INTEGER]
    assert [outlet.first for outlet in bits] == [64] * 5
    assert sorted(packed.tensors[outlet.tensor].channels for outlet in bits) == [
        128, 192, 256, 320, 384,
    ]  # fmt: skip
    assert OutletKind.VALUE not in [outlet.kind for outlet in first.outlets]
    # One pass over the input's colours, one over the stem's and each transition's result at most.
    assert kinds_of(packed).count(Operation.POINTWISE) <= 2


def test_residual_networks_add_in_the_convolution_and_in_place() -> None:
    model = randomized(build("resnet-e-18", classes=10, stem="cifar"))
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.affine:
            layer.weight.data.abs_().add_(0.1)
    packed = packed_of(model, (1, 3, 32, 32))
    binary = [node for node in packed.nodes if node.operation == Operation.BINARY_CONVOLUTION]
    assert len(binary) == 16
    assert all(node.residual >= 0 for node in binary)
    in_place = [
        node
        for node in binary
        if any(o.tensor == node.residual and o.kind == OutletKind.VALUE for o in node.outlets)
    ]
    assert len(in_place) == 16
    assert kinds_of(packed).count(Operation.POINTWISE) == 1  # over the picture's colours


def test_a_negative_scale_behind_a_maximum_does_not_change_places() -> None:
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
            self.pool = nn.MaxPool2d(2)

        def forward(self, maps: Tensor) -> Tensor:
            return self.norm2(self.pool(self.norm1(maps)))

    model = Small().eval()
    model.norm1.weight.data[:] = torch.tensor([1.0, -2.0, 0.0])
    model.norm2.weight.data[:] = torch.tensor([-1.0, -3.0, 2.0])
    assert_agree(model, packed_of(model, (1, 3, 8, 8)), (1, 3, 8, 8))


@pytest.mark.parametrize(
    ("name", "settings", "most_mib"),
    [
        ("bmxnet-resnet-18", {"classes": 10, "stem": "cifar"}, 1.5),
        ("resnet-e-18", {}, 4.1),
        ("binary-densenet-28", {}, 4.2),
    ],
)
def test_file_sizes(name: str, settings: dict[str, Any], most_mib: float) -> None:
    model = randomized(build(name, **settings))
    assert len(to_bytes(convert(model, (1, 3, 64, 64)))) / 2**20 <= most_mib


# Sizes of the input.


def test_networks_with_flattened_maps_take_one_size() -> None:
    packed = packed_of(randomized(networks.Grown()), (1, 3, 16, 16))
    assert (packed.height, packed.width) == (16, 16)
    packed = packed_of(randomized(build("resnet-e-18", width=0.25)), (1, 3, 64, 64))
    assert (packed.height, packed.width) == (0, 0)


# What cannot be expressed.


def small(*body: nn.Module) -> nn.Module:
    return nn.Sequential(*body)


class Called(nn.Module):
    def __init__(self, call: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.call = call

    def forward(self, maps: Tensor) -> Any:
        return self.call(maps)


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "layer": (small(nn.Conv2d(3, 4, 1), nn.Sigmoid()), "1: layer Sigmoid"),
    "nested layer": (small(nn.Conv2d(3, 4, 1), small(nn.ReLU(), nn.GELU())), r"1\.1: layer GELU"),
    "function": (small(Called(torch.sigmoid)), "sigmoid"),
    "method": (small(Called(lambda maps: maps.softmax(1))), "method softmax"),
    "input-dependent scaling": (
        small(BinaryConv2d(3, 4, 1, binarization=Binarization(scaling="xnor"))),
        "0: scaling 'xnor'",
    ),
    "two bits": (
        small(BinaryConv2d(3, 4, 1, binarization=Binarization(activation="dorefa"))),
        "0: inputs quantized by DoReFaActivation",
    ),
    "signs as numbers": (small(Sign(), nn.Conv2d(3, 4, 1)), "1 reads signs"),
    "signs as a result": (small(BinaryConv2d(3, 4, 1), Sign()), "result are signs"),
    "counted padding": (small(nn.AvgPool2d(3, 1, 1)), "counts the padding"),
    "unequal parts": (small(nn.AdaptiveAvgPool2d(5)), "no equal parts"),
    "norm behind flattening": (small(nn.Flatten(), nn.BatchNorm1d(3 * 64)), "flattened map"),
    "flattened result": (small(nn.Conv2d(3, 2, 1), nn.Flatten()), "flattened map"),
    "reflected padding": (small(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")), "reflect"),
    "two results": (small(Called(lambda maps: (maps, maps))), "one tensor"),
    "product of maps": (small(Called(lambda maps: maps * maps)), "product of two maps"),
    "rows": (small(Called(lambda maps: maps[:, :, ::2])), "slice"),
    "joined rows": (small(Called(lambda maps: torch.cat([maps, maps], 2))), "along axis 2"),
    "turned maps": (small(Called(lambda maps: maps.permute(0, 2, 3, 1))), "a transposition"),
    "turned rows of groups": (
        small(Called(lambda maps: maps.reshape(-1, 3, 1, 8, 8).transpose(3, 4))),
        "a transposition",
    ),
    "quotient of maps": (small(Called(lambda maps: 1 / maps)), "a division by a map"),
    "division by zero": (small(Called(lambda maps: maps / 0)), "a division by zero"),
    "rounded quotient": (
        small(Called(lambda maps: torch.div(maps, 2, rounding_mode="floor"))),
        "a division that rounds",
    ),
    "infinite constant": (small(Called(lambda maps: maps + math.inf)), "no finite number"),
    "control flow": (small(Called(lambda maps: maps if maps.sum() > 0 else -maps)), "traced"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_expressed_is_named(kind: str) -> None:
    model, message = REFUSED[kind]
    with pytest.raises(ConfigError, match=message):
        convert(model, (1, 3, 8, 8))


def test_numbers_that_are_none_are_refused() -> None:
    model = small(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    model[0].weight.data[0] = float("nan")
    with pytest.raises(ConfigError, match="0: its weights"):
        convert(model, (1, 3, 8, 8))
    model = small(nn.BatchNorm2d(3))
    model[0].running_var[:] = float("inf")
    model[0].running_mean[:] = float("inf")
    with pytest.raises(ConfigError, match="statistics"):
        convert(model, (1, 3, 8, 8))


def test_wrong_settings_are_refused() -> None:
    model = small(nn.Conv2d(3, 4, 1))
    with pytest.raises(ConfigError, match="needs calibration"):
        convert(model, (1, 3, 8, 8), float_layers="int8")
    with pytest.raises(ConfigError, match="float_layers 'int4'"):
        convert(model, (1, 3, 8, 8), float_layers="int4")
    with pytest.raises(ConfigError, match="example_input_shape"):
        convert(model, (3, 8, 8))
    with pytest.raises(ConfigError, match="calibration of shape"):
        convert(model, (1, 3, 8, 8), calibration=np.zeros((2, 1, 8, 8), np.float32))
    with pytest.raises(ConfigError, match="all finite"):
        convert(model, (1, 3, 8, 8), calibration=np.full((2, 3, 8, 8), np.nan, np.float32))
    with pytest.raises(ConfigError, match="calibration of float64"):
        convert(model, (1, 3, 8, 8), calibration=np.zeros((2, 3, 8, 8)))
    model[0].bias.data[1] = float("inf")
    with pytest.raises(ConfigError, match="0: its bias"):
        convert(model, (1, 3, 8, 8))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (1, 4, 8, 8)}, "0 cannot compute an input of"),
        ({"shape": (1, 3, 1, 1)}, "0 cannot compute an input of"),
        ({"shape": (1, 3, 0, 8)}, "example_input_shape"),
        ({"shape": (1, 3, 8.5, 8)}, "example_input_shape"),
        ({"shape": (1, 3, 8, 65_537)}, "65536 pixels"),
        ({"metadata": {"input": {"mean": [0.5, 0.5]}}}, "mean of its metadata .* 3 numbers"),
        ({"metadata": {"input": {"std": [1, 0, 1]}}}, "std of its metadata is not"),
        ({"metadata": {"input": 3}}, "`input` or `classes`"),
        ({"metadata": {"training": {1, 2}}}, "JSON cannot hold"),
        ({"metadata": {"training": math.nan}}, "JSON cannot hold"),
        ({"calibration": [[1.0]]}, "calibration is a list"),
    ],
)
def test_what_does_not_fit_the_network_is_said(settings: dict[str, Any], message: str) -> None:
    shape = settings.pop("shape", (1, 3, 8, 8))
    with pytest.raises(ConfigError, match=message):
        convert(small(nn.Conv2d(3, 4, 3)).eval(), shape, **settings)


def test_arithmetic_with_constants_agrees_bit_for_bit() -> None:
    class Arithmetic(nn.Module):
        def forward(self, maps: Tensor) -> Tensor:
            maps = -((2.5 - maps) / 0.3)
            maps = maps.sub(torch.tensor([0.1, 0.2, 0.3])[:, None, None])
            return (maps - functional.relu(maps)).div_(7)

    class Before(nn.Module):
        """Of what is divided a sign is made: it must turn where PyTorch's does."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = BinaryConv2d(3, 5, 1)

        def forward(self, maps: Tensor) -> Tensor:
            return self.conv((maps - 0.7) / 3.3 - 0.05)

    inputs = np.random.default_rng(0).normal(size=(2, 3, 6, 8)).astype(np.float32)
    found = ReferenceModel(packed_of(Arithmetic(), inputs.shape))(inputs)
    expected = Arithmetic()(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    model = Before().eval()
    turning = np.float32(0.7) + np.float32(0.165) + np.arange(-24, 24) * np.float32(2**-24)
    inputs = np.resize(turning.astype(np.float32), (1, 3, 6, 8))
    found = ReferenceModel(packed_of(model, inputs.shape))(inputs)
    with torch.no_grad():
        expected = model(torch.from_numpy(inputs)).numpy()
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(found, expected)


def test_channels_are_shuffled_by_permutation_too() -> None:
    class Permuted(nn.Module):
        def forward(self, maps: Tensor) -> Tensor:
            count, channels, height, width = maps.shape
            groups = maps.view(count, 2, channels // 2, height, width)
            return groups.permute(0, 2, 1, 3, 4).reshape(count, channels, height, width) + 1

    inputs = np.random.default_rng(0).normal(size=(1, 4, 3, 3)).astype(np.float32)
    found = ReferenceModel(packed_of(Permuted(), inputs.shape))(inputs)
    np.testing.assert_array_equal(found, Permuted()(torch.from_numpy(inputs)).numpy())


def test_arguments_may_be_named_and_windows_computed() -> None:
    class Named(nn.Module):
        def forward(self, maps: Tensor) -> Tensor:
            maps = torch.add(input=functional.relu(input=maps), other=1.0)
            maps = torch.cat(tensors=[maps, maps], dim=1)
            pooled = functional.avg_pool2d(maps, maps.size()[2:])
            return torch.flatten(input=pooled, start_dim=1)

    packed = packed_of(Named().eval(), (1, 3, 6, 8))
    assert (packed.height, packed.width) == (6, 8)  # the window would not grow with the map
    inputs = np.random.default_rng(0).normal(size=(2, 3, 6, 8)).astype(np.float32)
    found = ReferenceModel(packed)(inputs).reshape(2, 6)
    assert found == pytest.approx(Named()(torch.from_numpy(inputs)).numpy(), abs=1e-5)
