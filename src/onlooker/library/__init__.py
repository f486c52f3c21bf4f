"""The library: a folder of media in, every moment searchable.

Input: paths. Output: hits. Two lines to use it::

    library = Library.open("my-library"); library.add("Videos")
    hits = library.search("gradient descent").hits
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onlooker.library.library import Library

__all__ = ["Library"]


def __getattr__(name: str) -> object:
    if name == "Library":
        from onlooker.library.library import Library

        return Library
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
