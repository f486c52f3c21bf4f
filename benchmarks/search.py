"""How fast is search in a large library, and how large is the library on disk?

    python benchmarks/search.py                    # 1,000,000 moments
    python benchmarks/search.py --moments 5000000 --no-rival

A library of lectures is written through the store's own path (`put_result`): each medium has 600
subtitle cues and 400 lines seen on slides (with a quadrilateral a word), some 12 words each, drawn
by their frequency in English text (wordfreq's large list), with numbers, and reading errors in
one line of twenty. It is kept under ``--cache`` and used again. Then a fixed mix of queries is
run, each once, in a fresh process whose peak memory is reported:

* 50 % words drawn by their frequency in text (so "the" is asked for as often as it is said),
* 20 % phrases of two or three words that stand in some moment,
* 20 % part-words: four letters or more out of the inside of a word of six or more,
* 10 % typos: a letter lost, doubled, swapped, changed, or misread, in a word of five or more.

The rival is what a plain full-text index does: FTS5 as it comes (bm25 over all hits) for words and
phrases, FTS5's trigram index for part-words; it has no answer to typos. It runs on the same text in
the same process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from onlooker.library.search import search
from onlooker.library.store import Filters, PathRow
from onlooker.library.store_sqlite import SqliteStore
from onlooker.records import MediaFacts, Moment, Polygon, Producer, View

HERE = Path(__file__).parent
SPEECH, SCREEN = 600, 400
EACH = SPEECH + SCREEN + 3  # a file's name, a title, a speaker
PRODUCER = Producer(name="benchmark", version="1")
SLIPS = (("rn", "m"), ("m", "rn"), ("i", "l"), ("o", "0"), ("l", "1"), ("e", "c"), ("cl", "d"))
TARGETS_MS = {"words": 20.0, "phrases": 20.0, "part-words": 50.0, "typos": 80.0}
TARGETS_LARGE_MS = {"words": 60.0}


class Words:
    """English words, drawn by their frequency in text."""

    def __init__(self) -> None:
        from wordfreq import get_frequency_dict

        frequencies = {
            word: share
            for word, share in get_frequency_dict("en", wordlist="large").items()
            if word.isalpha()
        }
        self.words = np.array(list(frequencies), dtype=object)
        shares = np.array(list(frequencies.values()))
        self._steps = np.cumsum(shares / shares.sum())

    def draw(self, rng: np.random.Generator, number: int) -> list[str]:
        places = np.minimum(np.searchsorted(self._steps, rng.random(number)), len(self.words) - 1)
        return list(self.words[places])


def sentence(words: list[str], rng: np.random.Generator) -> str:
    if rng.random() < 0.15:
        words[int(rng.integers(len(words)))] = str(rng.integers(10_000))
    return " ".join(words).capitalize()


def misread(text: str, rng: np.random.Generator) -> str:
    old, new = SLIPS[int(rng.integers(len(SLIPS)))]
    at = text.find(old, int(rng.integers(len(text))))
    return text if at < 0 else text[:at] + new + text[at + len(old) :]


def polygons(text: str, top: float) -> tuple[Polygon, ...]:
    found: list[Polygon] = []
    left = 80.0
    for word in text.split():
        right = left + 14.0 * len(word)
        # A little turned, as a text detector gives them: the larger of the two stored forms.
        found.append(
            ((left, top), (right, top + 1.0), (right, top + 27.0), (left - 0.5, top + 26.0))
        )
        left = right + 10.0
    return tuple(found)


def lecture(words: Words, rng: np.random.Generator) -> tuple[list[Moment], list[Moment]]:
    """Return what is said and told, and what is seen, in one lecture."""
    lengths = rng.integers(6, 19, SPEECH + SCREEN)
    drawn = words.draw(rng, int(lengths.sum()))
    lines: list[str] = []
    at = 0
    for length in lengths.tolist():
        lines.append(sentence(drawn[at : at + length], rng))
        at += length
    told = [
        Moment(kind="speech", text=line, start_s=5.0 * n, end_s=5.0 * n + 5.0)
        for n, line in enumerate(lines[:SPEECH])
    ]
    title = " ".join(words.draw(rng, 5)).title()
    told.append(Moment(kind="name", text=f"lecture_{int(rng.integers(10**6))}.mp4"))
    told.append(Moment(kind="person", text=title, field="title"))
    told.append(Moment(kind="person", text=" ".join(words.draw(rng, 2)).title(), field="creator"))
    seen = []
    for n, line in enumerate(lines[SPEECH:]):
        view, row = divmod(n, 10)
        text = misread(line, rng) if rng.random() < 0.05 else line
        seen.append(
            Moment(
                kind="screen",
                text=text,
                start_s=75.0 * view,
                end_s=75.0 * view + 75.0,
                view=view,
                polygons=polygons(text, 60.0 + 60.0 * row),
                confidence=0.97,
            )
        )
    return told, seen


def build(folder: Path, moments: int, seed: int) -> dict[str, float]:
    """Write the library; return how long that took."""
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    words = Words()
    rng = np.random.default_rng(seed)
    views = [
        View(index=n, width=1280, height=720, start_s=75.0 * n, end_s=75.0 * n + 75.0, kind="slide")
        for n in range(SCREEN // 10)
    ]
    writing = 0.0
    with SqliteStore.open(draft) as store, store.writer():
        root = store.add_root(Path("/lectures"))
        for number in range(moments // EACH + 1):
            told, seen = lecture(words, rng)
            began = time.perf_counter()
            media_id = store.put_path(
                PathRow(
                    path=Path(f"/lectures/{number // 40:04}/{number:06}.mp4"),
                    root_id=root.id,
                    size_bytes=10**8,
                    mtime_ns=(1_600_000_000 + 3600 * number) * 10**9,
                    media_id=None,
                ),
                content_hash=f"{number:032x}",
                kind="video",
                stages=("look", "read"),
            )
            facts = MediaFacts(kind="video", width=1280, height=720, duration_s=3000.0)
            store.put_facts(media_id, facts, file_time=1_600_000_000.0 + 3600 * number)
            store.put_result(media_id, "look", PRODUCER, moments=told, views=views)
            store.put_result(media_id, "read", PRODUCER, moments=seen)
            writing += time.perf_counter() - began
            if number % 200 == 199:
                done = (number + 1) * EACH
                print(f"  {done:,} moments, {done / writing:,.0f} a second", file=sys.stderr)
        began = time.perf_counter()
        store.tidy()
        writing += time.perf_counter() - began
    draft.rename(folder)
    return {"write_s": round(writing, 1)}


def queries(store: SqliteStore, number: int, seed: int) -> dict[str, list[str]]:
    """Return the mix, drawn from the text of the library."""
    rng = np.random.default_rng(seed + 1)
    last = sum(store.counts().moments.values())
    picked = store.lines_of(rng.integers(1, last, 8 * number).tolist())
    lines = [line.text.lower().split() for line in picked.values()]
    rng.shuffle(lines)

    def pick(shortest: int) -> Iterator[str]:
        for line in lines:
            word = line[int(rng.integers(len(line)))]
            if len(word) >= shortest and word.isalpha():
                yield word

    mix: dict[str, list[str]] = {"words": [], "phrases": [], "part-words": [], "typos": []}
    for word, _ in zip(pick(1), range(number // 2), strict=False):
        mix["words"].append(word)
    for line in lines[number : number + number // 5]:
        length = int(rng.integers(2, 4))
        at = int(rng.integers(max(1, len(line) - length)))
        mix["phrases"].append(f'"{" ".join(line[at : at + length])}"')
    for word, _ in zip(pick(6), range(number // 5), strict=False):
        start = int(rng.integers(1, len(word) - 4))
        mix["part-words"].append(word[start : start + int(rng.integers(4, len(word) - start + 1))])
    for word in pick(5):
        if len(mix["typos"]) == number // 10:
            break
        at = int(rng.integers(1, len(word) - 1))
        kind = int(rng.integers(5))
        slip = (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + "abcdefghijklmnopqrstuvwxyz"[int(rng.integers(26))] + word[at + 1 :],
            misread(word, rng),
        )[kind]
        if slip != word and not store.word_counts([slip]):
            mix["typos"].append(slip)
    return mix


def summary(seconds: list[float], cpu_s: list[float], found: int) -> dict[str, float]:
    table = np.array(seconds) * 1000
    return {
        "cpu_p95_ms": round(float(np.percentile(cpu_s, 95)) * 1000, 2),
        "queries": len(seconds),
        "found": found,
        "median_ms": round(float(np.median(table)), 2),
        "p95_ms": round(float(np.percentile(table, 95)), 2),
        "max_ms": round(float(table.max()), 2),
    }


def measure(folder: Path, number: int, seed: int) -> dict[str, Any]:
    """Run the mix once, in this process."""
    result: dict[str, Any] = {}
    with SqliteStore.open(folder, read_only=True) as store:
        mix = queries(store, number, seed)
        began = time.perf_counter()
        search(store, "zzyzxq")  # loads the vocabulary
        result["first_query_ms"] = round((time.perf_counter() - began) * 1000, 1)
        for name, texts in mix.items():
            seconds: list[float] = []
            cpu_s: list[float] = []
            found = 0
            slowest = ("", 0.0)
            for text in texts:
                began, began_cpu = time.perf_counter(), time.process_time()
                hits = search(store, text, Filters(), limit=20).hits
                seconds.append(time.perf_counter() - began)
                cpu_s.append(time.process_time() - began_cpu)
                found += bool(hits)
                if seconds[-1] > slowest[1]:
                    slowest = (text, seconds[-1])
            result[name] = {**summary(seconds, cpu_s, found), "slowest": slowest[0]}
        result["vocabulary"] = len(store.vocabulary()[0])
    result["peak_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return result


def build_rival(folder: Path, file: Path) -> None:
    draft = file.with_suffix(".part")
    draft.unlink(missing_ok=True)
    with sqlite3.connect(draft) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("CREATE VIRTUAL TABLE words USING fts5 (text)")
        db.execute("CREATE VIRTUAL TABLE parts USING fts5 (text, tokenize='trigram')")
        db.execute(f"ATTACH 'file:{folder / 'library.sqlite3'}?mode=ro' AS library")
        for table in ("words", "parts"):
            db.execute(
                f"INSERT INTO {table} (rowid, text) SELECT id, text FROM library.moment ORDER BY id"
            )
    draft.rename(file)


def measure_rival(folder: Path, file: Path, number: int, seed: int) -> dict[str, Any]:
    result: dict[str, Any] = {"disk_mb": round(file.stat().st_size / 1e6)}
    with SqliteStore.open(folder, read_only=True) as store:
        mix = queries(store, number, seed)
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    for name, texts in mix.items():
        table = "parts" if name == "part-words" else "words"
        seconds: list[float] = []
        cpu_s: list[float] = []
        found = 0
        for text in texts:
            quoted = text if text.startswith('"') else f'"{text}"'
            began, began_cpu = time.perf_counter(), time.process_time()
            rows = db.execute(
                f"SELECT rowid, text FROM {table} WHERE {table} MATCH ? ORDER BY rank LIMIT 20",
                (quoted,),
            ).fetchall()
            seconds.append(time.perf_counter() - began)
            cpu_s.append(time.process_time() - began_cpu)
            found += bool(rows)
        result[name] = summary(seconds, cpu_s, found)
    return result


def child(*arguments: str) -> dict[str, Any]:
    """Run one part in a process of its own, so that its memory is its own."""
    output = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE
    ).stdout
    answer: dict[str, Any] = json.loads(output)
    return answer


def cpu() -> str:
    file = Path("/proc/cpuinfo")
    for line in file.read_text().splitlines() if file.exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--moments", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=HERE / "cache")
    parser.add_argument("--no-rival", action="store_true")
    parser.add_argument("--part", choices=("build", "measure", "rival"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.cache / f"search-{options.moments}-{options.seed}"
    rival = folder.with_suffix(".fts5")
    if options.part == "build":
        print(json.dumps(build(folder, options.moments, options.seed)))
        return
    if options.part == "measure":
        print(json.dumps(measure(folder, options.queries, options.seed)))
        return
    if options.part == "rival":
        if not rival.exists():
            build_rival(folder, rival)
        print(json.dumps(measure_rival(folder, rival, options.queries, options.seed)))
        return

    options.cache.mkdir(parents=True, exist_ok=True)
    same = [
        "--moments", str(options.moments), "--queries", str(options.queries),
        "--seed", str(options.seed), "--cache", str(options.cache),
    ]  # fmt: skip
    built: dict[str, Any] = {}
    if not folder.exists():
        print(f"building {folder} ...", file=sys.stderr)
        built = child("--part", "build", *same)
    results: dict[str, Any] = {
        "moments": options.moments,
        "date": time.strftime("%Y-%m-%d"),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "threads": 1,
        "load_average": round(os.getloadavg()[0], 1),
        "nice": os.nice(0),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "disk_mb": round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6),
        **built,
        "onlooker": child("--part", "measure", *same),
    }
    if not options.no_rival:
        results["fts5"] = child("--part", "rival", *same)
    report(results)
    file = HERE / "results" / "search.json"
    file.parent.mkdir(exist_ok=True)
    everything = json.loads(file.read_text()) if file.exists() else {}
    before = everything.get(str(options.moments), {})
    if "write_s" in before and "write_s" not in results:
        results["write_s"] = before["write_s"]
    everything[str(options.moments)] = results
    file.write_text(json.dumps(everything, indent=2, sort_keys=True) + "\n")


def report(results: dict[str, Any]) -> None:
    ours, rival = results["onlooker"], results.get("fts5", {})
    targets = TARGETS_MS if results["moments"] <= 1_000_000 else TARGETS_LARGE_MS
    print(
        f"{results['moments']:,} moments, {ours['vocabulary']:,} words; {results['cpu']}, "
        f"1 thread, {results['date']}, SQLite {results['sqlite']}"
    )
    print(f"on disk: {results['disk_mb']} MB; plain FTS5 indices: {rival.get('disk_mb', '-')} MB")
    print(f"peak memory: {ours['peak_rss_mb']} MB; first query: {ours['first_query_ms']} ms")
    head = f"{'found':>10}{'median':>9}{'p95':>8}{'max':>8}{'CPU p95':>9}"
    print(f"{'ms':11}{head}{'target':>8}" + (f"      plain FTS5:{head}" if rival else ""))
    for name in TARGETS_MS:
        line = f"{name:11}{_cells(ours[name])}{targets.get(name, ''):>8}"
        print(f"{line}      {'':11}{_cells(rival[name])}" if rival else line)


def _cells(row: dict[str, Any]) -> str:
    found = f"{row['found']}/{row['queries']}"
    numbers = (row["median_ms"], row["p95_ms"], row["max_ms"])
    return f"{found:>11}{''.join(f'{n:8.1f}' for n in numbers)}{row['cpu_p95_ms']:9.1f}"


if __name__ == "__main__":
    main()
