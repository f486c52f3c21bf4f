from __future__ import annotations

import json
import subprocess
from xml.etree import ElementTree

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from onlooker.cli.main import main
from onlooker.records import DetectedText, Page, TextLine, TextWord
from onlooker.text.pipeline import TextReader


def word(text, x, y, width=50, height=16):
    return TextWord(text, ((x, y), (x + width, y), (x + width, y + height), (x, y + height)), 0.75)


class FakeReader:
    """Finds the same two lines in every picture that is not black."""

    def __init__(self):
        self.shapes = []

    def __call__(self, pixels):
        self.shapes.append(pixels.shape)
        height, width = pixels.shape[:2]
        if not pixels.any():
            place = DetectedText(((1, 1), (9, 1), (9, 4), (1, 4)), 0.7)
            return Page(width, height, (), (place,))
        first = TextLine((word("Zur", 10, 10), word("Größe", 70, 10)))
        return Page(width, height, (first, TextLine((word("\x1b[2J!", 10, 60),))))


@pytest.fixture
def reader(monkeypatch):
    fake = FakeReader()
    monkeypatch.setattr(TextReader, "load", classmethod(lambda cls, **_: fake))
    return fake


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (200, 100), (250, 250, 250)).save(path)
    return path


def run(capsys, *args):
    with pytest.raises(SystemExit) as done:
        main(["read", *map(str, args)])
    out = capsys.readouterr()
    return done.value.code, out.out, out.err


def test_prints_lines_and_nothing_that_moves_the_cursor(capsys, reader, photo):
    code, out, err = run(capsys, photo)
    assert (code, err) == (0, "")
    assert out == "Zur Größe\n·[2J!\n"


