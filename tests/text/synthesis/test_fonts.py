from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onlooker.errors import ConfigError
from onlooker.text.synthesis.fonts import FontBank, inspect, save_index


def test_a_face_knows_what_it_really_draws(bank: FontBank) -> None:
    (face,) = bank.faces
    assert face.family == "aileron"
    assert face.covers("Hello, World? 2026 & more!")
    assert not face.covers("α")  # the font has no Greek: FreeType would draw an empty box
    assert not face.covers("∈")


def test_the_index_gives_back_the_faces(bank: FontBank, font_file: Path) -> None:
    save_index(font_file.parent, bank.faces)
    assert FontBank.load(font_file.parent).faces == bank.faces


def test_a_text_that_no_face_covers_is_an_error(bank: FontBank) -> None:
    rng = np.random.default_rng(0)
    assert bank.pick(rng, "plain").family == "aileron"
    with pytest.raises(ConfigError, match="αβγ"):
        bank.pick(rng, "αβγ")


def test_files_that_are_no_fonts_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"nothing")
    assert inspect([tmp_path / "broken.ttf"]) == []
    with pytest.raises(ConfigError, match="no usable font"):
        FontBank.load(tmp_path)
