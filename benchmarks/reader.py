"""The reader beside Tesseract and RapidOCR: accuracy, seconds a picture and peak memory, one run.

    python benchmarks/reader.py                        # all; writes benchmarks/results/reader.json
    python benchmarks/reader.py --limit 20             # a quick look; writes nothing
    python benchmarks/reader.py --rapidocr-python /path/to/venv/bin/python

Data: ``$ONLOOKER_DATA/text`` (default ``../shared/data`` beside the repository). Measures as
``onlooker evaluate`` defines them.

How it is fair: every system runs in a process of its own, with two threads, and picture after
picture each one reads the same file in turn, so that a busy machine slows all alike. A time runs
from the path of the file to its words, decoding included; each system reads one picture before the
clock starts. Memory is the peak of the resident set of the process that reads, interpreter and
libraries included.

Word crops: Tesseract ``--psm 8`` (one word), RapidOCR its recogniser alone, Onlooker its recogniser
as its reader uses it (crops that stand on end in three directions). Scenes: Tesseract ``--psm 11``
(sparse text), RapidOCR with its own defaults; its lines are split at their spaces, and each word
gets its share of the line's box. Tesseract starts a process for each picture, as its command line
does; that is part of its time.

Mode ``pages`` is what ``pages.py`` uses: scenes, but Tesseract ``--psm 3`` (whole pages).

The rivals read all scenes, and of the words a fixed random sample (seed 0); Onlooker reads all, and
its row for the same sample stands beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "reader.json"
THREADS = 2
WORD_SETS = ("iiit5k_words_dev", "icdar2015_words_dev")
SCENE_SETS = ("icdar2003_scenes_dev", "icdar2015_scenes_dev")
SYSTEMS = ("onlooker", "rapidocr", "tesseract")
Words = list[dict[str, Any]]  # {"text": …, "polygon": [[x, y], …]}


# The reading side: one process a system, a line of JSON in, a line of JSON out --------------------


def onlooker_reader(mode: str) -> tuple[Callable[[str], Words], str]:
    from onlooker import __version__
    from onlooker.media.image import read_image
    from onlooker.runtime import set_threads
    from onlooker.text.pipeline import TextReader, shipped_weights

    set_threads(THREADS)
    names = "+".join(f"{w.name} ({w.sha256[:12]})" for w in shipped_weights())
    version = f"{__version__}, {names}"
    if mode == "words":
        from onlooker.text.recognition import TextRecognizer
        from onlooker.text.rectification import TextRectifier, read_turned

        recognizer = TextRecognizer.load(threads=THREADS)
        rectifier = TextRectifier.load(threads=THREADS)

        def read_word(path: str) -> Words:
            (found,) = read_turned(recognizer, rectifier, [read_image(path)[0]])
            return [{"text": found.reading.text, "polygon": None}]

        return read_word, version

    reader = TextReader.load(threads=THREADS)

    def read_scene(path: str) -> Words:
        pixels, scale = read_image(path)
        return [
            {"text": word.text, "polygon": [[x / scale, y / scale] for x, y in word.polygon]}
            for word in reader(pixels).words
        ]

    return read_scene, version


def rapidocr_reader(mode: str) -> tuple[Callable[[str], Words], str]:
    from importlib.metadata import version

    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )

    def read_word(path: str) -> Words:
        # A quarter turn of tall crops and the classifier, as its whole chain has them, cost it one
        # to three points here: it is measured at its best.
        found = engine(path, use_det=False, use_cls=False, use_rec=True)
        return [{"text": (found.txts or ("",))[0], "polygon": None}]

    def read_scene(path: str) -> Words:
        found = engine(path)
        if found.txts is None or found.boxes is None:
            return []
        words: Words = []
        for text, box in zip(found.txts, found.boxes, strict=True):
            words += split_line(text, [[float(x), float(y)] for x, y in box])
        return words

    return (read_word if mode == "words" else read_scene), version("rapidocr")


def tesseract_reader(mode: str) -> tuple[Callable[[str], Words], str]:
    # Its threads spin while they wait for each other: on a busy machine a whole page with two of
    # them took minutes, with one seconds.
    threads = 1 if mode == "pages" else THREADS
    environment = os.environ | {"OMP_THREAD_LIMIT": str(threads)}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["tesseract", *arguments], capture_output=True, env=environment, check=False
        )
        return done.stdout.decode("utf-8", "replace")

    def read_word(path: str) -> Words:
        return [{"text": run(path, "-", "--psm", "8").strip(), "polygon": None}]

    def read_scene(path: str) -> Words:
        words: Words = []
        layout = "3" if mode == "pages" else "11"
        for line in run(path, "-", "--psm", layout, "tsv").split("\n")[1:]:
            cells = line.split("\t")
            if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
                x, y, w, h = map(float, cells[6:10])
                corners = [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]
                words.append({"text": cells[11], "polygon": corners})
        return words

    first = run("--version").splitlines() or [""]
    return (read_word if mode == "words" else read_scene), first[0].removeprefix("tesseract ")


READERS = {
    "onlooker": onlooker_reader,
    "rapidocr": rapidocr_reader,
    "tesseract": tesseract_reader,
}


def split_line(text: str, box: list[list[float]]) -> Words:
    """Give each word of a line its share of the line's box, by the number of letters."""
    words: Words = []
    at = 0
    for piece in text.split(" "):
        if piece.strip():
            left, right = at / len(text), (at + len(piece)) / len(text)

            def along(a: list[float], b: list[float], share: float) -> list[float]:
                return [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])]

            corners = [
                along(box[0], box[1], left),
                along(box[0], box[1], right),
                along(box[3], box[2], right),
                along(box[3], box[2], left),
            ]
            words.append({"text": piece, "polygon": corners})
        at += len(piece) + 1
    return words


