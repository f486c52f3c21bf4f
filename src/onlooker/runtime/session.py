"""ONNX Runtime sessions with bounded memory and an obeyed thread count."""

from __future__ import annotations

import os
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onlooker.errors import ConfigError, WeightsError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import onnxruntime

_chosen: int | None = None


def set_threads(count: int | None) -> None:
    """Set how many threads every part of Onlooker may use (None: as many as there are cores).

    Raises:
        ConfigError: ``count`` is below 1.
    """
    global _chosen
    if count is not None and count < 1:
        raise ConfigError(f"--threads must be 1 or more, got {count}")
    _chosen = count
    # NumPy's and OpenCV's own pools: read from here when they are loaded, which comes later as a
    # rule, since nothing heavy is loaded before a command needs it.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ[name] = str(threads())
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads())


def threads() -> int:
    """Return how many threads may be used."""
    if _chosen is not None:
        return _chosen
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def open_session(
    path: Path, threads_wanted: int | None = None, *, keep_memory: bool = False
) -> onnxruntime.InferenceSession:
    """Open a network for running on the processor.

    Args:
        path: An ONNX file.
        threads_wanted: Threads inside one call; None: `threads()`.
        keep_memory: Keep the memory of a call for the next one: a quarter faster, but what the
            largest inputs needed stays taken.

    Raises:
        WeightsError: The file is not a network that ONNX Runtime can run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads_wanted or threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The arena never gives memory back: where inputs grow without bound, so does it, the first
    # complaint of OCR users (anchors: PaddleOCR #15631, 9 GB after 2,000 pictures).
    options.enable_cpu_mem_arena = keep_memory
    options.enable_mem_pattern = False
    # Spinning workers burn the cores that decoding needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime raises a dozen types of its own
        raise WeightsError(f"{path} is not a network that can be run: {error}") from error


class Calls(ABC):
    """Something that is run on one input after the other, on several at once where it may be.

    No more calls run at once than ``calls``, so that their memory does not add up.

    Args:
        calls: How many may run at once.

    Attributes:
        calls: The same.
    """

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self._turns = threading.BoundedSemaphore(calls)
        self._pool = ThreadPoolExecutor(calls)  # starts no thread before it is used

    def __call__(self, inputs: npt.NDArray[np.generic]) -> list[npt.NDArray[Any]]:
        """Run it → its outputs in order."""
        with self._turns:
            return self._run(inputs)

    @abstractmethod
    def _run(self, inputs: npt.NDArray[np.generic]) -> list[npt.NDArray[Any]]: ...

    def each(self, batches: Iterable[npt.NDArray[np.generic]]) -> Iterator[list[npt.NDArray[Any]]]:
        """Run it on many inputs, on as many at once as it may → the outputs of each, in order."""
        if self.calls == 1:
            yield from map(self, batches)
            return
        running: deque[Future[list[npt.NDArray[Any]]]] = deque()
        held: list[npt.NDArray[np.generic]] = []  # the last one, which this thread runs itself
        for batch in batches:
            for earlier in held:
                running.append(self._pool.submit(self, earlier))
            held = [batch]
            if len(running) >= self.calls:
                yield running.popleft().result()
        last = [self(batch) for batch in held]
        while running:
            yield running.popleft().result()
        yield from last


class Network(Calls):
    """A network with one input of bounded size, open for running.

    Its memory is kept from call to call: over 500 pictures of all sizes the detector's levels off
    at 180 MB. Of a ``small`` network one call a thread runs at once, of any other one call, which
    uses all threads.

    Args:
        path: An ONNX file.
        threads_wanted: Threads it may use; None: `threads()`.
        small: Its calls are so short that waking another thread costs more than it brings.

    Attributes:
        input_shape: Sizes of the input's axes; a name or None where a size is free.
        output_shapes: The same of each output.
        metadata: What the file says about itself.

    Raises:
        WeightsError: The file is not a network that ONNX Runtime can run.
    """

    def __init__(
        self, path: Path, threads_wanted: int | None = None, *, small: bool = False
    ) -> None:
        self._session = open_session(path, 1 if small else threads_wanted, keep_memory=True)
        super().__init__((threads_wanted or threads()) if small else 1)
        first = self._session.get_inputs()[0]
        self._input: str = first.name
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.input_shape: list[int | str | None] = first.shape
        self.output_shapes: list[list[int | str | None]] = [
            output.shape for output in self._session.get_outputs()
        ]

    def _run(self, inputs: npt.NDArray[np.generic]) -> list[npt.NDArray[Any]]:
        return list(self._session.run(None, {self._input: inputs}))
