"""The shipped network, on pictures that everybody can draw."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from onlooker.hub import resolve
from onlooker.metrics import covered, iou
from onlooker.text.detection import TextDetector
from onlooker.text.detection.weights import WEIGHTS

pytestmark = pytest.mark.weights

LINES = (
    (44, "Gradient descent walks downhill"),
    (22, "• the learning rate is a step, not a distance"),
    (22, "• momentum remembers where it came from"),
    (14, "small print: figures 3.1 to 3.9 are drawn after the second edition of the book"),
    (12, "even smaller, as on the axes of a chart: 0.25 0.50 0.75 1.00"),
)


@pytest.fixture(scope="module")
def detector():
    return TextDetector.load(threads=1)


def slide(*, dark=False):
    """Draw the lines → the picture and the box of each word."""
    paper, ink = ((20, 24, 40), (235, 235, 225)) if dark else ((252, 252, 248), (25, 25, 35))
    picture = Image.new("RGB", (1280, 720), paper)
    draw = ImageDraw.Draw(picture)
    boxes, y = [], 60
    for size, line in LINES:
        font = ImageFont.load_default(size)
        x = 60.0
        for word in line.split(" "):
            draw.text((x, y), word, font=font, fill=ink)
            if word != "•":
                left, top, right, bottom = draw.textbbox((x, y), word, font=font)
                boxes.append(((left, top), (right, top), (right, bottom), (left, bottom)))
            x += font.getlength(word + " ")
        y += int(size * 1.9)
    return np.asarray(picture), boxes


@pytest.mark.parametrize("dark", [False, True])
def test_all_words_of_a_slide_are_found_and_most_by_themselves(detector, dark):
    picture, boxes = slide(dark=dark)
    found = [text.polygon for text in detector([picture])[0]]
    # Two short words of small print may come as one: the reader parts what it reads at spaces.
    assert all(max(covered(box, polygon) for polygon in found) > 0.6 for box in boxes)
    alone = sum(max(iou(box, polygon) for polygon in found) >= 0.5 for box in boxes)
    assert alone >= 0.6 * len(boxes)
    assert len(found) <= len(boxes) + 5


def test_huge_letters_are_found(detector):
    picture = Image.new("RGB", (1200, 700), (200, 30, 40))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(330)
    draw.text((150, 150), "EXIT", font=font, fill=(255, 255, 255))
    left, top, right, bottom = draw.textbbox((150, 150), "EXIT", font=font)
    box = ((left, top), (right, top), (right, bottom), (left, bottom))
    assert max(iou(box, text.polygon) for text in detector([np.asarray(picture)])[0]) > 0.6


def test_pictures_without_text_show_little(detector):
    rng = np.random.default_rng(0)
    grey = np.full((480, 640, 3), 128, np.uint8)
    noise = rng.integers(0, 255, (480, 640, 3), np.uint8)
    assert [len(found) for found in detector([grey, noise])] == [0, 0]


def test_the_same_picture_gives_the_same_words(detector):
    picture, _ = slide()
    assert detector([picture]) == detector([picture, picture])[1:]


def test_the_file_is_light():
    assert resolve(WEIGHTS["db.synth3-int8"]).stat().st_size < 4_000_000
