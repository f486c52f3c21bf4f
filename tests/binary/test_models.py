"""Networks: shapes, what the papers count of them, and what makes each what it is."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from onlooker.binary.counting import count  # noqa: E402
from onlooker.binary.layers import BinaryConv2d, BinaryLinear  # noqa: E402
from onlooker.binary.models import FLOAT_MODELS, MODELS, build  # noqa: E402
from onlooker.binary.models.densenet import DenseLayout, ImprovementBlock  # noqa: E402
from onlooker.errors import ConfigError  # noqa: E402

PICTURES = sorted(set(MODELS) | set(FLOAT_MODELS))
PICTURES.remove("bmxnet-lenet")

# Bethge et al., recomputed: binary weights (M), float weights (M), binary MACs (G), float MACs (M),
# ops, size (MiB); as printed.
PUBLISHED = {
    "resnet-e-18": ("10.985", ".694", "1.676", "137.8", "1.64e+08", "4.03"),
    "resnet-e-34": ("21.086", ".694", "3.526", "137.8", "1.93e+08", "5.29"),
    "binary-densenet-28": ("4.202", ".910", "3.587", "202.5", "2.585e+08", "4.12"),
    "binary-densenet-37": ("7.594", "1.076", "4.507", "199.7", "2.70e+08", "5.25"),
    "binary-densenet-37-dilated": ("7.594", "1.076", "7.774", "452.6", "5.74e+08", "5.25"),
    "binary-densenet-45": ("12.349", "1.490", "6.431", "244.1", "3.45e+08", "7.54"),
    "meliusnet-22": ("6.119", ".804", "4.624", "185.8", "2.58e+08", "3.99"),
    "meliusnet-29": ("10.322", ".970", "5.470", "178.9", "2.64e+08", "5.24"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_those_of_the_papers(name: str) -> None:
    found = count(build(name))
    digits = 3 if name == "binary-densenet-28" else 2
    printed = (
        f"{found.binary_weights / 1e6:.3f}",
        f"{found.float_weights / 1e6:.3f}".removeprefix("0"),
        f"{found.binary_macs / 1e9:.3f}",
        f"{found.float_macs / 1e6:.1f}",
        f"{found.ops:.{digits}e}",
        f"{found.size_bytes / 2**20:.2f}",
    )
    assert printed == PUBLISHED[name]


def test_the_resnet_of_bmxnet_weighs_what_it_did() -> None:
    found = count(build("bmxnet-resnet-18", classes=10, stem="cifar"), (3, 32, 32))
    assert found.size_bytes <= 1.5e6
    float_twin = count(build("resnet-18", classes=10, stem="cifar"), (3, 32, 32))
    assert float_twin.size_bytes == pytest.approx(44.7e6, rel=0.01)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("stem", ["cifar", "imagenet", "grouped"])
def test_pictures_become_logits(name: str, stem: str) -> None:
    model = build(name, classes=7, stem=stem, width=0.25)
    side = 40 if stem == "cifar" else 75
    logits = model(torch.rand(2, 3, side, side - 8))
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    for parameter in model.parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all())


@pytest.mark.parametrize("name", [*PICTURES, "bmxnet-lenet"])
def test_networks_are_traced_layer_by_layer(name: str) -> None:
    class Tracer(torch.fx.Tracer):
        def is_leaf_module(self, module: torch.nn.Module, name: str) -> bool:
            binary = isinstance(module, BinaryConv2d | BinaryLinear)
            return binary or super().is_leaf_module(module, name)

    lenet = name == "bmxnet-lenet"
    model = build(name, stem="digits") if lenet else build(name, stem="cifar", width=0.25)
    graph = Tracer().trace(model.eval())
    called = [node.target for node in graph.nodes if node.op == "call_module"]
    layers = [
        found
        for found, module in model.named_modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
    ]
    assert set(layers) <= set(called)
    assert not [node for node in graph.nodes if node.op == "get_attr"]
    picture = torch.rand(1, 1, 28, 28) if lenet else torch.rand(1, 3, 40, 40)
    traced = torch.fx.GraphModule(model, graph)
    assert torch.equal(traced(picture), model(picture))


def test_digits_become_logits() -> None:
    assert build("bmxnet-lenet")(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    assert build("bmxnet-lenet", classes=7, stem="digits")(torch.rand(2, 1, 28, 28)).shape == (2, 7)


def test_first_and_last_are_float_and_the_body_binary() -> None:
    for name in PICTURES:
        if name in FLOAT_MODELS:
            continue
        model = build(name, stem="cifar", width=0.25)
        convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
        assert not isinstance(convolutions[0], BinaryConv2d)
        assert isinstance(model.head, torch.nn.Linear)
        for layer in convolutions[1:]:
            assert isinstance(layer, BinaryConv2d) == (layer.kernel_size == (3, 3)) or (
                name in ("bmxnet-resnet-18", "resnet-e-18-binary-shortcut")
            )


def test_an_improvement_block_changes_the_newest_channels_alone() -> None:
    model = build("meliusnet-22", stem="cifar", width=0.25)
    blocks = [m for m in model.modules() if isinstance(m, ImprovementBlock)]
    assert len(blocks) == 4 + 5 + 4 + 4
    maps = torch.randn(2, blocks[0].norm.num_features, 6, 6)
    changed = (blocks[0](maps) != maps).flatten(2).any(2).any(0)
    growth = blocks[0].conv.out_channels
    assert growth == 16
    assert not bool(changed[:-growth].any()) and bool(changed[-growth:].all())


def test_batch_norms_forget_a_tenth_at_a_step() -> None:
    for name in PICTURES:
        for module in build(name, stem="cifar", width=0.25).modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                assert module.momentum == 0.1


def test_dilated_maps_stay_large() -> None:
    model = build("binary-densenet-37-dilated", width=0.25)
    maps = model.body(model.stem(torch.rand(2, 3, 64, 64)))
    assert maps.shape[2:] == (8, 8)  # of 16 behind the stem; plain: 2
    last = [m for m in model.modules() if isinstance(m, BinaryConv2d)][-1]
    assert last.dilation == (4, 4) and last.padding == (4, 4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "binary-densenet-29"}, "binary-densenet-2"),
        ({"name": "resnet-e-18", "stem": "thumbnail"}, "imagenet"),
        ({"name": "resnet-e-18", "width": 0.0}, "width"),
        ({"name": "resnet-e-18", "stem": "grouped", "width": 0.1}, "multiple of 16"),
        ({"name": "bmxnet-lenet", "stem": "cifar"}, "digits"),
    ],
)
def test_wrong_names_and_widths_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**wrong)


def test_layouts_of_unlike_lengths_are_refused() -> None:
    with pytest.raises(ConfigError, match="4 stages"):
        DenseLayout(layers=(2, 2, 2, 2), widths=(32, 32))
