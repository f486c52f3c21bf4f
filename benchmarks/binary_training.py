"""Training of a binary network with eight-bit gradients beside PyTorch's float32, in one run.

    python benchmarks/binary_training.py            # all; writes results/binary_training.json
    python benchmarks/binary_training.py --quick    # a short look; writes nothing

Needs the extra ``train`` and the compiled kernels. The network is the ResNet-18 of BMXNet for
pictures of 32 × 32, batches of 64 random pictures, RAdam: what is timed is whole steps (forward,
backward, optimiser), and single layers. Both contenders run the same layers of the project, with
``set_gradient_bits(network, 32)`` and ``8``, on maps in memory format ``channels_last``, which is
the fastest for PyTorch too. They run in turn, round after round, so that a busy machine slows both;
the median and the least of the rounds are kept, ratios are those of the least. Operations are
counted as usual, two for each product: of a layer three times those of its forward pass.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

# Threads of OpenMP that spin between PyTorch's operations hold the cores that ours need.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from onlooker.binary import gradients
from onlooker.binary.layers import Binarization, BinaryConv2d, set_gradient_bits
from onlooker.binary.models.bmxnet import ResNet18

RESULTS = Path(__file__).resolve().parent / "results" / "binary_training.json"
BATCH, SIDE = 64, 32
BITS = (32, 8)
# Input channels, side, filters, kernel, stride.
LAYERS = (
    (64, 32, 64, 3, 1),
    (64, 32, 128, 3, 2),
    (64, 32, 128, 1, 2),
    (128, 16, 128, 3, 1),
    (256, 8, 256, 3, 1),
    (512, 4, 512, 3, 1),
)


def in_turn(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time all contenders, round after round; the first one warms up. In seconds."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if number:
                times[name].append(time.perf_counter() - start)
    return times


def summary(times: list[float]) -> dict[str, float]:
    """Return median and least, in milliseconds."""
    return {
        "median_ms": round(statistics.median(times) * 1e3, 2),
        "least_ms": round(min(times) * 1e3, 2),
    }


def build_step(bits: int) -> Callable[[], None]:
    """Return a training step of the whole network."""
    torch.manual_seed(0)
    network = ResNet18(Binarization(clip=1.3), classes=10, stem="cifar")
    network = network.to(memory_format=torch.channels_last).train()
    set_gradient_bits(network, bits)
    optimizer = torch.optim.RAdam(network.parameters(), 1e-3, foreach=True)
    pictures = torch.rand(BATCH, 3, SIDE, SIDE).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (BATCH,))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(pictures), labels).backward()
        optimizer.step()

    return step


def shares(step: Callable[[], None]) -> dict[str, float]:
    """Return what takes the time of a step, in milliseconds."""
    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        step()
    found = {"binary convolutions": 0.0, "batch norms": 0.0, "optimiser": 0.0, "rest": 0.0}
    for event in profiled.key_averages():
        name = event.key
        if "Optimizer.step" in name:
            found["optimiser"] += event.cpu_time_total
            continue
        part = "rest"
        if "_ByteConvolution" in name or "_SignConvolution" in name:
            part = "binary convolutions"
        elif "native_batch_norm" in name:
            part = "batch norms"
        if "Convolution" in name and name.startswith("autograd"):
            continue  # counted by its inner function
        found[part] += event.self_cpu_time_total if part == "rest" else event.cpu_time_total
    whole = sum(event.self_cpu_time_total for event in profiled.key_averages())
    found["rest"] = whole - sum(value for name, value in found.items() if name != "rest")
    return {name: round(value / 1e3, 1) for name, value in found.items()}


def measure_layer(
    channels: int, side: int, filters: int, kernel: int, stride: int, rounds: int
) -> dict[str, object]:
    """Time forward and backward pass of one layer with both contenders."""
    torch.manual_seed(0)
    layer = BinaryConv2d(channels, filters, kernel, stride, kernel // 2)
    layer = layer.to(memory_format=torch.channels_last)
    values = torch.randn(BATCH, channels, side, side).to(memory_format=torch.channels_last)
    values.requires_grad_()
    gradient = torch.randn_like(layer(values).detach())
    seconds: dict[str, tuple[list[float], list[float]]] = {str(bits): ([], []) for bits in BITS}

    def run(bits: int) -> None:
        set_gradient_bits(layer, bits)
        values.grad = layer.weight.grad = None
        start = time.perf_counter()
        outputs = layer(values)
        between = time.perf_counter()
        outputs.backward(gradient)
        end = time.perf_counter()
        seconds[str(bits)][0].append(between - start)
        seconds[str(bits)][1].append(end - between)

    for _ in range(rounds + 1):
        for bits in BITS:
            run(bits)
    operations = 2 * gradient.numel() * channels * kernel**2
    row: dict[str, object] = {
        "layer": f"{kernel}×{kernel}, {channels} → {filters}, {side}×{side}, stride {stride}",
        "gop": round(3 * operations / 1e9, 2),
    }
    whole = {}
    for bits in BITS:
        forward, backward = (min(times[1:]) for times in seconds[str(bits)])
        whole[bits] = forward + backward
        row[f"{bits}"] = {
            "forward_ms": round(forward * 1e3, 2),
            "backward_ms": round(backward * 1e3, 2),
            "forward_gops": round(operations / forward / 1e9),
            "backward_gops": round(2 * operations / backward / 1e9),
        }
    row["ratio"] = round(whole[32] / whole[8], 2)
    return row


def main() -> None:
    """Measure, print and, unless it was a quick look, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="few rounds; writes nothing")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    arguments = parser.parse_args()
    rounds = 2 if arguments.quick else 5
    results: dict[str, object] = {
        "date": date.today().isoformat(),
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "kernels": gradients.kernels(),
        "batch": BATCH,
    }
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        steps = {str(bits): build_step(bits) for bits in BITS}
        times = in_turn(dict(steps), rounds)
        step: dict[str, object] = {bits: summary(found) for bits, found in times.items()}
        step["ratio"] = round(min(times["32"]) / min(times["8"]), 2)
        step["shares_ms"] = shares(steps["8"])
        layers = [measure_layer(*layer, rounds=2 * rounds) for layer in LAYERS]
        results[f"{threads} threads"] = {"step": step, "layers": layers}
        print(f"{threads} threads; a step: {json.dumps(step, ensure_ascii=False)}")
        for row in layers:
            print(f"  {json.dumps(row, ensure_ascii=False)}")
        sys.stdout.flush()
    if not arguments.quick:
        RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
