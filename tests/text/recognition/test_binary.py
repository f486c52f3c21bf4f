"""The one-bit recogniser: its network, its packed file, and what it learns from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from onlooker.binary import format as packed_format  # noqa: E402
from onlooker.binary.converter import convert  # noqa: E402
from onlooker.cli.main import cli  # noqa: E402
from onlooker.errors import ConfigError, WeightsError  # noqa: E402
from onlooker.hub import sha256_of  # noqa: E402
from onlooker.metrics import EvaluationConfig  # noqa: E402
from onlooker.text.charset import NUM_CLASSES, encode  # noqa: E402
from onlooker.text.recognition.crops import standardize  # noqa: E402
from onlooker.text.recognition.data import DataConfig, Pool, augment, make_batch  # noqa: E402
from onlooker.text.recognition.evaluate import evaluate  # noqa: E402
from onlooker.text.recognition.export import export_packed, pack_run  # noqa: E402
from onlooker.text.recognition.lessons import (  # noqa: E402
    KEPT,
    lessons_of,
    lessons_path,
    read_lessons,
    save_lessons,
)
from onlooker.text.recognition.losses import ctc, distillation  # noqa: E402
from onlooker.text.recognition.model import MODELS, BinaryRecognizer, ModelConfig  # noqa: E402
from onlooker.text.recognition.packed import PackedRecognizer  # noqa: E402
from onlooker.text.recognition.predict import TextRecognizer  # noqa: E402
from onlooker.text.recognition.train import TrainConfig, load_run, loss_of  # noqa: E402
from onlooker.text.recognition.train import main as train  # noqa: E402
from onlooker.text.synthesis.shards import save_shard  # noqa: E402
from onlooker.text.synthesis.words import WordPicture  # noqa: E402
from onlooker.training.recipe import build, save_recipe  # noqa: E402

SMALL = ModelConfig(name="binary", channels=(16, 16, 32), blocks=(1, 1, 0), width=32, layers=2)


@pytest.fixture(scope="module")
def network() -> BinaryRecognizer:
    torch.manual_seed(0)
    made = BinaryRecognizer(SMALL)
    with torch.no_grad():
        made.train()(torch.randn(4, 1, 32, 64))  # running statistics that fit the weights
    return made.eval()


@pytest.fixture(scope="module")
def packed(network: BinaryRecognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("packed") / "small.onb"
    export_packed(network, path, None)
    return path


def crops(count: int, width: int) -> np.ndarray:
    return np.random.default_rng(width).integers(0, 256, (count, 32, width), np.uint8)


def test_a_packed_file_reads_crops_of_any_width_as_the_network_does(
    network: BinaryRecognizer, packed: Path
) -> None:
    runner = PackedRecognizer(packed, threads=2)
    for width in (48, 88, 240, 400, 104, 48):
        inputs = standardize(crops(2, width))[:, None]
        (logits,) = runner(inputs)
        assert logits.shape == (2, width // 4, NUM_CLASSES)
        with torch.no_grad():
            wanted = network(torch.from_numpy(inputs)).numpy()
        assert np.abs(logits - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_integers_in_the_layers_that_are_not_binary_change_little(
    network: BinaryRecognizer, tmp_path: Path
) -> None:
    inputs = standardize(crops(8, 64))[:, None]
    export_packed(network, tmp_path / "bytes.onb", inputs)
    (logits,) = PackedRecognizer(tmp_path / "bytes.onb", threads=1)(inputs)
    with torch.no_grad():
        wanted = network(torch.from_numpy(inputs)).numpy()
    # Rounding turns some of the signs behind the first layer; 0.75 was seen.
    assert np.corrcoef(logits.ravel(), wanted.ravel())[0, 1] > 0.6


def test_a_recogniser_loads_a_file_and_reads_batches_as_single_crops(packed: Path) -> None:
    recognizer = TextRecognizer.load(packed, threads=2, decoding="greedy")
    pictures = [picture for width in (64, 96) for picture in crops(9, width)]
    together = recognizer.read_prepared(pictures)
    assert together == [recognizer.read_prepared([picture])[0] for picture in pictures]


def test_files_that_are_no_recogniser_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.onb is no file"):
        TextRecognizer.load(tmp_path / "gone.onb")
    colours = torch.nn.Conv2d(3, NUM_CLASSES, 1)
    packed_format.write(
        tmp_path / "colours.onb", convert(torch.nn.Sequential(colours), (1, 3, 8, 8))
    )
    with pytest.raises(WeightsError, match="3 channels"):
        TextRecognizer.load(tmp_path / "colours.onb")
    few = torch.nn.Conv2d(1, 5, 1)
    packed_format.write(tmp_path / "few.onb", convert(torch.nn.Sequential(few), (1, 1, 8, 8)))
    with pytest.raises(WeightsError, match="5 classes"):
        TextRecognizer.load(tmp_path / "few.onb")
    rows = torch.nn.Conv2d(1, NUM_CLASSES, 1)
    packed_format.write(tmp_path / "rows.onb", convert(torch.nn.Sequential(rows), (1, 1, 8, 8)))
    with pytest.raises(WeightsError, match="one row of columns"):
        TextRecognizer.load(tmp_path / "rows.onb")(list(crops(1, 64)))


def test_lessons_are_what_the_teacher_sees(packed: Path, tmp_path: Path) -> None:
    teacher = TextRecognizer.load(packed, threads=1, decoding="greedy")
    pictures = [*crops(2, 112), *crops(1, 96)]
    lessons = lessons_of(teacher, pictures)
    seen = teacher.distributions(pictures[2:])[0]
    order = np.argsort(-seen, axis=1, kind="stable")[:, :KEPT]
    assert (lessons[2].classes[:, 0] == order[:, 0]).all()
    shares = np.exp(np.take_along_axis(seen, lessons[2].classes.astype(int), axis=1))
    assert np.abs(shares - lessons[2].shares).max() < 1e-3
    path = tmp_path / "lessons.npz"
    save_lessons(path, lessons)
    for one, other in zip(lessons, read_lessons(path), strict=True):
        assert (one.classes == other.classes).all() and (one.shares == other.shares).all()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ConfigError, match="holds no lessons"):
        read_lessons(path)


def test_the_pool_keeps_crops_and_lessons_together(packed: Path, tmp_path: Path) -> None:
    teacher = TextRecognizer.load(packed, threads=1, decoding="greedy")
    pictures = [*crops(3, 64), *crops(3, 80), *crops(1, 8)]
    texts = ["ab", "c", "d", "e", "fg", "h", "too long"]
    for number in (0, 1):
        shown = [WordPicture(picture=p, text=t) for p, t in zip(pictures, texts, strict=True)]
        save_shard(tmp_path / f"words-{number:05d}.npz", shown)
    pool = Pool(DataConfig(shards=str(tmp_path), held_out=0, lessons=True, changed=0.0))
    assert pool.refresh() == 0
    shard = tmp_path / "words-00001.npz"
    save_lessons(lessons_path(shard), lessons_of(teacher, pictures))
    assert pool.refresh() == 1
    batch = pool.batch(np.random.default_rng(0))
    assert batch.taught is not None
    classes, shares = batch.taught
    assert classes.shape == shares.shape == (len(batch.crops), batch.crops.shape[3] // 4, KEPT)
    assert sum(len(bucket.lessons) for bucket in pool.buckets.values()) == 6
    save_lessons(lessons_path(tmp_path / "words-00000.npz"), lessons_of(teacher, pictures[:2]))
    with pytest.raises(ConfigError, match="belongs to another"):
        pool.refresh()


def test_changes_in_place_move_nothing_along_the_line() -> None:
    stripes = np.repeat(np.tile(np.array([0, 255], np.uint8), 32).repeat(4)[None], 32, 0)
    pictures = np.repeat(stripes[None, :, :64], 40, 0)
    changed = augment(np.random.default_rng(0), pictures, 1.0, in_place=True)
    middle = changed[:, 15:17].mean(axis=1)
    before = pictures[:, 15].astype(float)
    alike = [abs(np.corrcoef(a, b)[0, 1]) for a, b in zip(middle, before, strict=True)]
    assert np.median(alike) > 0.9


def test_distillation_is_least_where_the_student_sees_what_the_teacher_did() -> None:
    torch.manual_seed(0)
    teacher = 3 * torch.randn(2, 5, NUM_CLASSES)
    shares, classes = teacher.softmax(2).sort(dim=2, descending=True)
    lengths = torch.tensor([2, 3])
    logits = torch.randn(2, 5, NUM_CLASSES, requires_grad=True)
    same = teacher.clone().requires_grad_(True)
    assert distillation(same, classes, shares, lengths) < distillation(
        logits, classes, shares, lengths
    )
    distillation(same, classes, shares, lengths).backward()
    assert same.grad is not None and same.grad.abs().max() < 1e-5


def test_the_loss_goes_from_the_texts_to_the_teacher(network: BinaryRecognizer) -> None:
    labels = [encode("ab"), encode("c")]
    batch = make_batch(crops(2, 64), labels)
    plain = loss_of(network, batch)
    assert plain == loss_of(network, batch, 0.5)  # no lessons
    logits = network(batch.crops)
    assert torch.allclose(plain, ctc(logits, batch.labels, batch.label_lengths))
    classes = torch.zeros(2, 16, KEPT, dtype=torch.int64)
    batch = make_batch(crops(2, 64), labels)
    object.__setattr__(batch, "taught", (classes, torch.full((2, 16, KEPT), 0.25)))
    taught = distillation(logits, *batch.taught, batch.label_lengths)
    assert torch.allclose(loss_of(network, batch, 1.0), taught)
    assert torch.allclose(loss_of(network, batch, 0.5), (plain + taught) / 2)


def test_a_training_is_packed_by_the_command_and_goes_on_from_its_weights(tmp_path: Path) -> None:
    shown = [
        WordPicture(picture=picture, text=text)
        for width, text in ((64, "ab"), (96, "cde"))
        for picture in crops(12, width)
    ]
    save_shard(tmp_path / "words-00000.npz", shown)
    save_shard(tmp_path / "words-00001.npz", shown)
    tables = {
        "model": {"name": "binary", "channels": [16, 16, 32], "width": 32, "layers": 1},
        "data": {"shards": str(tmp_path), "min_shards": 1, "batch_width_px": 480},
        "train": {"out": str(tmp_path / "run"), "steps": 2, "threads": 1, "bfloat16": False},
    }
    config = build(TrainConfig, {**tables, "export": str(tmp_path / "end.onb")}, "here")
    train(config)
    said = CliRunner().invoke(
        cli, ["binary", "convert", str(tmp_path / "run"), "-o", str(tmp_path / "run.onb")]
    )
    assert said.exit_code == 0, said.output
    assert (tmp_path / "run.onb").stat().st_size == (tmp_path / "end.onb").stat().st_size
    again = replace(
        config,
        start=str(tmp_path / "run" / "averaged.pt"),
        train=replace(config.train, out=str(tmp_path / "more"), steps=1, warmup_steps=10**9),
        export="",
    )
    train(again)  # at a rate of nearly nothing: signs stay as they were
    before, after = (load_run(tmp_path / name)[0] for name in ("run", "more"))
    ours, theirs = before.state_dict(), after.state_dict()
    name = "body.1.conv.weight"
    assert ((ours[name] >= 0) == (theirs[name] >= 0)).all()
    other = replace(config.model, name="ctc", heads=1)
    save_recipe(replace(config, model=other), tmp_path / "run", "text.recognition")
    torch.save(MODELS["ctc"](other).state_dict(), tmp_path / "run" / "averaged.pt")
    with pytest.raises(ConfigError, match="not 'binary'"):
        pack_run(tmp_path / "run", tmp_path / "no.onb")
    save_recipe(config, tmp_path / "run", "text.detection")
    said = CliRunner().invoke(
        cli, ["binary", "convert", str(tmp_path / "run"), "-o", str(tmp_path / "run.onb")]
    )
    assert said.exit_code != 0


def test_an_evaluation_takes_a_file(packed: Path, tmp_path: Path) -> None:
    Image.fromarray(crops(1, 96)[0]).save(tmp_path / "a.png")
    (tmp_path / "labels.tsv").write_text("a.png\tword\n", encoding="utf-8")
    report = evaluate(EvaluationConfig(data=tmp_path, decoding="greedy", model=str(packed)))
    assert (report.n, report.metrics["word_accuracy"]) == (1, 0.0)
    assert report.model_name == "small+outline.synth1"
    assert report.model_sha256.startswith(sha256_of(packed))
