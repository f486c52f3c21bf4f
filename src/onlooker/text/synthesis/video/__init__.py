"""Clips with text whose every line is known: when it is seen, and where in each frame.

    >>> clips = ClipSynthesizer(fonts, corpus, photos.draw)            # doctest: +SKIP
    >>> clip = clips.draw(np.random.default_rng(7))                    # doctest: +SKIP
    >>> for frame in clip.frames(): ...                                # doctest: +SKIP
    >>> clip.tracks[0].text, clip.tracks[0].start_s                    # doctest: +SKIP

``write_clips`` writes them as files with ``tracks.json`` beside them, which ``onlooker evaluate
text.video`` reads.
"""

from onlooker.text.synthesis.video.clips import KINDS, ClipSynthesizer
from onlooker.text.synthesis.video.files import ClipsConfig, write_clips, write_video
from onlooker.text.synthesis.video.stage import Clip, ClipFrame

__all__ = [
    "KINDS",
    "Clip",
    "ClipFrame",
    "ClipSynthesizer",
    "ClipsConfig",
    "write_clips",
    "write_video",
]
