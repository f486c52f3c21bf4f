from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pypdfium2
import pytest

from onlooker.errors import MediaError
from onlooker.records import DetectedText, Page, TextLine, TextWord
from onlooker.text.formats import (
    SearchablePdf,
    draw_overlay,
    hocr,
    page_to_json,
    scale_page,
)


def word(text, x, y, width, height=20, confidence=0.9, degrees=0.0):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = ((0, 0), (width, 0), (width, height), (0, height))
    return TextWord(
        text, tuple((x + c * u - s * v, y + s * u + c * v) for u, v in corners), confidence
    )


@pytest.fixture
def page():
    return Page(
        400,
        300,
        (
            TextLine((word("Größe", 20, 30, 60), word("α≤β", 90, 30, 40, confidence=0.5))),
            TextLine((word('<a&"b>', 20, 80, 70),)),
            TextLine(
                (word("rising", 60, 250, 100, degrees=-90), word("text", 60, 140, 60, degrees=-90))
            ),
        ),
        (DetectedText(((300, 200), (350, 200), (350, 220), (300, 220)), 0.8),),
    )


@pytest.fixture
def pixels():
    return np.full((300, 400, 3), 200, np.uint8)


def test_json(page):
    values = page_to_json(page)
    assert values["text"] == 'Größe α≤β\n<a&"b>\nrising text'
    first = values["lines"][0]
    assert first["words"][1] == {
        "text": "α≤β",
        "confidence": 0.5,
        "polygon": [[90, 30], [130, 30], [130, 50], [90, 50]],
    }
    assert first["box"] == [20, 30, 130, 50]
    assert values["unread"][0]["polygon"][0] == [300, 200]


def test_scaled_back_to_the_original(page):
    doubled = scale_page(page, 2.0)
    assert (doubled.width, doubled.height) == (800, 600)
    assert doubled.words[1].polygon[2] == (260, 100)
    assert doubled.unread[0].polygon[0] == (600, 400)
    assert scale_page(page, 1.0) is page


def test_hocr_is_xml_with_boxes_and_angles(page):
    text = "".join(hocr(iter([('a "b" &\x01.jpg', 0, page)]), "<t>"))
    tree = ElementTree.fromstring(text.encode())
    space = "{http://www.w3.org/1999/xhtml}"
    (div,) = tree.iter(f"{space}div")
    assert div.get("title") == 'image "a %22b%22 &\ufffd.jpg"; bbox 0 0 400 300; ppageno 0'
    spans = [span for span in tree.iter(f"{space}span") if span.get("class") == "ocrx_word"]
    assert [span.text for span in spans] == ["Größe", "α≤β", '<a&"b>', "rising", "text"]
    assert spans[1].get("title") == "bbox 90 30 130 50; x_wconf 50"
    lines = [span for span in tree.iter(f"{space}span") if span.get("class") == "ocr_line"]
    assert lines[2].get("title").endswith("textangle 90.0")
    assert "textangle" not in lines[0].get("title")


def pdf_of(path, pixels, page, **options):
    with SearchablePdf(path) as pdf:
        pdf.add_page(pixels, page, **options)
    return path


def test_pdf_is_found_by_pdfium_where_it_stands(tmp_path, page, pixels):
    path = pdf_of(tmp_path / "a.pdf", pixels, page, size_points=(200, 150))
    with pypdfium2.PdfDocument(path) as document:
        assert document[0].get_size() == (200, 150)
        text = document[0].get_textpage()
        everything = text.get_text_bounded()
        for piece in ("Größe α≤β", '<a&"b>', "rising text"):
            assert piece in everything
        at = everything.index("α")
        left, bottom, right, top = text.get_charbox(at)
        # Pixels 90…103 × 30…50 of 400 × 300; in points, counted from the bottom.
        assert left == pytest.approx(45, abs=1)
        assert right == pytest.approx(45 + 20 / 3, abs=1)
        assert bottom == pytest.approx(150 - 25, abs=1.5)
        assert top <= 150 - 14
        text.close()


@pytest.mark.parametrize("degrees", [-90, -40, -8, 8, 40, 90, 180])
def test_tilted_words_stay_whole(tmp_path, pixels, degrees):
    line = TextLine((word("international", 200, 150, 120, degrees=degrees),))
    path = pdf_of(tmp_path / "a.pdf", pixels, Page(400, 300, (line,)))
    with pypdfium2.PdfDocument(path) as document:
        text = document[0].get_textpage()
        assert text.get_text_bounded().strip() == "international"
        text.close()
    if shutil.which("pdftotext"):
        run = subprocess.run(["pdftotext", path, "-"], capture_output=True, check=True)
        assert run.stdout.split() == [b"international"]


