"""Networks put together at random: whatever the planner makes of them must compute the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from onlooker.binary.converter import convert
from onlooker.binary.format import from_bytes, to_bytes
from onlooker.binary.layers import Binarization, BinaryConv2d

from .networks import randomized
from .test_converter import assert_agree


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class RandomNetwork(nn.Module):
    """Twenty or so operations, each on values that were made before."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.steps: list[tuple[str, tuple[int, ...], Any]] = []
        self.layers = nn.ModuleList()
        #: Channels and halvings of each value.
        self.values = [(3, 0)]
        self.layer(nn.Conv2d(3, self.random.choice([8, 16, 20]), 3, 1, 1), 0)
        for _ in range(self.random.randint(6, 22)):
            self.step()
        self.ends()

    def layer(self, layer: nn.Module, source: int, channels: int = 0, halved: int = 0) -> None:
        channels = channels or getattr(layer, "out_channels", self.values[source][0])
        self.layers.append(layer)
        self.push(
            "layer", (source,), len(self.layers) - 1, channels, self.values[source][1] + halved
        )

    def push(
        self, kind: str, sources: tuple[int, ...], detail: Any, channels: int, halved: int
    ) -> None:
        self.steps.append((kind, sources, detail))
        self.values.append((channels, halved))

    def pick(self) -> int:
        """Return a value, the later ones more often; not the picture itself."""
        return self.random.randint(max(1, len(self.values) - 5), len(self.values) - 1)

    def step(self) -> None:
        source = self.pick()
        channels, halved = self.values[source]
        kinds = ["norm", "norm", "binary", "binary", "binary", "float", "act", "pool", "scale"]
        kinds += ["add", "add", "add", "cat", "cat", "slice", "shuffle"]
        kind = self.random.choice(kinds)
        others = [i for i, value in enumerate(self.values) if i and value == (channels, halved)]
        alike = [i for i, value in enumerate(self.values) if i and value[1] == halved]
        if kind == "norm":
            self.layer(nn.BatchNorm2d(channels), source)
        elif kind == "binary":
            groups = self.random.choice([1, 1, 1, 2])
            groups = groups if channels % groups == 0 else 1
            stride = self.random.choice([1, 1, 1, 2]) if halved < 2 else 1
            outputs = self.random.choice([channels, 8, 12, 16]) // groups * groups or groups
            binarization = Binarization(
                padding_value=self.random.choice([-1, -1, 0]),
                scaling=self.random.choice(["none", "none", "bireal"]),
            )
            conv = BinaryConv2d(
                channels, outputs, 3, stride, 1, groups=groups, binarization=binarization
            )
            self.layer(conv, source, halved=stride - 1)
        elif kind == "float":
            size = self.random.choice([1, 3])
            self.layer(nn.Conv2d(channels, 8, size, 1, size // 2, bias=size == 1), source)
        elif kind == "act":
            self.layer(self.random.choice([nn.ReLU(), nn.Tanh(), nn.Hardtanh(), nn.ReLU()]), source)
        elif kind == "pool" and halved < 2:
            layers = [nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, ceil_mode=True)]
            layers += [nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)]
            self.layer(self.random.choice(layers), source, halved=1)
        elif kind == "scale":
            self.push("scale", (source,), self.random.choice([-1.5, 0.5, 2.0]), channels, halved)
        elif kind == "add":
            self.push("add", (source, self.random.choice(others)), None, channels, halved)
        elif kind == "cat" and channels < 60:
            other = self.random.choice(alike)
            total = channels + self.values[other][0]
            self.push("cat", (source, other), None, total, halved)
        elif kind == "slice" and channels > 8:
            first = self.random.choice([0, 4, 8, channels // 2])
            if first < channels:
                self.push("slice", (source,), first, channels - first, halved)
        elif kind == "shuffle" and channels % 4 == 0:
            self.layer(nn.ChannelShuffle(4), source)

    def ends(self) -> None:
        source = len(self.values) - 1
        self.layer(nn.BatchNorm2d(self.values[source][0]), source)
        if self.random.random() < 0.5:
            self.layer(nn.AdaptiveAvgPool2d(1), len(self.values) - 1)

    def forward(self, picture: Tensor) -> Tensor:
        values = [picture]
        for kind, sources, detail in self.steps:
            read = [values[source] for source in sources]
            if kind == "layer":
                values.append(self.layers[detail](read[0]))
            elif kind == "scale":
                values.append(read[0] * detail)
            elif kind == "add":
                values.append(read[0] + read[1])
            elif kind == "cat":
                values.append(torch.cat(read, 1))
            else:
                values.append(read[0][:, detail:])
        return values[-1]


@pytest.mark.parametrize("seed", range(30))
def test_random_networks_agree(seed: int) -> None:
    torch.manual_seed(seed)
    model = randomized(RandomNetwork(seed), seed)
    shape = (1, 3, 11, 14)
    packed = from_bytes(to_bytes(convert(model, shape)), "network")
    assert_agree(model, packed, shape, wanted=1, most=60)
