from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from onlooker.cli.main import main


def run(capsys, *args):
    with pytest.raises(SystemExit) as done:
        main([str(arg) for arg in args])
    out = capsys.readouterr()
    return done.value.code, out.out, out.err


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A packed network of random weights for pictures of 32 pixels."""
    pytest.importorskip("torch", reason="networks are converted with the extra train")
    path = tmp_path_factory.mktemp("networks") / "net.onb"
    with pytest.raises(SystemExit) as done:
        main(
            ["binary", "convert", "meliusnet-12", "-o", str(path), "--side", "32", "--classes", "4"]
        )
    assert done.value.code == 0
    return path


def test_convert_says_what_it_wrote(capsys, tmp_path):
    pytest.importorskip("torch", reason="networks are converted with the extra train")
    out, twin = tmp_path / "net.onb", tmp_path / "net.onnx"
    code, text, _ = run(
        capsys, "binary", "convert", "bmxnet-resnet-18", "-o", out, "--onnx", twin, "--side", "32",
        "--classes", "10", "--float-layers", "float32", "--json",
    )  # fmt: skip
    assert code == 0
    values = json.loads(text)
    assert values["bytes"] == out.stat().st_size <= 1.5 * 2**20
    assert values["difference"] < 1e-4
    assert twin.stat().st_size > 5 * values["bytes"]


def test_convert_names_what_there_is(capsys, tmp_path):
    pytest.importorskip("torch", reason="networks are converted with the extra train")
    code, _, err = run(capsys, "binary", "convert", "resnet-e-19", "-o", tmp_path / "a.onb")
    assert code == 1
    assert "resnet-e-18" in err
    code, _, err = run(capsys, "binary", "convert", tmp_path, "-o", tmp_path / "a.onb")
    assert code == 1
    assert str(tmp_path) in err
    assert not (tmp_path / "a.onb").exists()


def test_convert_knows_the_network_for_digits(capsys, tmp_path):
    pytest.importorskip("torch", reason="networks are converted with the extra train")
    out = tmp_path / "net.onb"
    assert run(capsys, "binary", "convert", "bmxnet-lenet", "-o", out)[0] == 0
    code, text, _ = run(capsys, "binary", "inspect", out, "--json")
    assert len(json.loads(text)["metadata"]["classes"]) == 10
    code, text, _ = run(capsys, "binary", "inspect", out, "--json")
    assert code == 0
    assert (json.loads(text)["height"], json.loads(text)["width"]) == (28, 28)
    code, _, err = run(capsys, "binary", "convert", "bmxnet-lenet", "-o", out, "--side", "32")
    assert code == 1
    assert "28" in err


def test_convert_does_not_write_one_file_over_the_other(capsys, tmp_path):
    out = tmp_path / "net.onb"
    twin = tmp_path / "." / "net.onb"
    code, _, err = run(capsys, "binary", "convert", "resnet-e-18", "-o", out, "--onnx", twin)
    assert code == 2
    assert "same file" in err
    assert not out.exists()


def test_inspect_counts_every_product(capsys, packed):
    code, text, _ = run(capsys, "binary", "inspect", packed, "--json")
    assert code == 0
    values = json.loads(text)
    assert values["bytes"] == packed.stat().st_size
    assert (values["height"], values["width"]) == (32, 32)
    assert values["binary_macs"] == sum(node["binary_macs"] for node in values["nodes"]) > 0
    code, text, _ = run(capsys, "binary", "inspect", packed)
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    code, text, _ = run(capsys, "binary", "inspect", packed, "--side", "64", "--json")
    assert json.loads(text)["binary_macs"] == 4 * values["binary_macs"]


@pytest.mark.native
def test_bench_tells_times_and_where_they_go(capsys, packed):
    code, text, _ = run(
        capsys, "--threads", "1", "binary", "bench", packed, "--runs", "3", "--json"
    )
    assert code == 0
    values = json.loads(text)
    assert 0 < values["best_ms"] <= values["median_ms"]
    assert values["threads"] == 1
    assert values["memory_bytes"] > 0
    assert sum(node["microseconds"] for node in values["nodes"]) > 0
    code, text, _ = run(capsys, "binary", "bench", packed, "--runs", "3", "--layers")
    assert code == 0
    path, *lines = text.splitlines()
    assert path == str(packed)
    assert max(map(len, lines)) <= 80


@pytest.mark.native
def test_bench_refuses_pictures_that_are_too_large(capsys, packed):
    code, _, err = run(capsys, "binary", "bench", packed, "--side", "60000")
    assert code == 1
    assert "smaller picture" in err
    assert run(capsys, "binary", "bench", packed, "--side", "65537")[0] == 2


def test_damaged_files_are_named(capsys, packed, tmp_path):
    broken = tmp_path / "broken.onb"
    broken.write_bytes(packed.read_bytes()[:300])
    for command in (("binary", "inspect"), ("binary", "bench")):
        code, _, err = run(capsys, *command, broken)
        assert code == 1
        assert "broken.onb" in err
        code, _, err = run(capsys, *command, tmp_path / "absent.onb")
        assert code == 1
        assert "absent.onb" in err


def test_classify_goes_on_after_what_cannot_be_read(capsys, packed, tmp_path):
    photo, text_file = tmp_path / "photo.png", tmp_path / "text.png"
    pixels = np.random.default_rng(0).integers(0, 256, (50, 80, 3), np.uint8)
    Image.fromarray(pixels).save(photo)
    text_file.write_text("no picture")
    code, out, err = run(capsys, "classify", text_file, photo, "--model", packed, "--top", "2")
    assert code == 1
    assert "text.png" in err
    assert out.count("%") == 2
    code, out, _ = run(capsys, "classify", text_file, photo, "--model", packed, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert "error" in rows[0]
    assert len(rows[1]["classes"]) == 3
    assert rows[1]["classes"][0]["confidence"] >= rows[1]["classes"][1]["confidence"]
