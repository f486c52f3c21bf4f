r"""The one-bit engine beside PyTorch, ONNX Runtime (float32 and int8) and Larq, in one run.

    python benchmarks/binary_engine.py            # all; writes results/binary_engine.json
    python benchmarks/binary_engine.py --quick    # a short look; writes nothing
    python benchmarks/binary_engine.py --larq-python build/larq/bin/python \
        --bitorch-python build/bitorch/bin/python --kernel-bench build/bench_kernels

Needs the extra ``train``. Networks have random weights: only time is measured here, accuracy by
``onlooker evaluate classification``.

How it is fair. Contenders that are compared run in turn, round after round, so that a busy machine
slows all alike, and rest in between, so that one's idle threads do not spin on another's core; of
each the median and the least of all runs are kept. Speed is told by the least, as ``timeit`` does:
what else happens on a machine only ever adds. ONNX Runtime gets the graph as one would deploy
it: batch norms folded, and its int8 network quantized statically in every layer, first and last
included. A *layer* is what one more layer costs inside of a network: the time of a chain of nine
less that of a chain of one, divided by eight, for all contenders. Ours takes packed bits,
convolves, thresholds and gives packed bits (``bits``), or adds a float32 shortcut and gives both
(``residual``, as in ResNetE); ONNX Runtime's has a ReLU behind its convolution.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
import rival_networks

from onlooker.binary import format as packed_format
from onlooker.binary import native
from onlooker.binary.converter import convert
from onlooker.binary.engine import PackedModel
from onlooker.binary.layers import BinaryConv2d
from onlooker.binary.models import build

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "binary_engine.json"
THREADS = (1, 2)
GEMM = (3072, 256, 2304)  # pixels, filters, products: a 3×3 convolution of 256 channels
LAYERS = ((64, 56), (128, 28), (256, 14), (256, 28), (512, 7))  # channels, side in pixels
CHAIN = 9
NETWORKS = {
    # Name in the table → network, stem, how its float layers are computed.
    "ResNetE-18, int8 stem": ("resnet-e-18", "imagenet", "int8"),
    "ResNetE-18, grouped stem": ("resnet-e-18", "grouped", "int8"),
    "ResNetE-18, float32 stem": ("resnet-e-18", "imagenet", "float32"),
    "BinaryDenseNet-28, int8 stem and 1×1": ("binary-densenet-28", "imagenet", "int8"),
    "BinaryDenseNet-28, float32 stem and 1×1": ("binary-densenet-28", "imagenet", "float32"),
    "MeliusNet-22, int8 stem and 1×1": ("meliusnet-22", "imagenet", "int8"),
}
SIDE_PX = 224
#: Between contenders: their threads spin for a while after a call, on the cores of the next one.
PAUSE_S = 0.01
#: A core that rested is slow at first: so long a contender runs before its clock starts.
WARM_S = 0.03
RUNS = 5  # of a contender in a round
Run = Callable[[], Any]


def measure(contenders: dict[str, Run], rounds: int) -> dict[str, dict[str, float]]:
    """Run all in turn → milliseconds of each, median and best."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            time.sleep(PAUSE_S)
            warm = time.perf_counter() + WARM_S
            run()
            while time.perf_counter() < warm:
                run()
            for _ in range(RUNS):
                begun = time.perf_counter()
                run()
                taken[name].append(1e3 * (time.perf_counter() - begun))
    return {
        name: {"median_ms": statistics.median(times), "best_ms": min(times)}
        for name, times in taken.items()
    }


def ort(path: Path, inputs: np.ndarray, threads: int) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: inputs})


def packed(model: nn.Module, shape: tuple[int, ...], path: Path, float_layers: str) -> Path:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand((8, *shape[1:]), generator=generator)
    with torch.no_grad():
        model.train()(pictures)  # running statistics that fit the weights
    calibration = pictures.numpy() if float_layers == "int8" else None
    packed_format.write(
        path, convert(model.eval(), shape, calibration=calibration, float_layers=float_layers)
    )
    return path


# The product of matrices --------------------------------------------------------------------------


