import dataclasses

import cv2
import numpy as np
import pytest
from PIL import ImageFont

pytest.importorskip("wordfreq", reason="the extra `train` is not installed")
pytest.importorskip("fontTools", reason="the extra `train` is not installed")

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from onlooker.errors import ConfigError
from onlooker.text.charset import CHARSET
from onlooker.text.synthesis.clutter import KINDS, PictogramBank
from onlooker.text.synthesis.corpus import Corpus, OwnWords
from onlooker.text.synthesis.fonts import FontBank, FontFace
from onlooker.text.synthesis.pages import PageSynthesizer
from onlooker.text.synthesis.scenes import PhotoPool, SceneSynthesizer


@pytest.fixture(scope="module")
def fonts(tmp_path_factory):
    """The face inside Pillow, so that no font need be installed."""
    path = tmp_path_factory.mktemp("fonts") / "plain.ttf"
    path.write_bytes(ImageFont.load_default(20).font_bytes)
    # It draws an empty box for some of them, which is ink, too.
    characters = frozenset(CHARSET)
    face = FontFace(path=path, index=0, family="Plain", style="Regular", characters=characters)
    return FontBank([face])


class AsciiCorpus(Corpus):
    """Only what Pillow's face can draw."""

    def word(self, rng):
        return super().word(rng).encode("ascii", "ignore").decode() or "x"

    def line(self, rng):
        return super().line(rng).encode("ascii", "ignore").decode() or "a line"


@pytest.fixture(scope="module")
def corpus():
    return AsciiCorpus({"en": 1.0})


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 255, (9, 12, 3), np.uint8), (400, 300))
    cv2.imwrite(str(folder / "a.png"), picture)
    return PhotoPool.load(folder)


@pytest.fixture(scope="module")
def synthesizer(fonts, corpus, photos):
    return SceneSynthesizer(fonts, corpus, photos)


def test_scenes_have_the_size_asked_for_and_a_polygon_a_word(synthesizer):
    words = 0
    for seed in range(12):
        scene = synthesizer.draw(np.random.default_rng(seed), 160, 224)
        assert scene.picture.shape == (160, 224, 3)
        assert scene.picture.dtype == np.uint8
        assert scene.polygons.shape == (len(scene.texts), 12, 2)
        assert scene.ignored.shape == (len(scene.texts),)
        assert not any(" " in text for text in scene.texts)
        words += len(scene.texts)
    assert words > 12


def test_the_same_seed_draws_the_same_scene(synthesizer):
    one, two = (synthesizer.draw(np.random.default_rng(7), 128, 128) for _ in range(2))
    assert np.array_equal(one.picture, two.picture)
    assert np.array_equal(one.polygons, two.polygons)


def test_polygons_run_clockwise(synthesizer):
    for seed in range(8):
        for polygon in synthesizer.draw(np.random.default_rng(seed), 200, 200).polygons:
            x, y = polygon.T
            assert np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)) > 0


def test_words_of_a_page_lie_in_their_polygons(fonts, corpus, photos):
    pages = PageSynthesizer(fonts, corpus, photos.draw)
    rng = np.random.default_rng(3)
    page = pages.draw(rng, 300, 300, 1.0)
    assert len(page.texts) > 5
    grey = page.picture.mean(axis=2)
    for polygon in page.polygons:
        (x0, y0), (x1, y1) = np.maximum(polygon.min(0), 0), np.minimum(polygon.max(0), 300)
        inside = grey[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))]
        if inside.size > 20:
            assert np.ptp(inside) > 15


def test_a_scene_without_text_has_no_polygons(fonts, corpus, photos, icons):
    (code,) = icons.codes  # an arrow; letters are left out
    assert chr(code) == "\ue001"
    empty = SceneSynthesizer(
        fonts, corpus, photos, page_share=0.0, empty_share=1.0, pictograms=icons
    )
    for seed in range(8):
        scene = empty.draw(np.random.default_rng(seed), 96, 96)
        assert scene.polygons.shape == (0, 12, 2)
        assert scene.texts == ()


@pytest.fixture(scope="module")
def icons(tmp_path_factory):
    """A font of two icons, a square each: an arrow and a letter."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for point in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(point)
    pen.closePath()
    square = pen.glyph()
    names = [".notdef", "arrow-up", "alpha-a"]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({0xE001: "arrow-up", 0xE002: "alpha-a"})
    builder.setupGlyf(dict.fromkeys(names, square))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 100)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Icons", "styleName": "Regular"})
    builder.setupPost()
    path = tmp_path_factory.mktemp("icons") / "icons.ttf"
    builder.save(path)
    return PictogramBank(path)


def test_a_file_that_is_no_icon_font_is_refused(tmp_path):
    (tmp_path / "icons.ttf").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"icons\.ttf"):
        PictogramBank(tmp_path / "icons.ttf")


def test_curved_words_have_outlines_that_follow_them(fonts, corpus, photos):
    bent = 0
    synthesizer = SceneSynthesizer(fonts, corpus, photos, page_share=0.0, empty_share=0.0)
    for seed in range(30):
        scene = synthesizer.draw(np.random.default_rng(seed), 384, 384)
        for outline in scene.polygons:
            top = outline[:6] - outline[0]
            chord = top[-1] / max(float(np.linalg.norm(top[-1])), 1e-6)
            bent += int(np.abs(top @ np.array([-chord[1], chord[0]])).max() > 2)
    assert bent > 0, bent


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_clutter_is_drawn_in_place_and_never_fails(kind):
    changed = 0
    for seed in range(30):
        picture = np.full((200, 300, 3), 120, np.uint8)
        kind(np.random.default_rng(seed), picture)
        changed += int((picture != 120).any())
    assert changed > 15


def test_no_word_loses_letters_that_a_face_lacks(fonts):
    (whole,) = fonts.faces
    ascii_only = frozenset(c for c in CHARSET if c.isascii())
    poor = dataclasses.replace(whole, family="Poor", characters=ascii_only)
    words = ["Größe", "señor", "Plain", "Donaudampfschiff"]
    synthesizer = SceneSynthesizer(
        FontBank([poor, whole]), OwnWords(words), None, page_share=0.0, empty_share=0.0
    )
    drawn = {
        text
        for seed in range(12)
        for text in synthesizer.draw(np.random.default_rng(seed), 160, 200).texts
    }
    assert drawn == set(words)


def test_a_page_whose_faces_lack_letters_shows_whole_words(fonts):
    (face,) = fonts.faces
    poor = dataclasses.replace(face, characters=frozenset(c for c in CHARSET if c.isascii()))
    pages = SceneSynthesizer(FontBank([poor]), OwnWords(["Plain", "Größe"]), None, page_share=1.0)
    drawn = [pages.draw(np.random.default_rng(seed), 160, 200).texts for seed in range(8)]
    assert "Plain" in sum(drawn, ())
    assert not any("Gre" in text for text in sum(drawn, ()))


def test_a_face_is_found_for_a_text(fonts):
    (whole,) = fonts.faces
    poor = dataclasses.replace(whole, characters=frozenset("abc "))
    bank = FontBank([poor, dataclasses.replace(whole, characters=frozenset("abcö "))])
    rng = np.random.default_rng(0)
    assert bank.fit(rng, poor, "ab c") == (poor, "ab c")
    assert bank.fit(rng, poor, "aö c") == (bank.faces[1], "aö c")
    assert bank.fit(rng, poor, "aö cß b") == (poor, "b")


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no pictures"):
        PhotoPool.load(tmp_path)
