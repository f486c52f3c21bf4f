"""Fixtures for tests that need a folder of media: tiny, of every kind, made when asked for.

`media_folder` is shared by all tests of a run and must not be changed; `media_copy` is a test's
own copy. What is drawn, said and broken is known, so that a test can say what must be found.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

Size = tuple[int, int]

SLIDES = (
    (0.0, ("Gradient Descent",)),
    (2.0, ("Gradient Descent", "walk downhill")),
    (4.0, ("Binary Networks", "XNOR and popcount")),
    (7.0, ("Thank you", "Questions?")),
)
"""When each picture of talk/lecture.mp4 appears, and its lines; the second builds on the first."""
LECTURE_END_S = 9.0
SUBTITLES = (
    (0.5, 1.8, "Welcome to the lecture about optimisation."),
    (2.2, 3.9, "We follow the slope of the loss."),
    (4.5, 6.8, "One bit per weight is enough."),
    (7.2, 8.8, "Vielen Dank für die Aufmerksamkeit."),
)


@dataclass
class MediaFolder:
    """Where the media lie and what is true of them.

    Attributes:
        root: The folder.
        visible: Path below `root` to the lines that can be seen, or stand in the text layer.
        spoken: Path to sentences of its subtitles.
        broken: Path to a word that says how it is broken.
    """

    root: Path
    visible: dict[str, tuple[str, ...]] = field(default_factory=dict)
    spoken: dict[str, tuple[str, ...]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def draw_text(lines: Iterable[str], size: Size = (640, 360), *, dark: bool = False) -> Image.Image:
    """Draw lines of text as on a slide."""
    paper, ink = ((24, 32, 48), (240, 240, 232)) if dark else ((250, 250, 246), (20, 24, 32))
    picture = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(picture)
    for row, line in enumerate(lines):
        font = ImageFont.load_default(44 if row == 0 else 32)
        draw.text((40, 30 + 70 * row), line, font=font, fill=ink)
    return picture


def write_video(
    path: Path,
    frames: Iterable[tuple[float, Image.Image]],
    *,
    codec: str = "libx264",
    sound_s: float = 0.0,
    title: str = "",
) -> None:
    """Write pictures at the given times (seconds), with a tone of `sound_s` seconds."""
    with av.open(str(path), "w") as out:
        if title:
            out.metadata["title"] = title
        stream = audio = None
        for time_s, picture in frames:
            if stream is None:
                stream = out.add_stream(codec, rate=25)
                stream.width, stream.height = picture.size
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = Fraction(1, 1000)
                # One thread: the bytes, and so the content hash, are the same on every machine.
                stream.codec_context.thread_count = 1
                if codec == "libx264":
                    stream.options = {"preset": "ultrafast", "crf": "23"}
                if sound_s:
                    audio = out.add_stream("aac", rate=16000, layout="mono")
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        assert stream is not None
        out.mux(stream.encode())
        if audio is not None:
            for block in tone(sound_s):
                out.mux(audio.encode(block))
            out.mux(audio.encode())


def tone(seconds: float, rate_hz: int = 16000) -> Iterator[av.AudioFrame]:
    """Yield a quiet tone of 440 Hz in frames of 1024 samples."""
    samples = np.sin(np.arange(int(seconds * rate_hz)) * (2 * np.pi * 440 / rate_hz)) * 0.1
    for at in range(0, len(samples) - 1023, 1024):
        block = samples[at : at + 1024].astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, at, Fraction(1, rate_hz)
        yield frame


def write_audio(path: Path, codec: str, seconds: float, title: str = "") -> None:
    """Write a tone into a file without a video stream."""
    rate_hz = 48000 if codec == "libopus" else 16000
    with av.open(str(path), "w") as out:
        if title:
            out.metadata["title"] = title
        stream = out.add_stream(codec, rate=rate_hz, layout="mono")
        resampler = av.AudioResampler(stream.codec_context.format, "mono", rate_hz, 960)
        for block in [*tone(seconds, rate_hz), None]:
            for ready in resampler.resample(block):
                out.mux(stream.encode(ready))
        out.mux(stream.encode())


def slide_frames(fps: int = 10) -> Iterator[tuple[float, Image.Image]]:
    """Yield the pictures of the lecture."""
    for index in range(round(LECTURE_END_S * fps)):
        time_s = index / fps
        lines = [lines for start_s, lines in SLIDES if start_s <= time_s][-1]
        yield time_s, draw_text(lines)


def rotate_by_metadata(path: Path) -> None:
    """Mark an MP4 as turned by 90° clockwise: the matrix of its first track header is replaced."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    matrix = at + (52 if data[at] == 1 else 40)  # ISO 14496-12, 8.3.2: version 1 has longer times
    one, minus = 1 << 16, -(1 << 16)
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, minus, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))