def test_several_are_headed_and_a_bad_one_does_not_stop_the_rest(
    capsys, reader, photo, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    code, out, err = run(capsys, photo, "bad.jpg", "gone.png", photo)
    assert code == 1
    assert out.count("==> photo.png <==\nZur Größe\n") == 2
    assert "bad.jpg" in err
    assert "gone.png" in err
    assert "Traceback" not in err


def test_json_is_one_object_a_line(capsys, reader, photo, tmp_path):
    code, out, _ = run(capsys, "--json", photo, tmp_path / "gone.png")
    assert code == 1
    good, bad = (json.loads(line) for line in out.splitlines())
    assert good["path"] == str(photo)
    assert good["width"] == 200
    assert good["lines"][0]["words"][1] == {
        "text": "Größe",
        "confidence": 0.75,
        "polygon": [[70, 10], [120, 10], [120, 26], [70, 26]],
    }
    assert "gone.png" in bad["error"]


def test_nothing_found_and_unread_places_are_said(capsys, reader, tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "black.png")
    code, out, err = run(capsys, tmp_path / "black.png")
    assert (code, out) == (0, "")
    assert "no text found" in err
    assert "1 place unread" in err


def test_large_photos_are_reduced_and_polygons_are_in_pixels_of_the_file(
    capsys, reader, tmp_path, monkeypatch
):
    import onlooker.media.image

    real = onlooker.media.image.read_image
    monkeypatch.setattr(onlooker.media.image, "read_image", lambda path: real(path, max_side=400))
    Image.new("RGB", (800, 400), "white").save(tmp_path / "large.png")
    _, out, _ = run(capsys, "--json", tmp_path / "large.png")
    assert reader.shapes == [(200, 400, 3)]
    values = json.loads(out)
    assert (values["width"], values["height"]) == (800, 400)
    assert values["lines"][0]["words"][0]["polygon"][2] == [120, 52]


def test_hocr(capsys, reader, photo):
    code, out, _ = run(capsys, "--format", "hocr", photo)
    assert code == 0
    words = [
        e.text
        for e in ElementTree.fromstring(out.encode()).iter()
        if e.text and "ocrx_word" in e.get("class", "")
    ]
    assert words[:2] == ["Zur", "Größe"]


def test_searchable_pdf_with_overlay(capsys, reader, photo, tmp_path):
    out = tmp_path / "out.pdf"
    overlay = tmp_path / "boxes.png"
    code, _, _ = run(capsys, "--format", "pdf", "--output", out, "--overlay", overlay, photo, photo)
    assert code == 0
    with pypdfium2.PdfDocument(out) as document:
        assert len(document) == 2
        text = document[1].get_textpage()
        assert "Zur Größe" in text.get_text_bounded()
        text.close()
    for path in (overlay, tmp_path / "boxes-2.png"):
        assert (np.asarray(Image.open(path)) == (0, 150, 80)).all(axis=2).any()


def test_output_file_replaces_whole_or_not_at_all(capsys, reader, photo, tmp_path):
    target = tmp_path / "out.txt"
    code, out, _ = run(capsys, "--output", target, photo)
    assert (code, out) == (0, "")
    assert target.read_text(encoding="utf-8") == "Zur Größe\n·[2J!\n"
    code, _, err = run(capsys, "--output", tmp_path / "no" / "out.txt", photo)
    assert code == 1
    assert "cannot be written" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.txt", "photo.png"]


@pytest.mark.parametrize(
    ("args", "said", "code"),
    [
        ((), "PHOTO", 2),
        (("--format", "pdf"), "--output", 2),
        (("--json", "--format", "hocr"), "exclude", 2),
        (("--overlay", "x.gif"), ".png", 2),
        (("--pages", "0"), "--pages", 2),
        (("--pages", "3-2"), "--pages", 2),
        (("--pages", "a"), "--pages", 2),
        (("--detector", "maser"), "did you mean 'mser'", 1),
        (("--detector", "mser", "--video", "a.mp4"), "--video stands alone", 2),
    ],
)
def test_wrong_usage(capsys, reader, photo, args, said, code):
    found, _, err = run(capsys, *args, *([photo] if args else []))
    assert found == code
    assert said in err


def test_the_detector_is_chosen_by_name(capsys, photo, monkeypatch):
    chosen = []

    def load(cls, *, detection, **_):
        chosen.append(detection)
        return FakeReader()

    monkeypatch.setattr(TextReader, "load", classmethod(load))
    assert run(capsys, photo)[0] == 0
    assert run(capsys, "--detector", "mser", photo)[0] == 0
    assert chosen == ["db", "mser"]


def test_an_input_is_never_overwritten(capsys, reader, photo):
    before = photo.read_bytes()
    code, _, err = run(capsys, "--overlay", photo, photo)
    assert code == 1
    assert "one of the inputs" in err
    assert photo.read_bytes() == before


def test_pdf_pages_with_text_are_not_read_again(capsys, reader, media_folder):
    code, out, _ = run(capsys, media_folder.root / "slides/with text.pdf", "--pages", "2")
    assert code == 0
    assert reader.shapes == []
    assert out.splitlines()[0].endswith("page 2 <==")
    assert "Nesterov 1983" in out
    assert "Convex" not in out


def test_scanned_pdf_pages_are_read(capsys, reader, media_folder):
    code, out, _ = run(capsys, "--json", media_folder.root / "slides/scan.pdf")
    assert code == 0
    values = json.loads(out)
    assert len(reader.shapes) == 1
    assert values["page"] == 1
    assert values["text_layer"] is False
    assert values["width"] == reader.shapes[0][1]
    assert values["pixels_per_inch"] == pytest.approx(72 * 2000 / 842, abs=0.5)


def test_a_page_that_is_not_there_and_other_media(capsys, reader, media_folder):
    slides = media_folder.root / "slides/with text.pdf"
    code, out, err = run(capsys, "--pages", "2-9", slides, media_folder.root / "talk/lecture.mp4")
    assert (code, out) == (1, "")
    assert "it has 2" in err
    assert "onlooker add" in err


def test_the_command_starts_without_a_network_library():
    code = (
        "import sys\nfrom onlooker.cli.main import main\n"
        "try: main(['read', '--help'])\nexcept SystemExit: pass\n"
        "sys.exit(any(m in sys.modules for m in ('numpy', 'cv2', 'onnxruntime')))"
    )
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
