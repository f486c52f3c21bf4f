"""Text rectification: a crop with a word, however it lies → its outline, and a straight strip.

    >>> from onlooker.text.rectification import TextRectifier, strip_of   # doctest: +SKIP
    >>> outline = TextRectifier.load()([crop])[0][0]                      # doctest: +SKIP
    >>> strip = strip_of(crop, outline.points, 48)                        # doctest: +SKIP

Turned by any angle, tilted, on an arc, running up or down: the network is a spatial transformer
(Jaderberg et al. 2015; Shi et al. 2016), but learns the outlines themselves, which the generated
pictures know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onlooker.text.rectification.geometry import strip_of
    from onlooker.text.rectification.predict import TextRectifier, WordOutline
    from onlooker.text.rectification.reading import read_turned

__all__ = ["TextRectifier", "WordOutline", "read_turned", "strip_of"]

_ROOMS = {
    "TextRectifier": "predict",
    "WordOutline": "predict",
    "read_turned": "reading",
    "strip_of": "geometry",
}


def __getattr__(name: str) -> object:
    """Load a name when it is first asked for: ``import`` stays cheap."""
    if name in _ROOMS:
        from importlib import import_module

        return getattr(import_module(f"onlooker.text.rectification.{_ROOMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
