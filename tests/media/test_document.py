from __future__ import annotations

import hashlib
import io
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from onlooker.errors import MediaError
from onlooker.media.document import Document
from onlooker.media.document import pages as document_pages
from onlooker.media.reading_order import order_boxes


def pdf(
    pages: list[bytes],
    *,
    box: tuple[float, float, float, float] = (0, 0, 400, 300),
    page_extra: bytes = b"",
    resources: bytes = b"",
    objects: dict[int, bytes] | None = None,
    trailer: bytes = b"",
    crypt: object = None,
) -> bytes:
    """Write a PDF by hand: page contents in, a file out. Objects 10 and above are the caller's."""
    first_page = 100
    numbers = [first_page + 2 * at for at in range(len(pages))]
    parts: dict[int, bytes] = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Count %d /Kids [%s] >>"
        % (len(pages), b" ".join(b"%d 0 R" % number for number in numbers)),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    }
    for number, content in zip(numbers, pages, strict=True):
        if crypt is not None:
            content = crypt(number + 1, content)  # type: ignore[operator]
        parts[number] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [%g %g %g %g] /Contents %d 0 R %s"
            b" /Resources << /Font << /F1 3 0 R >> %s >> >>"
            % (*box, number + 1, page_extra, resources)
        )
        parts[number + 1] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)
    parts.update(objects or {})
    out = io.BytesIO(b"%PDF-1.7\n")
    out.seek(0, io.SEEK_END)
    places = {}
    for number, body in sorted(parts.items()):
        places[number] = out.tell()
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 1\n0000000000 65535 f \n")
    for number, place in places.items():
        out.write(b"%d 1\n%010d 00000 n \n" % (number, place))
    out.write(
        b"trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n"
        % (max(parts) + 1, trailer, start)
    )
    return out.getvalue()


def text(x: float, y: float, words: str, size: float = 20, matrix: str = "1 0 0 1") -> bytes:
    encoded = words.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(")
    return b"BT /F1 %g Tf %s %g %g Tm (%s) Tj ET\n" % (size, matrix.encode(), x, y, encoded)


def picture(x: float, y: float, width: float, height: float) -> bytes:
    return b"q %g 0 0 %g %g %g cm /Im1 Do Q\n" % (width, height, x, y)


def image_object(width: int = 16, height: int = 16) -> dict[str, object]:
    data = zlib.compress(
        bytes(np.arange(min(width * height, 4096), dtype=np.uint32).astype(np.uint8))
    )
    head = (
        b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray"
        b" /BitsPerComponent 8 /Filter /FlateDecode /Length %d >>" % (width, height, len(data))
    )
    return {
        "objects": {10: head + b"\nstream\n" + data + b"\nendstream"},
        "resources": b"/XObject << /Im1 10 0 R >>",
    }


def write(folder: Path, data: bytes, name: str = "a.pdf") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def lines_of(path: Path, page: int = 0) -> list[str]:
    with Document.open(path) as document:
        return [line.text for line in document.page_lines(page)]


def ink_box(pixels: np.ndarray) -> tuple[int, int, int, int]:
    dark = (pixels < 128).any(axis=2)
    ys, xs = np.nonzero(dark)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def test_words_stand_where_they_are_drawn(tmp_path: Path) -> None:
    path = write(tmp_path, pdf([text(50, 200, "Gradient"), text(50, 200, "Zwei Wörter")]))
    with Document.open(path) as document:
        assert len(document) == 2
        facts = document.facts
        assert (facts.kind, facts.width, facts.height, facts.pages) == ("document", 400, 300, 2)
        (line,) = document.page_lines(0)
        pixels, scale = document.render(0, 1600)
        assert pixels.shape == (1200, 1600, 3)
        assert scale == 4.0
        expected = np.array(ink_box(pixels)) / scale
        assert np.abs(np.array(line.box) - expected).max() < 0.7
        assert line.words[0].polygon[0] == pytest.approx((line.box[0], line.box[1]))
        assert line.words[0].confidence == 1.0
        (line,) = document.page_lines(1)
        assert [word.text for word in line.words] == ["Zwei", "Wörter"]


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [b"", b"/CropBox [30 120 300 280]"])
def test_rotated_and_cropped_pages(tmp_path: Path, rotate: int, crop: bytes) -> None:
    extra = b"/Rotate %d %s" % (rotate, crop)
    path = write(tmp_path, pdf([text(60, 200, "Hgradient")], page_extra=extra))
    with Document.open(path) as document:
        width, height = document.page_size(0)
        pixels, scale = document.render(0, 1000)
        assert pixels.shape[1] / pixels.shape[0] == pytest.approx(width / height, abs=0.01)
        (line,) = document.page_lines(0)
        expected = np.array(ink_box(pixels)) / scale
        assert np.abs(np.array(line.box) - expected).max() < 1.0
        (x0, y0), (x1, y1) = line.words[0].polygon[:2]  # along the direction of reading
        heading = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[rotate]
        assert (np.sign(round(x1 - x0)), np.sign(round(y1 - y0))) == heading


