"""A small library filled by hand, so that the truth is known and no network is run."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from onlooker.library.library import Library
from onlooker.library.store import STAGES, PathRow
from onlooker.library.store_sqlite import SqliteStore
from onlooker.media.image import thumbnail
from onlooker.records import Description, MediaFacts, MediaKind, Moment, Polygon, Producer, View
from onlooker.web.app import WebSettings, create_app

with warnings.catch_warnings():
    # Starlette 1.x asks for httpx2, which has the same face.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

HIDDEN_FOLDERS = ("ann-private", "term 7 secret")
"""Names of folders that a read-only server must never show."""

SLIDES = (
    ("Gradient descent", "Follow the slope downhill"),
    ("Step size", "Too small is slow"),
    ("Stochastic gradient", "One sample at a time"),
)
SLIDE_S = 4.0
SIZE = (640, 360)
SPOKEN = (
    (0.2, 2.0, "Welcome to the lecture on gradient descent."),
    (4.1, 6.0, "How large should a step be?"),
    (8.1, 11.0, "Take one sample at a time."),
)
LOOK = Producer(name="media.look", version="1", kind="file")
READ = Producer(name="text.reader", version="1", weights="abcd")
HEAR = Producer(name="speech", version="1")


@dataclass
class Filled:
    """The library and what is in it: name → public id."""

    folder: Path
    media: Path
    ids: dict[str, str]


def draw(lines: tuple[str, ...], size: tuple[int, int]) -> tuple[Image.Image, list[Moment]]:
    """Draw lines, and return them with the true place of each word."""
    picture = Image.new("RGB", size, (28, 40, 66))
    pen = ImageDraw.Draw(picture)
    moments: list[Moment] = []
    for row, line in enumerate(lines):
        font = ImageFont.load_default(40 if row == 0 else 28)
        x, y = 40.0, 30.0 + 80 * row
        polygons: list[Polygon] = []
        for word in line.split():
            left, top, right, bottom = pen.textbbox((x, y), word, font=font)
            pen.text((x, y), word, font=font, fill=(245, 240, 225))
            polygons.append(((left, top), (right, top), (right, bottom), (left, bottom)))
            x = right + 14
        moments.append(
            Moment(kind="screen", text=line, polygons=tuple(polygons), confidence=0.9, view=0)
        )
    return picture, moments


def write_video(path: Path, pictures: list[Image.Image], codec: str, seconds: float) -> None:
    """Write each picture for some seconds, ten times a second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=10)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "g": "10"}
        index = 0
        for picture in pictures:
            pixels = np.asarray(picture)
            for _ in range(round(seconds * 10)):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 10)
                out.mux(stream.encode(frame))
                index += 1
        out.mux(stream.encode(None))


