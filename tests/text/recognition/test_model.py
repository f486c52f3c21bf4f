from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("onnx", reason="the extra `train` is not installed")

from onlooker.errors import ConfigError, WeightsError  # noqa: E402
from onlooker.text.charset import NUM_CLASSES, encode  # noqa: E402
from onlooker.text.recognition.crops import training_width  # noqa: E402
from onlooker.text.recognition.data import augment, fits, make_batch  # noqa: E402
from onlooker.text.recognition.export import export, export_run  # noqa: E402
from onlooker.text.recognition.model import (  # noqa: E402
    CRNN,
    CTCRecognizer,
    ModelConfig,
    grow,
    take_features,
)
from onlooker.text.recognition.predict import TextRecognizer  # noqa: E402
from onlooker.text.recognition.train import loss_of  # noqa: E402

SMALL = ModelConfig(channels=(4, 8, 8), blocks=(0, 1, 1), width=16, layers=1, heads=2)


def test_shapes_for_any_width() -> None:
    model = CTCRecognizer(SMALL).eval()
    for width in (16, 88, 240):
        assert model(torch.zeros(2, 1, 32, width)).shape == (2, width // 4, NUM_CLASSES)


def test_the_exported_network_reads_as_the_original(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "small.onnx"
    assert export(CTCRecognizer(SMALL), path) < 5e-3
    crops = [np.random.default_rng(i).integers(0, 255, (32, 40 + i), np.uint8) for i in range(9)]
    assert len(TextRecognizer(path, threads=1)(crops)) == 9
    with pytest.raises(WeightsError, match=r"no averaged\.pt"):
        export_run(tmp_path, path)


def test_loss_falls_on_one_batch() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (4, 32, 32), dtype=np.uint8)
    batch = make_batch(pictures, [encode(text) for text in ("ab", "A", "7!", "öß")])
    model = CTCRecognizer(SMALL)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        loss = loss_of(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_texts_that_do_not_fit_are_found() -> None:
    assert fits("abcd", 16)
    assert not fits("abcde", 16)
    assert not fits("aabb", 16)  # two doubled letters need two blanks more


def test_widths_are_few_and_near() -> None:
    widths = {training_width(w) for w in range(16, 481)}
    assert len(widths) <= 32
    assert all(abs(training_width(w) - w) <= 16 for w in range(16, 481))


def test_augmentation_keeps_shape_and_source() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (32, 32, 64), dtype=np.uint8)
    kept = pictures.copy()
    changed = augment(rng, pictures, 0.6)
    assert changed.shape == pictures.shape
    assert changed.dtype == np.uint8
    assert np.array_equal(pictures, kept)
    assert not np.array_equal(changed, pictures)


def test_a_grown_network_first_computes_what_the_smaller_one_did() -> None:
    torch.manual_seed(0)
    small = CTCRecognizer(SMALL).eval()
    large = CTCRecognizer(replace(SMALL, blocks=(1, 2, 2), layers=3))
    grow(large, small.state_dict())
    crops = torch.randn(2, 1, 32, 64)
    with torch.no_grad():
        assert torch.allclose(large.eval()(crops), small(crops), atol=1e-5)
    with pytest.raises(ConfigError, match="cannot grow"):
        grow(CTCRecognizer(SMALL), large.state_dict())


def test_a_crnn_takes_the_convolutions_of_a_trained_network_and_nothing_else() -> None:
    source, target = CTCRecognizer(SMALL), CRNN(replace(SMALL, name="crnn"))
    with torch.no_grad():
        for value in source.parameters():
            value.add_(0.1)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    take_features(target, source.state_dict())
    for name, value in target.state_dict().items():
        if name.startswith(("features.", "collapse.")):
            assert torch.equal(value, source.state_dict()[name])
        else:
            assert torch.equal(value, before[name])
    wider = CTCRecognizer(replace(SMALL, blocks=(1, 1, 2)))
    with pytest.raises(ConfigError, match="must be those of the network"):
        take_features(target, wider.state_dict())
