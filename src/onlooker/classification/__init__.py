"""Picture → the class that it shows, by a one-bit network or a float one.

    >>> from onlooker.classification import ImageClassifier   # doctest: +SKIP
    >>> ImageClassifier.load()([picture])[0][0].name          # doctest: +SKIP
    'ship'

The networks and their papers: ``onlooker.binary.models``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onlooker.classification.predict import ImageClassifier

__all__ = ["ImageClassifier"]


def __getattr__(name: str) -> object:
    """Load a name when it is first asked for: ``import`` stays cheap."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("onlooker.classification.predict"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
