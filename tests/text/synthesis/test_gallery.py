"""The page of samples shows all three products, with the truth drawn on them."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from onlooker.cli.main import cli
from onlooker.errors import ConfigError
from onlooker.text.synthesis.gallery import Picture, write_gallery
from onlooker.text.synthesis.specification import EFFECTS, Specification
from onlooker.text.synthesis.video import KINDS


@pytest.fixture(scope="module")
def page(font_file: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "words.txt").write_text("Street\nlecture\nHOUSE\n42\nMoment\n", encoding="utf-8")
    asked = ["synth", "gallery", str(folder / "page"), "--fonts", str(font_file.parent)]
    done = CliRunner().invoke(cli, [*asked, "--words", str(folder / "words.txt"), "--seed", "1"])
    assert done.exit_code == 0, done.output
    assert done.output.strip() == str(folder / "page.html")
    return (folder / "page.html").read_text(encoding="utf-8")


def pictures(part: str) -> list[Picture]:
    encoded = re.findall(r"base64,([^\"]+)", part)
    decoded = [cv2.imdecode(np.frombuffer(base64.b64decode(e), np.uint8), 1) for e in encoded]
    return [np.asarray(cv2.cvtColor(one, cv2.COLOR_BGR2RGB), np.uint8) for one in decoded]


def green(picture: Picture) -> int:
    red, strong, blue = (picture[:, :, i].astype(int) for i in range(3))
    return int(((strong > red + 60) & (strong > blue + 40)).sum())


def test_every_effect_has_a_row(page: str) -> None:
    table = page.partition("<tbody>")[2].partition("</tbody>")[0]
    shown = [name for name, kind in EFFECTS.items() if kind.words is not None]
    assert table.count("<tr>") == len(shown)
    assert len(pictures(table)) == 4 * len(shown)


def test_every_kind_of_clip_has_a_row_of_frames_with_its_words(page: str) -> None:
    clips = page.partition("<h2>Clips</h2>")[2]
    rows = clips.split("<h3>")[1:]
    assert [row.partition(" ")[0] for row in rows] == list(KINDS)
    for kind, row in zip(KINDS, rows, strict=True):
        frames = pictures(row)
        assert len(frames) == 4
        assert any(not np.array_equal(frames[0], other) for other in frames[1:]), kind
        says = re.findall(r'alt="([^"]*)"', row)
        assert len(says) == 4
        assert kind != "slides" or "no text" not in says
        assert any(green(frame) > 20 for frame in frames), kind


def test_scenes_show_their_outlines(page: str) -> None:
    scenes = page.partition("<h2>Scenes</h2>")[2].partition("<h2>")[0]
    assert any(green(scene) > 20 for scene in pictures(scenes))


def test_a_page_that_cannot_be_written_says_why(font_file: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    specification = Specification(fonts=str(font_file.parent))
    with pytest.raises(ConfigError, match="cannot write"):
        write_gallery(specification, tmp_path / "file" / "page")
