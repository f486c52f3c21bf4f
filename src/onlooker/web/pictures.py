"""Pictures made on request: frames of a video, pages of a document, photos in a size to look at."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

SIDES_PX = (800, 1600, 3200)
"""Sizes in which pages and photos are made; others are rounded up, so that few are kept."""

_KEPT_BYTES = 64_000_000
# Decoding one picture takes most of a core and up to some hundred megabytes.
_AT_ONCE = 2
_QUALITY = 86  # of JPEG: at this size, no difference can be seen any more on slides


def rounded_side(side: int) -> int:
    """Return the smallest of `SIDES_PX` that is not smaller, else the largest."""
    return next((known for known in SIDES_PX if known >= side), SIDES_PX[-1])


class Pictures:
    """Makes pictures, keeps the latest ones in memory; the same one is never made twice at once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._bytes = 0
        self._running: dict[tuple[object, ...], Future[bytes]] = {}
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(_AT_ONCE)

    def frame(self, path: Path, stamp: str, time_s: float) -> bytes:
        """Return the frame shown at a time, as JPEG.

        Args:
            path: The video.
            stamp: Changes with the content.
            time_s: Seconds.

        Raises:
            MediaError: There is no such frame, or the file is damaged.
        """

        def make() -> bytes:
            from onlooker.media.video import Video

            with Video.open(path) as video:
                return _jpeg(video.frame_at(time_s, max_side=SIDES_PX[1]).pixels)

        return self._get(("frame", stamp, round(time_s, 2)), make)

    def page(self, path: Path, stamp: str, number: int, side: int) -> bytes:
        """Return a page (from 1) of a document, as JPEG.

        Raises:
            MediaError: There is no such page, or the file is damaged.
        """

        def make() -> bytes:
            from onlooker.media.document import Document

            with Document.open(path) as document:
                return _jpeg(document.render(number - 1, side)[0])

        return self._get(("page", stamp, number, side), make)

    def photo(self, path: Path, stamp: str, side: int) -> bytes:
        """Return a photo, upright, as JPEG without its metadata.

        Raises:
            MediaError: The file is damaged or too large.
        """

        def make() -> bytes:
            from onlooker.media.image import read_image

            return _jpeg(read_image(path, max_side=side)[0])

        return self._get(("photo", stamp, side), make)

    def _get(self, key: tuple[object, ...], make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            running = self._running.get(key)
            if running is None:
                mine: Future[bytes] = Future()
                self._running[key] = mine
        if running is not None:
            return running.result()
        try:
            with self._turns:
                made = make()
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(made)
            self._keep(key, made)
            return made
        finally:
            with self._lock:
                del self._running[key]

    def _keep(self, key: tuple[object, ...], made: bytes) -> None:
        with self._lock:
            self._kept[key] = made
            self._bytes += len(made)
            while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
                _, old = self._kept.popitem(last=False)
                self._bytes -= len(old)


def _jpeg(pixels: Any) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
