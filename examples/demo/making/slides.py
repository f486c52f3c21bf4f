"""The slides of the lecture: what they say and how they are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from making.ink import GREY, INK, MIST, NAVY, ORANGE, PAPER, TEAL, centred, font

SIZE = (1280, 720)
FOOTER = "Onlooker · a lecture in two minutes"


@dataclass(frozen=True)
class Slide:
    """A slide that is built up line by line.

    Attributes:
        title: Its title.
        lines: Lines that appear one after the other.
        figure: Draws the figure beside them, given how many lines are there.
        code: Whether the lines are commands.
    """

    title: str
    lines: tuple[str, ...]
    figure: Callable[[Image.Image, int], None] | None = None
    code: bool = False


def draw_title() -> Image.Image:
    """Draw the first slide."""
    picture = Image.new("RGB", SIZE, NAVY)
    draw = ImageDraw.Draw(picture)
    # An eye: what looks on.
    draw.ellipse((862, 150, 1162, 450), outline=(60, 86, 112), width=10)
    draw.ellipse((922, 210, 1102, 390), fill=ORANGE)
    draw.ellipse((972, 260, 1052, 340), fill=NAVY)
    draw.ellipse((1020, 262, 1044, 286), fill=PAPER)
    draw.text((90, 190), "Onlooker", font=font("title", 104), fill=PAPER)
    draw.text((96, 330), "Every moment, searchable", font=font("body", 46), fill=(214, 222, 230))
    draw.rectangle((96, 414, 276, 420), fill=ORANGE)
    draw.text((96, 446), "A lecture in two minutes", font=font("body", 32), fill=(168, 182, 196))
    return picture


def draw_slide(slide: Slide, shown: int, number: int) -> Image.Image:
    """Draw a slide with its first lines."""
    picture = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 18, SIZE[1]), fill=NAVY)
    draw.text((80, 58), slide.title, font=font("title", 54), fill=NAVY)
    draw.rectangle((82, 136, 202, 142), fill=ORANGE)
    if slide.figure:
        slide.figure(picture, shown)
    top, step = 200, 100
    for row, line in enumerate(slide.lines[:shown]):
        y = top + step * row
        if slide.code:
            draw.rounded_rectangle((80, y - 8, 860, y + 62), 10, fill=NAVY)
            draw.text((104, y + 8), "$", font=font("mono bold", 30), fill=ORANGE)
            draw.text((140, y + 8), line, font=font("mono", 30), fill=PAPER)
            continue
        draw.rectangle((82, y + 15, 98, y + 31), fill=ORANGE)
        draw.text((120, y), line, font=font("body", 40), fill=INK)
    draw.text((80, 670), FOOTER, font=font("body", 20), fill=GREY)
    draw.text((760, 670), str(number), font=font("body", 20), fill=GREY)
    return picture


def moment_figure(picture: Image.Image, shown: int) -> None:
    """Three lanes of a recording, each with the moments found in it."""
    draw = ImageDraw.Draw(picture)
    lanes = (
        ("on screen", ((0, 22), (26, 40), (55, 95)), TEAL),
        ("said", ((3, 12), (14, 30), (34, 47), (52, 70), (75, 92)), ORANGE),
        ("by a person", ((0, 100),), NAVY),
    )
    left, width = 790, 420
    for row, (name, spans, colour) in enumerate(lanes[:shown]):
        y = 210 + 92 * row
        draw.text((left, y - 30), name, font=font("body", 22), fill=GREY)
        draw.rounded_rectangle((left, y, left + width, y + 34), 6, fill=MIST)
        for start, end in spans:
            draw.rounded_rectangle(
                (left + width * start / 100, y, left + width * end / 100 - 3, y + 34),
                6,
                fill=colour,
            )


def learning_figure(picture: Image.Image, shown: int) -> None:
    """Words drawn by a program, and the way down the loss."""
    rng = np.random.default_rng(7)
    words = (
        ("Bakery", "serif bold", (250, 236, 210), (128, 46, 20), -6),
        ("Straße", "narrow", (22, 78, 148), (250, 250, 250), 4),
        ("exit 24", "mono bold", (20, 20, 22), (255, 186, 40), -3),
        ("π ≈ 3.14", "sans", (236, 242, 240), (30, 92, 80), 7),
    )
    draw = ImageDraw.Draw(picture)
    for index, (word, which, ground, ink, turn) in enumerate(words if shown >= 1 else ()):
        tile = Image.new("RGB", (196, 84), ground)
        centred(ImageDraw.Draw(tile), (98, 42), word, which, 38, ink)
        tile = tile.rotate(turn, Image.Resampling.BICUBIC, fillcolor=ground)
        tile = tile.filter(ImageFilter.GaussianBlur(0.4 + 0.3 * index))
        noisy = np.asarray(tile).astype(float) + rng.normal(0, 9, (84, 196, 3))
        tile = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
        picture.paste(tile, (800 + 208 * (index % 2), 186 + 96 * (index // 2)))
    if shown >= 3:
        steps = np.linspace(0, 1, 60)
        curve = [
            (800 + 400 * x, 500 - 110 * np.exp(-4 * x) * (1 + 0.1 * np.sin(20 * x))) for x in steps
        ]
        draw.line([(800, 384), (800, 510), (1210, 510)], fill=GREY, width=3)
        draw.line(curve, fill=TEAL, width=5, joint="curve")
        for at in (0, 8, 17, 30, 52):
            x, y = curve[at]
            draw.ellipse((x - 8, y - 8, x + 8, y + 8), fill=ORANGE)
        draw.text((900, 392), "loss", font=font("body", 24), fill=GREY)


def binary_figure(picture: Image.Image, shown: int) -> None:
    """A product of two binary vectors, bit by bit."""
    a, b = "10110010", "11100110"
    same = "".join("1" if x == y else "0" for x, y in zip(a, b, strict=True))
    ones = same.count("1")
    rows = [("a", a, TEAL), ("b", b, TEAL), ("XNOR", same, ORANGE)]
    draw = ImageDraw.Draw(picture)
    for row, (name, bits, colour) in enumerate(rows[: (0, 2, 3, 3)[shown]]):
        y = 196 + 62 * row
        draw.text((880, y + 24), name, font=font("bold", 26), fill=INK, anchor="rm")
        for column, bit in enumerate(bits):
            x = 898 + 40 * column
            fill, ink = (colour, PAPER) if bit == "1" else (MIST, GREY)
            draw.rounded_rectangle((x, y, x + 36, y + 46), 6, fill=fill)
            centred(draw, (x + 18, y + 23), bit, "mono bold", 24, ink)
    if shown >= 3:
        draw.text((880, 408), f"popcount = {ones}", font=font("bold", 30), fill=INK)
        draw.text(
            (880, 456),
            f"a · b = 2 × {ones} − {len(a)} = {2 * ones - len(a)}",
            font=font("body", 28),
            fill=INK,
        )


def search_figure(picture: Image.Image, shown: int) -> None:
    """A strip of slides with a hit."""
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((800, 186, 1210, 240), 27, outline=NAVY, width=3, fill=(255, 255, 255))
    draw.ellipse((820, 202, 838, 220), outline=NAVY, width=3)
    draw.line((836, 218, 844, 227), fill=NAVY, width=3)
    if shown >= 2:
        draw.text((862, 213), "popcoumt", font=font("body", 26), fill=INK, anchor="lm")
    for index in range(4):
        x, y = 800 + 212 * (index % 2), 262 + 122 * (index // 2)
        hit = shown >= 3 and index == 2
        draw.rounded_rectangle(
            (x, y, x + 198, y + 108),
            6,
            fill=(255, 255, 255),
            outline=ORANGE if hit else MIST,
            width=6 if hit else 3,
        )
        draw.rectangle((x + 16, y + 18, x + 96, y + 28), fill=NAVY)
        for row in range(1 + index % 3):
            draw.rectangle(
                (x + 16, y + 44 + 18 * row, x + 150 - 20 * row, y + 50 + 18 * row), fill=GREY
            )


SLIDES = (
    Slide(
        "What is a moment?",
        ("A line of text on the screen", "A sentence that was said", "A title that somebody gave"),
        moment_figure,
    ),
    Slide(
        "How does a reader learn?",
        (
            "Draw words in many fonts",
            "Guess, and measure the loss",
            "Gradient descent: small steps",
        ),
        learning_figure,
    ),
    Slide(
        "Binary networks",
        (
            "One bit per weight: +1 or −1",
            "XNOR replaces multiplication",
            "popcount replaces addition",
        ),
        binary_figure,
    ),
    Slide(
        "Lecture search",
        ("Read once per slide", "Words, phrases, parts of words", "Play from the very second"),
        search_figure,
    ),
    Slide(
        "Try it yourself",
        ("pip install onlooker", "onlooker add ~/lectures", "onlooker search 'gradient descent'"),
        None,
        code=True,
    ),
)
