"""Media: files → arrays and facts. Photos, documents, video, sound, subtitles, descriptions.

`kind.sniff` tells what a file is; `image`, `document`, `video` and `audio` open it; `subtitles`,
`description` and `sidecars` read what people put beside it or inside; `transcode` makes it play in
a browser. Nothing is loaded until it is asked for.

Example:
    >>> from onlooker.media import sniff
    >>> sniff("lecture.mp4")  # doctest: +SKIP
    'video'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onlooker.media.audio import Audio
    from onlooker.media.description import describe
    from onlooker.media.document import Document
    from onlooker.media.image import image_facts, read_image, thumbnail
    from onlooker.media.kind import SUFFIXES, sniff
    from onlooker.media.sidecars import Sidecars, beside, stamp
    from onlooker.media.subtitles import Cue, read_subtitles
    from onlooker.media.video import Frame, Video

_HOMES = {
    "Audio": "audio",
    "describe": "description",
    "Document": "document",
    "image_facts": "image",
    "read_image": "image",
    "thumbnail": "image",
    "SUFFIXES": "kind",
    "sniff": "kind",
    "Sidecars": "sidecars",
    "beside": "sidecars",
    "stamp": "sidecars",
    "Cue": "subtitles",
    "read_subtitles": "subtitles",
    "Frame": "video",
    "Video": "video",
}

__all__ = [
    "SUFFIXES",
    "Audio",
    "Cue",
    "Document",
    "Frame",
    "Sidecars",
    "Video",
    "beside",
    "describe",
    "image_facts",
    "read_image",
    "read_subtitles",
    "sniff",
    "stamp",
    "thumbnail",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
