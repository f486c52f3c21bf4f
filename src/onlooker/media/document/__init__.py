"""PDF documents: pages → the words of their text layer with places, and pictures of the pages.

Example:
    >>> with Document.open("slides.pdf") as document:  # doctest: +SKIP
    ...     print([line.text for line in document.page_lines(0)])
"""

from onlooker.media.document.pages import MAX_RENDER_SIDE_PX, Document

__all__ = ["MAX_RENDER_SIDE_PX", "Document"]
