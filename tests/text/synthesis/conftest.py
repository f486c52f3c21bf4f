from __future__ import annotations

from pathlib import Path

import pytest
from PIL import ImageFont

from onlooker.text.synthesis.fonts import FontBank, inspect


@pytest.fixture(scope="session")
def font_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the one font that comes with Pillow (Aileron), as a file."""
    path = tmp_path_factory.mktemp("fonts") / "aileron.ttf"
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    path.write_bytes(font.path.getvalue())  # type: ignore[union-attr]
    return path


@pytest.fixture(scope="session")
def bank(font_file: Path) -> FontBank:
    return FontBank(inspect([font_file]))
