"""Generated pictures, streamed and written: reproducible, resumable, nothing left out unsaid."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from onlooker.cli.main import cli
from onlooker.errors import ConfigError
from onlooker.text.recognition.datasets import read_characters, read_labels
from onlooker.text.spotting.datasets import read_scenes
from onlooker.text.synthesis.files import WriteConfig, write
from onlooker.text.synthesis.produce import stream_scenes, stream_words
from onlooker.text.synthesis.shards import read_shard
from onlooker.text.synthesis.specification import (
    EFFECTS,
    Chances,
    EffectSetting,
    Specification,
    load_specification,
)

WORDS = "Street\nlecture\nHOUSE\n42\nshop 24\n"


@pytest.fixture
def specification(font_file: Path, tmp_path: Path) -> Specification:
    (tmp_path / "words.txt").write_text(WORDS, encoding="utf-8")
    return Specification(fonts=str(font_file.parent), text=str(tmp_path / "words.txt"), seed=5)


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'shadwo'; did you mean 'shadow'"):
        load_specification(None, ["effects.shadwo.share=0.5"])
    with pytest.raises(ConfigError, match="did you mean 'blur'"):
        load_specification(None, [], ["blurr"])
    with pytest.raises(ConfigError, match="did you mean 'lines'"):
        load_specification(None, ["words.lnes=0.5"])
    with pytest.raises(ConfigError, match=r"must lie in \[0, 1\]"):
        load_specification(None, ["effects.shadow.share=1.5"])


def test_a_file_is_read_and_effects_are_left_out_by_name_and_group(tmp_path: Path) -> None:
    path = tmp_path / "synth.toml"
    path.write_text("seed = 3\n[effects.shadow]\nshare = 0.5\n[words]\nlines = 0.3\n")
    spec = load_specification(path, ["words.clean=0.2"], ["outline", "blur"])
    assert (spec.seed, spec.words.lines, spec.words.clean) == (3, 0.3, 0.2)
    chances = Chances("words", spec.effects)
    assert chances.share["shadow"] == 0.5
    assert chances.share["outline"] == chances.share["focus"] == chances.share["motion"] == 0.0
    assert chances.share["noise"] == EFFECTS["noise"].words


@pytest.mark.parametrize("name", [name for name, kind in EFFECTS.items() if kind.words])
def test_every_effect_of_words_can_stand_alone(specification: Specification, name: str) -> None:
    spec = specification.only([name])
    with_effect = list(stream_words(spec, count=4))
    assert len(with_effect) == 4
    assert all(one.picture.shape[0] == 32 for one in with_effect)


def test_an_effect_changes_the_picture(specification: Specification) -> None:
    words = EffectSetting(share=1.0)
    plain = specification.only([])
    for name in ("noise", "occlusion", "reflection", "outline", "gradient"):
        assert EFFECTS[name].words is not None
        changed = Specification(
            **{**vars(plain), "effects": {**plain.effects, name: words}}  # type: ignore[arg-type]
        )
        one, two = (list(stream_words(spec, count=6)) for spec in (plain, changed))
        same = [
            a.picture.shape == b.picture.shape and np.array_equal(a.picture, b.picture)
            for a, b in zip(one, two, strict=True)
        ]
        assert not all(same), name


def test_pictures_depend_on_seed_and_number_alone(specification: Specification) -> None:
    whole = list(stream_words(specification, count=150))
    part = list(stream_words(specification, start=100, count=50))
    several = list(stream_words(specification, count=150, workers=3))
    for one, two in zip(whole, several, strict=True):
        assert one.text == two.text
        assert np.array_equal(one.picture, two.picture)
    assert [w.text for w in whole[100:]] == [w.text for w in part]
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(whole[100:], part, strict=True))


def test_written_words_have_the_layout_that_evaluation_reads(
    specification: Specification, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    summary = write(specification, WriteConfig(product="words", out=out, count=30, masks=True))
    assert (summary.pictures, summary.drawn) == (30, 30)
    crops = read_labels(out)
    assert len(crops) == 30
    assert {crop.text for crop in crops} <= {*WORDS.split("\n"), "shop", "24"}
    for crop in crops[:10]:
        picture = cv2.imread(str(crop.image))
        mask = cv2.imread(str(out / "masks" / crop.image.name), cv2.IMREAD_GRAYSCALE)
        assert mask.shape == picture.shape[:2]
        assert bool(mask.any()) == bool(crop.text)
    characters = read_characters(out)
    by_name = {crop.image.name: crop.text for crop in crops}
    assert all(one.character in by_name[one.image.name] for one in characters)


def test_a_stopped_run_goes_on(specification: Specification, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    write(specification, WriteConfig(product="words", out=whole, count=90))
    write(specification, WriteConfig(product="words", out=stopped, count=70))
    rows = (stopped / "annotations.jsonl").read_text(encoding="utf-8")
    (stopped / "annotations.jsonl").write_text(rows[:-20], encoding="utf-8")  # killed while writing
    summary = write(specification, WriteConfig(product="words", out=stopped, count=90))
    assert (summary.pictures, summary.drawn) == (90, 21)
    for name in ("annotations.jsonl", "labels.tsv", "chars.tsv", "images/000080.png"):
        assert (whole / name).read_bytes() == (stopped / name).read_bytes()


def test_scenes_have_polygons_for_words_and_characters(
    specification: Specification, tmp_path: Path
) -> None:
    spec = load_specification(None, ["scenes.height=160", "scenes.width=200", "scenes.empty=0.0"])
    spec = Specification(**{**vars(spec), "fonts": specification.fonts, "text": specification.text})
    write(spec, WriteConfig(product="scenes", out=tmp_path / "s", count=4))
    assert len(read_scenes(tmp_path / "s")) == 4
    rows = (tmp_path / "s" / "annotations.jsonl").read_text(encoding="utf-8").splitlines()
    words = [word for row in rows for word in json.loads(row)["words"]]
    assert words
    assert all([c["text"] for c in word["characters"]] == list(word["text"]) for word in words)
    (scene,) = stream_scenes(spec, start=2, count=1)
    assert list(scene.texts) == [word["text"] for word in json.loads(rows[2])["words"]]


def test_shards_are_read_by_the_recogniser(specification: Specification, tmp_path: Path) -> None:
    write(specification, WriteConfig(product="lines", out=tmp_path / "s", count=20, shards=True))
    read = list(read_shard(tmp_path / "s" / "words-00000.npz"))
    assert len(read) == 20
    again = write(
        specification, WriteConfig(product="lines", out=tmp_path / "s", count=20, shards=True)
    )
    assert again.drawn == 0


def run(*arguments: object) -> tuple[int, str]:
    """Run ``onlooker synth`` → exit code, error or output."""
    result = CliRunner().invoke(cli, ["synth", *map(str, arguments)])
    return result.exit_code, str(result.exception) if result.exception else result.output


@pytest.mark.parametrize("product", ["words", "scenes"])
def test_what_cannot_be_drawn_is_said(font_file: Path, tmp_path: Path, product: str) -> None:
    (tmp_path / "words.txt").write_text("good\n漢字\n", encoding="utf-8")
    code, output = run(
        product, tmp_path / "o", "--fonts", font_file.parent, "--words", tmp_path / "words.txt",
        "--count", 3, "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(output)["refused_words"] == [["漢字", "outside the charset: 漢字"]]
    (tmp_path / "words.txt").write_text("漢字\n", encoding="utf-8")
    _, output = run(product, tmp_path / "p", "--fonts", font_file.parent, "--words",
                    tmp_path / "words.txt")  # fmt: skip
    assert "none of the words" in output


def test_a_broken_font_is_left_out_and_named(font_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "fonts"
    folder.mkdir()
    (folder / "good.ttf").write_bytes(font_file.read_bytes())
    (folder / "bad.ttf").write_bytes(b"no font at all")
    (tmp_path / "words.txt").write_text("word", encoding="utf-8")
    code, output = run("words", tmp_path / "o", "--fonts", folder, "--words",
                       tmp_path / "words.txt", "--count", 2, "--json")  # fmt: skip
    assert code == 0
    ((path, _),) = json.loads(output)["broken_fonts"]
    assert path.endswith("bad.ttf")
    (folder / "good.ttf").unlink()
    assert "holds no usable font" in run("words", tmp_path / "p", "--fonts", folder)[1]


def test_folders_that_cannot_be_used(
    specification: Specification, font_file: Path, tmp_path: Path
) -> None:
    assert "is not there" in run("words", tmp_path / "o", "--fonts", tmp_path / "none")[1]
    assert "no folder of fonts" in run("words", tmp_path / "o")[1]
    fonts, text = ("--fonts", font_file.parent), ("--words", specification.text)
    (tmp_path / "file").write_text("")
    assert "cannot write" in run("words", tmp_path / "file" / "o", *fonts, *text)[1]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.jpg").write_text("")
    assert "holds other files" in run("words", tmp_path / "full", *fonts, *text)[1]
    run("words", tmp_path / "w", *fonts, *text, "--count", 2)
    told = run("words", tmp_path / "w", *fonts, *text, "--count", 2, "--without", "shadow")[1]
    assert "begun with another specification (effects" in told


def test_the_list_of_effects() -> None:
    code, output = run("effects", "--json")
    assert code == 0
    assert set(json.loads(output)) == set(EFFECTS)


def test_the_reference_lists_every_effect_with_its_shares() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "synthesis.md"
    text = page.read_text(encoding="utf-8")
    for name, kind in EFFECTS.items():
        shares = ("–" if share is None else f"{share:g}" for share in (kind.words, kind.scenes))
        assert f"| `{name}` | {kind.group} | {' | '.join(shares)} | {kind.text} |" in text