@pytest.mark.parametrize("degrees", [30, 90, -90, 180, -15])
def test_turned_text(tmp_path: Path, degrees: float) -> None:
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = f"{cos:.5f} {sin:.5f} {-sin:.5f} {cos:.5f}"
    path = write(tmp_path, pdf([text(200, 150, "turned words", matrix=matrix)]))
    with Document.open(path) as document:
        (line,) = document.page_lines(0)
        assert line.text == "turned words"
        for word in line.words:
            (x0, y0), (x1, y1) = word.polygon[:2]
            assert np.degrees(np.arctan2(y1 - y0, x1 - x0)) % 360 == pytest.approx(
                -degrees % 360, abs=2
            )
        pixels, scale = document.render(0, 1600)
        expected = np.array(ink_box(pixels)) / scale
        assert np.abs(np.array(line.box) - expected).max() < 8


def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    rows = [(40, f"left {n}", f"right {n}", 200 - 20 * n) for n in range(5)]
    content = text(40, 260, "A title across both of the columns here", 16)
    for x, left, right, y in rows:  # stored line by line across the columns
        content += text(x, y, left, 12) + text(230, y, right, 12)
    content += text(40, 40, "a footer", 10)
    found = lines_of(write(tmp_path, pdf([content])))
    left = [f"left {n}" for n in range(5)]
    right = [f"right {n}" for n in range(5)]
    assert found == ["A title across both of the columns here", *left, *right, "a footer"]


def test_order_does_not_depend_on_the_order_stored(tmp_path: Path) -> None:
    content = text(40, 40, "third") + text(40, 140, "second") + text(40, 240, "first")
    assert lines_of(write(tmp_path, pdf([content]))) == ["first", "second", "third"]


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 20), st.integers(1, 8)),
        max_size=12,
        unique=True,
    ),
    st.randoms(),
)
@settings(max_examples=60, deadline=None)
def test_reading_order_is_total_and_independent(
    raw: list[tuple[int, int, int, int]], random: object
) -> None:
    boxes = [(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h in raw]
    order = order_boxes(boxes)
    assert sorted(order) == list(range(len(boxes)))
    shuffled = list(boxes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert [boxes[at] for at in order] == [shuffled[at] for at in order_boxes(shuffled)]


def test_what_lies_off_the_page_is_not_read(tmp_path: Path) -> None:
    content = text(40, 40, "on the page") + text(900, 40, "beside") + text(40, -200, "below")
    assert lines_of(write(tmp_path, pdf([content]))) == ["on the page"]


def test_which_pages_need_reading(tmp_path: Path) -> None:
    many = b"".join(
        text(20, 280 - 18 * row, "some words of a text layer here", 12) for row in range(15)
    )
    pages = [
        many,
        b"",
        many + picture(100, 100, 150, 150),
        many + picture(0, 0, 20, 20),
        many + picture(0, 0, 400, 300),
        text(20, 20, "little") + picture(0, 0, 400, 300),
    ]
    path = write(tmp_path, pdf(pages, **image_object()))  # type: ignore[arg-type]
    with Document.open(path) as document:
        needs = [document.needs_reading(at) for at in range(6)]
        assert needs == [False, True, True, False, False, True]
        (box,) = document.picture_boxes(2)
        assert box == pytest.approx((100, 50, 250, 200), abs=0.5)
        assert document.picture_boxes(3) == []
        assert document.page_lines(1) == []


def test_pictures_inside_forms_are_found(tmp_path: Path) -> None:
    parts = image_object()
    form = picture(0, 0, 50, 50)
    parts["objects"][11] = (  # type: ignore[index]
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 100 100] /Matrix [2 0 0 2 10 20]"
        b" /Resources << /XObject << /Im1 10 0 R >> >> /Length %d >>\nstream\n%s\nendstream"
        % (len(form), form)
    )
    parts["resources"] = b"/XObject << /Fm1 11 0 R >>"
    path = write(tmp_path, pdf([b"q 1 0 0 1 30 40 cm /Fm1 Do Q\n"], **parts))  # type: ignore[arg-type]
    with Document.open(path) as document:
        (box,) = document.picture_boxes(0)
        assert box == pytest.approx((40, 140, 140, 240), abs=0.5)


def test_garbage_text_layers_are_thrown_away(tmp_path: Path) -> None:
    cipher = "wkh txlfn eurzq ira mxpsv ryhu wkh odcb grj dqg vwloo pruh zrugv".translate(
        str.maketrans("aeiouy", "bcdfgh")
    )
    path = write(tmp_path, pdf([text(10, 200, cipher * 2, 6)]))
    with Document.open(path) as document:
        assert document.page_lines(0) == []
        assert document.needs_reading(0)
    to_unicode = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def"
        b" /CMapType 2 def 1 begincodespacerange <00> <FF> endcodespacerange"
        b" 1 beginbfrange <20> <7E> <E000> endbfrange endcmap end end"
    )
    font = (
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 12 0 R"
        b" /Encoding /WinAnsiEncoding >>"
    )
    stream = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(to_unicode), to_unicode)
    path = write(tmp_path, pdf([text(10, 200, "private use")], objects={3: font, 12: stream}))
    with Document.open(path) as document:
        assert document.page_lines(0) == []
        assert document.needs_reading(0)


