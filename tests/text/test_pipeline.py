from __future__ import annotations

import numpy as np
import pytest

import onlooker.text
from onlooker.errors import ConfigError, MediaError
from onlooker.records import DetectedText, Page, RecognizedText
from onlooker.text.crops import cut_out, grown, split_words
from onlooker.text.lines import corners_of
from onlooker.text.pipeline import ReaderConfig, TextReader
from onlooker.text.places import PlacesConfig
from onlooker.text.recognition.drafts import Draft

RED, BLUE, GREY = (200, 30, 30), (30, 30, 200), (128, 128, 128)


EXACT = ReaderConfig(places=PlacesConfig(margin=(0.0, 0.0)))


def picture(*words, size=(240, 320)):
    """Draw words as bars, red where they begin and blue where they end.

    A word is (x, y, w, h, quarters): quarters of a turn clockwise of its reading direction.
    """
    pixels = np.full((*size, 3), GREY, np.uint8)
    for x, y, w, h, quarters in words:
        part = np.empty((h, w, 3), np.uint8)
        part[:] = BLUE
        if quarters == 0:
            part[:, : w // 2] = RED
        elif quarters == 1:
            part[: h // 2] = RED
        elif quarters == 2:
            part[:, w // 2 :] = RED
        else:
            part[h // 2 :] = RED
        pixels[y : y + h, x : x + w] = part
    return pixels


class FakeDetector:
    """Finds coloured bars; corners begin at the upper left whatever the direction."""

    def __init__(self):
        self.calls = 0

    def __call__(self, pictures):
        import cv2

        self.calls += len(pictures)
        found = []
        for pixels in pictures:
            mask = (pixels.max(axis=2).astype(int) - pixels.min(axis=2) > 100).astype(np.uint8)
            count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
            boxes = [tuple(float(v) for v in stats[i, :4]) for i in range(1, count)]
            found.append(
                [
                    DetectedText(((x, y), (x + w, y), (x + w, y + h), (x, y + h)), 0.9)
                    for x, y, w, h in boxes
                ]
            )
        return found


class FakeRecognizer:
    """Reads the size of a crop, sure of itself where red stands left and blue right."""

    def __init__(self, confidence=0.97):
        self.crops = []
        self.confidence = confidence

    def __call__(self, crops):
        self.crops.extend(crops)
        found = []
        for crop in crops:
            left, right = crop[:, 2:4].mean(axis=(0, 1)), crop[:, -4:-2].mean(axis=(0, 1))
            right_way_up = left[0] > left[2] and right[2] > right[0]
            found.append(
                RecognizedText(f"w{crop.shape[1]}", self.confidence if right_way_up else 0.1)
            )
        return found


@pytest.fixture
def reader():
    return TextReader(FakeDetector(), FakeRecognizer(), config=EXACT)


def test_a_picture_gives_a_page_and_a_sequence_gives_a_list(reader):
    pixels = picture((10, 10, 60, 20, 0), (80, 10, 40, 20, 0), (10, 50, 50, 20, 0))
    page = reader(pixels)
    assert isinstance(page, Page)
    assert (page.width, page.height) == (320, 240)
    assert page.text == "w60 w40\nw50"
    assert page.words[0].polygon == ((10, 10), (70, 10), (70, 30), (10, 30))
    assert reader([]) == []
    assert reader([pixels]) == [page]
    assert reader(np.stack([pixels, pixels])) == [page, page]


def test_a_page_does_not_depend_on_its_neighbours(reader):
    pictures = [picture((10, 10 + 20 * i, 60 + i, 16, 0), (90, 9, 31, 20, 0)) for i in range(5)]
    assert reader(pictures) == [reader(p) for p in pictures]
    assert reader(pictures[::-1]) == reader(pictures)[::-1]


@pytest.mark.parametrize("quarters", [1, 3])
def test_tall_boxes_are_read_up_and_down(reader, quarters):
    page = reader(picture((10, 10, 20, 70, quarters)))
    assert page.text == "w70"
    corners = corners_of(page.words[0].polygon)
    top_left = {1: (30, 10), 3: (10, 80)}[quarters]
    assert tuple(corners[0]) == top_left
    assert page.words[0].box == (10, 10, 30, 80)


def test_upside_down_is_tried_only_where_reading_failed(reader):
    page = reader(picture((10, 10, 60, 20, 2)))
    assert page.text == "w60"
    assert page.words[0].polygon[0] == (70, 30)
    reader.recognizer.crops.clear()
    reader(picture((10, 10, 60, 20, 0)))
    assert len(reader.recognizer.crops) == 1


def test_what_cannot_be_read_is_reported_and_not_written():
    reader = TextReader(FakeDetector(), FakeRecognizer(confidence=0.3))
    page = reader(picture((10, 10, 60, 20, 0)))
    assert page.lines == ()
    assert [place.polygon[0] for place in page.unread] == [(10, 10)]


def test_crops_come_in_chunks():
    words = [(10 + 50 * (i % 6), 10 + 40 * (i // 6), 25, 12, 0) for i in range(24)]  # no lines
    whole = TextReader(FakeDetector(), FakeRecognizer(), config=EXACT)(picture(*words))
    parts = TextReader(
        FakeDetector(),
        FakeRecognizer(),
        config=ReaderConfig(places=PlacesConfig(chunk=5, margin=(0.0, 0.0))),
    )(picture(*words))
    assert whole == parts
    assert len(whole.words) == 24


class LineRecognizer:
    """Reads a crop as as many words as it shows bars."""

    def __init__(self, confidence):
        self.confidence = confidence
        self.widths = []

    def __call__(self, crops):
        found = []
        for crop in crops:
            self.widths.append(crop.shape[1])
            ink = crop[crop.shape[0] // 2].astype(int)
            bar = np.ptp(ink, axis=1) > 100
            starts = np.flatnonzero(np.diff(np.concatenate(([0], bar.astype(int)))) == 1)
            ends = np.flatnonzero(np.diff(np.concatenate((bar.astype(int), [0]))) == -1)
            spans = []
            for start, end in zip(starts, ends, strict=True):
                middle = (start + end) / 2
                spans += [(start, middle), (middle, end), (end, end + 1)]
            spans = [(a / len(bar), b / len(bar)) for a, b in spans[:-1]]
            text = " ".join("ab" for _ in starts)
            sure = self.confidence if len(starts) > 1 else 0.99
            found.append(RecognizedText(text, sure, char_spans=tuple(spans)))
        return found


def a_page():
    return [(10 + 50 * i, 10 + 24 * row, 40, 14, 0) for row in range(5) for i in range(5)]


def test_lines_of_a_page_are_read_whole():
    recognizer = LineRecognizer(0.95)
    page = TextReader(FakeDetector(), recognizer)(picture(*a_page()))
    assert len(recognizer.widths) == 5
    assert [line.text for line in page.lines] == ["ab ab ab ab ab"] * 5
    assert [tuple(map(round, word.box)) for word in page.words] == [
        (x, y, x + w, y + h) for x, y, w, h, _ in a_page()
    ]


def test_lines_read_without_confidence_are_read_word_by_word():
    recognizer = LineRecognizer(0.5)
    page = TextReader(FakeDetector(), recognizer)(picture(*a_page()))
    assert len(recognizer.widths) == 30
    assert len(page.words) == 25
    assert {word.confidence for word in page.words} == {0.99}


def test_small_type_is_sought_in_the_enlarged_page():
    words = [(10 + 36 * i, 6 + 16 * row, 30, 8, 0) for row in range(8) for i in range(6)]
    detector = FakeDetector()
    page = TextReader(detector, LineRecognizer(0.95))(picture(*words))
    assert detector.calls == 2
    assert [line.text for line in page.lines] == ["ab ab ab ab ab ab"] * 8
    for word, (x, y, w, h, _) in zip(page.words, words, strict=True):
        assert word.box == pytest.approx((x, y, x + w, y + h), abs=1.0)


def test_words_of_a_photo_are_read_one_by_one():
    recognizer = LineRecognizer(0.95)
    TextReader(FakeDetector(), recognizer)(picture(*a_page()[:10]))
    assert len(recognizer.widths) == 10


def test_no_text_and_no_pixels(reader):
    assert reader(picture()).lines == ()
    assert reader(np.zeros((0, 5, 3), np.uint8)) == Page(5, 0, ())


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3)), ["x"]],
)
def test_other_things_are_refused(reader, wrong):
    with pytest.raises(MediaError, match="uint8 RGB"):
        reader(wrong)


def test_config_is_checked():
    with pytest.raises(ConfigError, match="min_confidence"):
        ReaderConfig(min_confidence=1.5)
    with pytest.raises(ConfigError, match="chunk"):
        PlacesConfig(chunk=0)


def test_cut_out_takes_exactly_the_pixels_of_an_upright_box():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    corners = np.array([(10, 20), (40, 20), (40, 35), (10, 35)], dtype=float)
    assert (cut_out(pixels, corners) == pixels[20:35, 10:40]).all()


def test_cut_out_turns_shrinks_and_goes_over_the_edge():
    pixels = picture((10, 10, 20, 70, 1))
    down = np.array([(30, 10), (30, 80), (10, 80), (10, 10)], dtype=float)
    crop = cut_out(pixels, down)
    assert crop.shape == (20, 70, 3)
    assert tuple(crop[10, 5]) == RED
    assert tuple(crop[10, 65]) == BLUE
    big = cut_out(pixels, down * 3.0, max_height_px=32)
    assert big.shape == (32, 112, 3)
    beyond = cut_out(pixels, np.array([(-40, -40), (900, -40), (900, 900), (-40, 900)], float))
    assert beyond.shape == (64, 64, 3)
    assert cut_out(pixels, np.full((4, 2), 7.0)).shape == (1, 1, 3)
    outside = cut_out(pixels, np.array([(900, 900), (950, 900), (950, 920), (900, 920)], float))
    assert outside.shape == (20, 50, 3)


def test_grown_adds_shares_of_the_height_on_each_side():
    pixels = picture((10, 10, 60, 20, 0))
    corners = np.array([(10, 10), (70, 10), (70, 30), (10, 30)], dtype=float)
    crop = cut_out(pixels, grown(corners, 0.2, 0.1))
    assert crop.shape == (24, 68, 3)
    assert tuple(crop[0, 0]) == GREY
    assert tuple(crop[3, 5]) == RED
    assert grown(corners, -0.1, 0.0).tolist() == [[12, 10], [68, 10], [68, 30], [12, 30]]
    flat = np.full((4, 2), 3.0)
    assert grown(flat, 0.1, 0.1) is flat


class Cyrillic:
    """Reads other letters as what they look like."""

    def __init__(self, texts, confidence=0.9):
        self.texts = texts
        self.confidence = confidence

    def __call__(self, crops):
        return [RecognizedText(text, self.confidence) for text in self.texts[: len(crops)]]


@pytest.mark.parametrize(
    ("texts", "confidence", "read"),
    [
        (["yHnBepcnTeT", "JoMoHocoBa", "Metobl"], 0.9, 0),
        (["yHnBepcnTeT", "JavaScript", "methods"], 0.9, 2),
        (["YouTube", "JavaScript", "GitHub"], 0.9, 3),
        (["LaTeX", "BibTeX", "MiKTeX"], 0.98, 3),
    ],
)
def test_another_alphabet_is_reported_unread(texts, confidence, read):
    bars = [(10, 10 + 40 * row, 90, 20, 0) for row in range(3)]
    reader = TextReader(FakeDetector(), Cyrillic(texts, confidence))
    page = reader(picture(*bars))
    assert len(page.words) == read
    assert len(page.unread) == 3 - read


class PilingDetector(FakeDetector):
    """Sees words that run up or down as piles of letters, as the real one does."""

    def __call__(self, pictures):
        found = []
        for places in super().__call__(pictures):
            parts = []
            for place in places:
                (x, y), _, (right, bottom), _ = place.polygon
                if bottom - y > right - x:
                    step = (bottom - y) / 5
                    for i in range(5):
                        top, low = y + i * step, y + (i + 1) * step
                        box = ((x, top), (right, top), (right, low), (x, low))
                        parts.append(DetectedText(box, 0.9))
                else:
                    parts.append(place)
            found.append(parts)
        return found


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_page_on_its_side_is_read_from_the_side(quarters):
    reader = TextReader(PilingDetector(), FakeRecognizer(), config=EXACT)
    page = reader(picture((40, 10, 20, 70, quarters), (90, 10, 20, 90, quarters)))
    assert (page.width, page.height) == (320, 240)
    # Down: the right column is the first line; up: the left one.
    assert page.text == ("w90\nw70" if quarters == 1 else "w70\nw90")
    corner = {1: (110, 10), 3: (40, 80)}[quarters]
    assert page.words[0].polygon[0] == corner


class DraftingRecognizer(FakeRecognizer):
    """Counts the readings that are weighed; these are sure."""

    def __init__(self, confidence):
        super().__init__(confidence)
        self.weighed = 0

    def draft(self, crops):
        def weigh(reading):
            self.weighed += 1
            return RecognizedText(reading.text, 0.99)

        return [Draft(one, lambda one=one: weigh(one)) for one in self(crops)]


def test_of_several_readings_of_a_place_only_the_one_that_is_kept_is_weighed():
    recognizer = DraftingRecognizer(0.9)
    reader = TextReader(FakeDetector(), recognizer, config=EXACT)
    page = reader(picture((10, 10, 20, 70, 3), (60, 10, 60, 20, 2)))
    assert sorted(word.text for word in page.words) == ["w60", "w70"]
    assert len(recognizer.crops) > 2
    assert recognizer.weighed == 2


def test_hopeless_readings_are_not_weighed():
    recognizer = DraftingRecognizer(0.5)
    page = TextReader(FakeDetector(), recognizer, config=EXACT)(picture((10, 10, 60, 20, 0)))
    assert not page.words
    assert recognizer.weighed == 0


def test_readings_with_spaces_become_words_with_their_share_of_the_box():
    box = ((0, 0), (100, 0), (100, 10), (0, 10))
    first, second = split_words(RecognizedText("ab cde", 0.8), box)
    assert (first.text, second.text) == ("ab", "cde")
    assert first.polygon[1][0] == pytest.approx(100 * 2 / 6)
    assert second.polygon[0][0] == pytest.approx(50)
    spans = tuple((i / 10, (i + 1) / 10) for i in range(3))
    (_, late) = split_words(RecognizedText("a b", 0.8, spans), box)
    assert late.box == pytest.approx((20, 0, 30, 10))
    assert split_words(RecognizedText(" ", 0.8), box) == []
    assert split_words(RecognizedText("one", 0.8), box)[0].polygon == box


def test_words_on_a_curve_keep_their_share_of_the_curve():
    angle = np.linspace(-1.2, 1.2, 9)
    ring = np.stack([np.sin(angle), -np.cos(angle)], axis=1)
    outline = np.concatenate([ring * 95, (ring * 65)[::-1]]) + 120
    curve = tuple((float(x), float(y)) for x, y in outline)
    spans = tuple((i / 10, (i + 1) / 10) for i in range(10))

    def detect(pictures):
        return [[DetectedText(curve, 0.9)] for _ in pictures]

    for sure, texts in ((0.99, ["Coast", "West"]), (0.3, [])):
        page = TextReader(
            detect,
            lambda crops, sure=sure: [RecognizedText("West Coast", sure, spans)] * len(crops),
        )(np.full((240, 240, 3), 128, np.uint8))
        assert sorted(word.text for word in page.words) == texts
    page = TextReader(
        detect, lambda crops: [RecognizedText("West Coast", 0.99, spans)] * len(crops)
    )(np.full((240, 240, 3), 128, np.uint8))
    second, first = sorted(page.words, key=lambda word: word.text)
    for word in (first, second):
        radii = np.linalg.norm(np.array(word.polygon) - 120, axis=1)
        assert np.abs(np.abs(radii - 80) - 15).max() < 2
        assert len(word.polygon) > 4
        assert len(word.char_polygons) == len(word.text)
    assert first.polygon[0] == pytest.approx(curve[0])
    assert second.polygon[len(second.polygon) // 2 - 1] == pytest.approx(curve[8])


def test_importing_the_package_loads_nothing_heavy():
    import subprocess
    import sys

    code = "import sys, onlooker.text; sys.exit(any(m in sys.modules for m in ('cv2', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert onlooker.text.TextReader is TextReader
    with pytest.raises(AttributeError):
        _ = onlooker.text.nothing
