"""The recogniser's networks: a small residual CNN, layers of global mixing, CTC; and a one-bit CNN.

Input ``(N, 1, 32, W)`` float32, each crop standardised (see ``crops.standardize``), W a multiple
of 8; output logits ``(N, W / 4, classes)``. Every operation takes any width, so that nothing is
padded, neither in training nor in use.

The shape is CRNN's (Shi, Bai, Yao 2015: columns of convolutional features, read by a sequence
model, CTC) with the recurrent layers replaced by mixing layers as in SVTR (Du et al. 2022):
attention over all columns, and a depthwise convolution along the line that tells positions apart.
Sizes were chosen by measured training speed on two CPU cores, where it decides how much the
network can see.

``binary`` has weights and activations of one bit everywhere but in its first layer, its shortcuts
where the number of channels changes, and its last layer. Its units are those of ResNetE (Bethge et
al. 2019, "Back to Simplicity"): sign, binary convolution, batch norm, around a float shortcut.
Attention has no like among binary layers; what stands along the line is seen by convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn import functional

from onlooker.binary.layers import Binarization, BinaryConv2d, draw_weights
from onlooker.errors import ConfigError
from onlooker.text.charset import NUM_CLASSES

#: Pixels of width a column of the output stands for.
STRIDE_PX = 4

#: Of ``binary``: the kernel of a unit along the line, and how far apart its columns stand, in turn.
_LINE_KERNEL = 5
_LINE_DILATIONS = (1, 2)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes of the network.

    Attributes:
        name: The architecture, a key of ``MODELS``.
        channels: Of the three convolutional stages (16 × W/2, 8 × W/4, 4 × W/4).
        blocks: Residual blocks in each stage; of ``binary`` units, beside the one that opens the
            stage.
        width: Of the sequence layers; of ``binary`` also of a last stage, 2 × W/4.
        layers: Number of mixing, LSTM, or binary layers along the line.
        heads: Attention heads of each.
        expansion: Width of the hidden layer of each mixing layer's MLP, over ``width``.
        classes: Characters and the blank.
    """

    name: str = "ctc"
    channels: tuple[int, int, int] = (32, 64, 128)
    blocks: tuple[int, int, int] = (0, 2, 4)
    width: int = 192
    layers: int = 4
    heads: int = 6
    expansion: int = 2
    classes: int = NUM_CLASSES

    def __post_init__(self) -> None:
        """Check the name, and that the heads divide the width."""
        if self.name not in MODELS:
            raise ConfigError(f"no recogniser {self.name!r}; there are {', '.join(MODELS)}")
        if self.name == "ctc" and self.width % self.heads:
            raise ConfigError(
                f"model.width {self.width} must be a multiple of model.heads {self.heads}"
            )


def _conv(
    inputs: int,
    outputs: int,
    size: int | tuple[int, int],
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 1,
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=False), nn.BatchNorm2d(outputs)
    )


