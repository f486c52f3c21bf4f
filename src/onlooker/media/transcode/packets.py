"""The packets of a recording from a time on, beginning with a key frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av

from onlooker.errors import MediaError
from onlooker.media.container import (
    STREAM_ERRORS,
    audio_stream,
    open_container,
    video_stream,
    zero_s,
)
from onlooker.media.files import PathLike, shown

_TIE_S = 0.001
"""Times are compared this loosely, as containers round them to their own ticks."""


def keyframe_before(path: PathLike, time_s: float) -> float:
    """Return where `remux` begins when it is asked to begin at a time.

    Args:
        path: A recording.
        time_s: Seconds from its start.

    Returns:
        Time of the last key frame at or before it; of the first one where there is none before.
        Asked for that time again, it returns the same.

    Raises:
        MediaError: It cannot be read, or has no key frame.
    """
    with open_container(path) as container:
        stream = video_stream(container) or audio_stream(container)
        if stream is None:
            raise MediaError(f"cannot play {shown(path)}: there is nothing to see or hear in it")
        for packet in packets_from(container, (stream,), stream, time_s):
            return max(0.0, shown_s(packet) - zero_s(container))
    raise MediaError(f"cannot play {shown(path)}: there is no key frame at {time_s:.1f} s")


def packets_from(
    container: Any, streams: tuple[Any, ...], lead: Any, time_s: float
) -> Iterator[Any]:
    """Yield packets from the last key packet of ``lead`` at or before a time on.

    Packets of other streams that come before it in the file are dropped. Seeking is rough in some
    formats: where the first key packet comes too late, the search begins earlier, and from the
    first one it goes on to the last one that is not too late.
    """
    zero = zero_s(container)
    for other in container.streams:
        if other not in streams:
            other.discard = av.stream.Discard.all
    limit = time_s + zero + _TIE_S
    for back_s in (0.0, 2.0, 10.0, 60.0, float("inf")):
        target = max(0.0, time_s - back_s)
        try:
            if time_s > 0 or back_s > 0:
                # Asked for its very first time, a transport stream lands behind it.
                at = target + zero + _TIE_S if target > 0 else zero - 10.0
                container.seek(int(at / lead.time_base), stream=lead)
        except STREAM_ERRORS:
            if back_s != float("inf"):
                continue
        packets = (packet for packet in container.demux(*streams) if _is_timed(packet))
        held: list[Any] = []
        late = False
        for packet in packets:
            leads = packet.stream.index == lead.index
            if leads and packet.is_keyframe and (not held or shown_s(packet) <= limit):
                late = not held and target > 0 and shown_s(packet) > limit
                held = [packet]
                if late:
                    break
            elif held:
                held.append(packet)
            # Frames are stored ahead of their time: half a second past it, no key frame is missed.
            if held and leads and shown_s(packet) > limit + 0.5:
                break
        if late or (not held and target > 0):
            continue
        yield from held
        yield from packets
        return


def shown_s(packet: Any) -> float:
    """Return when a packet's frame is shown, in the container's own time."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return float(stamp * packet.time_base)


def _is_timed(packet: Any) -> bool:
    return bool(packet.size) and (packet.pts is not None or packet.dts is not None)
