"""Crops a second and core: Onlooker's generator beside TRDG and SynthTIGER, in one run.

    python benchmarks/synthesis.py --fonts build/fonts [--backgrounds DIR]
    python benchmarks/synthesis.py --fonts build/fonts --rivals-python /path/to/venv/bin/python

Every generator draws words of its own with typical effects in one process and one thread. What
counts is processor time (a busy machine slows all alike, and steals none of it); start and loading
are left out, and a warm-up of a tenth of the crops comes first. Rounds alternate, and the median is
given. Rivals live in an environment of their own, with the old packages that they need: ``pip
install trdg synthtiger 'pillow<10' 'numpy<2' 'opencv-python<4.11'``; one that cannot run is listed
as absent, with the reason.

Settings. Onlooker: all effects at their default shares, grey, 32 pixels high, 1,645 faces or
whatever the folder holds. TRDG: its own fonts and dictionary, skew up to 5°, blur up to 2, its
distortions and two quick backgrounds (noise, plain) at random, 32 pixels high. SynthTIGER's
package has no words, fonts or photos: its own layers and effects draw random letters with the same
fonts on a plain ground, one geometric effect and two of the camera each, 40 to 60 pixels high.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "synthesis.json"

# Run by the rivals' interpreter: prints one JSON line.
TRDG = """
import json, random, sys, time
from trdg.generators import GeneratorFromDict
count = int(sys.argv[1])
random.seed(1)
def draw(n):
    done = 0
    while done < n:
        some = GeneratorFromDict(
            count=50, length=1, size=32, skewing_angle=5, random_skew=True, blur=2,
            random_blur=True, background_type=random.choice((0, 1)),
            distorsion_type=random.choice((0, 1, 2)), text_color="#000000,#888888",
        )
        for picture, text in some:
            done += picture is not None
            if done >= n:
                break
draw(max(5, count // 10))
begun = time.process_time()
draw(count)
import importlib.metadata
took = time.process_time() - begun
print(json.dumps({"per_second": count / took, "version": importlib.metadata.version("trdg")}))
"""
SYNTHTIGER = """
import json, random, sys, time
import numpy as np
from synthtiger import components, layers
count, fonts = int(sys.argv[1]), sys.argv[2]
random.seed(1); np.random.seed(1)
font = components.BaseFont(paths=[fonts], weights=[1], size=[40, 60], bold=0.5)
color = components.RGB(rgb=[[0, 255], [0, 255], [0, 255]], alpha=[1, 1])
transform = components.Selector([
    components.Perspective(percents=((0.75, 1), (0.75, 1))),
    components.Skew(angle=(0, 15)), components.Rotate(angle=(0, 8)),
])
post = components.Iterator([
    components.Selector([components.AdditiveGaussianNoise(), components.GaussianBlur()]),
    components.Selector([components.JpegCompression(), components.Resample()]),
])
def draw(n):
    for i in range(n):
        word = "".join(random.choice("abcdefghijklmnoprstuvwyz") for _ in range(3 + i % 8))
        text = layers.TextLayer(word, **font.sample())
        color.apply([text]); transform.apply([text])
        ground = layers.RectLayer(text.size, (200, 200, 200, 255))
        ground.topleft = text.topleft
        merged = (text + ground).merge()
        post.apply([merged]); merged.output()
draw(max(5, count // 10))
begun = time.process_time()
draw(count)
import importlib.metadata
took = time.process_time() - begun
print(json.dumps({"per_second": count / took, "version": importlib.metadata.version("synthtiger")}))
"""


def draw_ours(specification: Any, count: int) -> tuple[float, float]:
    """Draw with Onlooker → crops a second with all effects, and written whole in colour."""
    from onlooker.text.synthesis.produce import Maker

    maker = Maker("words", specification)
    for face in maker.fonts.faces:  # a long run has them all open
        face.font(40)
    speeds = []
    for whole in (False, True):
        for number in range(max(5, count // 10)):
            maker.word(number, whole=whole)
        begun = time.process_time()
        for number in range(count):
            maker.word(count + number, whole=whole)
        speeds.append(count / (time.process_time() - begun))
    return speeds[0], speeds[1]


def draw_rival(python: str, code: str, count: int, fonts: str) -> dict[str, Any]:
    """Run a rival in its own interpreter → its figures, or the reason why there are none."""
    if not python:
        return {"absent": "no --rivals-python was named"}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        ran = subprocess.run(
            [python, "-W", "ignore", "-c", code, str(count), fonts],
            capture_output=True,
            text=True,
            timeout=900,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"absent": str(error)[:200]}
    if ran.returncode:
        return {"absent": (ran.stderr.strip().splitlines() or ["it failed"])[-1][:200]}
    return dict(json.loads(ran.stdout.strip().splitlines()[-1]))


def main() -> None:
    """Run all and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fonts", required=True)
    parser.add_argument("--backgrounds", default="")
    parser.add_argument("--rivals-python", default="")
    parser.add_argument("--count", type=int, default=2000, help="crops of ours a round")
    parser.add_argument("--rival-count", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dry", action="store_true", help="write no results")
    options = parser.parse_args()

    from onlooker.text.synthesis.specification import Specification

    specification = Specification(fonts=options.fonts, backgrounds=options.backgrounds, seed=20_000)
    faces = Path(options.fonts) / "faces"  # where fetch_fonts.py puts the files
    faces = faces if faces.is_dir() else Path(options.fonts)
    ours: list[tuple[float, float]] = []
    rivals: dict[str, list[dict[str, Any]]] = {"trdg": [], "synthtiger": []}
    for _ in range(options.rounds):
        ours.append(draw_ours(specification, options.count))
        for name, code in (("trdg", TRDG), ("synthtiger", SYNTHTIGER)):
            told = draw_rival(options.rivals_python, code, options.rival_count, str(faces))
            rivals[name].append(told)
    rows: dict[str, Any] = {
        "onlooker, grey, for training": round(statistics.median(a for a, _ in ours), 1),
        "onlooker, colour, with polygons and masks": round(
            statistics.median(b for _, b in ours), 1
        ),
    }
    absent: dict[str, str] = {}
    for name, told in rivals.items():
        speeds = [one["per_second"] for one in told if "per_second" in one]
        if speeds:
            version = next(one["version"] for one in told if "version" in one)
            rows[f"{name} {version}"] = round(statistics.median(speeds), 1)
        else:
            absent[name] = told[-1]["absent"]
    result = {
        "benchmark": "synthesis",
        "date": date.today().isoformat(),
        "cpu": processor(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "rounds": options.rounds,
        "count": options.count,
        "rival_count": options.rival_count,
        "crops_per_cpu_second": rows,
        "absent": absent,
    }
    for name, speed in rows.items():
        print(f"{name:45} {speed:8.1f} crops a second of one core")
    for name, reason in absent.items():
        print(f"{name:45} absent: {reason}", file=sys.stderr)
    if not options.dry:
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def processor() -> str:
    """Name the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    return f"{names[0]}, {os.cpu_count()} cores" if names else platform.processor()


if __name__ == "__main__":
    main()
