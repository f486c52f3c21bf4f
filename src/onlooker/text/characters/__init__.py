"""Crops of single characters → which of 62 letters and figures they show.

    >>> from onlooker.text.characters import CharacterClassifier   # doctest: +SKIP
    >>> CharacterClassifier.load()([crop])[0].character            # doctest: +SKIP
    'R'

A small convolutional network, trained on characters cut from generated words alone. Character
classification on 62 classes is the task of Wang et al. 2012, Coates et al. 2011, Jaderberg et al.
2014, "Deep features for text spotting", and of SceneTextReg (2016), whose figure is 0.872 on
ICDAR 2003.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onlooker.text.characters.predict import CharacterClassifier, RecognizedCharacter

__all__ = ["CharacterClassifier", "RecognizedCharacter"]


def __getattr__(name: str) -> object:
    """Load a name when it is first asked for: ``import`` stays cheap."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("onlooker.text.characters.predict"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
