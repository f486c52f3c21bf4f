"""PDF files: the slides with their text layer, and a page that is only a picture."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw

from making.ink import NAVY, ORANGE, PAPER, font
from making.slides import FOOTER, SLIDES

WIDTH, HEIGHT = 960, 540


def colour(value: tuple[int, int, int]) -> str:
    """Return a colour as PDF wants it, for filling."""
    return " ".join(f"{part / 255:.3f}" for part in value) + " rg"


def write(x: float, y: float, size: float, face: str, text: str, fill: tuple[int, int, int]) -> str:
    """Return the commands that write a line of text; y from the top."""
    safe = text.replace("−", "-").replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT {colour(fill)} /{face} {size} Tf {x} {HEIGHT - y} Td ({safe}) Tj ET"


def box(x: float, y: float, width: float, height: float, fill: tuple[int, int, int]) -> str:
    """Return the commands that fill a rectangle; y of its top, from the top."""
    return f"{colour(fill)} {x} {HEIGHT - y - height} {width} {height} re f"


def slide_pages() -> list[str]:
    """Return the slides as PDF page contents."""
    title = [
        box(0, 0, WIDTH, HEIGHT, NAVY),
        write(70, 220, 72, "B", "Onlooker", PAPER),
        write(72, 280, 32, "R", "Every moment, searchable", PAPER),
        box(72, 306, 130, 5, ORANGE),
        write(72, 348, 20, "R", "Handout: the slides of the lecture, and what was not said", PAPER),
    ]
    extra = {
        "What is a moment?": "A moment has a place: page, or time span, and polygon.",
        "How does a reader learn?": "It sees no photo while it learns: all words are synthesised.",
        "Binary networks": "Eight products at once: a · b = 2 · popcount(a XNOR b) − 8.",
        "Lecture search": "A misspelt query is matched against the vocabulary of the library.",
        "Try it yourself": "No account, no cloud, no graphics card.",
    }
    pages = ["\n".join(title)]
    for number, slide in enumerate(SLIDES, 2):
        parts = [box(0, 0, WIDTH, HEIGHT, PAPER), box(0, 0, 14, HEIGHT, NAVY)]
        parts += [write(60, 90, 40, "B", slide.title, NAVY), box(60, 108, 90, 5, ORANGE)]
        for row, line in enumerate(slide.lines):
            parts.append(write(60, 190 + 62 * row, 28, "C" if slide.code else "R", line, NAVY))
        parts.append(write(60, 430, 20, "R", extra[slide.title], (90, 96, 104)))
        parts.append(write(60, 510, 14, "R", f"{FOOTER} · {number}", (122, 128, 136)))
        pages.append("\n".join(parts))
    return pages


def pdf(pages: Sequence[str | bytes], title: str, creator: str, size: tuple[int, int]) -> bytes:
    """Return a PDF of pages, each given by its commands or as a JPEG that fills it."""
    objects: list[bytes] = [b"", b""]
    for face in ("Helvetica", "Helvetica-Bold", "Courier"):
        head = f"<< /Type /Font /Subtype /Type1 /BaseFont /{face}"
        objects.append(f"{head} /Encoding /WinAnsiEncoding >>".encode())
    kids = []

    def stream(head: str, data: bytes) -> int:
        objects.append(
            f"<< {head} /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"
        )
        return len(objects)

    for page in pages:
        resources = "/Font << /R 3 0 R /B 4 0 R /C 5 0 R >>"
        if isinstance(page, bytes):
            with Image.open(io.BytesIO(page)) as picture:
                size_px = f"/Width {picture.width} /Height {picture.height}"
                space = "DeviceGray" if picture.mode == "L" else "DeviceRGB"
            number = stream(
                f"/Type /XObject /Subtype /Image {size_px} /ColorSpace /{space} "
                "/BitsPerComponent 8 /Filter /DCTDecode",
                page,
            )
            resources = f"/XObject << /P {number} 0 R >>"
            commands = f"q {size[0]} 0 0 {size[1]} 0 0 cm /P Do Q".encode()
        else:
            commands = page.encode("cp1252")
        content = stream("/Filter /FlateDecode", zlib.compress(commands, 9))
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size[0]} {size[1]}] "
            f"/Contents {content} 0 R /Resources << {resources} >> >>".encode()
        )
        kids.append(len(objects))
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R >>"
    listed = " ".join(f"{kid} 0 R" for kid in kids)
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{listed}] >>".encode()
    objects.append(f"<< /Title ({title}) /Author ({creator}) >>".encode("cp1252"))

    body = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content_of in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n".encode() + content_of + b"\nendobj\n"
    start = len(body)
    body += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    body += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    body += (
        f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>\n".encode()
    )
    return bytes(body + f"startxref\n{start}\n%%EOF\n".encode())


LETTER = (
    ("serif bold", 46, "Minutes of the reading circle"),
    ("serif", 30, "Thursday, 19 November 2026"),
    ("serif", 30, ""),
    ("serif", 30, "Present: J. Marlow, T. Okafor, L. Brandt"),
    ("serif", 30, ""),
    ("serif", 30, "1. The overhead projector has been repaired at last."),
    ("serif", 30, "The invoice of 84,20 € was approved by all."),
    ("serif", 30, ""),
    ("serif", 30, "2. T. Okafor showed how a relay computes with one bit,"),
    ("serif", 30, "and why that is a good thing on a small machine."),
    ("serif", 30, ""),
    ("serif", 30, "3. Old tapes of the seminar are to be digitised and"),
    ("serif", 30, "made searchable before the end of the term."),
    ("serif", 30, ""),
    ("serif", 30, "Next meeting: 10 December, room 2.14"),
    ("hand", 56, "J. Marlow"),
)


def scan() -> bytes:
    """Return a typed page as a scanner gives it: a JPEG, slightly turned, grey, with dust."""
    rng = np.random.default_rng(3)
    page = Image.new("L", (1240, 1754), 250)
    draw = ImageDraw.Draw(page)
    y = 190
    for which, size, line in LETTER:
        draw.text((150, y), line, font=font(which, size), fill=38)
        y += round(size * 1.9)
    pixels = np.asarray(page).astype(np.float32)
    matrix = cv2.getRotationMatrix2D((620, 877), 0.9, 1.0)
    pixels = cv2.warpAffine(pixels, matrix, (1240, 1754), flags=cv2.INTER_AREA, borderValue=236)
    pixels = cv2.GaussianBlur(pixels, (0, 0), 0.8) - 14 * np.linspace(0, 1, 1240)[None, :] ** 3
    pixels += rng.normal(0, 5, pixels.shape)
    for x, y, r in rng.integers((0, 0, 1), (1240, 1754, 4), (60, 3)):
        cv2.circle(pixels, (int(x), int(y)), int(r), 150, -1)
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(
        out, "JPEG", quality=62, optimize=True
    )
    return out.getvalue()
