"""Build test lectures from the human labels of MaViLS: real decks, real times, known truth.

Each lecture is a ten-minute cut, 1280 × 720, 25 frames a second, H.264 as lecture recorders make it
(x264's preset `veryfast`, as OBS has it, else its defaults: CRF 23, a key frame every 250 frames at
most and where the picture changes). Slides are pages of
the real deck, shown at the times at which people saw them; where the label is -1 (no slide) stands
a moving camera picture: a panned photo, a moving figure, noise.

**When does a slide appear?** `time_s` of `aligned/*.tsv` is the *end* of its sentence: compared
with the word times of the transcripts it is the middle of the sentence's last word ("So last time,
we talked about what medicine does." is said from 15.85 to 18.85 s and carries 18.59). So the slide
of a sentence appears at the `time_s` of the sentence before.

Also known, because made here: every fourth change from slide to slide is a dissolve of 0.4 s, the
others are cuts; every second slide that is shown for more than 30 s is built up in three steps; a
mouse pointer crosses the slide from time to time; the picture has the noise of a frame grabber.
The variant `inset` shows a moving speaker in a corner, over the slides.

The layout written is that of `lecture.slides`: `videos/NAME.mp4` (with `NAME.srt` beside it) and
`transitions.json`: `{video: [{"t_s": …, "kind": "slide" | "build" | "cut"}]}`.

    python benchmarks/lectures.py            # writes benchmarks/cache/lectures, once
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pypdfium2
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "benchmarks" / "cache" / "lectures"
WIDTH, HEIGHT, FPS = 1280, 720, 25
CUT_S = 600.0
Planes = NDArray[np.uint8]  # (H * 3 / 2, W): luma above, both chromas below, as yuv420p


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Which ten minutes of which lecture: those with the most changes from slide to slide."""

    name: str
    deck: str
    start_s: float


# The first two were looked at while the segmenter was tuned; the other two were not.
CUTS = (
    Cut(name="ML_for_health_MIT", deck="ML_for_health_care_MIT.pdf", start_s=3240),
    Cut(name="cognitive_robotics_MIT", deck="cognitive_robotics_MIT.pdf", start_s=180),
    Cut(name="cities_and_decarbonization", deck="cities&decarbonization.pdf", start_s=30),
    Cut(name="reinforcement_learning", deck="reinforcement_learning.pdf", start_s=4830),
)
TUNED_ON = frozenset(cut.name for cut in CUTS[:2])
VARIANTS = ("plain", "inset")


@dataclass(frozen=True)
class Sentence:
    """A sentence said, and the page shown meanwhile (-1: none)."""

    start_s: float
    end_s: float
    page: int
    text: str


@dataclass(frozen=True)
class Piece:
    """A stretch in which one page (or the camera, -1) is shown."""

    start_s: float
    end_s: float
    page: int


def data_root() -> Path:
    """Return the folder of the evaluation data."""
    return Path(os.environ.get("ONLOOKER_DATA", ROOT.parent / "shared" / "data"))


def sentences(cut: Cut) -> list[Sentence]:
    """Read the sentences of a cut, timed from its start."""
    rows = []
    before_s = 0.0
    table = data_root() / "lecture/mavils/aligned" / f"{cut.name}.tsv"
    for line in table.read_text(encoding="utf-8").splitlines()[1:]:
        stamp, page, text = line.split("\t", 2)
        start_s, end_s = before_s - cut.start_s, float(stamp) - cut.start_s
        before_s = float(stamp)
        if end_s > 0 and start_s < CUT_S and end_s > start_s:
            rows.append(Sentence(max(0.0, start_s), min(CUT_S, end_s), int(page), text))
    return rows


def pieces(said: list[Sentence]) -> list[Piece]:
    """Join sentences with the same page."""
    out: list[Piece] = []
    for sentence in said:
        if out and out[-1].page == sentence.page:
            out[-1] = Piece(out[-1].start_s, sentence.end_s, sentence.page)
        else:
            out.append(Piece(sentence.start_s, sentence.end_s, sentence.page))
    out[-1] = Piece(out[-1].start_s, CUT_S, out[-1].page)
    return out


