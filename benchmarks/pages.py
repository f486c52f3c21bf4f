"""Pages of decks and documents beside Tesseract and RapidOCR: characters, order, seconds; one run.

    python benchmarks/pages.py                    # all; writes benchmarks/results/pages.json
    python benchmarks/pages.py --limit 6 --dpi 150            # a quick look; writes nothing
    python benchmarks/pages.py --pdfs DIR --systems onlooker tesseract

Pages: 50 of the PDFs in ``--pdfs`` (default: the decks of ``$ONLOOKER_DATA/lecture/mavils``), and
25 of one column and 25 of two from `documents.py`. Of PDFs those pages count whose text layer holds
100 characters and more and all that is to be read: pages with large pictures, or with a layer that
is garbage, are left out (`Document.needs_reading`), and so are those on which lines of the layer
lie over each other (steps of an animation: what is below cannot be seen). The choice is by seed,
evenly over the files.

Each page is drawn at 100, 150 and 300 pixels an inch, turned by up to 3 degrees, overlaid with
noise (deviation 2 to 8 grey levels), and saved as JPEG of quality 40. Seeds are fixed.

Measures, each summed over the pages of a set (micro average):

- ``cer``: edits over characters of the whole page as it comes out, in order, against the text layer
  in the layer's own order. So an order that differs costs much. On slides the layer's order is the
  one in which the author put things there, which need not be how people read them.
- ``cer_lines``: the same line by line, whatever the order: each word that was read belongs to the
  line of the layer on which its middle lies (by its box), words that lie on none are insertions.
- ``words_recall``, ``words_precision``: multisets of words (between spaces, exact) of a page.
- ``order``: of two lines that follow each other in the layer and were found, the share that come
  out one right after the other. ``kendall``: Kendall's tau over all found lines of a page, mean.

Before comparing, both sides are normalised: Unicode NFKC of what the charset lacks, twins by looks
mapped as in `onlooker.text.charset.normalize`, white space of any kind and length one space.
Bullets that stand alone are dropped from both sides: half of the decks draw them with a font whose
characters mean nothing, so that their layers lack them. Characters that then still are not in the
charset are dropped from both sides and counted in ``outside_charset``, as a share of the layer's.

Every system runs in a process of its own, as in `reader.py`; Tesseract with ``--psm 3`` and one
thread, which on whole pages is faster than two where the machine is busy. Onlooker reads all pages;
the rivals, which take longer, the first ``--sample`` of each kind, and Onlooker's row for the same
pages stands beside theirs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from documents import write_document
from rapidfuzz.distance import Levenshtein
from reader import ROOT, SYSTEMS, THREADS, Words, Worker, processor, start

from onlooker.text.charset import CHARSET, normalize

RESULTS = ROOT / "benchmarks" / "results" / "pages.json"
DPI = (100, 150, 300)
LEAST_CHARACTERS = 100
SETS = {"decks": 50, "one column": 25, "two columns": 25}
SAME_POINTS = 4.0
"""Twice the same word nearer than this is a word and its shadow."""
MOST_OVERLAID = 0.02
"""Slides whose steps lie over each other in one page carry text that cannot be seen."""
MAX_SKEW_DEG = 3.0
NOISE = (2.0, 8.0)
JPEG_QUALITY = 40
BULLETS = frozenset("•·▪◦●○■□▶►➢❖✓*")
IN_CHARSET = frozenset(CHARSET)


@dataclass(frozen=True)
class Truth:
    """A page and its text layer, in points from its top left."""

    kind: str
    path: Path
    index: int
    size: tuple[float, float]
    lines: tuple[str, ...]  # in the layer's order
    boxes: np.ndarray  # (N, 4)
    outside: int  # characters not in the charset

    @property
    def seed(self) -> int:
        name = f"{self.path.name}/{self.index}".encode()
        return int.from_bytes(hashlib.sha256(name).digest()[:4], "big")


@dataclass
class Score:
    """Sums over pages."""

    pages: int = 0
    characters: int = 0
    edits: int = 0
    edits_lines: int = 0
    words: int = 0
    found: int = 0
    right: int = 0
    pairs: int = 0
    pairs_right: int = 0
    taus: list[float] = field(default_factory=list)
    page_cers: list[float] = field(default_factory=list)

    def metrics(self) -> dict[str, float | None]:
        return {
            "cer": self.edits / max(1, self.characters),
            "cer_median_page": statistics.median(self.page_cers) if self.page_cers else None,
            "cer_lines": self.edits_lines / max(1, self.characters),
            "words_recall": self.right / max(1, self.words),
            "words_precision": self.right / max(1, self.found),
            "order": self.pairs_right / self.pairs if self.pairs else None,
            "kendall": statistics.fmean(self.taus) if self.taus else None,
        }

    def add(self, truth: Truth, words: Words, to_page: np.ndarray) -> None:
        """Count a page.

        Args:
            truth: The page.
            words: What was read, in order, in pixels of the picture.
            to_page: 2x3 matrix from pixels of the picture to points of the page.
        """
        texts = [fold(word["text"])[0] for word in words]
        label, found = " ".join(truth.lines), " ".join(filter(None, texts))
        edits = Levenshtein.distance(found, label)
        self.pages += 1
        self.characters += len(label)
        self.edits += edits
        self.page_cers.append(edits / max(1, len(label)))
        wanted, got = Counter(label.split()), Counter(found.split())
        self.words += wanted.total()
        self.found += got.total()
        self.right += (wanted & got).total()

        on_line: dict[int, list[tuple[float, int, str]]] = {}
        for rank, (word, text) in enumerate(zip(words, texts, strict=True)):
            if text:
                x, y = to_page @ (*np.mean(word["polygon"], axis=0), 1.0)
                on_line.setdefault(line_at(truth.boxes, x, y), []).append((x, rank, text))
        self.edits_lines += sum(len(text) + 1 for _, _, text in on_line.pop(-1, []))
        for at, line in enumerate(truth.lines):
            read = " ".join(text for _, _, text in sorted(on_line.get(at, [])))
            self.edits_lines += Levenshtein.distance(read, line)

        ranks = {at: statistics.median_low(r for _, r, _ in some) for at, some in on_line.items()}
        came = sorted(ranks, key=lambda at: (ranks[at], at))
        place = {at: i for i, at in enumerate(came)}
        for at in place:
            if at + 1 in place:
                self.pairs += 1
                self.pairs_right += place[at + 1] == place[at] + 1
        if len(came) > 1:
            sequence = np.array([place[at] for at in sorted(place)])
            rises = np.sign(sequence[None, :] - sequence[:, None])[np.triu_indices(len(came), 1)]
            self.taus.append(float(rises.mean()))


def fold(text: str) -> tuple[str, int]:
    """Normalise text; return it and how many characters were dropped as outside the charset."""
    text = normalize(text)
    text = "".join(c if c in IN_CHARSET else unicodedata.normalize("NFKC", c) for c in text)
    pieces = " ".join(piece for piece in normalize(text).split() if piece not in BULLETS)
    kept = "".join(c for c in pieces if c in IN_CHARSET)
    return " ".join(kept.split()), len(pieces) - len(kept)


def line_at(boxes: np.ndarray, x: float, y: float) -> int:
    """Return the line of the layer on which a point lies, or −1."""
    height = boxes[:, 3] - boxes[:, 1]
    off_y = np.abs(y - (boxes[:, 1] + boxes[:, 3]) / 2) / np.maximum(height, 1.0)
    off_x = np.maximum(boxes[:, 0] - x, x - boxes[:, 2]) / np.maximum(height, 1.0)
    off = np.where((off_y <= 0.9) & (off_x <= 1.0), off_y + np.maximum(off_x, 0), np.inf)
    best = int(np.argmin(off))
    return best if np.isfinite(off[best]) else -1


def read_layer(kind: str, path: Path, index: int) -> Truth | None:
    """Read the text layer of a page in its own order; None where it is no fair truth."""
    import pypdfium2

    from onlooker.media.document import Document
    from onlooker.media.document.places import corners_of, view_matrix
    from onlooker.media.document.text_layer import page_words

    with Document.open(path) as document:
        if document.needs_reading(index):
            return None
        width, height = document.page_size(index)
    raw = pypdfium2.PdfDocument(path)
    try:
        page = raw.get_page(index)
        words = page_words(page)[0]
        to_view = view_matrix(page, width, height)
        page.close()
    finally:
        raw.close()
    rows: list[list[tuple[str, np.ndarray]]] = []
    seen: set[tuple[str, int, int]] = set()
    for word in words:
        points = np.array([point for box in word.boxes for point in corners_of(box, to_view)])
        box = np.array([*points.min(axis=0), *points.max(axis=0)])
        if box[2] <= 0 or box[3] <= 0 or box[0] >= width or box[1] >= height:
            continue  # nobody can see it
        place = (word.text, round(box[0] / SAME_POINTS), round(box[1] / SAME_POINTS))
        if place in seen:
            continue  # a shadow
        seen.add(place)
        if rows:
            last = rows[-1][-1][1]
            shared = min(last[3], box[3]) - max(last[1], box[1])
            tall = max(last[3] - last[1], box[3] - box[1])
            low = min(last[3] - last[1], box[3] - box[1])
            if shared >= 0.5 * low and -0.5 * tall <= box[0] - last[2] <= 2.0 * tall:
                rows[-1].append((word.text, box))
                continue
        rows.append([(word.text, box)])
    lines, boxes, outside = [], [], 0
    for row in rows:
        text, dropped = fold(" ".join(text for text, _ in row))
        outside += dropped
        if text:
            every = np.array([box for _, box in row])
            lines.append(text)
            boxes.append([*every[:, :2].min(axis=0), *every[:, 2:].max(axis=0)])
    if sum(map(len, lines)) < LEAST_CHARACTERS or overlaid(np.array(boxes)) > MOST_OVERLAID:
        return None
    return Truth(kind, path, index, (width, height), tuple(lines), np.array(boxes), outside)


def overlaid(boxes: np.ndarray) -> float:
    """Return the share of lines of which half lies under another line."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=2)
    np.fill_diagonal(shared, 0.0)
    area = np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1e-6)
    return float((shared.max(axis=1) >= 0.5 * area).mean())


