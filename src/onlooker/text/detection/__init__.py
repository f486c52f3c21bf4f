"""Text detection: a picture → places of its words.

    >>> from onlooker.text.detection import TextDetector     # doctest: +SKIP
    >>> places = TextDetector.load()([picture])[0]           # doctest: +SKIP

The network is of the DB family (Liao et al. 2020, "Real-time scene text detection with
differentiable binarization"), small, and trained on generated scenes alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onlooker.text.detection.predict import DetectorConfig, TextDetector

__all__ = ["DetectorConfig", "TextDetector"]


def __getattr__(name: str) -> object:
    """Load a name when it is first asked for: ``import`` stays cheap."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("onlooker.text.detection.predict"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
