from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from onlooker.errors import ConfigError, WeightsError
from onlooker.runtime import open_session, set_threads, threads


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch):
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        monkeypatch.setenv(name, "1")  # so that it is put back as it was
    yield
    set_threads(None)


def test_the_chosen_count_is_what_all_are_told() -> None:
    set_threads(1)
    assert threads() == 1
    with pytest.raises(ConfigError, match="got 0"):
        set_threads(0)
    set_threads(None)
    assert threads() >= 1


def test_opencv_obeys_before_and_after_it_is_loaded() -> None:
    code = (
        "from onlooker.runtime import set_threads\n"
        "set_threads(1)\n"
        "import cv2\n"
        "assert cv2.getNumThreads() == 1, cv2.getNumThreads()\n"
        "set_threads(2)\n"
        "assert cv2.getNumThreads() == 2, cv2.getNumThreads()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_that_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not a network")
    with pytest.raises(WeightsError, match=r"x\.onnx"):
        open_session(tmp_path / "x.onnx")
