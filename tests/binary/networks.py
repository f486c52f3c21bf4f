"""Networks for the converter's tests, and what sets their numbers at random."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from onlooker.binary.layers import Binarization, BinaryConv2d, BinaryLinear
from onlooker.binary.quantizers import Sign, sign

PLAIN = Binarization()
ZERO = Binarization(padding_value=0)
SCALED = Binarization(scaling="bireal")


def randomized(model: nn.Module, seed: int = 0) -> nn.Module:
    """Draw running statistics, scales (some negative, some zero) and shifts; return the network."""
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            size = (layer.num_features,)
            layer.running_mean.copy_(2 * torch.randn(size, generator=generator))
            layer.running_var.copy_(20 * torch.rand(size, generator=generator) + 0.1)
            if layer.affine:
                for values in (layer.weight.data, layer.bias.data):
                    values.copy_(torch.randn(size, generator=generator))
                    values[torch.rand(size, generator=generator) < 0.1] = 0
    return model.eval()


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels)


class Odd(nn.Module):
    """Groups, strides, dilations, kernels and paddings that are not square or even."""

    def __init__(self, binarization: Binarization = PLAIN) -> None:
        super().__init__()

        def conv(*args: Any, **kwargs: Any) -> BinaryConv2d:
            return BinaryConv2d(*args, **kwargs, binarization=binarization)

        self.body = nn.Sequential(
            nn.Conv2d(3, 70, (3, 5), (2, 1), (1, 3), bias=True),
            norm(70),
            conv(70, 66, (1, 3), 1, (2, 1), (1, 2)),
            norm(66),
            conv(66, 72, 3, (1, 2), (0, 2), (2, 1), groups=3),
            norm(72),
            nn.ReLU(),
            norm(72),
            conv(72, 72, 3, 1, 1, groups=72),
            norm(72),
            conv(72, 256, 1),
            norm(256),
            conv(256, 9, 3, 2, 1, groups=1),
            norm(9),
            nn.Hardtanh(),
            nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return self.body(maps)


class AllBinary(nn.Module):
    """Signs from the picture to the end: every number is an integer, so that all must agree."""

    def __init__(self, binarization: Binarization = PLAIN) -> None:
        super().__init__()
        self.norm0 = norm(3)
        self.conv1 = BinaryConv2d(3, 40, 3, 1, 1, binarization=binarization)
        self.norm1 = norm(40)
        self.conv2 = BinaryConv2d(40, 40, 3, 1, 2, 2, binarization=binarization)
        self.norm2 = norm(40)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.conv3 = BinaryConv2d(40, 128, 3, 1, 1, groups=2, binarization=binarization)
        self.norm3 = norm(128)
        self.conv4 = BinaryConv2d(128, 20, 5, 2, 0, groups=2, binarization=binarization)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.conv2(self.norm1(self.conv1(self.norm0(maps))))
        return self.conv4(self.norm3(self.conv3(self.pool(self.norm2(maps)))))


class Sums(nn.Module):
    """Sums of two sums, of poolings, of a map with itself, of one with what its signs made."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 3, padding=1)
        self.convs = nn.ModuleList(BinaryConv2d(24, 24, 3, 1, 1) for _ in range(6))
        self.norms = nn.ModuleList(norm(24) for _ in range(8))

    def forward(self, maps: Tensor) -> Tensor:
        stem = self.stem(maps)
        one = self.norms[0](self.convs[0](stem)) + self.norms[1](self.convs[1](stem))
        dot = self.convs[2](one)
        both = self.norms[2](dot) + self.norms[4](self.convs[3](self.norms[3](dot)))
        pooled = functional.max_pool2d(both, 2) + functional.avg_pool2d(one, 2)
        turned = torch.relu(self.norms[5](pooled)) + pooled
        doubled = self.norms[6](turned + turned) * 0.5 + 1
        return self.convs[4](doubled) + torch.tanh(self.convs[5](self.norms[7](doubled)))


