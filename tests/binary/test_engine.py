"""The engine: equal to NumPy on every operation, with any kernels and threads; bad input."""

from __future__ import annotations

import ctypes
import resource
import shutil
import struct
import subprocess
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from onlooker.binary import format as packed_format
from onlooker.binary import native
from onlooker.binary.engine import MOST_IDLE_SESSIONS, PackedModel
from onlooker.binary.format import Node, Operation, Outlet, OutletKind, PackedFile
from onlooker.binary.format import TensorKind as Kind
from onlooker.binary.format.builder import Builder
from onlooker.binary.reference import ReferenceModel
from onlooker.errors import ConfigError, MediaError, WeightsError

from .random_packed import random_packed
from .single_operations import pooled, single, tangled

ROOT = Path(__file__).parents[2]
needs_engine = pytest.mark.skipif(native.library() is None, reason=native.why_absent())


def kernel_names() -> list[str]:
    library = native.library()
    names = []
    while library is not None and (name := library.onlooker_kernels_name(len(names))):
        names.append(name.decode())
    return names


KERNELS = kernel_names()
with_kernels = pytest.mark.parametrize("kernels", KERNELS or ["none"])


def saved(packed: PackedFile, folder: Path) -> Path:
    path = folder / "network.onb"
    packed_format.write(path, packed)
    return path


def exact_pictures(shape: tuple[int, ...]) -> np.ndarray:
    drawn = np.random.default_rng(shape).integers(-16, 17, shape)
    return drawn.astype(np.float32) / 4


def classifier(*, metadata: dict[str, object] | None = None, size: int = 0) -> PackedFile:
    """Return a network that tells the mean of each channel."""
    builder = Builder()
    picture, mean = builder.tensor(Kind.FLOAT, 3), builder.tensor(Kind.FLOAT, 3)
    value = OutletKind.VALUE
    builder.node(
        Node(
            operation=Operation.INPUT,
            channels=3,
            outlets=(Outlet(kind=value, tensor=picture),),
        )
    )
    builder.node(
        Node(
            operation=Operation.AVERAGE_POOLING,
            channels=3,
            kernel=(0, 0),
            input=picture,
            outlets=(Outlet(kind=value, tensor=mean),),
        )
    )
    return builder.packed(result=mean, channels=3, height=size, width=size, metadata=metadata)


@needs_engine
@pytest.mark.native
@with_kernels
@pytest.mark.parametrize("operation", [kind for kind in Operation if kind != Operation.INPUT])
def test_equals_numpy_bit_by_bit(operation: Operation, kernels: str, tmp_path: Path) -> None:
    for seed in range(24):
        packed, size = single(seed, operation)
        path = saved(packed, tmp_path)
        pictures = exact_pictures((2, packed.channels, *size))
        expected = ReferenceModel(packed)(pictures)
        assert len(np.unique(expected)) > 1, "shows nothing"
        for threads in (1, 2, 3):
            found = PackedModel.load(path, threads, kernels=kernels)(pictures)
            np.testing.assert_array_equal(found, expected, err_msg=f"seed {seed}")


@needs_engine
@pytest.mark.native
@with_kernels
def test_maps_that_live_at_once_do_not_overlap(kernels: str, tmp_path: Path) -> None:
    for seed in range(12):
        packed = tangled(seed)
        path = saved(packed, tmp_path)
        pictures = exact_pictures((2, packed.channels, 11, 7))
        expected = ReferenceModel(packed)(pictures)
        for threads in (1, 2, 3):
            model = PackedModel.load(path, threads, kernels=kernels)
            for _ in range(2):  # what a run leaves behind must not change the next
                np.testing.assert_array_equal(model(pictures), expected, err_msg=f"seed {seed}")


@needs_engine
@pytest.mark.native
@with_kernels
def test_a_large_map_is_pooled_band_by_band(kernels: str, tmp_path: Path) -> None:
    for seed in range(6):
        packed, size = pooled(seed)
        path = saved(packed, tmp_path)
        pictures = exact_pictures((1, packed.channels, *size))
        expected = ReferenceModel(packed)(pictures)
        for threads in (1, 2, 3):
            model = PackedModel.load(path, threads, kernels=kernels)
            np.testing.assert_array_equal(model(pictures), expected, err_msg=f"seed {seed}")
            memory = model.memory(*size)
            assert memory.arena < memory.largest + (threads + 1) * 2**18, "the map is not there"


