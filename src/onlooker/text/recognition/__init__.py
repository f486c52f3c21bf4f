"""Crops of words and lines → text.

A small convolutional network with two layers of global mixing and CTC (`model.py` names the
papers), trained on rendered pictures alone.

Example:
    >>> from onlooker.text.recognition import TextRecognizer
    >>> TextRecognizer.load()([crop])[0].text  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onlooker.text.recognition.predict import TextRecognizer

__all__ = ["TextRecognizer"]


def __getattr__(name: str) -> Any:
    if name == "TextRecognizer":
        from onlooker.text.recognition.predict import TextRecognizer

        return TextRecognizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