class Slices(nn.Module):
    """Channels cut, put together again, shuffled and added to, at odd places."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 20, 3, padding=1)
        self.conv1 = BinaryConv2d(20, 12, 3, 1, 1)
        self.conv2 = BinaryConv2d(32, 12, 3, 1, 1)
        self.norm1, self.norm2, self.norm3 = norm(20), norm(32), norm(32)
        self.conv3 = BinaryConv2d(32, 8, 3, 1, 1, groups=2)
        self.mix = nn.Conv2d(32, 16, 1, groups=4)
        self.shuffle = nn.ChannelShuffle(4)
        self.last = nn.Conv2d(24, 5, 1)

    def forward(self, maps: Tensor) -> Tensor:
        stem = self.stem(maps)
        dense = torch.cat([stem, self.conv1(self.norm1(stem))], 1)
        better = dense[:, -12:] + self.conv2(self.norm2(dense))
        dense = torch.cat([dense[:, :-12], better], dim=1)
        one, two, three, four = dense.chunk(4, 1)
        mixed = self.norm3(torch.cat([four, one, three, two], 1))
        count, channels, height, across = mixed.shape
        turned = mixed.view(count, 2, channels // 2, height, across).transpose(1, 2)
        turned = turned.reshape(count, channels, height, across)
        signs = self.conv3(turned)
        floats = self.shuffle(self.mix(functional.max_pool2d(torch.relu(mixed), 3, 1, 1)))
        return self.last(torch.cat((signs, floats), 1))


class Grown(nn.Module):
    """A dense block whose growth is no multiple of eight, and a flattened map at its end."""

    def __init__(self, binarization: Binarization = PLAIN) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            norm(3), nn.Conv2d(3, 10, 3, 2, 1), nn.MaxPool2d(3, 2, 1), norm(10)
        )
        self.layers = nn.ModuleList(
            nn.Sequential(
                norm(10 + 6 * index),
                BinaryConv2d(10 + 6 * index, 6, 3, 1, 1, binarization=binarization),
            )
            for index in range(3)
        )
        self.end = nn.Sequential(
            norm(28), nn.MaxPool2d(2), nn.ReLU(), nn.Dropout(0.3), nn.Flatten()
        )
        self.hidden = BinaryLinear(28 * 4, 50, binarization=binarization)
        self.norm = nn.BatchNorm1d(50)
        self.head = nn.Linear(50, 7)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.stem(maps)
        for layer in self.layers:
            maps = torch.cat([maps, layer(maps)], 1)
        return self.head(
            functional.dropout(self.norm(self.hidden(self.end(maps))), 0.5, self.training)
        )


class Vectors(nn.Module):
    """Fully connected layers only."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(17, 100),
            nn.BatchNorm1d(100),
            BinaryLinear(100, 90, binarization=SCALED),
            nn.BatchNorm1d(90),
            nn.Identity(),
            BinaryLinear(90, 30),
            nn.BatchNorm1d(30),
            nn.Tanh(),
            nn.Linear(30, 4),
        )

    def forward(self, vectors: Tensor) -> Tensor:
        return self.body(vectors)


class Floats(nn.Module):
    """No binary layer at all: depthwise, dilated, biased."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 12, 5, 2, 2)
        self.depthwise = nn.Conv2d(12, 12, 3, 1, 2, 2, groups=12, bias=False)
        self.norm = norm(12)
        self.point = nn.Conv2d(12, 30, 1)
        self.wide = nn.Conv2d(30, 17, 3, 1, (0, 1), (1, 2))
        self.register_buffer("gain", torch.linspace(0.5, 1.5, 17).view(1, 17, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        maps = functional.hardtanh(self.first(maps))
        maps = torch.relu(self.norm(self.depthwise(maps)) + maps)
        return (self.wide(self.point(maps)) * self.gain).mean((2, 3))


class Ladder(nn.Module):
    """Batch norms of either sign around poolings and activations, signs behind each."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.norms = nn.ModuleList(norm(16) for _ in range(7))
        self.convs = nn.ModuleList(BinaryConv2d(16, 16, 3, 1, 1) for _ in range(4))
        self.pool = nn.MaxPool2d(2, 2)
        self.mean = nn.AvgPool2d(3, 2, 1, count_include_pad=False)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.norms[1](self.pool(torch.relu(self.norms[0](self.stem(maps)))))
        maps = self.convs[0](maps) + maps
        normed = self.norms[2](maps)
        maps = self.convs[1](normed) + torch.tanh(normed)
        maps = self.norms[4](self.pool(torch.relu(self.norms[3](self.convs[2](maps)))))
        return self.norms[6](self.mean(self.norms[5](self.convs[3](maps)))) + self.mean(maps)


class Signs(nn.Module):
    """Signs taken by a layer of their own, then pooled, cut and put together."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 3, padding=1)
        self.sign = Sign()
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.conv1 = BinaryConv2d(24, 8, 3, 1, 1)
        self.norm = norm(8)
        self.conv2 = BinaryConv2d(24, 6, 3, 1, 1)

    def forward(self, maps: Tensor) -> Tensor:
        signs = self.pool(self.sign(self.stem(maps)))
        more = sign(self.norm(self.conv1(signs)))
        return self.conv2(torch.cat([signs[:, 4:20], more], 1))
