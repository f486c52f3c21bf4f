"""Open a camera: its frames as they come, with the time since it was opened."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onlooker.errors import MediaError

Pixels = NDArray[np.uint8]

WANTED_SIZE = (1280, 720)
"""What a camera is asked for; it gives the nearest that it has."""
DEVICES = Path("/dev")
_PATIENCE_S, _PAUSE_S = 3.0, 0.02
"""How long a camera may give no frame (it wakes, it was shaken), and how often it is asked."""


class CameraPicture:
    """A frame of a camera; has the face of `onlooker.media.video.Picture`."""

    __slots__ = ("_bgr", "time_s")

    turns = 0

    def __init__(self, bgr: Pixels, time_s: float) -> None:
        self._bgr = bgr
        self.time_s = time_s

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._bgr.shape[1], self._bgr.shape[0]

    def pixels(self, max_side: int | None = None) -> Pixels:
        """Return it as (H, W, 3) uint8 RGB, reduced to a largest side."""
        return np.asarray(cv2.cvtColor(_reduced(self._bgr, max_side), cv2.COLOR_BGR2RGB), np.uint8)

    def luma(self, max_side: int | None = None) -> Pixels:
        """Return its brightness (H, W) uint8, reduced to a largest side."""
        return np.asarray(cv2.cvtColor(_reduced(self._bgr, max_side), cv2.COLOR_BGR2GRAY), np.uint8)


class Camera:
    """A camera of this machine, open; a context manager.

    Example:
        >>> with Camera.open(0) as camera:  # doctest: +SKIP
        ...     for picture in camera.pictures(): ...
    """

    def __init__(self, number: int, capture: Any) -> None:
        """Use `Camera.open`."""
        self.number = number
        self._capture = capture

    @classmethod
    def open(cls, number: int) -> Camera:
        """Open a camera.

        Args:
            number: 0 is the first one.

        Raises:
            MediaError: There is none of that number, or another program uses it.
        """
        device = DEVICES / f"video{number}"
        if sys.platform == "linux" and not device.exists():
            there = sorted(DEVICES.glob("video*"), key=lambda path: (len(path.name), path.name))
            names = ", ".join(path.name.removeprefix("video") for path in there) or "none"
            raise MediaError(
                f"there is no camera {number} ({device}); cameras of this machine: {names}"
            )
        capture = cv2.VideoCapture(number)
        if not capture.isOpened():
            capture.release()
            raise MediaError(
                f"camera {number} cannot be opened: another program may be using it, or the right "
                "to use it is missing (group 'video')"
            )
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, WANTED_SIZE[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, WANTED_SIZE[1])
        return cls(number, capture)

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()

    def pictures(self) -> Iterator[CameraPicture]:
        """Iterate over what it sees, until it is unplugged.

        Raises:
            MediaError: It gives no frame at all.
        """
        begun = waiting_s = time.monotonic()
        seen = False
        while time.monotonic() - waiting_s < _PATIENCE_S:
            good, bgr = self._capture.read()
            if not good:
                time.sleep(_PAUSE_S)
                continue
            seen = True
            yield CameraPicture(bgr, time.monotonic() - begun)
            waiting_s = time.monotonic()  # whoever looks at a picture may take his time
        if not seen:
            raise MediaError(
                f"camera {self.number} gives no picture: another program may be using it, or its "
                "number is that of a device that only describes it; try the next number"
            )


def _reduced(picture: Pixels, max_side: int | None) -> Pixels:
    longest = max(picture.shape[:2])
    if max_side is None or longest <= max_side:
        return picture
    width = max(1, round(picture.shape[1] * max_side / longest))
    height = max(1, round(picture.shape[0] * max_side / longest))
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
