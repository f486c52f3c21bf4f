from __future__ import annotations

import io
import struct
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onlooker.errors import MediaError, MissingExtraError
from onlooker.media import image as media_image
from onlooker.media.image import exif_time, image_facts, read_image, thumbnail

RNG = np.random.default_rng(7)
CORNERS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


def quarters(width: int = 64, height: int = 32) -> Image.Image:
    """Red, green over blue, white: tells each of the eight orientations apart."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = CORNERS["red"]
    pixels[: height // 2, width // 2 :] = CORNERS["green"]
    pixels[height // 2 :, : width // 2] = CORNERS["blue"]
    pixels[height // 2 :, width // 2 :] = CORNERS["white"]
    return Image.fromarray(pixels)


def corners(pixels: np.ndarray) -> list[str]:
    """Name the colours clockwise from the top left."""
    height, width = pixels.shape[:2]
    names = []
    for y, x in ((4, 4), (4, width - 5), (height - 5, width - 5), (height - 5, 4)):
        distances = {
            name: int(np.abs(pixels[y, x].astype(int) - colour).sum())
            for name, colour in CORNERS.items()
        }
        names.append(min(distances, key=distances.__getitem__))
    return names


def exif_of(**values: object) -> Image.Exif:
    exif = Image.Exif()
    for key, value in values.items():
        exif[int(key[1:], 16)] = value
    return exif


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_formats(tmp_path: Path, form: str, quiet: None) -> None:
    path = tmp_path / "a.bin"
    quarters().save(path, form)
    pixels, scale = read_image(path)
    assert pixels.shape == (32, 64, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags["C_CONTIGUOUS"]
    assert scale == 1.0
    assert corners(pixels) == ["red", "green", "white", "blue"]
    facts = image_facts(path)
    assert (facts.kind, facts.width, facts.height) == ("photo", 64, 32)
    assert facts.container == form.lower()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation(tmp_path: Path, form: str, orientation: int) -> None:
    """What is stored so that this orientation shows the quarters upright is read upright."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = quarters()
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    path = tmp_path / "a.bin"
    stored.save(path, form, exif=exif_of(x0112=orientation))
    pixels, _ = read_image(path)
    assert corners(pixels) == ["red", "green", "white", "blue"]
    facts = image_facts(path)
    assert (facts.width, facts.height) == (64, 32)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F", "YCbCr", "LAB"])
