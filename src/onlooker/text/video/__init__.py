"""Text in videos: frames → lines of text, each with its span and its places over time.

    >>> from onlooker.media.video import Video                # doctest: +SKIP
    >>> from onlooker.text.video import VideoTextReader       # doctest: +SKIP
    >>> with Video.open("clip.mp4") as video:                 # doctest: +SKIP
    ...     tracks = VideoTextReader.load()(video.pictures())

Key frames are read by `onlooker.text.TextReader`; between them lines are followed by their
strokes (``motion``, ``patches``, ``tracking``), and all readings of a word are put to the vote
(``voting``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onlooker.text.video.frames import VideoReaderConfig
    from onlooker.text.video.predict import Step, VideoTextReader

__all__ = ["Step", "VideoReaderConfig", "VideoTextReader"]

_HOMES = {
    "Step": "onlooker.text.video.predict",
    "VideoReaderConfig": "onlooker.text.video.frames",
    "VideoTextReader": "onlooker.text.video.predict",
}


def __getattr__(name: str) -> object:
    """Load a name when it is first asked for."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
