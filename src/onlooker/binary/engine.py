"""Run a packed one-bit network: pictures in, logits out, from one file and without PyTorch.

The compiled engine of ``native/`` does the work; where it was not built, or ``ONLOOKER_CPU`` is
``numpy``, NumPy does, a few hundred times as slowly and with the same results.

    >>> model = PackedModel.load("resnet_e18.onb")  # doctest: +SKIP
    >>> logits = model(pictures)  # (N, 224, 224, 3) uint8 → (N, classes)  # doctest: +SKIP
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from onlooker import runtime
from onlooker.binary import native
from onlooker.binary.format.metadata import described, from_json
from onlooker.errors import ConfigError, MediaError, WeightsError

if TYPE_CHECKING:
    from onlooker.binary.reference import ReferenceModel

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

#: Sessions that are kept between calls, each the memory of one size of pictures.
MOST_IDLE_SESSIONS = 4
MOST_THREADS = 256


class NodeTime(NamedTuple):
    """What a node of a network did, and how long it took.

    Attributes:
        node: Its number.
        operation: For example ``binary convolution``.
        result: Height, width and channels of its result.
        products: Multiply-accumulates, where it is a convolution.
        threads: How many took part.
        microseconds: In the fastest of all runs, waiting for other threads included.
    """

    node: int
    operation: str
    result: tuple[int, int, int]
    products: int
    threads: int
    microseconds: float


@dataclass(frozen=True, kw_only=True)
class Memory:
    """How much memory one size of pictures takes, in bytes.

    Attributes:
        arena: Everything that is allocated for running.
        largest: The largest map.
    """

    arena: int
    largest: int


class _Session:
    """One size of pictures: memory that one call at a time may use."""

    def __init__(self, library: ctypes.CDLL, model: _Handle, threads: int, size: tuple[int, int]):
        handle = library.onlooker_session_new(model.handle, threads, *size)
        if not handle:
            raise MediaError(f"{model.name}: {native.last_error(library)}")
        self.library, self.handle, self.name = library, handle, model.name
        self._end = weakref.finalize(self, library.onlooker_session_free, handle)
        self.facts = native.SessionFacts()
        library.onlooker_session_ask(handle, ctypes.byref(self.facts))

    def run(self, pictures: Array, form: int, values: Floats | None, planes: bool) -> Floats:
        facts = self.facts
        height, width, channels = facts.result_height, facts.result_width, facts.result_channels
        count = pictures.shape[0]
        shape = (count, channels, height, width) if planes else (count, height, width, channels)
        results = np.empty(shape, np.float32)
        table = None if values is None else values.ctypes.data
        failed = self.library.onlooker_run(
            self.handle, form, pictures.ctypes.data, table, count, results.ctypes.data
        )
        if failed:
            raise WeightsError(f"{self.name}: {native.last_error(self.library)}")
        return results if planes else results.transpose(0, 3, 1, 2)


class _Handle:
    """A model of the library."""

    def __init__(self, library: ctypes.CDLL, path: Path, kernels: str | None):
        chosen = None if kernels is None else kernels.encode()
        handle = library.onlooker_open(os.fsencode(path), chosen)
        if not handle:
            message = native.last_error(library)
            error = ConfigError if message.startswith(("ONLOOKER_CPU", "the name")) else None
            raise error(message) if error else WeightsError(f"{path}: {message}")
        self.library, self.handle, self.name = library, handle, str(path)
        self._end = weakref.finalize(self, library.onlooker_close, handle)
        self.facts = native.ModelFacts()
        library.onlooker_model_ask(handle, ctypes.byref(self.facts))

    def metadata(self) -> bytes:
        return ctypes.string_at(self.facts.metadata, self.facts.metadata_length)

    def nodes(self) -> tuple[str, ...]:
        name = self.library.onlooker_node_name
        return tuple(name(self.handle, i).decode() for i in range(self.facts.nodes))


class PackedModel:
    """A packed network, ready to run. Any number of threads may call it at once.

    Attributes:
        path: Its file.
        kernels: What computes: ``avx512``, ``avx2``, ``neon``, ``reference``, or ``numpy``.
        threads: How many threads one call uses.
        metadata: What the file says about itself.
        classes: Names of the result's channels; may be empty.
        channels, height, width: Of the pictures; 0: any.
        result_channels: Of the result, so of a classifier its classes.
        nodes: The operation of each node.
        nbytes: Size of the file.
    """

    path: Path
    kernels: str
    threads: int
    metadata: Mapping[str, Any]
    classes: Sequence[str]
    channels: int
    height: int
    width: int
    result_channels: int
    nodes: Sequence[str]
    nbytes: int

    def __init__(
        self, path: Path | str, threads: int | None = None, *, kernels: str | None = None
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            raise ConfigError(f"a packed network is named by the path of its file, not {path!r}")
        self.path = Path(path)
        self.threads = runtime.threads() if threads is None else threads
        if not isinstance(self.threads, int) or not 1 <= self.threads <= MOST_THREADS:
            raise ConfigError(f"threads must lie between 1 and {MOST_THREADS}, not {threads!r}")
        self._handle: _Handle | None = None
        self._reference: ReferenceModel | None = None
        self._start_over()
        _models.add(self)
        wanted = kernels or os.environ.get("ONLOOKER_CPU") or None
        library = None if wanted == "numpy" else native.library()
        if library is None and wanted not in (None, "numpy"):
            raise ConfigError(f"kernels {wanted!r}: {native.why_absent()}")
        if library is None:
            self._open_reference()
        else:
            self._open_native(library, kernels or None)  # that reads ONLOOKER_CPU itself
        self.nbytes = self.path.stat().st_size
        self._values = self._table()

    @classmethod
    def load(
        cls, path: Path | str, threads: int | None = None, *, kernels: str | None = None
    ) -> PackedModel:
        """Open a packed file.

        Args:
            path: A file that ``onlooker binary convert`` wrote.
            threads: Threads that a call uses; None: as many as Onlooker may use.
            kernels: What is to compute; None: what ``ONLOOKER_CPU`` names, else the fastest.

        Raises:
            WeightsError: The file is missing, damaged, or of a newer version.
            ConfigError: There are no such kernels here, ``threads`` is out of range, or ``path``
                is no path.
        """
        return cls(path, threads, kernels=kernels)

    def __call__(self, images: Array | Sequence[Array]) -> Floats:
        """Run the network.

        Args:
            images: ``(N, H, W, C)`` uint8, or a sequence of ``(H, W, C)`` uint8 of one size: they
                are scaled to [0, 1] and normalized as the file says. Or ``(N, C, H, W)`` float32:
                as the network was trained on them.

        Returns:
            ``(N, classes)`` float32, or ``(N, C', H', W')`` where the result is a map.

        Raises:
            MediaError: Another type, shape or size than the network takes, too small or too large
                a one, or NaN or infinity.
        """
        batch = self._checked(images)
        if batch.dtype == np.uint8:
            size = batch.shape[1:3]
        else:
            size = batch.shape[2:4]
        if batch.shape[0] == 0:
            return self._nothing()
        if self._reference is not None:
            return self._reference(self._as_floats(batch))
        session = self._borrow(size)
        try:
            bytes_given = batch.dtype == np.uint8
            results = session.run(
                batch, 2 if bytes_given else 0, self._values, planes=not bytes_given
            )
        finally:
            self._give_back(size, session)
        if results.shape[2:] == (1, 1):
            return results[:, :, 0, 0]
        return np.ascontiguousarray(results)

    def profile(self, image: Array, *, runs: int = 20) -> list[NodeTime]:
        """Return what each node did and how long it took, in the fastest of several runs.

        Args:
            image: One picture, as a call takes it, without the first axis.
            runs: How many.

        Raises:
            ConfigError: The engine is not there: NumPy is not measured.
            MediaError: As of a call.
        """
        if self._handle is None:
            raise ConfigError("profiles are of the compiled engine; here NumPy computes")
        batch = self._checked(np.asarray(image)[None])
        bytes_given = batch.dtype == np.uint8
        size = batch.shape[1:3] if bytes_given else batch.shape[2:4]
        session = _Session(self._handle.library, self._handle, self.threads, size)
        library, count = session.library, len(self.nodes)
        times = library.onlooker_profile(session.handle)
        if not times:
            raise WeightsError(f"{self.path}: {native.last_error(library)}")
        # Of one run: a thread that is ahead leaves nothing to measure of a node, so that the least
        # of each node would add up to less than any run takes.
        fastest: npt.NDArray[np.int64] | None = None
        for _ in range(max(1, runs)):
            session.run(batch, 2 if bytes_given else 0, self._values, planes=not bytes_given)
            taken = np.ctypeslib.as_array(times, (count,)).copy()
            if fastest is None or taken.sum() < fastest.sum():
                fastest = taken
        assert fastest is not None, "one run at least"
        rows = []
        for index in range(count):
            facts = native.NodeFacts()
            library.onlooker_node_ask(session.handle, index, ctypes.byref(facts))
            result = (facts.height, facts.width, facts.channels)
            rows.append(
                NodeTime(
                    index,
                    facts.operation.decode(),
                    result,
                    facts.products,
                    facts.threads,
                    float(fastest[index]) / 1000,
                )
            )
        return rows

    def memory(self, height: int, width: int) -> Memory:
        """Return how much memory pictures of a size take; of the compiled engine only.

        Raises:
            ConfigError: The engine is not there.
            MediaError: The size does not fit the network.
        """
        if self._handle is None:
            raise ConfigError("memory is planned by the compiled engine; here NumPy computes")
        facts = _Session(self._handle.library, self._handle, self.threads, (height, width)).facts
        return Memory(arena=facts.arena_bytes, largest=facts.largest_bytes)

    def _open_native(self, library: ctypes.CDLL, kernels: str | None) -> None:
        self._handle = handle = _Handle(library, self.path, kernels)
        facts = handle.facts
        self.kernels = facts.kernels.decode()
        self.nodes = handle.nodes()
        self.result_channels = facts.result_channels
        metadata = from_json(handle.metadata(), str(self.path))
        self._describe(metadata, facts.input_channels, facts.input_height, facts.input_width)

    def _open_reference(self) -> None:
        from onlooker.binary import format as packed_format
        from onlooker.binary.reference import ReferenceModel

        packed = packed_format.read(self.path)
        self._reference = ReferenceModel(packed, str(self.path))
        self.kernels = "numpy"
        self.nodes = tuple(node.operation.name.lower().replace("_", " ") for node in packed.nodes)
        self.result_channels = packed.tensors[packed.result].channels
        self._describe(packed.metadata, packed.channels, packed.height, packed.width)

    def _describe(
        self, metadata: Mapping[str, Any], channels: int, height: int, width: int
    ) -> None:
        said = described(metadata, channels, str(self.path))
        self.metadata, self.classes = metadata, said.classes
        self.channels = channels
        self.height, self.width = height or said.height, width or said.width
        self._means, self._deviations = said.mean, said.std

    def _table(self) -> Floats:
        """Return (channels, 256): what each byte of a picture stands for."""
        shares = np.arange(256, dtype=np.float32) / np.float32(255)
        table = (shares[None] - self._means[:, None]) / self._deviations[:, None]
        return np.ascontiguousarray(table, np.float32)

    def _checked(self, images: Array | Sequence[Array]) -> Array:
        if not isinstance(images, np.ndarray):
            images = list(images)
            if not images:
                return np.empty((0, 1, 1, self.channels), np.uint8)
            pictures = [np.asarray(image) for image in images]
            first = pictures[0]
            for index, picture in enumerate(pictures):
                if picture.shape != first.shape or picture.dtype != first.dtype:
                    raise MediaError(
                        f"{self.path}: picture {index} is {picture.shape} {picture.dtype}, the "
                        f"first {first.shape} {first.dtype}; expected all alike"
                    )
            images = np.stack(pictures)
        axis = {"uint8": 3, "float32": 1}.get(images.dtype.name)
        if axis is None or images.ndim != 4 or images.shape[axis] != self.channels:
            raise MediaError(
                f"{self.path} takes (N, H, W, {self.channels}) uint8 or (N, {self.channels}, H, W) "
                f"float32, not {images.shape} {images.dtype}"
            )
        if images.dtype == np.float32 and not np.isfinite(images).all():
            found = int(np.argmin(np.isfinite(images).all(axis=(1, 2, 3))))
            raise MediaError(f"{self.path}: picture {found} holds NaN or infinity")
        return np.ascontiguousarray(images)

    def _as_floats(self, batch: Array) -> Floats:
        if batch.dtype == np.float32:
            return batch
        channels = np.arange(self.channels)
        return np.ascontiguousarray(self._values[channels, batch].transpose(0, 3, 1, 2))

    def _nothing(self) -> Floats:
        return np.zeros((0, self.result_channels), np.float32)

    def _start_over(self) -> None:
        """Forget sessions and who holds them: at first, and in a child of a fork."""
        self._idle: OrderedDict[tuple[int, int], list[_Session]] = OrderedDict()
        self._lock = threading.Lock()

    def _borrow(self, size: tuple[int, int]) -> _Session:
        assert self._handle is not None, "the reference was asked before"
        with self._lock:
            idle = self._idle.get(size)
            if idle:
                session = idle.pop()
                if not idle:
                    del self._idle[size]
                return session
        return _Session(self._handle.library, self._handle, self.threads, size)

    def _give_back(self, size: tuple[int, int], session: _Session) -> None:
        with self._lock:
            self._idle.setdefault(size, []).append(session)
            self._idle.move_to_end(size)
            while sum(map(len, self._idle.values())) > MOST_IDLE_SESSIONS:
                oldest, idle = next(iter(self._idle.items()))
                idle.pop(0)
                if not idle:
                    del self._idle[oldest]


#: All models there are. A lock that another thread held at a fork would stay locked in the child.
_models: weakref.WeakSet[PackedModel] = weakref.WeakSet()


def _start_over_in_child() -> None:
    for model in list(_models):
        model._start_over()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over_in_child)
