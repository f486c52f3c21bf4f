"""Text detection by stable regions: the classical way, as SceneTextReg (2016) went it.

    >>> from onlooker.text.detection.mser import MserDetector     # doctest: +SKIP
    >>> places = MserDetector.load()([picture])[0]                # doctest: +SKIP

Maximally stable extremal regions of several channels (``regions``), a small network that says which
are letters (``predict``), and grouping of letters into words (``grouping``). What is public of the
system of 2016: MSER with a setting for high recall, a CNN that removes what is no text, grouping.
Its settings, the network's layers and the rules of grouping were not published; those here are
ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onlooker.text.detection.mser.predict import MserConfig, MserDetector

__all__ = ["MserConfig", "MserDetector"]


def __getattr__(name: str) -> object:
    """Load a name when it is first asked for: ``import`` stays cheap."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("onlooker.text.detection.mser.predict"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