@needs_engine
@pytest.mark.native
@with_kernels
def test_equals_numpy_on_any_numbers(kernels: str, tmp_path: Path) -> None:
    for seed in range(10):
        packed = random_packed(seed)
        rng = np.random.default_rng(seed)
        size = (int(rng.integers(7, 30)), int(rng.integers(7, 30)))
        pictures = rng.normal(size=(2, 3, *size)).astype(np.float32)
        expected = ReferenceModel(packed)(pictures)
        path = saved(packed, tmp_path)
        results = [PackedModel.load(path, n, kernels=kernels)(pictures) for n in (1, 2, 3)]
        np.testing.assert_allclose(results[0], expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(results[1], results[0])
        np.testing.assert_array_equal(results[2], results[0])


@needs_engine
@pytest.mark.native
@with_kernels
def test_a_sum_may_stand_where_its_residual_stood(kernels: str, tmp_path: Path) -> None:
    builder = Builder()
    wide, bits = builder.tensor(Kind.FLOAT, 24), builder.tensor(Kind.BITS, 24)
    value, zeros = OutletKind.VALUE, builder.floats(np.zeros(24))
    to_bits = Outlet(kind=OutletKind.BITS_BY_FLOAT, tensor=bits, numbers=zeros)
    builder.node(
        Node(
            operation=Operation.INPUT,
            channels=24,
            outlets=(Outlet(kind=value, tensor=wide), to_bits),
        )
    )
    rng = np.random.default_rng(3)
    from onlooker.binary.format.layouts import pack_binary

    packed_weights = pack_binary(rng.random((8, 24, 3, 3)) < 0.5, 1)
    builder.node(
        Node(
            operation=Operation.BINARY_CONVOLUTION,
            channels=8,
            input=bits,
            kernel=(3, 3),
            padding=(1, 1, 1, 1),
            weights=builder.blob(packed_weights),
            residual=wide,
            residual_first=16,
            outlets=(Outlet(kind=value, tensor=wide, first=16),),
        )
    )
    packed = builder.packed(result=wide, channels=24)
    pictures = exact_pictures((1, 24, 9, 10))
    found = PackedModel.load(saved(packed, tmp_path), 2, kernels=kernels)(pictures)
    np.testing.assert_array_equal(found, ReferenceModel(packed)(pictures))
    np.testing.assert_array_equal(found[:, :16], pictures[:, :16])
    assert (found[:, 16:] != pictures[:, 16:]).any()


def model_of(packed: PackedFile, folder: Path, threads: int = 1) -> PackedModel:
    return PackedModel.load(saved(packed, folder), threads)


@pytest.mark.parametrize("computed_by", ["the engine", "numpy"])
def test_pictures_in_every_form(
    computed_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if computed_by == "numpy":
        monkeypatch.setenv("ONLOOKER_CPU", "numpy")
    normal = {"mean": [0.5, 0.25, 0.0], "std": [0.5, 1.0, 2.0], "height": 6, "width": 5}
    packed = classifier(metadata={"input": normal, "classes": ["red", "green", "blue"]})
    model = model_of(packed, tmp_path)
    assert model.kernels == (
        "numpy" if computed_by == "numpy" else KERNELS[0] if KERNELS else "numpy"
    )
    assert tuple(model.classes) == ("red", "green", "blue")
    assert (model.height, model.width, model.channels, model.threads) == (6, 5, 3, 1)
    assert tuple(model.nodes) == ("input", "average pooling")
    assert model.nbytes == (tmp_path / "network.onb").stat().st_size
    pictures = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), np.uint8)
    shares = pictures / 255
    expected = ((shares - normal["mean"]) / normal["std"]).mean(axis=(1, 2))
    np.testing.assert_allclose(model(pictures), expected, atol=1e-6)
    assert model(pictures).dtype == np.float32
    np.testing.assert_array_equal(model(list(pictures)), model(pictures))
    twice = np.repeat(pictures, 2, axis=2)
    np.testing.assert_array_equal(model(twice[:, :, ::2]), model(pictures))
    np.testing.assert_array_equal(model(pictures[::-1]), model(pictures)[::-1])
    floats = pictures.transpose(0, 3, 1, 2).astype(np.float32)
    np.testing.assert_allclose(model(floats), floats.mean(axis=(2, 3)), rtol=1e-6)
    assert model([]).shape == model(pictures[:0]).shape == (0, 3)


