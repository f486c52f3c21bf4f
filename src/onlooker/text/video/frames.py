"""What is read, how, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.records import Page
from onlooker.text.video.motion import Grey, Motion

Pixels = npt.NDArray[np.uint8]


class Look(Protocol):
    """A frame that was decoded but not converted (`onlooker.media.video.Picture`)."""

    time_s: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright."""

    @property
    def turns(self) -> int:
        """Quarter turns anticlockwise that make `luma` upright."""

    def pixels(self, max_side: int | None = None) -> Pixels:
        """Return it in colours, upright."""

    def luma(self, max_side: int | None = None) -> Pixels:
        """Return its brightness, reduced, as coded."""


class PageReader(Protocol):
    """Reads a picture (`onlooker.text.TextReader`)."""

    def __call__(self, picture: Pixels, /) -> Page:
        """Return the lines of the picture."""


@dataclass(frozen=True, kw_only=True)
class VideoReaderConfig:
    """How frames are followed and which are read.

    Attributes:
        side: Longer side of the reduced grey frames on which lines are followed.
        max_side: Longer side at which key frames are read.
        max_rate_hz: Frames that come faster are left out.
        key_s: Time between key frames while the picture keeps changing.
        settle: Frames without change after which a new picture has come to rest.
        memory_s: How far back the appearance of a line is looked for.
        ahead: Frames after which the reading of a key frame is taken in.
        window: Last frames among which the sharpest is read while the camera moves.
        lost_s: A line that is not found for longer is gone.
        coast_s: The same while the camera sweeps and everything is smeared.

    Raises:
        ConfigError: A value out of range.
    """

    side: int = 640
    max_side: int = 1280
    max_rate_hz: float = 31.0
    key_s: float = 0.5
    settle: int = 2
    memory_s: float = 3.0
    ahead: int = 6
    window: int = 10
    lost_s: float = 0.4
    coast_s: float = 1.5

    def __post_init__(self) -> None:
        for name in ("side", "max_side", "settle", "ahead", "window"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"VideoReaderConfig.{name} must be 1 or more: {getattr(self, name)}"
                )
        for name in ("max_rate_hz", "key_s", "memory_s", "lost_s", "coast_s"):
            if getattr(self, name) <= 0:
                raise ConfigError(
                    f"VideoReaderConfig.{name} must be above 0: {getattr(self, name)}"
                )


@dataclass(slots=True, eq=False)
class Kept:
    """A frame of the last seconds."""

    index: int
    time_s: float
    grey: Grey
    motion: Motion | None  # from the frame before
    sharpness: float = 0.0
