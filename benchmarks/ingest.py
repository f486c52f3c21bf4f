"""How fast, how exactly and how small: lectures and photos into a library.

    python benchmarks/ingest.py                 # all; writes benchmarks/results/ingest.json
    python benchmarks/ingest.py --parts slides  # some of: slides, lectures, photos
    python benchmarks/ingest.py --photos 200    # fewer photos; the number is written down

**slides**: the segmenter on the test lectures of `benchmarks/lectures.py` (made once from MaViLS),
and PySceneDetect (`scenedetect-headless`, its content and adaptive detectors, PyAV backend, default
settings) beside it. A change is found when one is told within 2 s of it, one to one. True changes
are those from slide to slide; those to and from the camera are cuts and counted apart. Our
segmenter tells two kinds: a new group, and a step by which a slide grows; a change between two
pages of which the second is the first with more on it is rightly told as a step, and counted as
found (`by_step` says how often). False is a new group, or a rival's cut, with no change of any kind
within 2 s. `builds_merged` is the share of the steps of slides that were not taken for new slides.
The first two lectures were looked at while the segmenter was tuned; the others stand apart.

**lectures**: `Library.add` of each lecture with its transcript, reading included, in a process of
its own: times real time by the wall clock, and by processor time with both cores busy (`cpu / 2`),
which does not depend on what else the machine does; peak memory; size of the library per hour.

**photos**: the same with generated photos; memory after each tenth, size per photo.

Memory is the resident set, interpreter and libraries included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import lectures

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "ingest.json"
PARTS = ("slides", "lectures", "photos")
NEAR_S = 2.0
RIVALS = ("ContentDetector", "AdaptiveDetector")
Result = dict[str, Any]


# What runs in a process of its own ----------------------------------------------------------------


def used() -> Result:
    """Return processor seconds and peak memory of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else 1024
    return {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss * unit / 1e6}