@pytest.mark.parametrize("computed_by", ["the engine", "numpy"])
def test_bad_pictures_are_refused(
    computed_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if computed_by == "numpy":
        monkeypatch.setenv("ONLOOKER_CPU", "numpy")
    model = model_of(classifier(), tmp_path)
    good = np.zeros((2, 3, 4, 4), np.float32)
    for bad in (
        good.astype(np.float64),
        good.astype(np.int16),
        good[0],
        np.zeros((2, 4, 4, 4), np.float32),
        np.zeros((2, 4, 4, 4), np.uint8),
        np.array("a"),
    ):
        with pytest.raises(MediaError, match=r"takes \(N, H, W, 3\) uint8"):
            model(bad)
    with pytest.raises(MediaError, match=r"picture 1 is \(4, 5, 3\)"):
        model([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)])
    for wrong in (np.nan, np.inf):
        holed = good.copy()
        holed[1, 2, 3, 3] = wrong
        with pytest.raises(MediaError, match="picture 1 holds NaN"):
            model(holed)
    fixed = model_of(classifier(size=8), tmp_path)
    with pytest.raises(MediaError, match="8"):
        fixed(good)
    for size in ((0, 4), (4, 65_537)):
        with pytest.raises(MediaError, match="65536"):
            model(np.zeros((1, *size, 3), np.uint8))


@needs_engine
def test_a_picture_too_small_is_refused(tmp_path: Path) -> None:
    packed, size = next(
        (packed, size)
        for packed, size in (single(seed, Operation.BINARY_CONVOLUTION) for seed in range(99))
        if packed.nodes[2].kernel[0] > 2 and packed.nodes[2].padding == (0, 0, 0, 0)
    )
    model = model_of(packed, tmp_path)
    with pytest.raises(MediaError, match="larger picture"):
        model(np.zeros((1, packed.channels, 1, size[1]), np.float32))


def test_wrong_settings_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(classifier(), tmp_path)
    for threads in (0, -1, 257, "2"):
        with pytest.raises(ConfigError, match="threads"):
            PackedModel.load(path, threads)  # type: ignore[arg-type]
    for no_path in (None, 3, random_packed(1)):
        with pytest.raises(ConfigError, match="named by the path of its file"):
            PackedModel(no_path)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="named by the path of its file"):
            PackedModel.load(no_path)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="abacus"):
        PackedModel.load(path, kernels="abacus")
    monkeypatch.setenv("ONLOOKER_CPU", "abacus")
    with pytest.raises(ConfigError, match="abacus"):
        PackedModel.load(path)
    monkeypatch.delenv("ONLOOKER_CPU")
    with pytest.raises(WeightsError, match=r"nothing\.onb"):
        PackedModel.load(tmp_path / "nothing.onb")
    with pytest.raises(WeightsError):
        PackedModel.load(tmp_path)
    for metadata in (
        {"input": {"mean": [1, 2]}},
        {"input": {"std": [1, 0, 1]}},
        {"input": {"mean": "grey"}},
        {"input": {"height": "tall"}},
        {"input": 3},
        {"classes": "cat"},
    ):
        with pytest.raises(WeightsError, match=r"network\.onb"):
            model_of(classifier(metadata=metadata), tmp_path)


