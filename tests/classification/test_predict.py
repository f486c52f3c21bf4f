from __future__ import annotations

import numpy as np
import pytest

from onlooker.classification import ImageClassifier
from onlooker.classification.predict import fit_picture
from onlooker.errors import ConfigError, WeightsError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A packed network of random weights for pictures of 32 pixels, and its float twin."""
    pytest.importorskip("torch", reason="networks are converted with the extra train")
    from onlooker.classification.export import pack_untrained

    folder = tmp_path_factory.mktemp("networks")
    packed, twin = folder / "net.onb", folder / "net.onnx"
    pack_untrained("meliusnet-12", packed, twin, side=32, classes=4, float_layers="float32")
    return packed, twin


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (32, 32, 3), np.uint8) for _ in range(count)]


def test_classes_come_best_first_and_sum_to_one(files):
    classifier = ImageClassifier.load(files[0])
    for labels in classifier(pictures(3), top=4):
        confidences = [label.confidence for label in labels]
        assert confidences == sorted(confidences, reverse=True)
        assert sum(confidences) == pytest.approx(1.0, abs=1e-5)
        assert {label.name for label in labels} == {f"class {i}" for i in range(4)}
        assert all(label.name == f"class {label.index}" for label in labels)


def test_a_batch_equals_its_pictures_one_by_one_and_none_is_none(files):
    classifier = ImageClassifier.load(files[0])
    several = pictures(5)
    assert classifier(several) == [classifier([one])[0] for one in several]
    assert classifier([]) == []
    assert classifier.probabilities([]).shape == (0, 4)


def test_float_twin_says_the_same(files):
    packed, twin = (ImageClassifier.load(path) for path in files)
    several = pictures(6)
    found, expected = packed.probabilities(several), twin.probabilities(several)
    assert np.abs(found - expected).max() < 1e-3


def test_pictures_of_any_size_are_scaled_and_cut():
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = 200  # the middle is what is kept
    assert (fit_picture(wide, 20, 20) == 200).all()
    assert fit_picture(np.full((1, 1, 3), 7, np.uint8), 32, 32).shape == (32, 32, 3)
    assert fit_picture(np.full((1, 5000, 3), 7, np.uint8), 32, 32).shape == (32, 32, 3)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((32, 32), np.uint8),
        np.zeros((32, 32, 4), np.uint8),
        np.zeros((32, 32, 3), np.float32),
        np.zeros((0, 32, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(files, picture):
    with pytest.raises(ConfigError, match="a picture must be"):
        ImageClassifier.load(files[0])([picture])


def test_files_that_are_no_classifier_are_refused(files, tmp_path):
    with pytest.raises(WeightsError, match="no file"):
        ImageClassifier.load(tmp_path / "absent.onb")
    with pytest.raises(WeightsError, match="no weights named"):
        ImageClassifier.load("unheard-of")
    broken = tmp_path / "broken.onb"
    broken.write_bytes(files[0].read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"broken\.onb"):
        ImageClassifier.load(broken)
    nameless = tmp_path / "nameless.onnx"
    nameless.write_bytes(b"not a network")
    with pytest.raises(WeightsError, match=r"nameless\.onnx"):
        ImageClassifier.load(nameless)
    with pytest.raises(ConfigError, match="top must be"):
        ImageClassifier.load(files[0])(pictures(1), top=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_packed_networks_without_colours_or_names_are_refused(tmp_path, channels):
    torch = pytest.importorskip("torch", reason="networks are converted with the extra train")
    from onlooker.binary import format as packed_format
    from onlooker.binary.converter import convert

    network = torch.nn.Sequential(
        torch.nn.Conv2d(channels, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    names = {1: ["a", "b", "c", "d"], 3: ["a", "b"]}[channels]
    described = {"classes": names, "input": {"height": 8, "width": 8}}
    path = tmp_path / "net.onb"
    packed_format.write(str(path), convert(network, (1, channels, 8, 8), metadata=described))
    with pytest.raises(WeightsError, match=f"reads {channels} channels and tells 4 classes"):
        ImageClassifier.load(path)