def memory_mb() -> float:
    """Return the resident set now (its peak where the system does not tell)."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return float(used()["peak_mb"])
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def child_segment(path: str) -> Result:
    from onlooker.media.video import Video
    from onlooker.runtime import set_threads
    from onlooker.video.shots import segment

    set_threads(2)
    start_s = time.perf_counter()
    with Video.open(path) as video:
        spans = [group.span for group in segment(video)]
    wall_s = time.perf_counter() - start_s
    return {
        "wall_s": wall_s,
        "changes_s": [b.start_s for a, b in pairwise(spans) if b.shot > a.shot],
        "steps_s": [step.time_s for span in spans for step in span.steps],
        "groups": len(spans),
        **used(),
    }


def child_rival(path: str, detector: str) -> Result:
    import scenedetect

    start_s = time.perf_counter()
    video = scenedetect.open_video(path, backend="pyav")
    manager = scenedetect.SceneManager()
    manager.add_detector(getattr(scenedetect, detector)())
    manager.detect_scenes(video)
    cuts = [start.get_seconds() for start, _ in manager.get_scene_list()[1:]]
    wall_s = time.perf_counter() - start_s
    return {"wall_s": wall_s, "changes_s": cuts, "steps_s": [], "groups": len(cuts) + 1, **used()}


def child_add(path: str) -> Result:
    from onlooker.library import Library
    from onlooker.library.ingest import Event
    from onlooker.runtime import set_threads

    set_threads(2)
    stages: dict[str, float] = {}
    memory: list[float] = []
    total = 0

    def told(event: Event) -> None:
        nonlocal total
        if event.kind in ("done", "failed", "skipped") and event.stage is not None:
            stages[event.stage] = stages.get(event.stage, 0.0) + event.seconds
            total = max(total, event.media_total)
            if event.stage == "read" and event.position % max(1, event.media_total // 10) == 0:
                memory.append(memory_mb())

    with tempfile.TemporaryDirectory() as folder:
        start_s = time.perf_counter()
        with Library.open(Path(folder) / "library") as library:
            summary = library.add(path, on_event=told)
        wall_s = time.perf_counter() - start_s
        files = [file for file in (Path(folder) / "library").rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
    return {
        "wall_s": wall_s,
        "stages_s": stages,
        "moments": summary.moments,
        "failed": [f"{file}: {reason}" for file, reason in summary.failed],
        "media": total,
        "bytes": size,
        "memory_mb": memory,
        **used(),
    }


CHILDREN = {"segment": child_segment, "rival": child_rival, "add": child_add}


def in_child(job: str, *arguments: str) -> Result:
    """Run a job in a fresh process and return what it says."""
    run = subprocess.run(
        [sys.executable, __file__, "--child", job, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SystemExit(f"{job} {' '.join(arguments)} failed:\n{run.stderr[-2000:]}")
    result: Result = json.loads(run.stdout.splitlines()[-1])
    return result


# Measures -----------------------------------------------------------------------------------------


def match(truth_s: list[float], told_s: list[float]) -> dict[int, int]:
    """Pair true and told times that are near, nearest pairs first, one to one."""
    pairs = sorted(
        (abs(true - told), i, j)
        for i, true in enumerate(truth_s)
        for j, told in enumerate(told_s)
        if abs(true - told) <= NEAR_S
    )
    out: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in pairs:
        if i not in out and j not in taken:
            out[i] = j
            taken.add(j)
    return out


def judge(events: list[Result], run: Result, duration_s: float) -> Result:
    """Compare what was told with the truth."""
    turns = [event for event in events if event["kind"] != "build"]
    builds = [event["t_s"] for event in events if event["kind"] == "build"]
    by_group = match([event["t_s"] for event in turns], run["changes_s"])
    rest = [i for i in range(len(turns)) if i not in by_group]
    by_step = match([turns[i]["t_s"] for i in rest], run["steps_s"])
    found = set(by_group) | {rest[i] for i in by_step}
    slides = [i for i, event in enumerate(turns) if event["kind"] == "slide"]
    cuts = [i for i, event in enumerate(turns) if event["kind"] == "cut"]
    unmatched = [t for j, t in enumerate(run["changes_s"]) if j not in by_group.values()]
    split = match(builds, unmatched)
    steps_left = [t for j, t in enumerate(run["steps_s"]) if j not in by_step.values()]
    merged = match(builds, steps_left)
    late = sorted(
        abs(turns[i]["t_s"] - run["changes_s"][j]) for i, j in by_group.items() if i in slides
    )
    return {
        "slides": len(slides),
        "slides_found": len(found & set(slides)),
        "by_step": len({rest[i] for i in by_step} & set(slides)),
        "cuts": len(cuts),
        "cuts_found": len(found & set(cuts)),
        "false": len(unmatched) - len(split),
        "builds": len(builds),
        "builds_split": len(split),
        "builds_found": len(merged),
        "median_error_s": late[len(late) // 2] if late else None,
        "hours": duration_s / 3600,
    }


def total(rows: list[Result]) -> Result:
    """Add up judgements into the measures that are reported."""

    def added(key: str) -> float:
        return float(sum(row[key] for row in rows))

    return {
        "recall_2s": added("slides_found") / max(1.0, added("slides")),
        "false_per_hour": added("false") / added("hours"),
        "builds_merged": 1 - added("builds_split") / max(1.0, added("builds")),
        "cuts_recall_2s": added("cuts_found") / max(1.0, added("cuts")),
        **{key: int(added(key)) for key in ("slides", "slides_found", "by_step", "false")},
    }


Lectures = list[tuple[lectures.Cut, str, Path]]


def wanted_lectures(names: list[str], variants: list[str]) -> Lectures:
    """Return the lectures that are there, and make those that are not."""
    return [
        (cut, variant, lectures.build(cut, variant))
        for variant in variants
        for cut in lectures.CUTS
        if cut.name in names
    ]


def measure_slides(wanted: Lectures, rivals: list[str]) -> Result:
    """Judge the segmenter, and its rivals in the same run."""
    names = ["Onlooker", *rivals]
    rows: list[Result] = []
    truth = json.loads((lectures.CACHE / "transitions.json").read_text())
    for cut, variant, path in wanted:
        for name in names:
            run = (
                in_child("segment", str(path))
                if name == "Onlooker"
                else in_child("rival", str(path), name)
            )
            row = judge(truth[path.name], run, lectures.CUT_S)
            row |= {
                "system": name, "lecture": cut.name, "variant": variant,
                "tuned_on": cut.name in lectures.TUNED_ON, "wall_s": run["wall_s"],
                "cpu_s": run["cpu_s"], "peak_mb": run["peak_mb"], "groups": run["groups"],
            }  # fmt: skip
            rows.append(row)
            print(
                f"{name:17} {cut.name:27} {variant:6} slides {row['slides_found']}/{row['slides']}"
                f" ({row['by_step']} as steps)  cuts {row['cuts_found']}/{row['cuts']}  false"
                f" {row['false']}  builds split {row['builds_split']}/{row['builds']}"
                f"  ×{lectures.CUT_S / row['wall_s']:.0f} (by processor time"
                f" ×{2 * lectures.CUT_S / row['cpu_s']:.0f})  {row['peak_mb']:.0f} MB",
                flush=True,
            )
    summary: Result = {}
    for name in names:
        mine = [row for row in rows if row["system"] == name]
        summary[name] = {
            "all": total(mine),
            "not_tuned_on": total([row for row in mine if not row["tuned_on"]]),
            **{
                variant: total([row for row in mine if row["variant"] == variant])
                for variant in {row["variant"]: None for row in mine}
            },
        }
    return {"lectures": rows, "summary": summary}


def measure_lectures(wanted: Lectures) -> Result:
    """Add each lecture to a library of its own."""
    rows: list[Result] = []
    for cut, variant, path in wanted:
        run = in_child("add", str(path))
        hours = lectures.CUT_S / 3600
        row = {
            "lecture": cut.name, "variant": variant, "wall_s": run["wall_s"],
            "cpu_s": run["cpu_s"], "stages_s": run["stages_s"], "moments": run["moments"],
            "times_real_time": lectures.CUT_S / run["wall_s"],
            "times_real_time_two_cores": 2 * lectures.CUT_S / run["cpu_s"],
            "peak_mb": run["peak_mb"], "mb_per_hour": run["bytes"] / 1e6 / hours,
            "load_average": os.getloadavg()[0], "failed": run["failed"],
        }  # fmt: skip
        rows.append(row)
        print(
            f"{cut.name:27} {variant:6} ×{row['times_real_time']:.1f} (by processor time"
            f" ×{row['times_real_time_two_cores']:.1f})  {run['moments']} moments "
            f" {row['peak_mb']:.0f} MB  {row['mb_per_hour']:.1f} MB an hour"
            f"  {'; '.join(run['failed'])}",
            flush=True,
        )
    return {"lectures": rows}


def make_photos(folder: Path, count: int) -> None:
    """Write photos of signs: a coloured, noisy background and two lines of text."""
    import cv2
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    rng = np.random.default_rng(0)
    for number in range(count):
        width, height = [(800, 600), (600, 800), (1024, 768)][number % 3]
        coarse = rng.integers(60, 200, (6, 8, 3), np.uint8)
        pixels = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        pixels = cv2.add(pixels, rng.integers(0, 24, pixels.shape, np.uint8))
        picture = Image.fromarray(pixels)
        draw = ImageDraw.Draw(picture)
        draw.rectangle((60, 180, width - 60, 380), fill=(250, 250, 240))
        font = ImageFont.load_default(44)
        draw.text((90, 200), f"Street number {number}", font=font, fill=(20, 20, 30))
        draw.text((90, 290), "Bakery and coffee", font=font, fill=(120, 20, 30))
        picture.save(folder / f"{number:05}.jpg", quality=88)


def measure_photos(count: int) -> Result:
    """Add generated photos, and watch memory."""
    with tempfile.TemporaryDirectory() as folder:
        make_photos(Path(folder), count)
        run = in_child("add", folder)
    memory = run["memory_mb"]
    row = {
        "photos": count, "wall_s": run["wall_s"], "cpu_s": run["cpu_s"],
        "seconds_per_photo": run["wall_s"] / count, "peak_mb": run["peak_mb"],
        "memory_mb_by_tenth": memory, "kb_per_photo": run["bytes"] / 1e3 / count,
        "moments": run["moments"], "failed": run["failed"][:5],
    }  # fmt: skip
    print(
        f"{count} photos: {row['seconds_per_photo']:.2f} s each, peak {row['peak_mb']:.0f} MB,"
        f" by tenth {' '.join(f'{value:.0f}' for value in memory)} MB,"
        f" {row['kb_per_photo']:.1f} KB each on disk",
        flush=True,
    )
    return row


def save(result: Result) -> None:
    """Write what is known so far."""
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed, exactness, memory and size of ingestion.")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--lectures", nargs="+", default=[cut.name for cut in lectures.CUTS])
    parser.add_argument("--variants", nargs="+", default=list(lectures.VARIANTS))
    parser.add_argument("--rivals", nargs="*", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        job, *arguments = args.child
        print(json.dumps(CHILDREN[job](*arguments)))
        return
    result: Result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    result |= {
        "date": date.today().isoformat(),
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": 2,
        "python": platform.python_version(),
        "load_average_at_start": os.getloadavg()[0],
    }
    wanted: Lectures = []
    if args.parts != ["photos"]:
        wanted = wanted_lectures(args.lectures, args.variants)
    if "slides" in args.parts:
        result["slides"] = measure_slides(wanted, args.rivals)
        save(result)
        for name, sums in result["slides"]["summary"].items():
            for part in ("all", "not_tuned_on"):
                row = sums[part]
                print(
                    f"{name:17} {part:13} recall {row['recall_2s']:.3f}  false an hour"
                    f" {row['false_per_hour']:.1f}  builds merged {row['builds_merged']:.2f}"
                    f"  cuts {row['cuts_recall_2s']:.3f}"
                )
    if "lectures" in args.parts:
        result["ingest"] = measure_lectures(wanted)
        save(result)
    if "photos" in args.parts:
        result["photos"] = measure_photos(args.photos)
        save(result)
    print(f"written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