def peak_mb(system: str) -> float:
    """Return the peak resident set of the process that reads, in MB."""
    import resource

    unit = 1e6 if sys.platform == "darwin" else 1e3
    if system == "tesseract":
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count the parent's pages at the fork
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def work(system: str, mode: str) -> None:
    """Read what standard input names until it ends."""
    # Whatever a library prints must not come between the lines of JSON.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    read, version = READERS[system](mode)
    print(json.dumps({"version": version}), file=out, flush=True)
    for line in sys.stdin:
        path = json.loads(line)
        begun = time.perf_counter()
        words = read(path)
        seconds = time.perf_counter() - begun
        answer = {"words": words, "seconds": seconds, "peak_mb": peak_mb(system)}
        print(json.dumps(answer), file=out, flush=True)


class Worker:
    """A system in a process of its own."""

    def __init__(self, system: str, mode: str, python: str) -> None:
        self.system = system
        self.seconds: list[float] = []
        self.peak_mb = 0.0
        # A file: a pipe that nobody reads would fill up and block. Closed with the worker.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115
        command = [python, str(Path(__file__).resolve()), "--worker", system, "--mode", mode]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            encoding="utf-8",
            env=os.environ | {"OMP_NUM_THREADS": str(THREADS), "OPENCV_FOR_THREADS_NUM": "2"},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._complaints.seek(0)
            complaint = self._complaints.read().decode("utf-8", "replace")
            last = (complaint.strip().splitlines() or ["it said nothing"])[-1]
            raise RuntimeError(f"{system} does not start: {last}")
        self.version = json.loads(line)["version"]

    def read(self, path: Path, *, timed: bool = True) -> Words:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(str(path)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.system} died on {path.name}")
        answer = json.loads(line)
        if timed:
            self.seconds.append(answer["seconds"])
            self.peak_mb = answer["peak_mb"]
        words: Words = answer["words"]
        return words

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._complaints.close()

    def figures(self, metrics: dict[str, float | None], n: int) -> dict[str, Any]:
        return {
            "n": n,
            "metrics": {k: None if v is None else round(v, 4) for k, v in metrics.items()},
            "seconds_mean": round(statistics.fmean(self.seconds[:n]), 4),
            "seconds_median": round(statistics.median(self.seconds[:n]), 4),
            "peak_mb": round(self.peak_mb),
        }


# The measuring side -------------------------------------------------------------------------------


def start(systems: list[str], mode: str, python: str) -> tuple[list[Worker], dict[str, str]]:
    """Start those systems that are installed; say why for the others."""
    workers, absent = [], {}
    for system in systems:
        if system == "tesseract" and shutil.which("tesseract") is None:
            absent[system] = "not installed (Debian: tesseract-ocr)"
            continue
        try:
            workers.append(Worker(system, mode, python if system == "rapidocr" else sys.executable))
        except RuntimeError as error:
            if system == "onlooker":
                raise
            absent[system] = str(error)
    return workers, absent