def test_modes(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        source = Image.fromarray((np.arange(64 * 32).reshape(32, 64) * 32).astype(np.uint16))
    elif mode == "F":
        source = Image.fromarray(np.linspace(0, 1, 64 * 32, dtype=np.float32).reshape(32, 64))
    else:
        source = quarters().convert(mode)
    path = tmp_path / "a.tif"
    source.save(path)
    pixels, _ = read_image(path)
    assert pixels.shape == (32, 64, 3)
    if mode in ("I;16", "F"):
        assert pixels[0, 0].max() <= 1
        assert pixels[-1, -1].min() >= 253


def test_transparent_places_are_white(tmp_path: Path) -> None:
    pixels = np.zeros((10, 10, 4), np.uint8)
    pixels[:, 5:] = (200, 0, 0, 255)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    read, _ = read_image(path)
    assert read[0, 0].tolist() == [255, 255, 255]
    assert read[0, 9].tolist() == [200, 0, 0]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_pictures_the_first_is_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.bin"
    others = [Image.new("RGB", (64, 32), "black")] * 2
    quarters().save(path, form, save_all=True, append_images=others, duration=100)
    assert corners(read_image(path)[0]) == ["red", "green", "white", "blue"]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("max_side", [1, 7, 100, 333, 399, 400, 5000])
def test_reduction_keeps_to_the_bound(tmp_path: Path, form: str, max_side: int) -> None:
    path = tmp_path / "a.bin"
    quarters(400, 200).save(path, form)
    pixels, scale = read_image(path, max_side=max_side)
    assert max(pixels.shape[:2]) == min(max_side, 400)
    assert scale == pytest.approx(pixels.shape[1] / 400)
    if max_side >= 100:
        assert corners(pixels) == ["red", "green", "white", "blue"]


def test_reduction_by_pixels_with_orientation(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    quarters(400, 200).save(path, exif=exif_of(x0112=6))
    pixels, scale = read_image(path, max_pixels=20_000)
    assert pixels.shape[0] == 2 * pixels.shape[1]
    assert pixels.shape[0] * pixels.shape[1] <= 20_200
    assert scale == pytest.approx(0.5, abs=0.01)


def test_bounds_must_be_positive(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    quarters().save(path)
    with pytest.raises(ValueError, match="max_side=0"):
        read_image(path, max_side=0)


def test_a_huge_jpeg_is_decoded_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is lowered here; the true 20,000 x 20,000 one runs with the slow tests."""
    monkeypatch.setattr(media_image, "_DRAFT_BYTES", 200_000)
    monkeypatch.setattr(media_image, "DECODE_BYTES", 200_000)
    path = tmp_path / "a.jpg"
    quarters(1000, 500).save(path)
    pixels, scale = read_image(path)
    assert pixels.shape == (125, 250, 3)
    assert scale == 0.25
    assert corners(pixels) == ["red", "green", "white", "blue"]
    png = tmp_path / "a.png"
    quarters(1000, 500).save(png)
    with pytest.raises(MediaError, match=r"a\.png: decoding this PNG of 1000x500 pixels"):
        read_image(png, max_side=100)
    quarters(1000, 500).save(path, progressive=True)
    with pytest.raises(MediaError, match="progressive JPEG"):
        read_image(path, max_side=100)
    assert image_facts(png).width == 1000


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def test_bombs(tmp_path: Path, quiet: None) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_claiming(100_000, 100_000))
    with pytest.raises(MediaError, match="MB are the most"):
        read_image(path)
    path.write_bytes(png_claiming(2_000_000_000, 2))
    with pytest.raises(MediaError, match="a side"):
        read_image(path)
    path.write_bytes(png_claiming(0, 2))
    with pytest.raises(MediaError, match=r"bomb\.png"):
        read_image(path)


def test_odd_names(tmp_path: Path, odd_name: str) -> None:
    for suffix, form in ((".jpg", "JPEG"), (".tif", "TIFF"), (".webp", "WEBP")):
        path = tmp_path / f"{odd_name}{suffix}"
        with path.open("wb") as file:
            quarters().save(file, form)
        assert read_image(path)[0].shape == (32, 64, 3)
        assert image_facts(path).width == 64


def test_thumbnail() -> None:
    pixels = RNG.integers(0, 255, (480, 640, 3), np.uint8)
    data = thumbnail(pixels, side=160)
    with Image.open(io.BytesIO(data)) as small:
        assert (small.format, small.size) == ("WEBP", (160, 120))
    with Image.open(io.BytesIO(thumbnail(pixels[:20, :30], side=160))) as small:
        assert small.size == (30, 20)
    with Image.open(io.BytesIO(thumbnail(np.zeros((2, 5000, 3), np.uint8)))) as small:
        assert small.size == (320, 1)


def full_exif() -> Image.Exif:
    exif = exif_of(x0132="2024:01:01 00:00:00")
    exif._ifds[0x8769] = {
        0x9003: "2023:06:15 14:30:10",
        0x9011: "+02:00",
        0x9291: "250",
    }
    exif._ifds[0x8825] = {
        1: "N", 2: (48.0, 8.0, 15.0), 3: "W", 4: (11.0, 34.0, 30.0),
    }  # fmt: skip
    return exif


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_capture_time_and_place(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.bin"
    quarters().save(path, form, exif=full_exif())
    facts = image_facts(path)
    moment = datetime(2023, 6, 15, 12, 30, 10, 250_000, tzinfo=UTC)
    assert facts.captured_at == pytest.approx(moment.timestamp())
    assert facts.latitude == pytest.approx(48.1375)
    assert facts.longitude == pytest.approx(-11.575)


def test_exif_times(monkeypatch: pytest.MonkeyPatch) -> None:
    noon = datetime(2023, 6, 15, 12, 0, tzinfo=UTC).timestamp()
    assert exif_time("2023:06:15 12:00:00", "Z") == noon
    assert exif_time("2023:06:15 06:30:00", "-05:30") == noon
    gps = {7: (12.0, 0.0, 3.0), 29: "2023:06:15"}
    assert (
        exif_time("2023:06:15 20:00:00", None, None, gps) == noon
    )  # eight hours east of Greenwich
    assert exif_time("2023:06:15 12:00:00\0", "", "", None) is not None
    for bad in ("0000:00:00 00:00:00", "    :  :     :  :  ", "", None, 7, "2023:13:40 99:00:00"):
        assert exif_time(bad, "+02:00") is None
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert exif_time("2023:06:15 21:00:00", None) == noon
    finally:
        monkeypatch.undo()
        time.tzset()


def test_place_must_be_plausible(tmp_path: Path) -> None:
    for gps in (
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (11.0, 0.0, 0.0)},
        {2: (48.0, 0.0, 0.0)},
    ):
        exif = Image.Exif()
        exif._ifds[0x8825] = gps
        path = tmp_path / "a.jpg"
        quarters().save(path, exif=exif)
        facts = image_facts(path)
        assert facts.latitude is None
        assert facts.longitude is None


def test_damaged_exif_does_not_cost_the_picture(tmp_path: Path, quiet: None) -> None:
    path = tmp_path / "a.jpg"
    quarters().save(path, exif=b"Exif\0\0" + b"II*\0\xff\xff\xff\xff" + bytes(50))
    assert read_image(path)[0].shape == (32, 64, 3)
    assert image_facts(path).captured_at is None


def test_heic(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra heic")
    path = tmp_path / "a.heic"
    heif = pillow_heif.from_pillow(quarters())
    heif.save(path, quality=90, exif=full_exif().tobytes())
    pixels, scale = read_image(path)
    assert scale == 1.0
    assert corners(pixels) == ["red", "green", "white", "blue"]
    facts = image_facts(path)
    assert (facts.width, facts.height, facts.container) == (64, 32, "heif")
    assert facts.latitude == pytest.approx(48.1375)


def test_heic_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(media_image._FACTORIES, "heif", ("no_such_module", "X"))
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(MissingExtraError, match=r"onlooker\[heic\]"):
        read_image(path)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_cut_short_and_overwritten(tmp_path: Path, form: str, quiet: None) -> None:
    """Whatever is done to a file: a picture of the right form, or an error that names it."""
    path = tmp_path / "a.bin"
    source = Image.fromarray(RNG.integers(0, 255, (40, 60, 3), np.uint8))
    source.save(path, form, exif=exif_of(x0112=6))
    whole = path.read_bytes()
    attempts = [whole[: len(whole) * part // 8] for part in range(1, 8)]
    attempts += [whole[:n] for n in (1, 2, 3, 8, 12, 20, 30)]
    for _ in range(40):
        damaged = bytearray(whole)
        for at in RNG.integers(4, len(damaged), 6):
            damaged[at] = RNG.integers(0, 256)
        attempts.append(bytes(damaged))
    failed = 0
    for data in attempts:
        path.write_bytes(data)
        try:
            pixels, _ = read_image(path, max_side=100)
            assert pixels.ndim == 3
            assert pixels.shape[2] == 3
        except MediaError as error:
            failed += 1
            assert "a.bin" in str(error)
            assert "\n" not in str(error)
        try:
            image_facts(path)
        except MediaError as error:
            assert "a.bin" in str(error)
    assert failed >= 7


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
def test_twenty_thousand_squared_within_memory(tmp_path: Path) -> None:
    import subprocess
    import sys

    row = np.tile(np.arange(20_000, dtype=np.int32) // 50 % 256, (20, 1)).astype(np.uint8)
    strip = Image.fromarray(np.tile(row, (50, 1))).convert("RGB")
    page = Image.new("RGB", (20_000, 20_000))
    for top in range(0, 20_000, 1000):
        page.paste(strip, (0, top))
    path = tmp_path / "a.jpg"
    page.save(path, quality=50)
    del page
    code = (
        "import re, sys; from onlooker.media.image import read_image;"
        "pixels, scale = read_image(sys.argv[1]);"
        "peak = re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read());"
        "print(pixels.shape[0], int(peak[1]) // 1024)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    height, peak_mb = map(int, result.stdout.split())
    assert height >= 4000
    assert peak_mb < 800