def pdf_bytes(pages: Iterable[Iterable[str] | Image.Image], password: str = "") -> bytes:
    """Return a PDF: a page of lines with a text layer, or a page that is only a picture.

    With a password it is encrypted by the standard handler, revision 2 (ISO 32000-1, 7.6.3).
    """
    objects: list[tuple[bytes, bytes | None]] = [
        (b"<< /Type /Catalog /Pages 2 0 R >>", None),
        (b"", None),
        (b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", None),
    ]
    kids = []
    for page in pages:
        if isinstance(page, Image.Image):
            picture = zlib.compress(page.convert("RGB").tobytes())
            head = (
                f"<< /Type /XObject /Subtype /Image /Width {page.width} /Height {page.height} "
                "/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode "
            )
            objects.append((head.encode(), picture))
            resources = f"/XObject << /P {len(objects)} 0 R >>"
            content = b"q 595 0 0 420 0 211 cm /P Do Q"
        else:
            resources = "/Font << /F 3 0 R >>"
            shown = "\n".join(f"({line}) Tj 0 -40 Td" for line in page)
            content = f"BT /F 24 Tf 60 760 Td\n{shown}\nET".encode("cp1252")
        objects.append((b"<< ", content))
        head = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {len(objects)} 0 R "
        objects.append((f"{head}/Resources << {resources} >> >>".encode(), None))
        kids.append(len(objects))
    listed = " ".join(f"{kid} 0 R" for kid in kids)
    objects[1] = (f"<< /Type /Pages /Count {len(kids)} /Kids [{listed}] >>".encode(), None)

    identity = hashlib.md5(b"onlooker test").digest()
    trailer = b""
    key = b""
    if password:
        owner = rc4(hashlib.md5(pad_password(password)).digest()[:5], pad_password(password))
        rights = struct.pack("<i", -4)
        key = hashlib.md5(pad_password(password) + owner + rights + identity).digest()[:5]
        user = rc4(key, pad_password(""))
        protection = f"<< /Filter /Standard /V 1 /R 2 /P -4 /O <{owner.hex()}> /U <{user.hex()}> >>"
        objects.append((protection.encode(), None))
        trailer = (
            f"/Encrypt {len(objects)} 0 R /ID [<{identity.hex()}> <{identity.hex()}>]".encode()
        )

    body = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, (head, stream) in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n".encode() + head
        if stream is not None:
            if key:
                salt = struct.pack("<I", number)[:3] + b"\0\0"
                stream = rc4(hashlib.md5(key + salt).digest()[:10], stream)
            body += f"/Length {len(stream)} >>\nstream\n".encode() + stream + b"\nendstream"
        body += b"\nendobj\n"
    start = len(body)
    body += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    body += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    body += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R ".encode() + trailer
    return bytes(body + f" >>\nstartxref\n{start}\n%%EOF\n".encode())


def pad_password(password: str) -> bytes:
    """Pad a password to 32 bytes (ISO 32000-1, algorithm 2)."""
    filler = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
    return (password.encode("latin-1") + filler)[:32]


def rc4(key: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt with RC4."""
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


def timestamp(seconds: float, separator: str) -> str:
    """Write a time as subtitle files do."""
    whole, millis = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{separator}{millis:03}"


def make_videos(folder: MediaFolder) -> None:
    """Make the recordings, sound and subtitles."""
    talk = folder.root / "talk"
    talk.mkdir()
    write_video(talk / "lecture.mp4", slide_frames(), sound_s=LECTURE_END_S, title="Optimisation")
    folder.visible["talk/lecture.mp4"] = tuple(dict.fromkeys(x for _, xs in SLIDES for x in xs))
    cues = [
        f"{index}\n{timestamp(start, ',')} --> {timestamp(end, ',')}\n{text}\n"
        for index, (start, end, text) in enumerate(SUBTITLES, 1)
    ]
    (talk / "lecture.srt").write_text("\n".join(cues), encoding="utf-8")
    folder.spoken["talk/lecture.mp4"] = tuple(text for _, _, text in SUBTITLES)

    irregular = [0.0, 0.04, 0.5, 1.7, 1.74, 2.0, 2.9, 3.0]
    late = draw_text(["Late picture"], (320, 240), dark=True)
    early = draw_text(["Early"], (320, 240))
    frames = [(time_s, late if time_s >= 1.7 else early) for time_s in irregular]
    write_video(talk / "variable rate.mkv", frames)
    folder.visible["talk/variable rate.mkv"] = ("Early", "Late picture")
    write_video(
        talk / "turned.mp4",
        [(i / 10, draw_text(["Upright"]).rotate(90, expand=True)) for i in range(20)],
    )
    rotate_by_metadata(talk / "turned.mp4")
    folder.visible["talk/turned.mp4"] = ("Upright",)

    write_audio(talk / "interview.opus", "libopus", 3.0, title="Interview about popcount")
    span = f"{timestamp(0.2, '.')} --> {timestamp(2.5, '.')}"
    vtt = f"WEBVTT\n\n{span}\nA binary network counts bits.\n"
    (talk / "interview.vtt").write_text(vtt, encoding="utf-8")
    folder.spoken["talk/interview.opus"] = ("A binary network counts bits.",)
    write_audio(talk / "only sound.mp4", "aac", 2.0)

    whole = (talk / "lecture.mp4").read_bytes()
    for name, data, reason in (
        ("truncated.mp4", whole[: len(whole) // 2], "truncated"),
        ("really text.mp4", b"This is not a video, only its name says so.\n" * 20, "text"),
        ("empty.mkv", b"", "empty"),
    ):
        (folder.root / "broken" / name).write_bytes(data)
        folder.broken[f"broken/{name}"] = reason


def make_documents(folder: MediaFolder) -> None:
    """Make the PDF files."""
    slides = folder.root / "slides"
    slides.mkdir()
    layer = (("Convex Optimization", "Gradient descent converges."), ("Momentum", "Nesterov 1983"))
    (slides / "with text.pdf").write_bytes(pdf_bytes(layer))
    folder.visible["slides/with text.pdf"] = tuple(line for page in layer for line in page)
    (slides / "scan.pdf").write_bytes(pdf_bytes([draw_text(["Scanned Page"], (1190, 840))]))
    folder.visible["slides/scan.pdf"] = ("Scanned Page",)
    (folder.root / "broken/secret.pdf").write_bytes(pdf_bytes([["Top secret"]], "sesame"))
    folder.broken["broken/secret.pdf"] = "password"
    (folder.root / "broken/corrupt.pdf").write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 8)
    folder.broken["broken/corrupt.pdf"] = "corrupt"


def make_photos(folder: MediaFolder) -> None:
    """Make the photos: formats, orientation, place and time, odd names, broken ones."""
    photos = folder.root / "photos"
    photos.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90° clockwise to look at it
    exif[0x9003] = exif[0x0132] = "2024:05:17 10:30:00"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 23.0, 38.0), 3: "E", 4: (13.0, 7.0, 12.0)})
    exif.get_ifd(0x8769).update({0x9003: "2024:05:17 10:30:00"})
    sideways = draw_text(["Potsdam"], (480, 320)).rotate(90, expand=True)
    sideways.save(photos / "orientation.jpg", exif=exif, quality=90)
    folder.visible["photos/orientation.jpg"] = ("Potsdam",)
    for name, line in (("shop.png", "Bakery"), ("café.webp", "Café"), ("exit.tiff", "Exit")):
        draw_text([line], (320, 180), dark=True).save(photos / name, lossless=True)
        folder.visible[f"photos/{name}"] = (line,)
    shutil.copyfile(photos / "shop.png", photos / "shop again.png")
    folder.visible["photos/shop again.png"] = ("Bakery",)
    Image.new("RGB", (64, 48), (90, 120, 60)).save(photos / "no text.jpg")
    folder.visible["photos/no text.jpg"] = ()
    (folder.root / "metadata.csv").write_text(
        "path,title,creator,series,date,language,rights\n"
        "photos/shop.png,The old bakery,Ada Example,Signs of our town,2021-03-04,en,CC0-1.0\n",
        encoding="utf-8",
    )

    odd = folder.root / "odd names"
    odd.mkdir()
    names = ["new\nline.png", 'quote\'s "here".png', "smile \U0001f600.png", "-dash.png"]
    for index, name in enumerate([*names, os.fsdecode(b"latin-1 \xe9t\xe9.png")]):
        try:
            draw_text([f"Number {index}"], (320, 180)).save(odd / name)
        except OSError:  # macOS refuses names that are not UTF-8
            continue
        folder.visible[f"odd names/{name}"] = (f"Number {index}",)

    jpeg = (photos / "orientation.jpg").read_bytes()
    (folder.root / "broken/cut.jpg").write_bytes(jpeg[: len(jpeg) // 3])
    folder.broken["broken/cut.jpg"] = "truncated"
    (folder.root / "broken/empty.png").write_bytes(b"")
    folder.broken["broken/empty.png"] = "empty"
    (folder.root / "notes.txt").write_text("not a medium\n")


@pytest.fixture(scope="session")
def media_folder(tmp_path_factory: pytest.TempPathFactory) -> MediaFolder:
    """A folder of tiny media of every kind; shared, so it must not be changed."""
    folder = MediaFolder(tmp_path_factory.mktemp("media"))
    (folder.root / "broken").mkdir()
    make_videos(folder)
    make_documents(folder)
    make_photos(folder)
    return folder


@pytest.fixture
def media_copy(media_folder: MediaFolder, tmp_path: Path) -> MediaFolder:
    """A copy of the folder that a test may change."""
    root = tmp_path / "media"
    shutil.copytree(media_folder.root, root)
    return MediaFolder(root, media_folder.visible, media_folder.spoken, media_folder.broken)