def measure_words(
    folder: Path, workers: list[Worker], limit: int | None, sample: int
) -> dict[str, Any]:
    from onlooker.text.recognition.datasets import read_labels
    from onlooker.text.recognition.metrics import recognition_metrics

    crops = read_labels(folder)
    # The sample comes first, so that each system's first readings are of the same pictures.
    random.Random(0).shuffle(crops)
    crops = crops[:limit]
    sample = min(sample, len(crops))
    pairs: dict[str, list[tuple[str, str]]] = {worker.system: [] for worker in workers}
    for worker in workers:
        worker.read(crops[0].image, timed=False)
    for index, crop in enumerate(crops):
        for worker in workers:
            if index < sample or worker.system == "onlooker":
                text = " ".join(word["text"] for word in worker.read(crop.image))
                pairs[worker.system].append((text, crop.text))
    rows = {}
    for worker in workers:
        found = pairs[worker.system]
        if worker.system == "onlooker" and len(found) > sample:
            rows["onlooker"] = worker.figures(recognition_metrics(found), len(found))
            rows["onlooker (sample)"] = worker.figures(recognition_metrics(found[:sample]), sample)
        else:
            rows[worker.system] = worker.figures(recognition_metrics(found), len(found))
    return rows


def measure_scenes(folder: Path, workers: list[Worker], limit: int | None) -> dict[str, Any]:
    from onlooker.text.spotting.datasets import read_scenes
    from onlooker.text.spotting.metrics import ReadWord, SpottingScore

    scenes = read_scenes(folder)[:limit]
    scores = {worker.system: SpottingScore() for worker in workers}
    for worker in workers:
        worker.read(scenes[0].image, timed=False)
    for scene in scenes:
        for worker in workers:
            words = [
                ReadWord(word["text"], tuple((x, y) for x, y in word["polygon"]))
                for word in worker.read(scene.image)
            ]
            scores[worker.system].add(words, scene.words)
    return {
        worker.system: worker.figures(scores[worker.system].metrics(), len(scenes))
        for worker in workers
    }


def processor() -> str:
    for line in (
        Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ()
    ):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


COLUMNS = {
    "word": "word_accuracy",
    "alnum": "word_accuracy_alnum_lower",
    "CER": "cer",
}
SCENE_COLUMNS = {
    "found": "words_recall",
    "right": "words_precision",
    "words_hmean": "words_hmean",
    "hmean": "hmean",
}


def table(name: str, rows: dict[str, Any], columns: dict[str, str]) -> str:
    head = f"{name:<22}{'n':>6}" + "".join(f"{column:>12}" for column in columns)
    lines = [f"{head}{'s/image':>9}{'MB':>6}"]
    for system, row in rows.items():
        cells = "".join(
            f"{'-' if row['metrics'][key] is None else format(row['metrics'][key], '.3f'):>12}"
            for key in columns.values()
        )
        lines.append(
            f"  {system:<20}{row['n']:>6}{cells}{row['seconds_mean']:>9.3f}{row['peak_mb']:>6}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rapidocr-python", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--sets", nargs="+", choices=WORD_SETS + SCENE_SETS)
    parser.add_argument("--sample", type=int, default=300, help="words that the rivals read")
    parser.add_argument("--limit", type=int, help="pictures of each set, for a quick look")
    parser.add_argument("--worker", choices=SYSTEMS, help=argparse.SUPPRESS)
    parser.add_argument("--mode", choices=("words", "scenes", "pages"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.mode)
        return
    data = Path(os.environ.get("ONLOOKER_DATA") or ROOT.parent / "shared" / "data") / "text"
    if not data.is_dir():
        sys.exit(f"no data at {data}: set ONLOOKER_DATA to the folder that holds text/")

    result: dict[str, Any] = {
        "date": date.today().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": THREADS,
        "python": platform.python_version(),
        "systems": {},
        "absent": {},
        "sets": {},
    }
    for name in options.sets or WORD_SETS + SCENE_SETS:
        words = name in WORD_SETS
        workers, absent = start(
            options.systems, "words" if words else "scenes", options.rapidocr_python
        )
        result["absent"] |= absent
        result["systems"] |= {worker.system: worker.version for worker in workers}
        try:
            if words:
                rows = measure_words(data / name, workers, options.limit, options.sample)
            else:
                rows = measure_scenes(data / name, workers, options.limit)
        finally:
            for worker in workers:
                worker.close()
        result["sets"][name] = rows
        print(table(name, rows, COLUMNS if words else SCENE_COLUMNS), flush=True)
    print(f"{result['processor']}, {THREADS} threads each, {result['date']}")
    for system, version in result["systems"].items():
        print(f"  {system} {version}")
    for system, why in result["absent"].items():
        print(f"  {system}: {why}")
    if options.limit is None and options.sets is None and options.systems == list(SYSTEMS):
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
