"""Documents: the text layer first, then the pages and pictures without one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from onlooker.errors import MediaError
from onlooker.library.analyzers.medium import Analysis, Medium, Progress, begin, end
from onlooker.library.analyzers.photos import lines as text_lines
from onlooker.records import Page, TextLine, TextWord, View

if TYPE_CHECKING:
    from onlooker.media.document import Document

# Readers see text of ten pixels and more; a page of A4 at this size has its 8-point text at 15.
PAGE_READ_PX = 1600


def look_document(medium: Medium, progress: Progress) -> Analysis:
    """Facts, thumbnails of the pages, and the text that the file itself carries."""
    from onlooker.media.document import Document
    from onlooker.media.image import thumbnail

    with Document.open(medium.path) as document:
        analysis, broken = begin(medium, document.facts)
        views: list[View] = []
        for index in range(len(document)):
            if progress.stopped:
                break
            try:
                width, height = document.page_size(index)
                pixels, _ = document.render(index, 320)
                picture = thumbnail(pixels)
            except MediaError as error:
                broken.append(str(error))
                continue
            views.append(
                View(
                    index=index,
                    width=round(width),
                    height=round(height),
                    page=index + 1,
                    kind="page",
                    thumbnail=picture,
                )
            )
            try:
                lines = tuple(document.page_lines(index))
            except MediaError as error:
                broken.append(str(error))
                continue
            page = Page(width=round(width), height=round(height), lines=lines)
            analysis.moments += text_lines(page, scale=1.0, view=index, page_number=index + 1)
            progress.report((index + 1) / len(document))
        analysis.views = views
    return end(analysis, broken)


def read_document(medium: Medium, progress: Progress) -> Analysis:
    """The text of the pages that have none inside the file, or large pictures."""
    from onlooker.media.document import Document

    analysis = Analysis()
    broken: list[str] = []
    with Document.open(medium.path) as document:
        for index in range(len(document)):
            if progress.stopped:
                break
            try:
                if document.needs_reading(index):
                    pixels, scale = document.render(index, PAGE_READ_PX)
                    page = _without(medium.engines.reader(pixels), document, index, scale)
                    analysis.moments += text_lines(
                        page, scale=1 / scale, view=index, page_number=index + 1
                    )
            except MediaError as error:
                broken.append(str(error))
            progress.report((index + 1) / len(document))
    return end(analysis, broken)


def _without(page: Page, document: Document, index: int, scale: float) -> Page:
    """Return the page that was read without what its text layer says anyway."""
    layer = [word.box for line in document.page_lines(index) for word in line.words]
    if not layer:
        return page
    boxes = np.array(layer) * scale

    def new(word: TextWord) -> bool:
        left, top, right, bottom = word.box
        x, y = (left + right) / 2, (top + bottom) / 2
        inside = (boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])
        return not bool(inside.any())

    lines = (TextLine(tuple(filter(new, line.words))) for line in page.lines)
    return replace(page, lines=tuple(line for line in lines if line.words))
