"""A recording of a terminal, in Matroska, which browsers cannot play as it is."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from making.ink import font

SIZE, FPS = (960, 540), 10
GROUND, INK, PROMPT, DIM = (24, 26, 32), (226, 230, 234), (120, 200, 140), (128, 136, 148)

# (command typed, lines it answers)
SESSION = (
    (
        "onlooker add ~/lectures",
        (
            "looking at  algebra-01.mp4",
            "reading     algebra-01.mp4",
            "12 files, 3 408 moments, 0 failed",
        ),
    ),
    (
        "onlooker search popcount",
        (
            "algebra-01.mp4   12:47   on screen",
            "  popcount replaces addition",
            "seminar.mkv      03:15   said",
            "  we count bits with popcount",
        ),
    ),
    ("onlooker serve", ("open http://127.0.0.1:8420 in a browser", "press Ctrl+C to stop")),
)


def screens() -> Iterator[tuple[int, list[tuple[str, tuple[int, int, int]]]]]:
    """Yield (number of frames, lines with their colours)."""
    lines: list[tuple[str, tuple[int, int, int]]] = []
    for command, answers in SESSION:
        for typed in range(len(command) + 1):
            yield 1, [*lines, (f"$ {command[:typed]}_", PROMPT)]
        yield 5, [*lines, (f"$ {command}", PROMPT)]
        lines.append((f"$ {command}", PROMPT))
        for answer in answers:
            lines.append((answer, DIM if answer.startswith(" ") else INK))
            yield 8, list(lines)
        yield 20, list(lines)
    yield 20, lines


def draw(lines: list[tuple[str, tuple[int, int, int]]]) -> Image.Image:
    """Draw a screen."""
    picture = Image.new("RGB", SIZE, GROUND)
    on = ImageDraw.Draw(picture)
    on.rectangle((0, 0, SIZE[0], 36), fill=(44, 48, 56))
    for index, dot in enumerate(((236, 106, 94), (244, 190, 80), (98, 196, 84))):
        on.ellipse((16 + 24 * index, 11, 30 + 24 * index, 25), fill=dot)
    on.text((480, 18), "onlooker: a first session", font=font("sans", 16), fill=DIM, anchor="mm")
    for row, (line, ink) in enumerate(lines):
        on.text((28, 58 + 36 * row), line, font=font("mono", 22), fill=ink)
    return picture


def write_terminal(path: Path) -> None:
    """Write the recording."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as out:
        out.metadata["title"] = "A first session in the terminal"
        video = out.add_stream("libx264", rate=FPS)
        video.width, video.height = SIZE
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1
        video.options = {"preset": "slow", "crf": "22", "tune": "animation", "flags": "+bitexact"}
        index = 0
        for count, lines in screens():
            pixels = np.asarray(draw(lines))
            for _ in range(count):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, FPS)
                out.mux(video.encode(frame))
                index += 1
        out.mux(video.encode())