def write_sound(path: Path) -> None:
    """Write six seconds of a tone."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000, layout="mono")
        wave = (0.1 * np.sin(np.arange(16000 * 6) / 6)).astype(np.float32)
        for at in range(0, len(wave) - 1023, 1024):
            frame = av.AudioFrame.from_ndarray(wave[None, at : at + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts = 16000, at
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


class _Filler:
    def __init__(self, store: SqliteStore, media: Path) -> None:
        self.store, self.media = store, media
        self.root = store.add_root(media)
        self.ids: dict[str, int] = {}

    def put(self, path: Path, kind: MediaKind, facts: MediaFacts) -> int:
        stages = STAGES if kind == "video" else ("look", "hear" if kind == "audio" else "read")
        row = PathRow(
            path=path,
            root_id=self.root.id,
            size_bytes=path.stat().st_size,
            mtime_ns=path.stat().st_mtime_ns,
            media_id=None,
        )
        digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
        media_id = self.store.put_path(row, content_hash=digest, kind=kind, stages=stages)
        self.store.put_facts(media_id, facts, file_time=1_700_000_000.0)
        self.ids[path.name] = media_id
        return media_id

    def video(self, path: Path, codec: str, description: Description, spoken: bool) -> None:
        drawn = [draw(lines, SIZE) for lines in SLIDES]
        if not path.exists():
            write_video(path, [picture for picture, _ in drawn], codec, SLIDE_S)
        facts = MediaFacts(
            kind="video",
            width=SIZE[0],
            height=SIZE[1],
            duration_s=SLIDE_S * len(SLIDES),
            container=path.suffix[1:],
            video_codec=codec,
            description=description,
        )
        media_id = self.put(path, "video", facts)
        views, seen = [], []
        for index, (picture, moments) in enumerate(drawn):
            start_s, end_s = index * SLIDE_S, (index + 1) * SLIDE_S
            views.append(
                View(
                    index=index,
                    width=SIZE[0],
                    height=SIZE[1],
                    start_s=start_s,
                    end_s=end_s,
                    best_s=start_s + 1,
                    kind="slide",
                    thumbnail=thumbnail(np.asarray(picture)),
                )
            )
            for moment in moments:
                seen.append(
                    Moment(
                        kind="screen",
                        text=moment.text,
                        polygons=moment.polygons,
                        confidence=moment.confidence,
                        view=index,
                        start_s=start_s,
                        end_s=end_s,
                    )
                )
        said = [Moment(kind="speech", text=t, start_s=a, end_s=b) for a, b, t in SPOKEN]
        # As the library keeps names: with the folders, so that they can be searched.
        name = Moment(kind="name", text=f"{HIDDEN_FOLDERS[1]}/{path.name}")
        person = [Moment(kind="person", text=description.title, field="title")]
        self.store.put_result(
            media_id,
            "look",
            LOOK,
            moments=[name, *(said if spoken else []), *(person if description.title else [])],
            views=views,
        )
        self.store.put_result(media_id, "read", READ, moments=seen, views=views)
        if spoken:
            self.store.put_result(
                media_id, "hear", LOOK, moments=[], reason="transcript from subtitles"
            )
        else:
            self.store.put_failure(
                media_id, "hear", HEAR, "skipped", f"not heard: no speech engine for {path}"
            )

    def photo(self, path: Path, lines: tuple[str, ...]) -> None:
        picture, moments = draw(lines, (900, 600))
        if not path.exists():
            picture.save(path)
        facts = MediaFacts(kind="photo", width=900, height=600, container="png")
        media_id = self.put(path, "photo", facts)
        views = [View(index=0, width=900, height=600, thumbnail=thumbnail(np.asarray(picture)))]
        self.store.put_result(
            media_id, "look", LOOK, moments=[Moment(kind="name", text=path.name)], views=views
        )
        self.store.put_result(media_id, "read", READ, moments=moments)

    def document(self, path: Path, pages: int) -> None:
        drawn = [draw((f"Chapter {n + 1}", "On the gradient"), (620, 877)) for n in range(pages)]
        first, *others = [picture for picture, _ in drawn]
        # 620 pixels at 75 dots an inch are the 595 points of A4.
        if not path.exists():
            first.save(path, save_all=True, append_images=others, resolution=75)
        facts = MediaFacts(kind="document", width=595, height=842, pages=pages, container="pdf")
        media_id = self.put(path, "document", facts)
        views, moments = [], []
        for index, (picture, lines) in enumerate(drawn):
            views.append(
                View(
                    index=index,
                    width=595,
                    height=842,
                    page=index + 1,
                    kind="page",
                    thumbnail=thumbnail(np.asarray(picture)),
                )
            )
            for line in lines:
                polygons = tuple(
                    tuple((x * 0.96, y * 0.96) for x, y in polygon) for polygon in line.polygons
                )
                moments.append(
                    Moment(
                        kind="screen", text=line.text, polygons=polygons, view=index, page=index + 1
                    )
                )
        self.store.put_result(media_id, "look", LOOK, moments=moments, views=views)

    def audio(self, path: Path) -> None:
        if not path.exists():
            write_sound(path)
        facts = MediaFacts(kind="audio", duration_s=6.0, container="mp4", audio_codec="aac")
        media_id = self.put(path, "audio", facts)
        said = [Moment(kind="speech", text="A gradient you can hear.", start_s=2.0, end_s=4.0)]
        self.store.put_result(media_id, "look", LOOK, moments=said)


def fill(folder: Path, media: Path) -> Filled:
    """Make the media and a library of them."""
    place = media.joinpath(*HIDDEN_FOLDERS)
    place.mkdir(parents=True, exist_ok=True)
    store = SqliteStore.open(folder, create=True)
    with store.writer():
        filler = _Filler(store, media)
        said = Description(
            title="Optimisation & <b>more</b>",
            creators=("Ada Example",),
            series="Numerical methods",
            language="en",
            description="How to walk downhill.",
        )
        filler.video(place / "lecture.mp4", "libx264", said, spoken=True)
        filler.video(place / "repack.mkv", "libx264", Description(), spoken=False)
        filler.video(place / "old.avi", "mpeg4", Description(), spoken=False)
        filler.photo(place / "sign.png", ("Gradient parking", "Cul-de-sac"))
        filler.document(place / "notes.pdf", 5)
        filler.audio(place / "radio.m4a")
        lost = place / "lost.png"
        filler.photo(lost, ("Gradient of the lost",))
        lost.unlink()
        broken = place / "broken.mp4"
        broken.write_text("no video")
        filler.store.fail_path(
            PathRow(
                path=broken,
                root_id=filler.root.id,
                size_bytes=8,
                mtime_ns=0,
                media_id=None,
                state="failed",
                reason=f"cannot open {broken}: it is a text file",
            )
        )
    ids = {name: store.media(number).public_id for name, number in filler.ids.items()}
    store.close()
    return Filled(folder, media, ids)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The library of all tests that do not change it."""
    base = tmp_path_factory.mktemp("web")
    return fill(base / "library", base / "media")


def open_client(folder: Path, settings: WebSettings) -> TestClient:
    """Make a client of a server of its own."""
    app = create_app(folder, settings)
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)


@pytest.fixture(scope="session")
def client(filled: Filled) -> Iterator[TestClient]:
    """A client of the usual server."""
    with open_client(filled.folder, WebSettings()) as made:
        yield made


@pytest.fixture(scope="session")
def public(filled: Filled) -> Iterator[TestClient]:
    """A client of a read-only server behind a proxy."""
    settings = WebSettings(read_only=True, allowed_hosts=("media.example.org",), base_path="/find/")
    with open_client(filled.folder, settings) as made:
        yield made


@pytest.fixture
def own(tmp_path: Path, filled: Filled) -> Iterator[tuple[TestClient, Filled]]:
    """A library that the test may change."""
    shutil.copytree(filled.media, tmp_path / "media")  # encoding them again would take seconds
    made = fill(tmp_path / "library", tmp_path / "media")
    with open_client(made.folder, WebSettings()) as client:
        yield client, made


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[TestClient]:
    """A client of an empty library."""
    Library.open(tmp_path / "library").close()
    with open_client(tmp_path / "library", WebSettings()) as made:
        yield made