def gemm(rounds: int, kernels: list[str]) -> dict[str, Any]:
    """Compare products of sign matrices with PyTorch's of float32, one thread."""
    rows, columns, length = GEMM
    library = native.library()
    assert library is not None, native.why_absent()
    rng = np.random.default_rng(0)
    left = rng.standard_normal((rows, length)).astype(np.float32)
    right = rng.standard_normal((columns, length)).astype(np.float32)
    words = -(-length // 64)
    results = np.empty((rows, columns), np.float32)
    torch.set_num_threads(1)
    a, b = torch.from_numpy(left), torch.from_numpy(right.T.copy())
    contenders: dict[str, Run] = {"PyTorch float32": lambda: a @ b}
    keep = []
    for name in kernels:
        matrix = library.onlooker_matrix_new(right.ctypes.data, columns, length, name.encode())
        room = np.zeros(rows * words + 16, np.uint64)
        bits = room[8:-8]
        library.onlooker_matrix_pack(matrix, left.ctypes.data, rows, bits.ctypes.data)
        keep.append((matrix, room))

        def multiply(matrix: Any = matrix, bits: np.ndarray = bits) -> None:
            library.onlooker_matrix_multiply(
                matrix, ctypes.c_void_p(bits.ctypes.data), rows, 1, results.ctypes.data
            )

        def pack_and_multiply(matrix: Any = matrix, bits: np.ndarray = bits) -> None:
            library.onlooker_matrix_pack(matrix, left.ctypes.data, rows, bits.ctypes.data)
            multiply(matrix, bits)

        multiply()
        exact = np.where(left >= 0, 1.0, -1.0) @ np.where(right >= 0, 1.0, -1.0).T
        assert np.array_equal(results, exact.astype(np.float32)), name
        contenders[name] = multiply
        contenders[f"{name}, float32 packed each time"] = pack_and_multiply
    found = measure(contenders, rounds)
    for matrix, _ in keep:
        library.onlooker_matrix_free(matrix)
    operations = 2e-6 * rows * columns * length
    base = found["PyTorch float32"]["best_ms"]
    return {
        "rows": rows,
        "columns": columns,
        "length": length,
        "threads": 1,
        "contenders": {
            name: {
                **times,
                "gop_per_s": operations / times["best_ms"],
                "times_float32": base / times["best_ms"],
            }
            for name, times in found.items()
        },
    }


# Layers -------------------------------------------------------------------------------------------


class Chain(nn.Module):  # type: ignore[misc]
    """Binary convolutions and batch norms one behind the other, with float shortcuts or without."""

    def __init__(self, channels: int, count: int, residual: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(BinaryConv2d(channels, channels, 3, 1, 1), nn.BatchNorm2d(channels))
            for _ in range(count)
        )
        self.residual = residual

    def forward(self, maps: Tensor) -> Tensor:
        for layer in self.layers:
            maps = layer(maps) + maps if self.residual else layer(maps)
        return maps


def layers(folder: Path, rounds: int, kernels: list[str]) -> list[dict[str, Any]]:
    """Time one layer more inside of a network."""
    rows = []
    for channels, side in LAYERS:
        shape = (1, channels, side, side)
        maps = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        levels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        ours: dict[tuple[str, int], Path] = {}
        for count in (1, CHAIN):
            rival_networks.save_chain(folder / f"f{count}.onnx", channels, side, count)
            rival_networks.quantize(
                folder / f"f{count}.onnx", folder / f"i{count}.onnx", shape, bytes_outside=True
            )
            for kind in ("bits", "residual"):
                chain = Chain(channels, count, residual=kind == "residual")
                ours[kind, count] = packed(chain, shape, folder / f"{kind}{count}.onb", "float32")
        for threads in THREADS:
            contenders: dict[str, Run] = {}
            for count in (1, CHAIN):
                contenders[f"ONNX Runtime float32|{count}"] = ort(
                    folder / f"f{count}.onnx", maps, threads
                )
                contenders[f"ONNX Runtime int8|{count}"] = ort(
                    folder / f"i{count}.onnx", levels, threads
                )
                for name in kernels:
                    for kind in ("bits", "residual"):
                        model = PackedModel.load(ours[kind, count], threads, kernels=name)
                        contenders[f"{name}, {kind}|{count}"] = lambda model=model, maps=maps: (
                            model(maps)
                        )
            times = measure(contenders, rounds)
            operations = 2e-6 * 9 * channels * channels * side * side
            found = {}
            for name in dict.fromkeys(key.rpartition("|")[0] for key in contenders):
                one, many = times[f"{name}|1"], times[f"{name}|{CHAIN}"]
                cost = (many["median_ms"] - one["median_ms"]) / (CHAIN - 1)
                best = (many["best_ms"] - one["best_ms"]) / (CHAIN - 1)
                found[name] = {
                    "median_ms": cost, "best_ms": best, "gop_per_s": operations / best
                }  # fmt: skip
            floats = found["ONNX Runtime float32"]["best_ms"]
            integers = found["ONNX Runtime int8"]["best_ms"]
            for row in found.values():
                row["times_float32"] = floats / row["best_ms"]
                row["times_int8"] = integers / row["best_ms"]
            rows.append(
                {"channels": channels, "side": side, "threads": threads, "contenders": found}
            )
            print(f"layer {channels} × {side}² threads {threads}: " + ", ".join(
                f"{name} {row['best_ms']:.3f} ms" for name, row in found.items()
            ), flush=True)  # fmt: skip
    return rows


# Networks -----------------------------------------------------------------------------------------


def networks(folder: Path, rounds: int, kernels: list[str]) -> list[dict[str, Any]]:
    """Time whole networks, pictures of bytes in, logits out."""
    shape = (1, 3, SIDE_PX, SIDE_PX)
    picture = np.random.default_rng(0).integers(0, 256, (1, SIDE_PX, SIDE_PX, 3), np.uint8)
    floats = np.ascontiguousarray(picture.transpose(0, 3, 1, 2) / np.float32(255), np.float32)
    rival_networks.save_resnet18(folder / "resnet18.onnx", side=SIDE_PX)
    rival_networks.quantize(folder / "resnet18.onnx", folder / "resnet18-int8.onnx", shape)
    files = {}
    for title, (name, stem, float_layers) in NETWORKS.items():
        model = build(name, classes=1000, stem=stem)
        files[title] = packed(model, shape, folder / f"{len(files)}.onb", float_layers)
    rows = []
    for threads in THREADS:
        contenders: dict[str, Run] = {
            "ResNet-18, ONNX Runtime float32": ort(folder / "resnet18.onnx", floats, threads),
            "ResNet-18, ONNX Runtime int8": ort(folder / "resnet18-int8.onnx", floats, threads),
        }
        models = {}
        for title, path in files.items():
            for name in kernels:
                model = PackedModel.load(path, threads, kernels=name)
                models[f"{title}|{name}"] = model
                contenders[f"{title}|{name}"] = lambda model=model: model(picture)
        times = measure(contenders, rounds)
        rival = [
            times[f"ResNet-18, ONNX Runtime {kind}"]["best_ms"] for kind in ("float32", "int8")
        ]
        for key, found in times.items():
            title, _, name = key.partition("|")
            row = {
                "network": title,
                "kernels": name or "ONNX Runtime",
                "threads": threads,
                **found,
                "times_float32": rival[0] / found["best_ms"],
                "times_int8": rival[1] / found["best_ms"],
            }
            if key in models:
                model = models[key]
                memory = model.memory(SIDE_PX, SIDE_PX)
                row |= {
                    "megabytes": model.nbytes / 1e6,
                    "arena_bytes": memory.arena,
                    "largest_map_bytes": memory.largest,
                    "within_memory_goal": memory.arena <= 3 * memory.largest,
                    "profile": profile(model, picture[0]),
                }
            else:
                file = "resnet18-int8.onnx" if "int8" in title else "resnet18.onnx"
                row["megabytes"] = (folder / file).stat().st_size / 1e6
            rows.append(row)
            print(f"{title} {name} threads {threads}: {found['best_ms']:.2f} ms, "
                  f"{row['times_float32']:.1f} × float32, {row['times_int8']:.1f} × int8",
                  flush=True)  # fmt: skip
    return rows


def profile(model: PackedModel, picture: np.ndarray) -> dict[str, Any]:
    """Return the shares of the kinds of nodes in the time, and the speed of the binary ones."""
    nodes = model.profile(picture, runs=30)
    total = sum(node.microseconds for node in nodes)
    shares: dict[str, float] = {}
    stem = True
    for node in nodes:
        kind = node.operation
        if kind in ("convolution", "quantized convolution"):
            kind = "stem" if stem else "1×1 and classifier"
        elif node.node and kind != "max pooling":
            stem = False
        shares[kind] = shares.get(kind, 0.0) + node.microseconds / total
    binary = [node for node in nodes if node.operation == "binary convolution"]
    seconds = 1e-6 * sum(node.microseconds for node in binary)
    return {
        "shares": {kind: round(share, 4) for kind, share in shares.items()},
        "binary_gop_per_s": 2e-9 * sum(node.products for node in binary) / seconds,
    }


# Others -------------------------------------------------------------------------------------------


def sizes(folder: Path) -> dict[str, float]:
    """Return MiB of packed files, float layers in float32 and in int8."""
    found = {}
    for name, side in (("resnet-e-18", SIDE_PX), ("binary-densenet-28", SIDE_PX),
                       ("bmxnet-resnet-18", 32)):  # fmt: skip
        for float_layers in ("float32", "int8"):
            stem = "cifar" if side == 32 else "imagenet"
            model = build(name, classes=10 if side == 32 else 1000, stem=stem)
            path = packed(model, (1, 3, side, side), folder / "size.onb", float_layers)
            found[f"{name}, {float_layers} stem"] = path.stat().st_size / 2**20
    return found


def larq(python: str | None) -> dict[str, Any]:
    if python is None:
        return {"error": "not measured: --larq-python was not given"}
    found: dict[str, Any] = {}
    script = str(Path(__file__).parent / "rival_larq.py")
    for network in ("ResNetE18", "BinaryDenseNet28", "QuickNet"):
        done = subprocess.run(
            [python, script, network, *map(str, THREADS)], capture_output=True, text=True
        )
        last = (done.stdout.strip().splitlines() or [""])[-1]
        error = (done.stderr.strip().splitlines() or ["no output"])[-1]
        found[network] = json.loads(last) if last.startswith("{") else {"error": error}
    return found


def bitorch(python: str | None) -> dict[str, Any]:
    if python is None:
        return {"error": "not measured: --bitorch-python was not given"}
    code = "import bitorch_engine.layers.qlinear.binary.cpp.layer as layer; layer.binary_linear_cpp"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    lines = [line for line in (done.stdout + done.stderr).strip().splitlines() if line]
    return {"error": lines[-1]} if done.returncode else {"output": lines}


def limits(program: str | None) -> dict[str, Any]:
    """Ask the bench of the kernels for the peak of each instruction set."""
    if program is None:
        return {"error": "not measured: --kernel-bench was not given"}
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    return {"output": done.stdout.splitlines()}


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="few rounds; writes nothing")
    parser.add_argument("--larq-python", help="Python with larq-compute-engine (rival_larq.py)")
    parser.add_argument("--bitorch-python", help="Python with bitorch-engine")
    parser.add_argument("--kernel-bench", help="the built native/bench program")
    arguments = parser.parse_args()
    usable = []
    library = native.library()
    if library is None:
        sys.exit(f"the engine is not there: {native.why_absent()}")
    while name := library.onlooker_kernels_name(len(usable)):
        usable.append(name.decode())
    kernels = [name for name in usable if name != "reference"]
    rounds = 3 if arguments.quick else 15
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found: dict[str, Any] = {
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)),
            "date": date.today().isoformat(),
            "kernels": kernels,
            "onnxruntime": onnxruntime.__version__,
            "torch": torch.__version__,
            "rounds": rounds,
            "gemm": gemm(rounds, kernels),
        }
        for name, row in found["gemm"]["contenders"].items():
            print(f"GEMM {name}: {row['gop_per_s']:.0f} Gop/s, {row['times_float32']:.1f} ×")
        found["layers"] = layers(folder, rounds, kernels)
        found["networks"] = networks(folder, rounds, kernels)
        found["mebibytes"] = sizes(folder)
    found["larq_compute_engine"] = larq(arguments.larq_python)
    found["bitorch_engine"] = bitorch(arguments.bitorch_python)
    found["limits"] = limits(arguments.kernel_bench)
    if arguments.quick:
        return
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
