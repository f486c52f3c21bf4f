"""Write pictures as a video file (H.264 in MP4)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from onlooker.errors import MediaError
from onlooker.media.container import STREAM_ERRORS
from onlooker.media.files import shown
from onlooker.media.transcode.playability import VIDEO_ENCODERS, encoder_name

_CLOCK = Fraction(1, 90_000)


class VideoWriter:
    """Writes pictures with their times; a context manager. The file appears when it is whole.

    Args:
        path: The file, ending in ``.mp4``.
        rate_hz: Frames a second, about; the times of the pictures count.
        options: Of the encoder (x264: ``crf``, ``preset``, ``g``).

    Example:
        >>> with VideoWriter(Path("out.mp4"), rate_hz=25) as video:  # doctest: +SKIP
        ...     video.add(pixels, time_s=0.0)
    """

    def __init__(
        self, path: Path, *, rate_hz: float, options: dict[str, str] | None = None
    ) -> None:
        name = encoder_name()
        if name is None:
            raise MediaError(f"this FFmpeg has no encoder for H.264 ({', '.join(VIDEO_ENCODERS)})")
        self.path = path
        self._temporary = path.with_name(f".{path.stem[:200]}.part.mp4")
        self._stream: Any = None
        self._last = -1
        try:
            self._out: Any = av.open(str(self._temporary), "w")
        except STREAM_ERRORS as error:
            raise MediaError(f"{shown(path)} cannot be written: {error}") from error
        rate = Fraction(rate_hz).limit_denominator(1001)
        self._stream = self._out.add_stream(name, rate=rate)
        self._stream.pix_fmt = "yuv420p"
        # One thread: the same bytes on every machine.
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.time_base = _CLOCK
        self._stream.options = options or {"preset": "veryfast", "crf": "23"}
        self._sized = False

    def add(self, pixels: NDArray[np.uint8], time_s: float) -> None:
        """Add a picture.

        Args:
            pixels: (H, W, 3) uint8 RGB; odd sides lose their last row or column.
            time_s: When it is shown; rising.
        """
        height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
        if not self._sized:
            self._stream.width, self._stream.height = width, height
            self._sized = True
        frame = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(pixels[:height, :width]), format="rgb24"
        )
        frame.pts = self._last = max(self._last + 1, round(time_s / _CLOCK))
        frame.time_base = _CLOCK
        try:
            self._out.mux(self._stream.encode(frame))
        except STREAM_ERRORS as error:
            raise MediaError(f"{shown(self.path)} cannot be written: {error}") from error

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self._sized:
                self._out.mux(self._stream.encode())
            self._out.close()
            if kind is None and self._sized:
                self._temporary.replace(self.path)
        finally:
            self._temporary.unlink(missing_ok=True)
