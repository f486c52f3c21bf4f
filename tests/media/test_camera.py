"""A camera, played by a list of frames and a clock that goes on by itself."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from onlooker.errors import MediaError
from onlooker.media import camera as module
from onlooker.media.camera import Camera

BGR = np.zeros((360, 640, 3), np.uint8)
BGR[:, :, 2] = 200  # red


class Clock:
    """Stands still but while somebody sleeps or a frame is waited for."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Capture:
    """What ``cv2.VideoCapture`` would be; None among the frames is one that fails."""

    def __init__(self, frames: list[Any], clock: Clock, *, opens: bool = True) -> None:
        self.frames = list(frames)
        self.clock = clock
        self.opens = opens
        self.wanted: dict[int, float] = {}
        self.released = False

    def isOpened(self) -> bool:
        return self.opens

    def set(self, name: int, value: float) -> bool:
        self.wanted[name] = value
        return True

    def read(self) -> tuple[bool, Any]:
        self.clock.now_s += 0.04
        frame = self.frames.pop(0) if self.frames else None
        return frame is not None, frame

    def release(self) -> None:
        self.released = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "DEVICES", tmp_path)
    monkeypatch.setattr(module, "sys", SimpleNamespace(platform="linux"))
    (tmp_path / "video0").touch()
    return clock


def plug_in(monkeypatch: pytest.MonkeyPatch, capture: Capture) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: capture)


def test_pictures_come_with_their_time(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    capture = Capture([None, None, BGR, BGR, None, BGR], clock)
    plug_in(monkeypatch, capture)
    times = []
    with Camera.open(0) as camera:
        for picture in camera.pictures():
            times.append(picture.time_s)
            assert (picture.size, picture.turns) == ((640, 360), 0)
            assert picture.pixels()[0, 0].tolist() == [200, 0, 0]
            assert picture.pixels(320).shape == (180, 320, 3)
            assert picture.luma(320).shape == (180, 320)
            clock.sleep(9.0)  # a slow reader is not an absent camera
    assert len(times) == 3
    assert all(later - earlier > 9.0 for earlier, later in pairwise(times))
    assert times[0] == pytest.approx(3 * 0.04 + 2 * 0.02)
    assert capture.released
    assert capture.wanted[cv2.CAP_PROP_FRAME_WIDTH] == 1280


def test_a_camera_without_a_picture(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    plug_in(monkeypatch, Capture([], clock))
    with Camera.open(0) as camera, pytest.raises(MediaError, match="camera 0 gives no picture"):
        list(camera.pictures())
    assert clock.now_s == pytest.approx(103.0, abs=0.1)


def test_a_camera_that_others_use(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    capture = Capture([], clock, opens=False)
    plug_in(monkeypatch, capture)
    with pytest.raises(MediaError, match="camera 0 cannot be opened"):
        Camera.open(0)
    assert capture.released


def test_a_camera_that_is_not_there(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "video10").touch()
    (tmp_path / "video2").touch()
    with pytest.raises(MediaError, match=r"no camera 1 .*cameras of this machine: 0, 2, 10"):
        Camera.open(1)