def encrypted(password: bytes) -> bytes:
    """A document with 40-bit RC4 (ISO 32000-1, 7.6.3, revision 2) that asks for a password."""

    def rc4(key: bytes, data: bytes) -> bytes:
        state = list(range(256))
        j = 0
        for i in range(256):
            j = (j + state[i] + key[i % len(key)]) % 256
            state[i], state[j] = state[j], state[i]
        out = bytearray()
        i = j = 0
        for byte in data:
            i = (i + 1) % 256
            j = (j + state[i]) % 256
            state[i], state[j] = state[j], state[i]
            out.append(byte ^ state[(state[i] + state[j]) % 256])
        return bytes(out)

    pad = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
    padded = (password + pad)[:32]
    owner = rc4(hashlib.md5(padded).digest()[:5], padded)
    allowed = (-4).to_bytes(4, "little", signed=True)
    key = hashlib.md5(padded + owner + allowed + b"x" * 16).digest()[:5]

    def crypt(number: int, data: bytes) -> bytes:
        salted = key + number.to_bytes(3, "little") + b"\0\0"
        return rc4(hashlib.md5(salted).digest()[:10], data)

    trailer = (
        f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{owner.hex()}>"
        f" /U <{rc4(key, pad).hex()}> >> /ID [<{(b'x' * 16).hex()}> <{(b'x' * 16).hex()}>]"
    ).encode()
    return pdf([text(50, 200, "secret")], trailer=trailer, crypt=crypt)


def test_passwords(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.pdf: it is protected by a password"):
        Document.open(write(tmp_path, encrypted(b"word")))
    assert lines_of(write(tmp_path, encrypted(b""))) == ["secret"]  # only rights are restricted


def test_a_damaged_page_costs_only_itself(tmp_path: Path, quiet: None) -> None:
    data = pdf([text(50, 200, "one"), text(50, 200, "two"), text(50, 200, "three")])
    data = data.replace(b"102 0 obj\n<< /Type /Page ", b"102 0 obj\n[[ /Tyqe /Qage ")
    path = write(tmp_path, data)
    with Document.open(path) as document:
        assert len(document) == 3
        for call in (document.page_lines, document.needs_reading, document.page_size):
            with pytest.raises(MediaError, match=r"page 2 of .*a\.pdf"):
                call(1)
        with pytest.raises(MediaError, match="page 2"):
            document.render(1, 100)
        assert [line.text for line in document.page_lines(0)] == ["one"]
        assert [line.text for line in document.page_lines(2)] == ["three"]
        with pytest.raises(MediaError, match="no page 4"):
            document.page_lines(3)
        with pytest.raises(MediaError, match="no page 0"):
            document.page_lines(-1)


@pytest.mark.parametrize(
    "box",
    [(0, 0, 14_400, 14_400), (0, 0, 1e7, 1e7), (0, 0, 0.01, 0.01), (0, 0, 1e6, 1), (5, 5, 5, 5)],
)
def test_absurd_page_sizes_are_bounded(
    tmp_path: Path, box: tuple[float, float, float, float]
) -> None:
    path = write(tmp_path, pdf([text(1, 1, "x")], box=box))
    with Document.open(path) as document:
        pixels, scale = document.render(0, 500)
        assert max(pixels.shape[:2]) <= 500
        assert min(pixels.shape[:2]) >= 1
        assert scale > 0
        document.page_lines(0)
        document.needs_reading(0)


def test_huge_pictures_are_refused(tmp_path: Path) -> None:
    parts = image_object(30_000, 30_000)
    path = write(tmp_path, pdf([picture(0, 0, 400, 300)], **parts))  # type: ignore[arg-type]
    with (
        Document.open(path) as document,
        pytest.raises(MediaError, match=r"page 1 of .*30000x30000"),
    ):
        document.render(0, 500)


def test_render_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_pages, "MAX_RENDER_SIDE_PX", 600)
    with Document.open(write(tmp_path, pdf([text(50, 200, "x")]))) as document:
        assert document.render(0, 100_000)[0].shape == (450, 600, 3)
        with pytest.raises(ValueError, match="positive"):
            document.render(0, 0)


