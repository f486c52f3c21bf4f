"""The engine beside what else a process does: forks, pipes where files are expected."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from onlooker.binary import format as packed_format
from onlooker.binary import native
from onlooker.binary.engine import PackedModel
from onlooker.errors import WeightsError

from .random_packed import random_packed

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(native.library() is None, reason="the engine was not built"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A packed network of random weights."""
    file = tmp_path / "network.onb"
    packed_format.write(file, random_packed(2))
    return file


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_child_of_a_fork_computes_too(path: Path) -> None:
    script = f"""
import os, numpy as np
from onlooker.binary.engine import PackedModel
model = PackedModel.load({str(path)!r}, 2)
picture = np.ones((1, 3, 20, 20), np.float32)
expected = model(picture)
child = os.fork()
if child == 0:
    os._exit(0 if (model(picture) == expected).all() else 3)
assert os.waitpid(child, 0)[1] == 0 and (model(picture) == expected).all()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_forks_while_others_compute_do_not_hang(path: Path) -> None:
    script = f"""
import os, signal, threading, numpy as np
from onlooker.binary.engine import PackedModel
model = PackedModel.load({str(path)!r}, 2)
picture = np.ones((1, 3, 20, 20), np.float32)
expected = model(picture)
over = threading.Event()
def compute():
    while not over.is_set():
        model(picture)
callers = [threading.Thread(target=compute) for _ in range(2)]
for caller in callers: caller.start()
try:
    for _ in range(200):
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            os._exit(0 if (model(picture) == expected).all() else 3)
        assert os.waitpid(child, 0)[1] == 0
finally:
    over.set()
    for caller in callers: caller.join()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.onb"
    os.mkfifo(pipe)
    for kernels in (None, "numpy"):
        with pytest.raises(WeightsError, match="is not a file"):
            PackedModel.load(pipe, kernels=kernels)
