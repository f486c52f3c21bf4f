"""Where what is converted goes: a file that appears when it is whole, or whoever reads along."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import av

from onlooker.errors import MediaError
from onlooker.media.files import PathLike, as_path, reason, shown

FRAGMENT_US = 1_000_000
"""Length of a fragment: the first picture is there after about a second of material."""


class Writable(Protocol):
    """Something that bytes are written to, such as a file or a reply."""

    def write(self, data: bytes, /) -> int | None:
        """Take some bytes; raise to stop."""


@contextmanager
def opened_output(out: PathLike | Writable, form: str) -> Iterator[Any]:
    """Open a muxer onto a file (which appears only when it is whole) or a file-like object."""
    options = (
        {
            # No seeking back: the header comes first, then fragments that stand for themselves.
            "movflags": "frag_keyframe+empty_moov+delay_moov+default_base_moof",
            "frag_duration": str(FRAGMENT_US),
        }
        if form == "mp4"
        else {"live": "1", "cluster_time_limit": "1000"}
    )
    if hasattr(out, "write"):
        sink = _Sink(out)
        with sink.own_errors(), av.open(sink, "w", format=form, options=options) as muxer:
            yield muxer
        return
    final = as_path(out)
    partial = final.with_name(f"{final.name}.{os.getpid()}.part")
    try:
        with (
            partial.open("wb") as file,
            (sink := _Sink(file)).own_errors(),
            av.open(sink, "w", format=form, options=options) as muxer,
        ):
            yield muxer
        partial.replace(final)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError) and not isinstance(error, av.error.FFmpegError):
            raise MediaError(f"cannot write {shown(final)}: {reason(error)}") from error
        raise


class _Sink:
    """A file-like object without seeking, so that the muxer writes strictly forwards."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self._error: BaseException | None = None

    def write(self, data: bytes) -> int:
        """Pass a block on; after an error nothing more, as the muxer still closes its file."""
        block = bytes(data)
        if self._error is None:
            try:
                self._out.write(block)
            except BaseException as error:
                self._error = error
                raise
        return len(block)

    @contextmanager
    def own_errors(self) -> Iterator[None]:
        """Raise the error of the reader instead of what the muxer makes of it."""
        try:
            yield
        finally:
            if self._error is not None:
                raise self._error