def test_without_the_library_numpy_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(random_packed(1), tmp_path)
    pictures = exact_pictures((1, 3, 12, 9))
    expected = PackedModel.load(path, kernels="numpy")(pictures)
    native._opened.cache_clear()
    monkeypatch.setenv("ONLOOKER_ENGINE", str(tmp_path / "none.so"))
    try:
        model = PackedModel.load(path)
        assert model.kernels == "numpy" and "none.so" in native.why_absent()
        np.testing.assert_array_equal(model(pictures), expected)
        with pytest.raises(ConfigError, match=r"none\.so"):
            PackedModel.load(path, kernels="reference")
        with pytest.raises(ConfigError):
            model.profile(pictures[0])
        with pytest.raises(ConfigError):
            model.memory(12, 9)
    finally:
        native._opened.cache_clear()


def test_newer_and_foreign_files_are_told_apart(tmp_path: Path) -> None:
    path = saved(classifier(), tmp_path)
    contents = bytearray(path.read_bytes())
    path.write_bytes(contents[:8] + struct.pack("<I", 2) + contents[12:])
    with pytest.raises(WeightsError, match="version 2"):
        PackedModel.load(path)
    for foreign in (b"", b"\x89PNG\r\n\x1a\n" + bytes(100), b"\x89ONB\n\x1a\n" + bytes(100)):
        path.write_bytes(foreign)
        with pytest.raises(WeightsError):
            PackedModel.load(path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    contents = saved(random_packed(5), tmp_path).read_bytes()
    path = tmp_path / "damaged.onb"
    rng = np.random.default_rng(0)
    for length in {0, 1, 79, 80, 81, len(contents) - 1, *rng.integers(0, len(contents), 40)}:
        path.write_bytes(contents[:length])
        with pytest.raises(WeightsError):
            PackedModel.load(path)
    for place in {*range(80), *rng.integers(0, len(contents), 100)}:
        flipped = bytearray(contents)
        flipped[place] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(flipped)
        with pytest.raises(WeightsError):
            PackedModel.load(path)
    path.write_bytes(contents + b"\0")
    with pytest.raises(WeightsError):
        PackedModel.load(path)


def with_checksum(contents: bytearray) -> bytes:
    contents[12:16] = struct.pack("<I", zlib.crc32(contents[16:]))
    return bytes(contents)


@needs_engine
@pytest.mark.native
def test_hostile_files_do_not_crash(tmp_path: Path) -> None:
    contents = saved(random_packed(5), tmp_path).read_bytes()
    head = struct.unpack_from("<4I", contents, 24)
    tables = 80 + sum(n * size for n, size in zip(head, (16, 96, 24, 16), strict=True))
    path = tmp_path / "hostile.onb"
    rng = np.random.default_rng(1)
    picture = np.zeros((1, 3, 9, 11), np.float32)
    refused = ran = 0
    for turn in range(1500):
        changed = bytearray(contents)
        for _ in range(1 if turn < 1000 else 3):
            place = int(rng.integers(16, tables))
            if turn % 3:
                changed[place] ^= 1 << int(rng.integers(0, 8))
            else:
                number = int(rng.choice([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1]))
                changed[place - place % 4 :][:4] = struct.pack("<I", number)
                struct.pack_into("<I", changed, place - place % 4, number)
        path.write_bytes(with_checksum(changed))
        try:
            model = PackedModel.load(path, 2)
            if model.memory(9, 11).arena < 2**24:
                model(picture)
                ran += 1
        except (WeightsError, MediaError):
            refused += 1
    assert refused > 500 and ran > 50


@needs_engine
@pytest.mark.native
def test_many_callers_at_once(tmp_path: Path) -> None:
    packed = random_packed(2)
    for threads in (1, 2):
        model = model_of(packed, tmp_path, threads)
        sizes = [(9 + i % 7, 8 + i % 5) for i in range(60)]
        pictures = [exact_pictures((1, 3, *size)) for size in sizes]
        expected = [model(picture) for picture in pictures]
        with ThreadPoolExecutor(6) as pool:
            for found, wanted in zip(pool.map(model, pictures), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)
        assert sum(map(len, model._idle.values())) <= MOST_IDLE_SESSIONS


@needs_engine
@pytest.mark.native
def test_memory_does_not_grow(tmp_path: Path) -> None:
    model = model_of(random_packed(4), tmp_path, 2)
    picture = exact_pictures((1, 3, 64, 64))
    sizes = [(40 + i, 50) for i in range(12)]

    def calls(count: int) -> None:
        for turn in range(count):
            model(picture)
            model(np.zeros((1, 3, *sizes[turn % len(sizes)]), np.float32))

    calls(50)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    calls(300)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 2000, "kilobytes, over 600 calls"


@needs_engine
def test_profile_and_memory(tmp_path: Path) -> None:
    model = model_of(random_packed(4), tmp_path, 2)
    rows = model.profile(np.zeros((40, 30, 3), np.uint8), runs=3)
    assert [row.operation for row in rows] == list(model.nodes)
    assert all(row.microseconds > 0 for row in rows)
    assert rows[0].result == (40, 30, 3) and rows[0].products == 0
    assert rows[1].products == np.prod(rows[1].result) * 27
    memory = model.memory(40, 30)
    assert memory.largest >= 40 * 30 * 3 * 4
    assert memory.largest < memory.arena < 12 * memory.largest


@needs_engine
@pytest.mark.native
@with_kernels
def test_products_of_sign_matrices(kernels: str) -> None:
    library = native.library()
    assert library is not None
    rng = np.random.default_rng(0)
    for rows, columns, length in ((1, 1, 1), (37, 19, 130), (64, 64, 64), (5, 200, 2304)):
        left = rng.normal(size=(rows, length)).astype(np.float32)
        right = rng.normal(size=(columns, length)).astype(np.float32)
        matrix = library.onlooker_matrix_new(right.ctypes.data, columns, length, kernels.encode())
        assert matrix, native.last_error(library)
        words = -(-length // 64)
        room = np.zeros(rows * words + 16, np.uint64)  # with what may be read around it
        bits = room[8:-8]
        assert not library.onlooker_matrix_pack(matrix, left.ctypes.data, rows, bits.ctypes.data)
        for threads in (1, 2, 3):
            found = np.zeros((rows, columns), np.float32)
            failed = library.onlooker_matrix_multiply(
                matrix, bits.ctypes.data, rows, threads, found.ctypes.data
            )
            assert not failed
            signs = [np.where(side >= 0, 1.0, -1.0) for side in (left, right)]
            np.testing.assert_array_equal(found, signs[0] @ signs[1].T)
        library.onlooker_matrix_free(matrix)
    assert not library.onlooker_matrix_new(ctypes.c_void_p(), 0, 5, None)
    assert "columns" in native.last_error(library)


@needs_engine
@pytest.mark.native
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_example_in_c(tmp_path: Path) -> None:
    source = ROOT / "native" / "examples" / "classify.c"
    program = tmp_path / "classify"
    library = native.library_path()
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'native' / 'include'}"]
    links = [str(library), f"-Wl,-rpath,{library.parent}" if library else "", "-lm"]
    subprocess.run(["cc", *flags, str(source), "-o", str(program), *links], check=True)
    normal = {"mean": [0.5, 0.25, 0.0], "std": [0.25, 0.5, 1.0]}
    metadata = {"input": normal, "classes": ["red", "green", "blue"]}
    path = saved(classifier(metadata=metadata), tmp_path)
    picture = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
    photo = tmp_path / "picture.ppm"
    photo.write_bytes(b"P6\n9 7\n255\n" + picture.tobytes())
    done = subprocess.run([program, path, photo], capture_output=True, check=True, text=True)
    logits = PackedModel.load(path)(picture[None])[0]
    shares = np.exp(logits) / np.exp(logits).sum()
    order = np.argsort(-logits)
    lines = [f"{100 * shares[i]:5.1f} %  {metadata['classes'][i]}" for i in order]
    assert done.stdout.splitlines() == lines
    photo.write_bytes(b"P6\n9 7\n255\n")
    failed = subprocess.run([program, path, photo], capture_output=True, check=False, text=True)
    assert failed.returncode == 1 and "cut off" in failed.stderr
