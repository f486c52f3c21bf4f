"""Write the tables of README.md from ``benchmarks/results``.

    python benchmarks/tables.py          # rewrites what stands between the markers
    python benchmarks/tables.py --check  # exits with 1 where README.md says something else

A table stands between ``<!-- NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
NAMES = {"onlooker": "Onlooker", "rapidocr": "RapidOCR", "tesseract": "Tesseract"}
WORDS = {"iiit5k_words_dev": "IIIT5K words", "icdar2015_words_dev": "ICDAR 2015 words"}
SCENES = {
    "icdar2003_scenes_dev": "ICDAR 2003 scenes (focused)",
    "icdar2015_scenes_dev": "ICDAR 2015 scenes (incidental)",
}


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def where(result: dict[str, Any]) -> str:
    cpu = result.get("processor") or result["cpu"]
    return f"{cpu}, {result['cores']} cores, {result['date']}"


def reader(result: dict[str, Any]) -> list[str]:
    lines = [
        "| pictures | system | n | right, % | s / picture | peak MB |",
        "|---|---|---|---|---|---|",
    ]
    for sets, metric in ((WORDS, "word_accuracy_alnum_lower"), (SCENES, "words_hmean")):
        for name, title in sets.items():
            for system, row in result["sets"].get(name, {}).items():
                first, _, rest = system.partition(" ")
                lines.append(
                    f"| {title} | {NAMES.get(first, first)} {rest}".rstrip()
                    + f" | {row['n']} | {percent(row['metrics'][metric])} "
                    f"| {row['seconds_mean']:.3f} | {row['peak_mb']} |"
                )
    lines += [
        "",
        "Right: for words, the share read exactly but for case and punctuation; for scenes, the "
        "harmonic mean of recall and precision over words of three letters and more. One run, "
        f"{result['threads']} threads each; {where(result)}; `python benchmarks/reader.py`.",
    ]
    return lines


def pages(result: dict[str, Any]) -> list[str]:
    lines = [
        "| pages at 150 dpi | system | n | CER, % | CER line by line, % | s / page |",
        "|---|---|---|---|---|---|",
    ]
    for kind, rows in result["dpi"]["150"].items():
        for system, row in rows.items():
            first, _, rest = system.partition(" ")
            lines.append(
                f"| {kind} | {NAMES.get(first, first)} {rest}".rstrip()
                + f" | {row['n']} | {100 * row['metrics']['cer']:.2f} "
                f"| {100 * row['metrics']['cer_lines']:.2f} | {row['seconds_mean']:.2f} |"
            )
    return [
        *lines,
        "",
        "Skewed by up to 3 degrees, noise, JPEG 40; line by line: whatever the order. One run; "
        f"{where(result)}; `python benchmarks/pages.py`.",
    ]


def scene_text_reg(result: dict[str, Any]) -> list[str]:
    lines = [
        "| scenes | finding words | reading them | found, hmean % | right, % | s / picture |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {SCENES[row['data']]}, {row['n']} | {row['detection']} | {row['reading']} "
        f"| {percent(row['detection_hmean'])} | {percent(row['words_hmean'])} "
        f"| {row['seconds_a_picture']:.2f} |"
        for row in result["scenes"]
    ]
    return [*lines, "", f"{result['date']}; `python benchmarks/scene_text_reg.py`."]


def ingest(result: dict[str, Any]) -> list[str]:
    lines = ["| what | figure |", "|---|---|"]
    if "ingest" in result:
        rows = result["ingest"]["lectures"]
        speeds = sorted(row["times_real_time"] for row in rows)
        lines += [
            f"| lectures at 720p, text reading included | {speeds[0]:.0f} to {speeds[-1]:.0f} × "
            f"real time ({len(rows)} recordings of ten minutes) |",
            f"| peak memory | {max(row['peak_mb'] for row in rows):.0f} MB |",
            f"| library, an hour of lecture | {max(row['mb_per_hour'] for row in rows):.1f} MB |",
        ]
    for system, sums in result.get("slides", {}).get("summary", {}).items():
        row = sums["all"]
        lines.append(
            f"| {system}: slide changes found within 2 s; false an hour | "
            f"{percent(row['recall_2s'])} % of {row['slides']}; {row['false_per_hour']:.1f} |"
        )
    if "photos" in result:
        row = result["photos"]
        lines += [
            f"| {row['photos']} photos, one after the other | {row['seconds_per_photo']:.2f} s "
            f"each, peak {row['peak_mb']:.0f} MB |",
            f"| library, a photo | {row['kb_per_photo']:.0f} kB |",
        ]
    return [*lines, "", f"{where(result)}; `python benchmarks/ingest.py`."]


def search(result: dict[str, Any]) -> list[str]:
    kinds = ("words", "phrases", "part-words", "typos")
    lines = [f"| moments | system | {' | '.join(kinds)} | disk MB |", "|---" * 7 + "|"]
    for moments, row in sorted(result.items(), key=lambda item: int(item[0])):
        for key, name in (("onlooker", "Onlooker"), ("fts5", "plain SQLite FTS5")):
            if key in row:
                times = " | ".join(
                    f"{row[key][kind]['p95_ms']:.0f}"
                    + ("" if row[key][kind]["found"] else " (finds none)")
                    if kind in row[key]
                    else "–"
                    for kind in kinds
                )
                disk = row["disk_mb"] if key == "onlooker" else row[key]["disk_mb"]
                lines.append(f"| {int(moments):,} | {name} | {times} | {disk} |")
    first = next(iter(result.values()))
    return [
        *lines,
        "",
        f"Milliseconds at the 95th percentile, one thread; {where(first)}; "
        "`python benchmarks/search.py`.",
    ]


def install(result: dict[str, Any]) -> list[str]:
    return [
        f"Installed without extras: {result['installed_mb']:.0f} MB beside pip and setuptools, "
        f"networks included. `onlooker --help` answers in {result['help_s']:.2f} s. "
        f"{where(result)}; `python benchmarks/install.py`."
    ]


def binary_engine(result: dict[str, Any]) -> list[str]:
    best = result["kernels"][0]
    lines = [
        "| network, 224 × 224 | run by | MB | ms, 1 thread | ms, 2 | × float32 | × int8 |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [row for row in result["networks"] if row["kernels"] in (best, "ONNX Runtime")]
    one = {row["network"]: row for row in rows if row["threads"] == 1}
    for row in (row for row in rows if row["threads"] == 2):
        name, _, by = row["network"].partition(", ONNX Runtime ")
        lines.append(
            f"| {name} | {f'ONNX Runtime {by}' if by else best} | {row['megabytes']:.1f} "
            f"| {one[row['network']]['best_ms']:.1f} | {row['best_ms']:.1f} "
            f"| {row['times_float32']:.1f} | {row['times_int8']:.1f} |"
        )
    larq = result["larq_compute_engine"]
    for name, title in (("ResNetE18", "ResNetE-18"), ("BinaryDenseNet28", "BinaryDenseNet-28")):
        if "threads" in larq.get(name, {}):
            times = larq[name]["threads"]
            lines.append(
                f"| {title} | Larq Compute Engine (made for Arm) | {larq[name]['megabytes']:.1f} "
                f"| {times['1']['best_ms']:.0f} | {times['2']['best_ms']:.0f} | | |"
            )
    lines += [
        "",
        "×: as fast as ResNet-18 of ONNX Runtime, two threads each. One 3×3 layer inside of a "
        "network (bits in, bits out; with a float32 shortcut), one thread:",
        "",
        "| channels, map | Gop/s | × float32 | × int8 | with shortcut: × float32, × int8 |",
        "|---|---|---|---|---|",
    ]
    for row in result["layers"]:
        if row["threads"] == 1:
            bits, both = (row["contenders"][f"{best}, {kind}"] for kind in ("bits", "residual"))
            lines.append(
                f"| {row['channels']}, {row['side']}² | {bits['gop_per_s']:.0f} "
                f"| {bits['times_float32']:.1f} | {bits['times_int8']:.1f} "
                f"| {both['times_float32']:.1f}, {both['times_int8']:.1f} |"
            )
    gemm = result["gemm"]
    ours = gemm["contenders"][best]
    return [
        *lines,
        "",
        f"Product of matrices of signs, {gemm['rows']} × {gemm['columns']} × {gemm['length']}, one "
        f"thread: {ours['gop_per_s']:.0f} Gop/s, {ours['times_float32']:.1f} times PyTorch's "
        f"float32. Random weights; the least of {result['rounds']} rounds, contenders in turn; "
        f"kernels {best}; {where(result)}; `python benchmarks/binary_engine.py`.",
    ]


def classifiers(result: dict[str, Any]) -> list[str]:
    lines = [
        "| network | run by | right, % | MB | ms, 1 thread | ms, 2 | its float twin, ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in result["networks"].items():
        one, two = (row["ms"][threads]["best_ms"] for threads in ("1", "2"))
        twin = row.get("twin_ms")
        lines.append(
            f"| {name} | {'the one-bit engine' if twin else 'ONNX Runtime'} "
            f"| {percent(row['top1'])} | {row['megabytes']:.2f} | {one:.2f} | {two:.2f} "
            f"| {'{:.2f}'.format(twin['1']['best_ms']) if twin else ''} |"
        )
    count = next(iter(result["networks"].values()))["n"]
    return [
        *lines,
        "",
        f"{count:,} pictures of CIFAR-10's training part that were held out; as JPEG, which the "
        "papers' were not. Float twin: the same network in float32, in ONNX Runtime, one thread. "
        f"Least of many runs, contenders in turn; {where(result)}; "
        "`python benchmarks/classifiers.py`.",
    ]


def one_bit_recognizer(result: dict[str, Any]) -> list[str]:
    best = {"lm": "with the language model", "greedy": "without"}
    columns = [
        f"{title.removesuffix(' words')}, {how}"
        for title in WORDS.values()
        for how in best.values()
    ]
    lines = [
        f"| network | MB | ms, 1 thread | ms, 2 | {' | '.join(columns)} |",
        "|---" * (4 + len(columns)) + "|",
    ]
    for name, row in result["networks"].items():
        one, two = (row["ms"][threads]["best_ms"] for threads in ("1", "2"))
        rights = [
            percent(row["sets"][words][decoding]["word_accuracy_alnum_lower"])
            for words in WORDS
            for decoding in best
        ]
        lines.append(
            f"| {name}, `{row['model']}` | {row['megabytes']:.2f} | {one:.2f} | {two:.2f} "
            f"| {' | '.join(rights)} |"
        )
    count = next(iter(next(iter(result["networks"].values()))["sets"].values()))["lm"]["n"]
    return [
        *lines,
        "",
        f"Right, %, of {count:,} words of each set, but for case and punctuation. One crop of "
        "32 × 128 a call: best of many, contenders in turn; float32 and int8 run in ONNX Runtime, "
        f"one bit in our engine, kernels {result['kernels']}, which takes "
        f"{result['planning_ms']:.2f} ms more for the first crop of a width; {where(result)}; "
        "`python benchmarks/one_bit_recognizer.py`.",
    ]


TABLES: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "reader": reader,
    "pages": pages,
    "scene_text_reg": scene_text_reg,
    "ingest": ingest,
    "search": search,
    "install": install,
    "binary_engine": binary_engine,
    "classifiers": classifiers,
    "one_bit_recognizer": one_bit_recognizer,
}


def render(text: str) -> str:
    """Return the text with its tables made anew."""

    def table(match: re.Match[str]) -> str:
        name = match["name"]
        path = RESULTS / f"{name}.json"
        if not path.is_file():
            sys.exit(f"{path.name} is not there: run  python benchmarks/{name}.py  first")
        body = TABLES[name](json.loads(path.read_text(encoding="utf-8")))
        return "\n".join((f"<!-- {name} -->", *body, "<!-- end -->"))

    return re.sub(r"<!-- (?P<name>\w+) -->\n.*?<!-- end -->", table, text, flags=re.DOTALL)


def main() -> None:
    old = README.read_text(encoding="utf-8")
    new = render(old)
    if "--check" in sys.argv[1:]:
        if old != new:
            sys.exit("README.md differs from benchmarks/results: python benchmarks/tables.py")
        return
    README.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
