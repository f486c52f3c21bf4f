from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from onlooker.errors import ConfigError, WeightsError
from onlooker.hub import choose, resolve
from onlooker.runtime import Network, open_session, set_threads, threads
from onlooker.text.rectification.weights import WEIGHTS


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


def small_network(count: int) -> Network:
    return Network(resolve(choose(WEIGHTS, "outline.synth1")), count, small=True)


def batch(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((1, 2, 64, 64)).astype(np.float32)


@pytest.mark.weights
@pytest.mark.parametrize("count", [1, 2])
def test_many_inputs_give_their_outputs_in_order(count: int) -> None:
    network = small_network(count)
    wanted = [network(batch(seed))[0] for seed in range(9)]
    found: list[list[np.ndarray]] = []

    def run() -> None:
        found.append([logits for logits, _ in network.each(batch(seed) for seed in range(9))])

    runners = [threading.Thread(target=run) for _ in range(4)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert len(found) == 4
    for one in found:
        np.testing.assert_array_equal(one, wanted)
    assert list(network.each([])) == []


@pytest.mark.weights
def test_inputs_are_made_as_they_are_wanted() -> None:
    network = small_network(2)
    made = 0

    def batches():
        nonlocal made
        for seed in range(20):
            made += 1
            yield batch(seed)

    outputs = network.each(batches())
    next(outputs)
    assert made == network.calls + 1  # the others wait, unmade, for someone who wants them
    outputs.close()
    assert len(network(batch(0))) == 2  # and what was left half-way blocks nothing


@pytest.mark.weights
@pytest.mark.parametrize("count", [1, 2])
def test_failures_among_many_inputs_are_raised_and_block_nothing(count: int) -> None:
    network = small_network(count)

    def batches():
        yield batch(0)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        list(network.each(batches()))
    with pytest.raises(Exception, match=r"(?i)invalid"):
        list(network.each([batch(0), np.zeros((1, 1), np.float32), batch(1)]))
    assert len(list(network.each([batch(0)] * 5))) == 5
