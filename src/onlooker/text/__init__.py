"""Text in pictures: a picture → its words with their places, in lines, in reading order.

    >>> from onlooker.text import TextReader              # doctest: +SKIP
    >>> print(TextReader.load()(pixels).text)             # doctest: +SKIP

Rooms: ``detection`` (picture → places of words), ``recognition`` (crop → text), ``spotting``
(measures of both together), ``synthesis`` (pictures from strings, to train on). Here: the reader
that composes them (``pipeline``), lines and reading order (``lines``), and what a page is written
as (``formats``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onlooker.text.lines import group_lines
    from onlooker.text.pipeline import ReaderConfig, TextReader

__all__ = ["ReaderConfig", "TextReader", "group_lines"]

_HOMES = {
    "ReaderConfig": "onlooker.text.pipeline",
    "TextReader": "onlooker.text.pipeline",
    "group_lines": "onlooker.text.lines",
}


def __getattr__(name: str) -> object:
    """Load a name when it is first asked for: ``import onlooker.text`` stays cheap."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