def test_pdf_shows_the_picture_and_not_the_text(tmp_path, page, pixels):
    path = pdf_of(tmp_path / "a.pdf", pixels, page)
    with pypdfium2.PdfDocument(path) as document:
        shown = document[0].render(scale=1).to_numpy()
    assert np.abs(shown.astype(int) - 200).max() <= 3


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_pdf_is_found_by_poppler(tmp_path, page, pixels):
    path = pdf_of(tmp_path / "a.pdf", pixels, page)
    run = subprocess.run(["pdftotext", path, "-"], capture_output=True, check=True)
    assert run.stderr == b""
    text = run.stdout.decode()
    for piece in ("Größe α≤β", '<a&"b>', "rising text"):
        assert piece in text


def test_pdf_with_more_characters_than_one_font_holds(tmp_path, pixels):
    letters = [chr(0x100 + i) for i in range(700)]
    lines = tuple(
        TextLine((word("".join(letters[i : i + 70]), 5, 5 + i * 0.4, 380),))
        for i in range(0, 700, 70)
    )
    path = pdf_of(tmp_path / "a.pdf", pixels, Page(400, 300, lines))
    with pypdfium2.PdfDocument(path) as document:
        text = document[0].get_textpage()
        found = text.get_text_bounded()
        text.close()
    assert set(letters) <= set(found)


def test_an_empty_page_and_a_degenerate_word(tmp_path, pixels):
    flat = TextWord("x", ((5, 5), (5, 5), (5, 5), (5, 5)), 0.9)
    with SearchablePdf(tmp_path / "a.pdf") as pdf:
        pdf.add_page(pixels, Page(400, 300, ()))
        pdf.add_page(pixels, Page(400, 300, (TextLine((flat,)),)))
    with pypdfium2.PdfDocument(tmp_path / "a.pdf") as document:
        assert len(document) == 2


def test_after_an_error_no_half_pdf_is_left(tmp_path, page, pixels):
    target = tmp_path / "a.pdf"
    target.write_bytes(b"before")
    with pytest.raises(KeyError), SearchablePdf(target) as pdf:
        pdf.add_page(pixels, page)
        raise KeyError
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_pdf_of_nothing_is_not_written(tmp_path):
    with SearchablePdf(tmp_path / "a.pdf"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there():
    with pytest.raises(MediaError, match="cannot be written"):
        SearchablePdf(Path("/nowhere/at/all.pdf"))


def test_overlay_marks_words_and_unread_places(page, pixels):
    drawn = draw_overlay(pixels, page)
    assert drawn.shape == pixels.shape
    assert drawn is not pixels
    assert (pixels == 200).all()
    green = (drawn == (0, 150, 80)).all(axis=2)
    assert green[49:52, 25:75].any(axis=0).all()  # lower edge of the first word
    red = (drawn == (220, 60, 40)).all(axis=2)
    assert red[219:222, 305:345].any(axis=0).all()
    small = draw_overlay(pixels[::2, ::2], page)
    assert (small == (220, 60, 40)).all(axis=2)[109:112, 152:172].any(axis=0).all()


def test_places_of_characters_follow_a_slanting_word():
    slanting = word("ab", 60, 250, 100, degrees=-30)
    known = TextWord("ab", slanting.polygon, 0.9, ((0.0, 0.5), (0.5, 1.0)))
    page = Page(400, 300, (TextLine((known,)),))
    (values,) = page_to_json(page)["lines"][0]["words"]
    assert len(values["characters"]) == 2
    corners = np.array(known.char_polygons)  # (2, 4, 2)
    # They share a border, which runs as the word's own ends do.
    assert corners[0, 1] == pytest.approx(corners[1, 0])
    assert corners[0, 1] - corners[0, 2] == pytest.approx(corners[0, 0] - corners[0, 3])
    assert corners[0, 0] == pytest.approx(slanting.polygon[0])
    document = "".join(hocr(iter([("x.png", 0, page)]), "x"))
    ElementTree.fromstring(document)
    assert document.count('class="ocrx_cinfo"') == 2
    assert page_to_json(Page(9, 9, (TextLine((slanting,)),)))["lines"][0]["words"][0].keys() == {
        "text",
        "confidence",
        "polygon",
    }


def test_characters_of_a_bent_word_follow_its_edges():
    top = ((0.0, 10.0), (10.0, 0.0), (20.0, 10.0))
    bottom = ((20.0, 20.0), (10.0, 10.0), (0.0, 20.0))
    bent = TextWord("ab", top + bottom, 0.9, ((0.0, 0.5), (0.5, 1.0)))
    first, second = bent.char_polygons
    assert first == ((0.0, 10.0), (10.0, 0.0), (10.0, 10.0), (0.0, 20.0))
    assert second == ((10.0, 0.0), (20.0, 10.0), (20.0, 20.0), (10.0, 10.0))
    assert TextWord("a", top, 0.9, ((0.0, 1.0),)).char_polygons == ()