def to_planes(rgb: NDArray[np.uint8]) -> Planes:
    """Convert a picture to video range planes."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8)


class Deck:
    """The pages of a deck as pictures, fitted into the frame with black bars."""

    def __init__(self, path: Path) -> None:
        self._document = pypdfium2.PdfDocument(path)

    def page(self, number: int) -> NDArray[np.uint8]:
        """Render a page (from 1)."""
        page = self._document[number - 1]
        left, top, right, bottom = self._place(number)
        pixels = page.render(scale=self._scale(number)).to_numpy()[:, :, 2::-1]
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[top:bottom, left:right] = pixels[: bottom - top, : right - left]
        return picture

    def _scale(self, number: int) -> float:
        page = self._document[number - 1]
        return min(WIDTH / page.get_width(), HEIGHT / page.get_height())

    def _place(self, number: int) -> tuple[int, int, int, int]:
        """Return where in the frame a page stands: left, top, right, bottom."""
        page, scale = self._document[number - 1], self._scale(number)
        width, height = int(page.get_width() * scale), int(page.get_height() * scale)
        left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
        return left, top, left + width, top + height

    def steps(self, number: int) -> list[NDArray[np.uint8]]:
        """Return a page as it is built up from top to bottom: two parts, then all of it.

        Steps that would show nothing new are left out.
        """
        whole = self.page(number)
        left, top, right, bottom = self._place(number)
        paper = np.median(whole[top:bottom, left:right], axis=(0, 1)).astype(np.uint8)
        steps = [whole]
        for share in (0.7, 0.45):
            row = _blank_row(whole, round(share * HEIGHT))
            part = steps[0].copy()
            part[row:bottom, left:right] = paper
            changed = (np.abs(part.astype(int) - steps[0]).max(axis=2) > 40).mean()
            if changed > 0.004:
                steps.insert(0, part)
        return steps


def _blank_row(picture: NDArray[np.uint8], near: int) -> int:
    """Return the row near a place with the least on it."""
    ink = picture.astype(np.float32).std(axis=1).sum(axis=1)
    reach = HEIGHT // 12
    window = ink[near - reach : near + reach]
    return near - reach + int(np.argmin(window))


class Camera:
    """A moving picture: a photo panned slowly, a figure that walks, noise."""

    def __init__(self, photo: Path, width: int, height: int, seed: int) -> None:
        pixels = cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)
        scale = 1.25 * max(width / pixels.shape[1], height / pixels.shape[0])
        self._photo = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        self._size = width, height
        self._noise = np.random.default_rng(seed).normal(0, 2.5, (8, height, width)).astype(np.int8)

    def planes(self, time_s: float) -> Planes:
        """Draw the picture at a time."""
        width, height = self._size
        room_x = self._photo.shape[1] - width
        room_y = self._photo.shape[0] - height
        x = int(room_x * (0.5 + 0.5 * np.sin(time_s / 7.0)))
        y = int(room_y * (0.5 + 0.5 * np.sin(time_s / 11.0)))
        picture = np.ascontiguousarray(self._photo[y : y + height, x : x + width])
        middle = width * (0.5 + 0.25 * np.sin(time_s * 0.9))
        nod = height * 0.02 * np.sin(time_s * 4.0)
        head = (int(middle), int(height * 0.45 + nod))
        body = (int(middle), int(height * 1.02))
        cv2.ellipse(picture, body, (width // 7, int(height * 0.42)), 0, 0, 360, (46, 52, 70), -1)
        cv2.ellipse(picture, head, (width // 22, height // 9), 0, 0, 360, (205, 160, 130), -1)
        planes = to_planes(picture)
        noise = self._noise[int(time_s * FPS) % 8]
        planes[:height] = cv2.add(planes[:height], noise, dtype=cv2.CV_8U)
        return planes


def _paste(planes: Planes, inset: Planes, x: int, y: int) -> None:
    """Put one picture into another (even places and sizes)."""
    height, width = inset.shape[0] * 2 // 3, inset.shape[1]
    planes[y : y + height, x : x + width] = inset[:height]
    for index in range(2):
        small = inset[height:].reshape(2, height // 2, width // 2)[index]
        whole = planes[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)[index]
        whole[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2] = small


def _draw_pointer(planes: Planes, time_s: float) -> None:
    """Draw a mouse pointer that moves for two seconds of every nine, and rests otherwise."""
    turn, phase = divmod(time_s, 9.0)
    places = np.random.default_rng(7).uniform(0.15, 0.85, (1000, 2)) * (WIDTH, HEIGHT)
    share = min(1.0, phase / 2.0)
    spot = places[int(turn)] * (1 - share) + places[int(turn) + 1] * share
    shape = np.array([(0, 0), (0, 22), (5, 17), (9, 25), (13, 23), (9, 15), (16, 15)])
    corners = (spot + shape).astype(np.int32)
    cv2.fillPoly(planes[:HEIGHT], [corners], 235)
    cv2.polylines(planes[:HEIGHT], [corners], True, 16, 1, cv2.LINE_AA)


def draw(cut: Cut, variant: str, events: list[dict[str, object]]) -> Iterator[Planes]:
    """Draw a lecture frame by frame, and note what changes when."""
    mavils = data_root() / "lecture/mavils"
    deck = Deck(mavils / "slides_pdf" / cut.deck)
    seed = [c.name for c in CUTS].index(cut.name)
    photos = sorted((data_root() / "text/icdar2003_scenes_dev/images").iterdir())
    camera = Camera(photos[10 * seed + 3], WIDTH, HEIGHT, seed)
    speaker = Camera(photos[10 * seed + 7], 320, 180, seed)
    grain = np.random.default_rng(seed).normal(0, 1.2, (8, HEIGHT, WIDTH)).astype(np.int8)
    shown = pieces(sentences(cut))
    slide_changes = long_slides = 0
    before: Planes | None = None
    for index, piece in enumerate(shown):
        first, last = round(piece.start_s * FPS), round(piece.end_s * FPS)
        steps: list[Planes] = []
        starts = [first]
        dissolve = 0
        if piece.page > 0:
            pictures = [deck.page(piece.page)]
            if piece.end_s - piece.start_s > 30:
                long_slides += 1
                if long_slides % 2:
                    pictures = deck.steps(piece.page)
            steps = [to_planes(picture) for picture in pictures]
            starts = [first + (last - first) * i // (len(steps) + 1) for i in range(len(steps))]
        if index:
            from_slide = shown[index - 1].page > 0
            if from_slide and piece.page > 0:
                slide_changes += 1
                dissolve = 10 if slide_changes % 4 == 0 and last - first > 10 else 0
                kind = "slide"
            else:
                kind = "cut"
            events.append({"t_s": round((first + dissolve / 2) / FPS, 3), "kind": kind})
        events += [{"t_s": round(start / FPS, 3), "kind": "build"} for start in starts[1:]]
        for number in range(first, last):
            time_s = number / FPS
            if piece.page < 0:
                yield camera.planes(time_s)
                continue
            planes = steps[sum(number >= start for start in starts) - 1].copy()
            if before is not None and number - first < dissolve:
                share = (number - first) / dissolve
                planes = cv2.addWeighted(planes, share, before, 1 - share, 0)
            _draw_pointer(planes, time_s)
            planes[:HEIGHT] = cv2.add(planes[:HEIGHT], grain[number % 8], dtype=cv2.CV_8U)
            if variant == "inset":
                _paste(planes, speaker.planes(time_s), WIDTH - 340, HEIGHT - 200)
            yield planes
        before = steps[-1] if steps else None


def encode(path: Path, frames: Iterator[Planes]) -> None:
    """Write H.264 as lecture recorders do."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = 250
        stream.options = {"preset": "veryfast"}
        stream.codec_context.thread_count = 2
        for number, planes in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def write_subtitles(path: Path, said: list[Sentence]) -> None:
    """Write the transcript as a subtitle file."""

    def stamp(time_s: float) -> str:
        whole, millis = divmod(round(time_s * 1000), 1000)
        return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{millis:03}"

    cues = [
        f"{number}\n{stamp(s.start_s)} --> {stamp(s.end_s)}\n{s.text}\n"
        for number, s in enumerate(said, 1)
    ]
    path.write_text("\n".join(cues), encoding="utf-8")


def build(cut: Cut, variant: str, folder: Path = CACHE) -> Path:
    """Make one lecture if it is not there yet, and return its path."""
    videos = folder / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    name = f"{cut.name}.{variant}.mp4"
    path = videos / name
    table = folder / "transitions.json"
    known = json.loads(table.read_text()) if table.exists() else {}
    if path.exists() and name in known:
        return path
    events: list[dict[str, object]] = []
    partial = path.with_suffix(".part")
    encode(partial, draw(cut, variant, events))
    write_subtitles(path.with_suffix(".srt"), sentences(cut))
    known = json.loads(table.read_text()) if table.exists() else {}
    known[name] = events
    table.write_text(json.dumps(known, indent=1) + "\n")
    partial.replace(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the test lectures (once).")
    parser.add_argument("--cut", choices=[cut.name for cut in CUTS], action="append")
    parser.add_argument("--variant", choices=VARIANTS, action="append")
    args = parser.parse_args()
    for variant in args.variant or VARIANTS:
        for cut in CUTS:
            if args.cut and cut.name not in args.cut:
                continue
            path = build(cut, variant)
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
