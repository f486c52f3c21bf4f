"""Training: batches, losses, a network that learns, interruption, what is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from torch.nn import functional  # noqa: E402

from onlooker.binary import gradients  # noqa: E402
from onlooker.binary.layers import Binarization, BinaryConv2d  # noqa: E402
from onlooker.binary.quantizers import sign  # noqa: E402
from onlooker.classification.data import Batches, DataConfig, to_input  # noqa: E402
from onlooker.classification.datasets import read_split  # noqa: E402
from onlooker.classification.losses import distillation, smoothed_cross_entropy  # noqa: E402
from onlooker.classification.model import ModelConfig  # noqa: E402
from onlooker.classification.train import (  # noqa: E402
    LossConfig,
    TrainConfig,
    accuracy,
    load_run,
    main,
    slim_run,
    train_from_recipe,
)
from onlooker.errors import ConfigError, WeightsError  # noqa: E402
from onlooker.training.loop import LoopConfig  # noqa: E402
from onlooker.training.slim import load_slim  # noqa: E402


def recipe(folder: Path, out: Path, steps: int = 30) -> TrainConfig:
    return TrainConfig(
        model=ModelConfig(name="resnet-e-18", width=0.125, classes=3),
        data=DataConfig(folder=str(folder), batch=27, pad=1, sizes=(16,), starts=(0.0,)),
        train=LoopConfig(
            out=str(out),
            steps=steps,
            peak_lr=0.02,
            warmup_steps=5,
            weight_decay=0.0,
            ema_decay=0.5,
            threads=1,
        ),
    )


def test_batches_are_the_same_at_the_same_step(shapes_folder: Path) -> None:
    data = read_split(shapes_folder, "fit")
    config = DataConfig(folder="", batch=20, cutout=8, mixup=0.4)
    running = Batches(data, config, seed=3)
    first = [next(running) for _ in range(6)]
    resumed = Batches(data, config, seed=3)
    resumed.seek(4, 0.5)
    again = next(resumed)
    assert torch.equal(again.pictures, first[4].pictures)
    assert torch.equal(again.targets, first[4].targets)
    torch.testing.assert_close(again.targets.sum(1), torch.ones(20))
    other = next(Batches(data, config, seed=4))
    assert not torch.equal(other.pictures, first[0].pictures)


def test_an_epoch_shows_every_picture_once(shapes_folder: Path) -> None:
    data = read_split(shapes_folder, "fit")
    data.pictures[:] = np.arange(len(data), dtype=np.uint8)[:, None, None, None]
    batches = Batches(data, DataConfig(folder="", batch=27, pad=0), seed=0)
    assert batches.steps_per_epoch == 3
    seen = torch.cat([next(batches).pictures[:, 0, 0, 0] for _ in range(3)]).mul(255).round()
    assert sorted(seen.tolist()) == list(range(81))


def test_pictures_grow_with_the_training(shapes_folder: Path) -> None:
    data = read_split(shapes_folder, "fit")
    config = DataConfig(folder="", batch=8, sizes=(16, 24, 32), starts=(0.0, 0.5, 0.8))
    batches = Batches(data, config, seed=0)
    for progress, size in ((0.0, 16), (0.49, 16), (0.5, 24), (0.81, 32), (1.0, 32)):
        batches.seek(0, progress)
        assert next(batches).pictures.shape == (8, 3, size, size)
    picture = data.pictures[:1]
    halved = to_input(picture, 16)[0, :, 0, 0]
    expected = picture[0, :2, :2].reshape(4, 3).mean(0) / 255
    np.testing.assert_allclose(halved.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": 1},
        {"sizes": (16,)},
        {"sizes": (16, 32), "starts": (0.2, 0.5)},
        {"sizes": (16, 32), "starts": (0.0, -0.5)},
        {"sizes": (4,), "starts": (0.0,)},
        {"mixup": -1.0},
    ],
)
def test_wrong_data_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        DataConfig(folder="", **wrong)  # type: ignore[arg-type]


def test_losses() -> None:
    torch.manual_seed(0)
    logits, teacher = torch.randn(4, 3), torch.randn(4, 3)
    targets = functional.one_hot(torch.tensor([0, 2, 1, 1]), 3).float()
    smoothed = targets * 0.9 + 0.1 / 3
    expected = -(smoothed * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(smoothed_cross_entropy(logits, targets, 0.1), expected)
    assert float(distillation(teacher, teacher, 4.0)) == pytest.approx(0, abs=1e-6)
    p, q = (teacher / 4).softmax(1), (logits / 4).softmax(1)
    expected = 16 * (p * (p / q).log()).sum(1).mean()
    torch.testing.assert_close(distillation(logits, teacher, 4.0), expected)
    with pytest.raises(ConfigError, match="temperature"):
        LossConfig(temperature=0.0)


def test_a_network_learns_and_is_loaded_again(shapes_folder: Path, tmp_path: Path) -> None:
    config = recipe(shapes_folder, tmp_path / "run", steps=60)
    network = main(config)
    dev = read_split(shapes_folder, "dev")
    assert accuracy(network, dev, size=16) == 1.0
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["top1"] == 1.0 and rows[-1]["size"] == 16 and rows[-1]["epoch"] == 20.0
    loaded, found = load_run(tmp_path / "run")
    assert found == config
    inputs = to_input(dev.pictures)
    assert torch.equal(loaded(inputs), network(inputs))

    # A student of it, and a training that goes on from its slim checkpoint.
    slim_run(tmp_path / "run", tmp_path / "slim.npz")
    student = replace(
        recipe(shapes_folder, tmp_path / "next", steps=63),
        loss=LossConfig(teacher=str(tmp_path / "run"), smoothing=0.1),
        start=str(tmp_path / "slim.npz"),
    )
    main(student)
    state = torch.load(tmp_path / "next" / "checkpoint.pt", weights_only=True)
    assert state["step"] == 63 and state["seen"] == 3 * 27

    # A second round from its weights, with a schedule of its own.
    second = replace(
        recipe(shapes_folder, tmp_path / "second", steps=1), warm_start=str(tmp_path / "run")
    )
    assert accuracy(main(second), dev, size=16) > 0.9


def test_an_interrupted_training_ends_as_another(shapes_folder: Path, tmp_path: Path) -> None:
    def plan(name: str) -> TrainConfig:
        config = recipe(shapes_folder, tmp_path / name)
        # Without a warm-up, which is repeated after an interruption.
        loop = replace(config.train, checkpoint_every_s=0.0, warmup_steps=1)
        return replace(config, epochs=3.0, train=loop)

    whole = main(plan("whole"))

    class Stopped(Exception):
        pass

    original = Batches.__next__

    def stop(batches: Batches) -> object:
        if batches.step == 5:
            raise Stopped
        return original(batches)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batches, "__next__", stop)
        with pytest.raises(Stopped):
            main(plan("parts"))
    resumed = main(plan("parts"))
    state = torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)
    assert (state["step"], state["seen"]) == (9, 9 * 27)
    ours, theirs = resumed.state_dict(), whole.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.native
@pytest.mark.skipif(not gradients.available(), reason="the kernels were not built")
def test_gradients_of_eight_bits_learn_as_well(shapes_folder: Path, tmp_path: Path) -> None:
    config = recipe(shapes_folder, tmp_path / "run", steps=60)
    config = replace(config, gradient_bits=8, model=replace(config.model, width=0.25))
    network = main(config)
    layers = [m for m in network.modules() if isinstance(m, BinaryConv2d)]
    assert all(layer.gradient_bits == 8 for layer in layers)
    assert accuracy(network, read_split(shapes_folder, "dev"), size=16) == 1.0


def test_slim_checkpoints_keep_signs(shapes_folder: Path, tmp_path: Path) -> None:
    main(recipe(shapes_folder, tmp_path / "run", steps=4))
    slim_run(tmp_path / "run", tmp_path / "kept" / "slim.npz")
    state, facts = load_slim(tmp_path / "kept" / "slim.npz")
    original = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["model"]
    assert set(state) == set(original) and facts["step"] == 4
    network, _ = load_run(tmp_path / "run")
    latent = [name for name, m in network.named_modules() if isinstance(m, BinaryConv2d)]
    for name, value in state.items():
        if name.removesuffix(".weight") in latent:
            assert torch.equal(sign(value), sign(original[name]))
            step = original[name].abs().amax((1, 2, 3), keepdim=True) / 128
            assert bool(((value - original[name]).abs() <= 0.5001 * step).all())
        else:
            torch.testing.assert_close(value, original[name], rtol=1e-3, atol=1e-4)
    network.load_state_dict(state)
    with pytest.raises(WeightsError, match="slim"):
        load_slim(tmp_path / "none.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(WeightsError, match="slim"):
        load_slim(tmp_path / "broken.npz")


def test_a_recipe_file_trains(shapes_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        f"""
        epochs = 1
        [model]
        name = "binary-densenet-28"
        width = 0.125
        classes = 3
        [model.binarization]
        activation = "progressive-sign"
        [data]
        folder = "{shapes_folder}"
        batch = 40
        sizes = [8]
        starts = [0.0]
        [train]
        out = "{tmp_path / "run"}"
        optimizer = "radam"
        schedule = "one-cycle"
        """,
        encoding="utf-8",
    )
    train_from_recipe(path, ["train.peak_lr=0.01", "model.binarization.clip=1.3"])
    network, config = load_run(tmp_path / "run")
    assert config.model.binarization == Binarization(activation="progressive-sign", clip=1.3)
    widths = [m.activation.width for m in network.modules() if isinstance(m, BinaryConv2d)]
    assert all(0 < float(width) < 1 for width in widths)
    with pytest.raises(ConfigError, match="3 classes"):
        train_from_recipe(path, ["model.classes=10"])
    with pytest.raises(ConfigError, match=r"recipe\.json"):
        load_run(tmp_path / "nowhere")
