"""Sound → cues with word times, by an optional engine behind one face.

The engine is Whisper (Radford et al. 2022, arXiv:2212.04356) as run by faster-whisper on
CTranslate2, with Silero's network to skip what is not speech. It comes with the extra ``speech``
and needs a model folder on this machine; nothing is ever fetched. Subtitle files and streams are
read in `onlooker.media`, and come first.

Example:
    >>> from onlooker.speech import Transcriber
    >>> reason = Transcriber.available()  # None, or why speech cannot be transcribed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onlooker.speech.predict import Transcriber

__all__ = ["Transcriber"]


def __getattr__(name: str) -> object:
    if name == "Transcriber":
        from onlooker.speech.predict import Transcriber

        return Transcriber
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
