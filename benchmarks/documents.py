"""Documents with text layers, made freely: one column or two, with all that stands on such pages.

Titles across both columns, headings, justified paragraphs, lists, tables, code, footnotes, running
heads and page numbers. The words are those of Python's own documentation (``pydoc_data``), which
comes with every Python; the fonts are the standard ones of PDF and Bitstream Vera of reportlab. So
nothing is fetched, and a seed gives the same pages wherever Python and reportlab are the same.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

POINTS_PER_MM = 72 / 25.4
FAMILIES = {  # regular, bold, italic
    "times": ("Times-Roman", "Times-Bold", "Times-Italic"),
    "helvetica": ("Helvetica", "Helvetica-Bold", "Helvetica-Oblique"),
    "vera": ("Vera", "VeraBd", "VeraIt"),
}
UNITS = ("mm", "kg", "s", "%", "K", "MB", "EUR")


@dataclass(frozen=True)
class Passages:
    """What pages are made of."""

    prose: tuple[str, ...]
    code: tuple[str, ...]
    names: tuple[str, ...]


@cache
def passages() -> Passages:
    from pydoc_data.topics import topics

    blocks = [block for name in sorted(topics) for block in topics[name].split("\n\n")]
    prose, code = [], []
    for block in blocks:
        if re.match(r"[A-Z]", block) and len(block) > 120 and block.rstrip()[-1] in ".:":
            # Marks of the source format are not what printed pages look like.
            plain = re.sub(r'\*+(\w[^*]*)\*+|"([\w.]+)"', r"\1\2", block)
            prose.append(re.sub(r"\s+", " ", plain).strip())
        elif all(line.startswith("   ") for line in block.split("\n")) and 60 < len(block) < 400:
            code.append("\n".join(line[3:70] for line in block.split("\n")))
    return Passages(tuple(prose), tuple(code), tuple(sorted(topics)))


def write_document(path: Path, seed: int, columns: int, pages: int) -> None:
    """Write a document.

    Args:
        path: The PDF to write.
        seed: Of its design and its words.
        columns: 1 or 2.
        pages: About so many.
    """
    from reportlab.lib import pagesizes
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.platypus import BaseDocTemplate, Frame, NextPageTemplate, PageTemplate

    for name in ("Vera", "VeraBd", "VeraIt"):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
    rng = random.Random(f"{seed}/{columns}")
    family = FAMILIES[rng.choice(sorted(FAMILIES))]
    size = rng.choice((9.0, 10.0, 11.0) if columns == 2 else (9.5, 11.0, 12.0))
    paper = rng.choice((pagesizes.A4, pagesizes.letter))
    width, height = paper
    margin, gutter = rng.uniform(45, 70), rng.uniform(14, 26)
    footnotes: dict[int, str] = {}
    heading = _sentence(rng)

    # The layer's order is that of drawing: the running head first, notes and page number last.
    def draw_head(canvas: Any, document: Any) -> None:
        canvas.setFont(family[2], size - 1.5)
        canvas.drawString(margin, height - margin + 14, heading[:70])

    def draw_foot(canvas: Any, document: Any) -> None:
        page = canvas.getPageNumber()
        note = footnotes.setdefault(page, f"{page} {_sentence(random.Random(f'{seed}/{page}'))}")
        canvas.setLineWidth(0.5)
        canvas.line(margin, margin + 24, margin + 120, margin + 24)
        canvas.setFont(family[0], size - 2)
        room = width - 2 * margin
        while pdfmetrics.stringWidth(note, family[0], size - 2) > room:
            note = note.rsplit(" ", 1)[0]
        canvas.drawString(margin, margin + 12, note)
        canvas.setFont(family[0], size - 1)
        canvas.drawCentredString(width / 2, margin - 14, str(page))

    top, bottom = height - margin, margin + 28
    title_height = 110.0
    column = (width - 2 * margin - (columns - 1) * gutter) / columns

    def frames(upper: float) -> list[Frame]:
        padding = dict.fromkeys(("leftPadding", "rightPadding", "topPadding", "bottomPadding"), 0)
        return [
            Frame(margin + i * (column + gutter), bottom, column, upper - bottom, **padding)
            for i in range(columns)
        ]

    title = Frame(margin, top - title_height, width - 2 * margin, title_height)
    document = BaseDocTemplate(
        str(path), pagesize=paper, title=heading, author="", invariant=1, allowSplitting=1
    )
    document.addPageTemplates(
        [
            PageTemplate(
                "first",
                [title, *frames(top - title_height - 8)],
                onPage=draw_head,
                onPageEnd=draw_foot,
            ),
            PageTemplate("other", frames(top), onPage=draw_head, onPageEnd=draw_foot),
        ]
    )
    story = [NextPageTemplate("other"), *_story(rng, family, size, column, pages * columns)]
    document.build(story)


def _story(
    rng: random.Random, family: tuple[str, str, str], size: float, column: float, rooms: int
) -> list[Any]:
    from reportlab.lib import colors
    from reportlab.lib.enums import TA_JUSTIFY, TA_LEFT
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import (
        FrameBreak,
        ListFlowable,
        ListItem,
        Paragraph,
        Preformatted,
        Table,
    )

    regular, bold, italic = family
    body = ParagraphStyle(
        "body",
        fontName=regular,
        fontSize=size,
        leading=1.22 * size,
        alignment=rng.choice((TA_JUSTIFY, TA_LEFT)),
        spaceAfter=0.6 * size,
    )
    head = ParagraphStyle(
        "head", body, fontName=bold, fontSize=size + 2, leading=1.3 * (size + 2), spaceBefore=size
    )
    large = ParagraphStyle("large", body, fontName=bold, fontSize=20, leading=24, spaceAfter=6)
    authors = ParagraphStyle("authors", body, fontName=italic, alignment=TA_LEFT)
    code = ParagraphStyle("code", body, fontName="Courier", fontSize=size - 2, leading=size)
    source = passages()
    names = [name.title() for name in source.names]
    story: list[Any] = [
        Paragraph(escape(_sentence(rng)[:60]), large),
        Paragraph(
            escape(f"{rng.choice(names)} {rng.choice(names)}, {rng.randint(1990, 2026)}"), authors
        ),
        FrameBreak(),
    ]
    # A page of A4 in ten points has room for some 4,500 letters.
    room = rooms * 4500 * (10 / size) ** 2 * (column / 480)
    section = 0
    while room > 0:
        kind = rng.choices(("text", "list", "table", "code", "head"), (10, 2, 2, 1.5, 3))[0]
        if kind == "text":
            text = rng.choice(source.prose)
            story.append(Paragraph(escape(text), body))
            room -= len(text)
        elif kind == "head":
            section += 1
            story.append(Paragraph(escape(f"{section} {rng.choice(names)}"), head))
            room -= 100
        elif kind == "list":
            items = [_sentence(rng) for _ in range(rng.randint(2, 5))]
            kinds = (
                {"bulletType": "1"}
                if rng.random() < 0.5
                else {"bulletType": "bullet", "start": "•"}
            )
            story.append(
                ListFlowable(
                    [ListItem(Paragraph(escape(item), body)) for item in items],
                    bulletFontName=regular,
                    bulletFontSize=size,
                    **kinds,
                )
            )
            room -= sum(map(len, items))
        elif kind == "table":
            count = rng.randint(3, 4) if column > 300 else 3
            rows = [[rng.choice(names)[:12] for _ in range(count)]]
            for _ in range(rng.randint(3, 7)):
                figures = [f"{_figure(rng)} {rng.choice(UNITS)}" for _ in range(count - 1)]
                rows.append([rng.choice(names)[:12], *figures])
            style: list[tuple[Any, ...]] = [
                ("FONT", (0, 0), (-1, 0), bold, size - 1),
                ("FONT", (0, 1), (-1, -1), regular, size - 1),
            ]
            if rng.random() < 0.5:
                style.append(("GRID", (0, 0), (-1, -1), 0.4, colors.grey))
            else:
                style += [
                    ("LINEABOVE", (0, 0), (-1, 0), 0.8, colors.black),
                    ("LINEBELOW", (0, 0), (-1, 0), 0.4, colors.black),
                    ("LINEBELOW", (0, -1), (-1, -1), 0.8, colors.black),
                ]
            story.append(Table(rows, style=style, spaceBefore=size, spaceAfter=size))
            room -= 60 * len(rows)
        else:
            text = rng.choice(source.code)
            widest = int(column / (0.6 * (size - 2)))
            text = "\n".join(line[:widest] for line in text.split("\n"))
            story.append(Preformatted(text, code))
            room -= 2 * len(text)
    return story


def _sentence(rng: random.Random) -> str:
    return re.split(r"(?<=[.:]) ", rng.choice(passages().prose))[0]


def _figure(rng: random.Random) -> str:
    return f"{rng.uniform(0, 10 ** rng.randint(1, 4)):.{rng.randint(0, 2)}f}"