def choose(kind: str, paths: Sequence[Path], count: int) -> list[Truth]:
    """Choose pages evenly over the files, by seed."""
    from onlooker.media.document import Document

    queues = []
    for path in sorted(paths):
        with Document.open(path) as document:
            indices = list(range(len(document)))
        random.Random(f"{path.name}/0").shuffle(indices)
        queues.append((path, indices))
    chosen: list[Truth] = []
    while queues and len(chosen) < count:
        for path, indices in list(queues):
            while indices:
                truth = read_layer(kind, path, indices.pop())
                if truth is not None:
                    chosen.append(truth)
                    break
            else:
                queues.remove((path, indices))
    return chosen[:count]


def draw(truth: Truth, dpi: int, path: Path) -> np.ndarray:
    """Draw a page as a bad scan.

    Returns:
        2x3 matrix from pixels of the picture to points of the page.
    """
    from onlooker.media.document import Document

    with Document.open(truth.path) as document:
        pixels, scale = document.render(truth.index, round(max(truth.size) * dpi / 72))
    rng = np.random.default_rng((truth.seed, dpi))
    angle = rng.uniform(-MAX_SKEW_DEG, MAX_SKEW_DEG)
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    # The sheet grows, so that no corner is cut off.
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    out = (round(width * cos + height * sin), round(width * sin + height * cos))
    turn[:, 2] += (out[0] - width) / 2, (out[1] - height) / 2
    pixels = cv2.warpAffine(
        pixels, turn, out, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    noise = rng.normal(0.0, rng.uniform(*NOISE), pixels.shape).astype(np.float32)
    pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    cv2.imwrite(str(path), pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    back = cv2.invertAffineTransform(turn)
    return np.asarray(back / scale)


def pages_of(folders: Sequence[Path], limit: int | None, scratch: Path) -> list[Truth]:
    paths = sorted(path for folder in folders for path in folder.glob("*.pdf"))
    if not paths:
        sys.exit(f"no PDF in {', '.join(map(str, folders))}: name a folder with --pdfs")
    truths = choose("decks", paths, min(limit or SETS["decks"], SETS["decks"]))
    for columns, kind in ((1, "one column"), (2, "two columns")):
        made = []
        for seed in range(13):
            made.append(scratch / f"{columns}-{seed:02d}.pdf")
            write_document(made[-1], seed, columns, 2)
        truths += choose(kind, made, min(limit or SETS[kind], SETS[kind]))
    return truths


COLUMNS = ("cer", "cer_lines", "words_recall", "words_precision", "order", "kendall")


def table(name: str, rows: dict[str, Any]) -> str:
    lines = [f"{name:<22}{'n':>4}" + "".join(f"{c[:11]:>12}" for c in COLUMNS) + "   s/page    MB"]
    for system, row in rows.items():
        cells = "".join(
            f"{'-' if (v := row['metrics'][c]) is None else format(v, '.4f'):>12}" for c in COLUMNS
        )
        lines.append(
            f"  {system:<20}{row['n']:>4}{cells}{row['seconds_mean']:>9.2f}{row['peak_mb']:>6}"
        )
    return "\n".join(lines)


def measure(
    truths: Sequence[Truth], dpi: int, workers: Sequence[Worker], scratch: Path, sample: int
) -> dict[str, Any]:
    """Measure all systems at one resolution; kind of page → system → figures."""
    scores: dict[tuple[str, str], Score] = {}
    seconds: dict[tuple[str, str], list[float]] = {}
    counts: Counter[str] = Counter()
    for truth in truths:
        counts[truth.kind] += 1
        sampled = counts[truth.kind] <= sample
        picture = scratch / "page.jpg"
        to_page = draw(truth, dpi, picture)
        for worker in workers:
            if worker.system != "onlooker" and not sampled:
                continue
            words = worker.read(picture)
            names = [worker.system]
            if worker.system == "onlooker" and sampled and len(workers) > 1:
                names.append("onlooker (sample)")
            for key in ((kind, name) for kind in (truth.kind, "all") for name in names):
                scores.setdefault(key, Score()).add(truth, words, to_page)
                seconds.setdefault(key, []).append(worker.seconds[-1])
    peaks = {worker.system: worker.peak_mb for worker in workers}
    rows: dict[str, Any] = {}
    for (kind, system), score in scores.items():
        rows.setdefault(kind, {})[system] = {
            "n": score.pages,
            "metrics": {k: None if v is None else round(v, 4) for k, v in score.metrics().items()},
            "seconds_mean": round(statistics.fmean(seconds[kind, system]), 3),
            "seconds_median": round(statistics.median(seconds[kind, system]), 3),
            "peak_mb": round(peaks[system.partition(" ")[0]]),
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = Path(os.environ.get("ONLOOKER_DATA") or ROOT.parent / "shared" / "data")
    decks = data / "lecture" / "mavils" / "slides_pdf"
    parser.add_argument("--pdfs", nargs="+", type=Path, default=[decks], metavar="DIR")
    parser.add_argument("--dpi", nargs="+", type=int, default=list(DPI))
    parser.add_argument("--limit", type=int, help="pages of each kind, for a quick look")
    parser.add_argument(
        "--sample", type=int, default=10, help="pages of each kind that the rivals read"
    )
    parser.add_argument("--rapidocr-python", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    options = parser.parse_args()
    result: dict[str, Any] = {
        "date": date.today().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": THREADS,
        "python": platform.python_version(),
        "degradation": {
            "skew_deg": MAX_SKEW_DEG,
            "noise_deviation": NOISE,
            "jpeg_quality": JPEG_QUALITY,
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        truths = pages_of(options.pdfs, options.limit, scratch)
        outside = sum(truth.outside for truth in truths)
        characters = sum(len(line) for truth in truths for line in truth.lines)
        result["pages"] = dict(Counter(truth.kind for truth in truths))
        result["outside_charset"] = round(outside / (characters + outside), 5)
        print(
            f"{len(truths)} pages, {characters} characters, {outside} more are not in the charset"
        )
        workers, absent = start(options.systems, "pages", options.rapidocr_python)
        result["absent"] = absent
        result["systems"] = {worker.system: worker.version for worker in workers}
        result["dpi"] = {}
        try:
            for worker in workers:  # libraries load at the first picture
                draw(truths[0], DPI[0], scratch / "page.jpg")
                worker.read(scratch / "page.jpg", timed=False)
            for dpi in options.dpi:
                rows = measure(truths, dpi, workers, scratch, options.sample)
                result["dpi"][str(dpi)] = rows
                for kind in rows:
                    print(table(f"{kind}, {dpi} dpi", rows[kind]), flush=True)
        finally:
            for worker in workers:
                worker.close()
    print(f"{result['processor']}, {THREADS} threads each, {result['date']}")
    for system, version in result["systems"].items():
        print(f"  {system} {version}")
    for system, why in result["absent"].items():
        print(f"  {system}: {why}")
    whole = options.limit is None and options.dpi == list(DPI) and options.pdfs == [decks]
    if whole and options.systems == list(SYSTEMS):
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
