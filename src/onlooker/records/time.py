"""Times in a recording, as people write them."""

from __future__ import annotations


def clock(time_s: float) -> str:
    """Return a time as people write it, seconds cut off.

    Example:
        >>> clock(7.9), clock(754), clock(3723)
        ('0:07', '12:34', '1:02:03')
    """
    # Times that were computed may lie a rounding below the full second.
    whole = int(max(0.0, time_s) + 1e-6)
    hours, rest = divmod(whole, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
