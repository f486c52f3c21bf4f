"""Making recordings play in a browser: as they are, remuxed, or transcoded.

What Chromium, Firefox and Safari all play is served as it is. A recording whose streams they play
but whose container they do not is remuxed to fragmented MP4 (or WebM, for VP8), which costs next
to nothing. The rest is transcoded to H.264 and AAC.

Times are seconds from the start of the recording, as in `video` and `audio`.

Example:
    >>> playable("lecture.mkv").method  # doctest: +SKIP
    'remux'
"""

from onlooker.media.transcode.convert import Written, remux, transcode
from onlooker.media.transcode.output import Writable
from onlooker.media.transcode.packets import keyframe_before
from onlooker.media.transcode.playability import Method, Playability, playable

__all__ = [
    "Method",
    "Playability",
    "Writable",
    "Written",
    "keyframe_before",
    "playable",
    "remux",
    "transcode",
]