def test_colours_are_rgb(tmp_path: Path) -> None:
    with Document.open(write(tmp_path, pdf([b"1 0 0 rg 0 0 400 300 re f\n"]))) as document:
        assert document.render(0, 40)[0][15, 20].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.7", b"%PDF-1.7\n" + bytes(1000), b"text", b"%PDF-1.7\n%%EOF\n"]
)
def test_what_is_no_document(tmp_path: Path, data: bytes, quiet: None) -> None:
    with pytest.raises(MediaError, match=r"a\.pdf"):
        Document.open(write(tmp_path, data))


def test_no_pages(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.pdf"):
        Document.open(write(tmp_path, pdf([])))


def test_cut_short_and_overwritten(tmp_path: Path, quiet: None) -> None:
    whole = pdf(
        [text(50, 200, "one") + picture(0, 0, 90, 90), text(50, 200, "two")],
        **image_object(),  # type: ignore[arg-type]
    )
    random = np.random.default_rng(3)
    attempts = [whole[: len(whole) * part // 10] for part in range(1, 10)]
    for _ in range(60):
        damaged = bytearray(whole)
        for at in random.integers(0, len(damaged), 8):
            damaged[at] = random.integers(0, 256)
        attempts.append(bytes(damaged))
    for data in attempts:
        path = write(tmp_path, data)
        try:
            with Document.open(path) as document:
                assert document.facts.pages == len(document)
                for at in range(len(document)):
                    document.page_lines(at)
                    document.needs_reading(at)
                    document.render(at, 60)
        except MediaError as error:
            assert "a.pdf" in str(error)


def test_information(tmp_path: Path) -> None:
    trailer = b"/Info 13 0 R"
    info = {13: b"<< /Title (A title) /Author (Anna\\000) /Subject () >>"}
    path = write(tmp_path, pdf([text(5, 5, "x")], trailer=trailer, objects=info))
    with Document.open(path) as document:
        assert document.info == {"Title": "A title", "Author": "Anna"}


def test_odd_names(tmp_path: Path, odd_name: str) -> None:
    path = write(tmp_path, pdf([text(50, 200, "found")]), f"{odd_name}.pdf")
    assert lines_of(path) == ["found"]


def test_a_document_that_is_deleted_while_open(tmp_path: Path) -> None:
    path = write(tmp_path, pdf([text(50, 200, "still here")]))
    with Document.open(path) as document:
        path.unlink()
        assert [line.text for line in document.page_lines(0)] == ["still here"]
    with pytest.raises(MediaError, match="no such file"):
        Document.open(path)


def test_closing_twice_and_using_after(tmp_path: Path) -> None:
    document = Document.open(write(tmp_path, pdf([text(50, 200, "x")])))
    document.close()
    document.close()
    with pytest.raises(MediaError, match="closed"):
        document.page_lines(0)


def test_threads_do_not_disturb_one_another(tmp_path: Path) -> None:
    path = write(tmp_path, pdf([text(50, 200, f"page {n}") for n in range(8)]))
    wrong: list[object] = []

    def work() -> None:
        with Document.open(path) as document:
            for at in range(8):
                if [line.text for line in document.page_lines(at)] != [f"page {at}"]:
                    wrong.append(at)
                document.render(at, 80)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_scans_made_by_pillow(tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    Image.new("RGB", (200, 300), "white").save(path, "PDF", resolution=72)
    with Document.open(path) as document:
        assert document.needs_reading(0)
        assert document.picture_boxes(0) == [pytest.approx((0, 0, 200, 300), abs=0.5)]
