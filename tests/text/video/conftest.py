"""Clips that need no network: white lines on black, and a reader that knows them by their width."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import ImageFont

pytest.importorskip("wordfreq")

from onlooker.records import Page, TextLine, TextWord
from onlooker.text.synthesis.fonts import FontBank, FontFace, inspect
from onlooker.text.synthesis.render import RenderedText, render_text
from onlooker.text.synthesis.video.motion import fading, standing
from onlooker.text.synthesis.video.stage import Clip, Layer, Layered, Line

SIZE = (480, 270)
RATE_HZ = 20.0
TEXTS = ("Opening", "Stream ciphers", "A much longer line of text", "End")


def make_clip(layers: Sequence[Layer], length_s: float, *, noise: float = 0.0) -> Clip:
    ground = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    shot = Layered(length_s, lambda _t: (0, ground), list(layers))
    return Clip("slides", *SIZE, RATE_HZ, [shot], [], noise=noise)


@dataclass
class Shown:
    """A drawn frame with the face of a decoded one."""

    time_s: float
    picture: npt.NDArray[np.uint8]
    turns: int = 0

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.shape[1], self.picture.shape[0]

    def pixels(self, max_side: int | None = None) -> npt.NDArray[np.uint8]:
        return self.picture

    def luma(self, max_side: int | None = None) -> npt.NDArray[np.uint8]:
        return np.asarray(cv2.cvtColor(self.picture, cv2.COLOR_RGB2GRAY), np.uint8)


def looks(clip: Clip) -> Iterator[Shown]:
    for frame in clip.frames():
        yield Shown(frame.time_s, frame.picture)


@dataclass
class WidthReader:
    """Finds light lines, and tells by its width which one each is."""

    drawn: dict[str, RenderedText]
    calls: int = 0
    slips: dict[int, tuple[str, str]] = field(default_factory=dict)

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> Page:
        self.calls += 1
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        ink = (grey > 60).astype(np.uint8)
        joined = cv2.dilate(ink, np.ones((9, 25), np.uint8))
        count, labels = cv2.connectedComponents(joined)
        lines = []
        for number in range(1, count):
            ys, xs = np.nonzero((labels == number) & (ink > 0))
            width = np.ptp(xs) + 1
            text = min(self.drawn, key=lambda t: abs(self.drawn[t].mask.shape[1] - width))
            one = self.drawn[text]
            if abs(one.mask.shape[1] - width) > 6:
                continue  # a part of a line
            words = []
            for word, polygon in one.word_polygons():
                places = polygon + np.array([xs.min(), ys.min()])
                said = word
                if self.calls in self.slips and self.slips[self.calls][0] == word:
                    said = self.slips[self.calls][1]
                corners = tuple((float(x), float(y)) for x, y in places)
                words.append(TextWord(said, corners, 0.95))
            lines.append(TextLine(tuple(words)))
        return Page(pixels.shape[1], pixels.shape[0], tuple(lines))


@pytest.fixture(scope="session")
def face(tmp_path_factory: pytest.TempPathFactory) -> FontFace:
    """Return the one font that comes with Pillow."""
    path = tmp_path_factory.mktemp("video-fonts") / "aileron.ttf"
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    path.write_bytes(font.path.getvalue())  # type: ignore[union-attr]
    return FontBank(inspect([path])).faces[0]


@pytest.fixture(scope="session")
def drawn(face: FontFace) -> dict[str, RenderedText]:
    rng = np.random.default_rng(0)
    return {text: render_text(text, face, 26, rng) for text in TEXTS}


@pytest.fixture
def layer(drawn: dict[str, RenderedText]) -> Callable[..., Layer]:
    """Make a layer of one of ``TEXTS``; it stands where it is told, for a while."""

    def make(
        text: str,
        x: float = 40,
        y: float = 60,
        *,
        start_s: float = -9.0,
        end_s: float = 99.0,
        fade_s: float = 0.0,
    ) -> Layer:
        one = drawn[text]
        words = one.word_polygons()
        corners = np.stack([polygon for _, polygon in words]).astype(np.float64)
        line = Line(text, tuple(word for word, _ in words), corners)
        paint = np.full((*one.mask.shape, 3), 255, np.uint8)
        opacity = fading(start_s, end_s, fade_s, fade_s)
        return Layer(paint, one.mask, [line], standing(x, y), opacity)

    return make


@pytest.fixture
def reader(drawn: dict[str, RenderedText]) -> WidthReader:
    return WidthReader(drawn)


@pytest.fixture
def clip_file(tmp_path: Path, layer: Callable[..., Layer]) -> Path:
    """Write a clip with two lines, and its truth beside it."""
    from onlooker.text.synthesis.video.files import truth_of, write_clip
    from onlooker.text.video.datasets import write_tracks

    clip = make_clip([layer("Opening"), layer("Stream ciphers", y=120, start_s=0.8)], 2.0)
    (tmp_path / "clips").mkdir()
    path = tmp_path / "clips" / "00000.mp4"
    write_clip(path, clip, crf=18)
    write_tracks(tmp_path, [truth_of(clip, path)], {"seed": 1})
    return path


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """Return what tests make clips with."""
    return SimpleNamespace(Shown=Shown, looks=looks, make_clip=make_clip)
