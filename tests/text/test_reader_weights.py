"""The reader with its shipped networks, on pictures made here."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from rapidfuzz import fuzz

from onlooker.text import TextReader
from onlooker.text.pipeline import producer, shipped_weights

pytestmark = pytest.mark.weights

LINES = ("Gradient Descent", "walks downhill in small steps", "answers and results 2026")


def sheet(lines=LINES, size=(640, 360), height=34):
    image = Image.new("RGB", size, (250, 250, 246))
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        draw.text(
            (40, 40 + 2.2 * height * row),
            line,
            font=ImageFont.load_default(height),
            fill=(20, 24, 32),
        )
    return np.asarray(image)


@pytest.fixture(scope="module")
def reader():
    return TextReader.load(threads=1)


def test_a_clean_page_is_read_right(reader):
    page = reader(sheet())
    assert len(page.lines) == len(LINES)
    assert fuzz.ratio(page.text, "\n".join(LINES)) > 95


def test_light_on_dark(reader):
    assert fuzz.ratio(reader(255 - sheet()).text, "\n".join(LINES)) > 90


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_pages_are_read_and_polygons_begin_where_the_text_does(reader, quarters):
    page = reader(np.ascontiguousarray(np.rot90(sheet(), quarters)))
    # Almost: which pixel a word's box ends at depends on the direction.
    assert fuzz.ratio(page.text, "\n".join(LINES)) > 90
    (x0, y0), (x1, y1) = page.words[0].polygon[:2]
    across, down = {1: (0, -1), 2: (-1, 0), 3: (0, 1)}[quarters]
    assert np.sign(round((x1 - x0) / 10)) == across
    assert np.sign(round((y1 - y0) / 10)) == down


def test_one_or_many_empty_and_again(reader):
    pictures = [sheet(), sheet(LINES[1:]), np.full((48, 64, 3), 90, np.uint8)]
    pages = reader(pictures)
    assert pages == [reader(picture) for picture in pictures]
    assert pages == reader(pictures)
    assert pages[2].lines == ()
    assert reader([]) == []
    assert reader(np.zeros((1, 1, 3), np.uint8)).lines == ()


def test_words_stand_where_they_are_drawn(reader):
    page = reader(sheet())
    for row, line in enumerate(page.lines):
        left, top, _, bottom = line.box
        assert left == pytest.approx(40, abs=12)
        assert top >= 40 + 2.2 * 34 * row - 12
        assert bottom <= 40 + 2.2 * 34 * row + 34 * 1.5
    assert all(0 <= word.confidence <= 1 for word in page.words)


def test_the_producer_names_the_weights():
    made_by = producer()
    assert made_by.name == "text.reader"
    networks = "+".join(weights.sha256[:12] for weights in shipped_weights())
    assert made_by.weights == networks


@pytest.mark.parametrize(
    "kind", ["white", "black", "gradient", "noise", "coarse noise", "stripes", "grid", "disc"]
)
def test_nothing_is_read_where_nothing_is_written(reader, kind):
    height, width = 480, 640
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(0)
    grey = {
        "white": np.full((height, width), 255.0),
        "black": np.zeros((height, width)),
        "gradient": 255.0 * x / width,
        "noise": rng.normal(128, 40, (height, width)),
        "coarse noise": np.kron(rng.normal(128, 40, (height // 8, width // 8)), np.ones((8, 8))),
        "stripes": 255.0 * (x // 16 % 2),
        "grid": np.where((x % 64 < 2) | (y % 32 < 2), 0.0, 255.0),
        "disc": np.where((x - 320) ** 2 + (y - 240) ** 2 < 150**2, 40.0, 220.0),
    }[kind]
    picture = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    assert reader(picture).words == ()


def test_two_columns_on_a_skewed_noisy_page(reader):
    left = [
        "Reading a page of text",
        "column after column is",
        "what readers are used to,",
        "and so",
    ]
    right = [
        "the second column comes",
        "after the first one ends,",
        "not line by line across",
        "both",
    ]
    image = Image.new("RGB", (1000, 520), (250, 250, 246))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(24)
    for row in range(8):
        draw.text((60, 60 + 38 * row), left[row % 4], font=font, fill=(20, 24, 32))
        draw.text((560, 79 + 38 * row), right[row % 4], font=font, fill=(20, 24, 32))
    turned = np.asarray(image.rotate(2.0, Image.Resampling.BICUBIC, fillcolor=(250, 250, 246)))
    noise = np.random.default_rng(0).normal(0, 6, turned.shape)
    page = reader(np.clip(turned + noise, 0, 255).astype(np.uint8))
    assert fuzz.ratio(page.text, "\n".join([*left * 2, *right * 2])) > 95
