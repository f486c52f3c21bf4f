"""A page as read and the text layer that it carries → one page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onlooker.records import Page, Polygon, TextLine, bounding_box
from onlooker.text.lines.group import group_lines


def with_text_layer(page: Page, layer: Sequence[TextLine]) -> Page:
    """Add what was read in the pictures of a document's page to the text that the page carries.

    Args:
        page: What was read, text of the layer included: it can be seen as well.
        layer: Lines of the text layer, in pixels of the same picture. Their letters are right.

    Returns:
        The words of the layer, and those read words (and unread places) that lie elsewhere.
    """
    if not layer:
        return page
    boxes = np.array([word.box for line in layer for word in line.words]).reshape(-1, 4)

    def elsewhere(polygon: Polygon) -> bool:
        left, top, right, bottom = bounding_box(polygon)
        wide = np.minimum(boxes[:, 2], right) - np.maximum(boxes[:, 0], left)
        high = np.minimum(boxes[:, 3], bottom) - np.maximum(boxes[:, 1], top)
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        # Half: a detected box is larger than the letters it holds, and may join two words.
        return float(shared.sum()) < 0.5 * (right - left) * (bottom - top)

    seen = [word for word in page.words if elsewhere(word.polygon)]
    unread = tuple(place for place in page.unread if elsewhere(place.polygon))
    if not seen:
        return Page(page.width, page.height, tuple(layer), unread)
    words = [*(word for line in layer for word in line.words), *seen]
    return Page(page.width, page.height, group_lines(words), unread)
