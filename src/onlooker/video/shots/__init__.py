"""Shots and stable groups: a video → the stretches whose text needs to be read once.

A slide that stands for a minute is one group, read at its fullest and sharpest frame, not sixty
pictures; see `segment` for what is found and what it costs.

Example:
    >>> from onlooker.media.video import Video
    >>> with Video.open("lecture.mp4") as video:  # doctest: +SKIP
    ...     spans = [group.span for group in segment(video)]
"""

from onlooker.video.shots.predict import StableGroup, coarse_groups, keyframes, segment

__all__ = ["StableGroup", "coarse_groups", "keyframes", "segment"]