class Residual(nn.Module):  # type: ignore[misc]
    """Two 3 × 3 convolutions and a shortcut (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels, 3)
        self.second = _conv(channels, channels, 3)
        nn.init.zeros_(self.second[1].weight)  # starts as identity: trains faster

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        inner = self.second(functional.relu(self.first(x)))
        return functional.relu(x + inner)


class Mixing(nn.Module):  # type: ignore[misc]
    """Local convolution, attention over the whole line, MLP; all with shortcuts."""

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.heads = heads
        self.local = nn.Conv1d(width, width, 5, padding=2, groups=width)
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, expansion * width)
        self.down = nn.Linear(expansion * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, T, C) to the same shape."""
        n, t, c = x.shape
        x = x + self.local(x.transpose(1, 2)).transpose(1, 2)
        qkv = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (N, heads, T, C / heads)
        scores = (q @ k.transpose(-2, -1)) * (c // self.heads) ** -0.5
        mixed = scores.softmax(dim=-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(n, t, c))
        return x + self.down(functional.gelu(self.up(self.norm2(x)), approximate="tanh"))


class CTCRecognizer(nn.Module):  # type: ignore[misc]
    """Crops → one distribution over the characters and the blank per four pixels of width."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        first, second, third = config.channels
        stages: list[nn.Module] = [_conv(1, first, 3, 2), nn.ReLU()]  # 16 × W/2
        stages += [Residual(first) for _ in range(config.blocks[0])]
        stages += [_conv(first, second, 3, 2), nn.ReLU()]  # 8 × W/4
        stages += [Residual(second) for _ in range(config.blocks[1])]
        stages += [_conv(second, third, 3, (2, 1)), nn.ReLU()]  # 4 × W/4
        stages += [Residual(third) for _ in range(config.blocks[2])]
        self.features = nn.Sequential(*stages)
        self.collapse = nn.Sequential(_conv(third, config.width, (4, 1), 1, 0), nn.ReLU())
        self.mixers = nn.Sequential(
            *(Mixing(config.width, config.heads, config.expansion) for _ in range(config.layers))
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.classes)

    def forward(self, crops: Tensor) -> Tensor:
        """Map (N, 1, 32, W) to logits (N, W / 4, classes)."""
        columns = self.collapse(self.features(crops))  # (N, C, 1, W / 4)
        sequence = columns.squeeze(2).transpose(1, 2)  # (N, T, C)
        return self.head(self.norm(self.mixers(sequence)))


class CRNN(nn.Module):  # type: ignore[misc]
    """The same convolutions, read by two bidirectional LSTM layers (Shi, Bai, Yao 2015)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        plain = CTCRecognizer(replace(config, layers=0))
        self.features, self.collapse = plain.features, plain.collapse
        half = config.width // 2
        self.sequence = nn.LSTM(
            config.width, half, config.layers, batch_first=True, bidirectional=True
        )
        self.head = nn.Linear(2 * half, config.classes)

    def forward(self, crops: Tensor) -> Tensor:
        """Map (N, 1, 32, W) to logits (N, W / 4, classes)."""
        columns = self.collapse(self.features(crops))  # (N, C, 1, W / 4)
        read, _ = self.sequence(columns.squeeze(2).transpose(1, 2))
        return self.head(read)


class BinaryUnit(nn.Module):  # type: ignore[misc]
    """A binary convolution and a batch norm, around a shortcut that stays in float."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        self.conv = BinaryConv2d(
            inputs, outputs, kernel, stride, padding, dilation, binarization=Binarization()
        )
        self.norm = nn.BatchNorm2d(outputs)
        layers: list[nn.Module] = []
        if stride != (1, 1):
            layers.append(nn.AvgPool2d(stride, stride))
        if inputs != outputs:
            layers += [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
            draw_weights(layers[-2].weight)
        self.shortcut = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, H / stride, W / stride)."""
        return self.norm(self.conv(maps)) + self.shortcut(maps)


class BinaryRecognizer(nn.Module):  # type: ignore[misc]
    """A CNN whose convolutions multiply signs by signs; see the head of this file.

    Attributes:
        body: Maps crops to logits (N, classes, 1, W / 4): what is converted to a packed file.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        first, second, third = config.channels
        stages = [(first, second, (2, 2)), (second, third, (2, 1)), (third, config.width, (2, 1))]
        layers: list[nn.Module] = [_conv(1, first, 3, 2)]  # 16 × W/2
        layers += [BinaryUnit(first, first, (3, 3)) for _ in range(config.blocks[0])]
        # 8 × W/4, 4 × W/4, 2 × W/4
        for (inputs, outputs, stride), count in zip(stages, (*config.blocks[1:], 0), strict=True):
            layers.append(BinaryUnit(inputs, outputs, (3, 3), stride))
            layers += [BinaryUnit(outputs, outputs, (3, 3)) for _ in range(count)]
        width = config.width
        layers.append(BinaryUnit(width, width, (2, 1), (2, 1), (0, 0)))  # 1 × W/4
        for number in range(config.layers):
            apart = _LINE_DILATIONS[number % len(_LINE_DILATIONS)]
            reach = (0, apart * (_LINE_KERNEL // 2))
            layers.append(BinaryUnit(width, width, (1, _LINE_KERNEL), (1, 1), reach, (1, apart)))
        layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, config.classes, 1)]
        self.body = nn.Sequential(*layers)

    def forward(self, crops: Tensor) -> Tensor:
        """Map (N, 1, 32, W) to logits (N, W / 4, classes)."""
        return self.body(crops).squeeze(2).transpose(1, 2)


def grow(model: CTCRecognizer, weights: dict[str, Tensor]) -> None:
    """Start ``model`` from the weights of a network with fewer blocks or layers.

    What the smaller one lacks starts as identity, so that ``model`` first computes just what the
    smaller one did (Chen et al. 2016, "Net2Net", deeper variant).

    Args:
        model: The network to fill; channels and width are those of the smaller one.
        weights: State of the smaller network.

    Raises:
        ConfigError: ``weights`` is of another family, deeper, or of other sizes.
    """
    state = model.state_dict()
    theirs, ours = _stages(weights), _stages(state)
    slots: dict[str, str] = {}
    for their_stage, our_stage in zip(theirs, ours, strict=True):
        for their_slot, our_slot in zip(their_stage, our_stage, strict=False):
            slots[their_slot] = our_slot
    filled: dict[str, Tensor] = {}
    for name, value in weights.items():
        head, slot, *rest = name.split(".", 2)
        target = ".".join(["features", slots.get(slot, "?"), *rest]) if head == "features" else name
        if target not in state or state[target].shape != value.shape:
            raise ConfigError(
                f"cannot grow from these weights: {name} {tuple(value.shape)} has no place in the "
                "network; it must be as wide, and no deeper"
            )
        filled[target] = value
    have = {name.split(".")[1] for name in filled if name.startswith("mixers.")}
    for index, mixing in enumerate(model.mixers):
        if str(index) not in have:
            for part in (mixing.local, mixing.out, mixing.down):
                nn.init.zeros_(part.weight)
                nn.init.zeros_(part.bias)
    model.load_state_dict({**model.state_dict(), **filled})


def take_features(model: CRNN, weights: dict[str, Tensor]) -> None:
    """Start the convolutions of ``model`` from those of a trained `CTCRecognizer`.

    Args:
        model: The network to fill; its LSTM layers and its head stay as they are.
        weights: State of the trained network; channels, blocks and width are the same.

    Raises:
        ConfigError: Its convolutions are of other sizes.
    """
    parts = ("features.", "collapse.")
    taken = {name: value for name, value in weights.items() if name.startswith(parts)}
    state = model.state_dict()
    wanted = {name: value.shape for name, value in state.items() if name.startswith(parts)}
    if {name: value.shape for name, value in taken.items()} != wanted:
        raise ConfigError(
            "cannot start from these weights: model.channels, model.blocks and model.width must be "
            "those of the network that they come from"
        )
    model.load_state_dict({**state, **taken})


def _stages(weights: dict[str, Tensor]) -> list[list[str]]:
    """List the numbers of the layers of each stage: its convolution, then its residual blocks."""
    slots = {name.split(".")[1] for name in weights if name.startswith("features.")}
    stages: list[list[str]] = []
    for slot in sorted(slots, key=int):
        if f"features.{slot}.first.0.weight" not in weights:  # a convolution opens a stage
            stages.append([])
        stages[-1].append(slot)
    return stages


MODELS: dict[str, type[nn.Module]] = {
    "ctc": CTCRecognizer,
    "crnn": CRNN,
    "binary": BinaryRecognizer,
}
