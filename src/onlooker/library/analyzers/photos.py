"""Photos: facts and thumbnail, then the text in them."""

from __future__ import annotations

from collections.abc import Iterator

from onlooker.library.analyzers.medium import Analysis, Medium, Progress, begin, end
from onlooker.records import Moment, Page, Polygon, View

# Text of a hundredth of the longer side keeps 32 pixels, the height that the recogniser sees.
PHOTO_READ_PX = 3200


def look_photo(medium: Medium, progress: Progress) -> Analysis:
    """Facts, description, thumbnail."""
    from onlooker.media.image import image_facts, read_image, thumbnail

    facts = image_facts(medium.path)
    analysis, broken = begin(medium, facts)
    pixels, _ = read_image(medium.path, max_side=640)
    analysis.views = [
        View(index=0, width=facts.width, height=facts.height, thumbnail=thumbnail(pixels))
    ]
    return end(analysis, broken)


def read_photo(medium: Medium, progress: Progress) -> Analysis:
    """The text in a photo, a line a moment."""
    from onlooker.media.image import read_image

    pixels, scale = read_image(medium.path, max_side=PHOTO_READ_PX)
    page = medium.engines.reader(pixels)
    return Analysis(moments=list(lines(page, scale=1 / scale, view=0)))


def lines(
    page: Page, *, scale: float, view: int, page_number: int | None = None
) -> Iterator[Moment]:
    """Yield a moment a line, with the places of its words multiplied by ``scale``."""
    for line in page.lines:
        yield Moment(
            kind="screen",
            text=line.text,
            page=page_number,
            view=view,
            polygons=tuple(scaled(word.polygon, scale) for word in line.words),
            confidence=line.confidence,
        )


def scaled(polygon: Polygon, factor: float) -> Polygon:
    """Return a polygon with its coordinates multiplied."""
    if factor == 1:
        return polygon
    return tuple((x * factor, y * factor) for x, y in polygon)
