"""Clips of six kinds, drawn by chance: what is shown, where, and when.

========== ================================================================================
slides     A deck: titles, lines that appear one by one (at once, fading, flying in), footers
           that stay, cuts and dissolves.
inset      The same beside a moving picture in a corner.
captions   A film with captions that are cut in, fade, or glide; name plates; a ticker.
credits    Lines that scroll up.
pan        A hand-held camera that rests and sweeps over signs, with motion blur.
cuts       Short shots, hard cuts: title cards, films with a caption, slides.
========== ================================================================================
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.text.synthesis.backgrounds import random_color
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.video.lettering import DrawnLine, Lettering, SlideLook, contrasting
from onlooker.text.synthesis.video.motion import (
    drifting,
    drifting_up,
    fading,
    gliding,
    standing,
    still,
    sweep,
)
from onlooker.text.synthesis.video.stage import (
    Clip,
    Layer,
    Layered,
    Line,
    Pan,
    Shot,
    hang,
    with_inset,
)

Picture = npt.NDArray[np.uint8]
Color = npt.NDArray[np.float32]
PhotoSource = Callable[[np.random.Generator, int, int], Picture]

KINDS = ("slides", "inset", "captions", "credits", "pan", "cuts")

_CLEAR_PX = 6
"""Around a sign."""


class ClipSynthesizer:
    """Draws clips.

    Args:
        fonts: Faces to draw with.
        corpus: Strings to draw.
        photos: Draws a picture without text of a given height and width.
        width: Width of the frames.
        height: Height of the frames.
        rate_hz: Frames a second.
        seconds: Length of a clip on average.

    Raises:
        ConfigError: A size, rate or length is out of range.

    Example:
        >>> clips = ClipSynthesizer(fonts, corpus, photos.draw)       # doctest: +SKIP
        >>> clip = clips.draw(np.random.default_rng(7), "captions")   # doctest: +SKIP
        >>> [(track.text, track.start_s) for track in clip.tracks]    # doctest: +SKIP
        >>> pictures = [frame.picture for frame in clip.frames()]     # doctest: +SKIP
    """

    def __init__(
        self,
        fonts: FontBank,
        corpus: Corpus,
        photos: PhotoSource,
        *,
        width: int = 1280,
        height: int = 720,
        rate_hz: float = 25.0,
        seconds: float = 8.0,
    ) -> None:
        if width < 320 or height < 180 or width % 2 or height % 2:
            raise ConfigError(f"clips are even in size, 320 × 180 at least: {width} × {height}")
        if not 5 <= rate_hz <= 120 or not 1 <= seconds <= 600:
            raise ConfigError(
                f"clips have 5 to 120 frames a second and last 1 to 600 s: {rate_hz}, {seconds}"
            )
        self.letters = Lettering(fonts, corpus, most_px=0.92 * width)
        self.photos = photos
        self.width, self.height = width, height
        self.rate_hz = rate_hz
        self.seconds = seconds

    def draw(self, rng: np.random.Generator, kind: str | None = None) -> Clip:
        """Draw a clip.

        Args:
            rng: Source of chance: the same state gives the same clip.
            kind: One of ``KINDS``; None: any.

        Raises:
            ConfigError: Unknown kind.
        """
        if kind is None:
            kind = KINDS[int(rng.random() * len(KINDS))]
        makers = {
            "slides": self._slides,
            "inset": self._inset,
            "captions": self._captions,
            "credits": self._credits,
            "pan": self._pan,
            "cuts": self._cuts,
        }
        if kind not in makers:
            raise ConfigError(f"unknown kind of clip {kind!r}; there are {', '.join(KINDS)}")
        self.letters.restart()
        length_s = self.seconds * rng.uniform(0.8, 1.2)
        shots, dissolves = makers[kind](rng, length_s)
        films = kind in ("pan", "captions", "cuts")
        return Clip(
            kind=kind,
            width=self.width,
            height=self.height,
            rate_hz=self.rate_hz,
            shots=shots,
            dissolves_s=dissolves,
            noise=rng.uniform(1, 5) if films and rng.random() < 0.5 else 0.0,
            seed=int(rng.integers(2**31)),
        )

    # Kinds -------------------------------------------------------------------------------------

    def _slides(
        self, rng: np.random.Generator, length_s: float, share: float = 1.0
    ) -> tuple[list[Shot], list[float]]:
        """Draw a deck; text keeps to the left ``share`` of the picture."""
        count = max(1, round(length_s / rng.uniform(3.0, 5.0)))
        lengths = rng.uniform(0.7, 1.3, count)
        lengths *= length_s / lengths.sum()
        look = self._look(rng)
        footer = self._footer(rng, look) if rng.random() < 0.6 else None
        shots: list[Shot] = []
        for length in lengths.tolist():
            shots.append(self._slide(rng, length, look, footer, share))
        dissolves = [float(rng.choice([0.0, 0.0, 0.3, 0.5])) for _ in range(count - 1)]
        return shots, dissolves

    def _inset(self, rng: np.random.Generator, length_s: float) -> tuple[list[Shot], list[float]]:
        shots, dissolves = self._slides(rng, length_s, share=0.66)
        w = int(self.width * rng.uniform(0.22, 0.3))
        h = int(w * rng.uniform(0.6, 0.9))
        x = self.width - w - int(self.width * 0.02)
        y = int(self.height * rng.uniform(0.03, 0.5))
        film = self._film(rng, h, w, lively=True)
        start_s = 0.0
        for shot in shots:
            assert isinstance(shot, Layered)
            shot.ground = with_inset(shot.ground, film, start_s, x, y)
            start_s += shot.duration_s
        return shots, dissolves

    def _captions(
        self, rng: np.random.Generator, length_s: float
    ) -> tuple[list[Shot], list[float]]:
        layers: list[Layer] = []
        film = self._film(rng, self.height, self.width, lively=rng.random() < 0.5)
        face = self.letters.face(rng)
        size = self.height * rng.uniform(0.04, 0.07)
        boxed = rng.random() < 0.35
        bottom = self.height * rng.uniform(0.86, 0.95)
        time_s = rng.uniform(0.0, 0.8)
        while time_s < length_s - 0.8:
            end_s = min(time_s + rng.uniform(1.2, 3.0), length_s + 1)
            style = rng.random()
            fade_s = float(rng.choice([0.0, 0.2, 0.4, 0.6]))
            drawn = [
                self.letters.line(rng, int(rng.integers(2, 6)), face, size)
                for _ in range(1 + int(rng.random() < 0.4))
            ]
            layer = self.letters.plate(rng, drawn, boxed)
            h, w = layer.alpha.shape
            x, y = (self.width - w) / 2, bottom - h
            layer.opacity = fading(time_s, end_s, fade_s, fade_s)
            if style < 0.2:
                layer.place = gliding(x, y, x - w / 2, y, time_s, 0.5)
            elif style < 0.4:  # drifts all the time
                speed = rng.uniform(-0.06, 0.06) * self.width
                layer.place = drifting(x, y, speed, time_s)
            else:
                layer.place = standing(x, y)
            layers.append(layer)
            time_s = end_s + rng.uniform(0.0, 0.9) + fade_s
        if rng.random() < 0.5:
            layers.append(self._name_plate(rng, length_s, bottom - 4 * size))
        elif rng.random() < 0.5:
            layers.append(self._ticker(rng, length_s))
        return [Layered(length_s, film, layers)], []

    def _credits(self, rng: np.random.Generator, length_s: float) -> tuple[list[Shot], list[float]]:
        dark = rng.random() < 0.8
        ground = np.full((self.height, self.width, 3), 0, np.uint8)
        ground[:] = (rng.uniform(0, 40, 3) if dark else rng.uniform(215, 255, 3)).astype(np.uint8)
        if rng.random() < 0.25:
            photo = self.photos(rng, self.height, self.width)
            ground = np.asarray(cv2.addWeighted(photo, 0.25, ground, 0.75, 0), np.uint8)
        ink = np.full(3, 240 if dark else 20, np.float32)
        size = self.height * rng.uniform(0.04, 0.065)
        face, other = self.letters.face(rng), self.letters.face(rng)
        step_px = int(rng.integers(1, 5)) * self.height / 720  # of each frame, as films do it
        rows: list[tuple[float, list[DrawnLine]]] = []
        tall = step_px * self.rate_hz * length_s + self.height * 0.4
        y = 0.0
        while y < tall:
            if rng.random() < 0.25:
                heading = self.letters.line(
                    rng, int(rng.integers(1, 3)), other, size * 1.3, upper=True
                )
                rows.append((y, [heading]))
                y += size * 2.2
            for _ in range(int(rng.integers(1, 5))):
                left = self.letters.line(rng, 1, face, size)
                right = self.letters.line(rng, 2, face, size, title=True)
                rows.append((y, [left, right] if rng.random() < 0.6 else [right]))
                y += size * rng.uniform(1.4, 1.8)
            y += size * rng.uniform(0.3, 1.6)
        alpha = np.zeros((int(y) + 4, self.width), np.uint8)
        lines: list[Line] = []
        middle, gap = self.width / 2, self.width * 0.02
        for top, row in rows:
            for i, one in enumerate(row):
                w = one.alpha.shape[1]
                x = middle - w / 2
                if len(row) == 2:
                    x = middle - gap - w if i == 0 else middle + gap
                lines.append(self.letters.stamp(alpha, one, x, top))
        paint = np.broadcast_to(ink.astype(np.uint8), (*alpha.shape, 3))
        start = self.height * rng.uniform(0.3, 0.9)
        pace = step_px * self.rate_hz
        place = drifting_up(0.0, start, pace)
        layer = Layer(paint, alpha, lines, place, still)
        return [Layered(length_s, lambda _t: (0, ground), [layer])], []

    def _pan(self, rng: np.random.Generator, length_s: float) -> tuple[list[Shot], list[float]]:
        zoom = rng.uniform(0.9, 1.15)
        wide, high = (
            int(self.width * rng.uniform(1.8, 2.6)),
            int(self.height * rng.uniform(1.1, 1.6)),
        )
        canvas = self.photos(rng, high, wide)
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), 1.2), np.uint8)
        lines = self._signs(rng, canvas)
        path = sweep(
            rng, length_s, wide, high, self.width / zoom, self.height / zoom, zoom, self.height
        )
        shutter_s = rng.uniform(0.4, 0.9) / self.rate_hz
        shot = Pan(length_s, canvas, lines, path, self.width, self.height, shutter_s)
        return [shot], []

    def _cuts(self, rng: np.random.Generator, length_s: float) -> tuple[list[Shot], list[float]]:
        shots: list[Shot] = []
        left_s = length_s
        while left_s > 0.6:
            shot_s = min(left_s, rng.uniform(1.0, 2.2))
            left_s -= shot_s
            kind = rng.random()
            if kind < 0.35:
                shots.append(self._slide(rng, shot_s, self._look(rng), None, 1.0, builds=False))
            elif kind < 0.7:
                shots.append(self._card(rng, shot_s))
            else:
                film = self._film(rng, self.height, self.width, lively=True)
                size = self.height * rng.uniform(0.045, 0.08)
                layer = self.letters.plate(
                    rng, [self.letters.line(rng, 4, self.letters.face(rng), size)], True
                )
                h, w = layer.alpha.shape
                x, y = (self.width - w) / 2, self.height * 0.92 - h
                layer.place = standing(x, y)
                shots.append(Layered(shot_s, film, [layer]))
        return shots, [0.0] * (len(shots) - 1)

    # Parts -------------------------------------------------------------------------------------

    def _look(self, rng: np.random.Generator) -> SlideLook:
        dark = rng.random() < 0.35
        ground = np.empty((self.height, self.width, 3), np.uint8)
        tint = rng.uniform(0, 60, 3) if dark else rng.uniform(225, 255, 3)
        ground[:] = tint.astype(np.uint8)
        if rng.random() < 0.3:
            ramp = np.linspace(0, rng.uniform(-25, 25), self.height)[:, None, None]
            ground = np.clip(ground + ramp, 0, 255).astype(np.uint8)
        if rng.random() < 0.4:
            bar = int(self.height * rng.uniform(0.01, 0.03))
            ground[:bar] = random_color(rng).astype(np.uint8)
        ink = np.full(3, 235 if dark else 25, np.float32)
        accent = contrasting(rng, float(tint.mean()))
        return SlideLook(
            ground=ground,
            ink=ink,
            accent=accent,
            face=self.letters.face(rng),
            head=self.letters.face(rng),
            size=self.height * rng.uniform(0.036, 0.055),
            bullet=str(rng.choice(["", "", "•", "–"])),
        )

    def _footer(self, rng: np.random.Generator, look: SlideLook) -> Layer:
        size = self.height * rng.uniform(0.026, 0.032)
        drawn = self.letters.line(rng, int(rng.integers(2, 5)), look.face, size)
        layer = self.letters.layer(drawn, look.ink)
        layer.place = standing(self.width * 0.05, self.height * 0.95 - drawn.alpha.shape[0])
        return layer

    def _slide(
        self,
        rng: np.random.Generator,
        length_s: float,
        look: SlideLook,
        footer: Layer | None,
        share: float,
        *,
        builds: bool = True,
    ) -> Layered:
        """Draw a slide whose lines appear one by one, or stand there from the beginning."""
        face, size = look.face, look.size
        left, right = self.width * 0.06, self.width * (0.94 if share == 1 else share)
        layers: list[Layer] = []
        title = self.letters.fitting(
            rng, int(rng.integers(2, 6)), look.head, size * 1.5, right - left
        )
        layer = self.letters.layer(title, look.accent)
        y = self.height * rng.uniform(0.05, 0.1)
        layer.place = standing(left, y)
        layers.append(layer)
        y += title.alpha.shape[0] + size * 0.9
        rows = int(rng.integers(2, 7))
        at_once = 0 if builds and rng.random() < 0.5 else int(rng.integers(0, rows + 1))
        if not builds:
            at_once = rows
        waiting = max(1, rows - at_once)
        effect = rng.random()
        steps = np.sort(rng.uniform(0.3, max(0.4, length_s - 0.9), waiting))
        for row in range(rows):
            drawn = self.letters.fitting(rng, int(rng.integers(1, 7)), face, size, right - left)
            if y + drawn.alpha.shape[0] > self.height * 0.88:
                break
            layer = self.letters.layer(drawn, look.ink)
            x = left + size * 0.3
            if look.bullet and face.covers(look.bullet):
                layer = self.letters.bulleted(layer, rng, look.bullet, face, size, look.accent)
            layer.place = standing(x, y)
            if row >= at_once:
                start_s = round(float(steps[row - at_once]) * self.rate_hz) / self.rate_hz
                if effect < 0.55:
                    layer.opacity = fading(start_s, np.inf, 0.0, 0.0)
                elif effect < 0.85:
                    layer.opacity = fading(start_s, np.inf, rng.uniform(0.2, 0.6), 0.0)
                else:
                    layer.opacity = fading(start_s, np.inf, 0.0, 0.0)
                    layer.place = gliding(x, y, -0.9 * self.width, y, start_s, 0.4)
            layers.append(layer)
            y += drawn.alpha.shape[0] + size * rng.uniform(0.45, 0.9)
        if footer is not None:
            layers.append(footer)
        return Layered(length_s, lambda _t: (0, look.ground), layers)

    def _name_plate(self, rng: np.random.Generator, length_s: float, bottom: float) -> Layer:
        """Slide a name and a title in from the left, and out again."""
        size = self.height * rng.uniform(0.035, 0.05)
        face = self.letters.face(rng)
        drawn = [
            self.letters.line(rng, 2, face, size * 1.2, title=True),
            self.letters.line(rng, 3, face, size),
        ]
        layer = self.letters.plate(rng, drawn, True)
        h, w = layer.alpha.shape
        start_s = rng.uniform(0.3, max(0.4, length_s * 0.3))
        end_s = start_s + rng.uniform(2.0, 3.5)
        x, y = self.width * 0.06, bottom - h
        arrive = gliding(x, y, -w, y, start_s, 0.5)
        leave = gliding(-w, y, x, y, end_s, 0.5)
        layer.place = lambda t: arrive(t) if t < end_s else leave(t)
        layer.opacity = still
        return layer

    def _ticker(self, rng: np.random.Generator, length_s: float) -> Layer:
        """Run short notes from the right to the left along the upper edge."""
        size = self.height * rng.uniform(0.035, 0.045)
        face = self.letters.face(rng)
        pace = rng.uniform(0.08, 0.16) * self.width
        notes: list[DrawnLine] = []
        wide = 0.0
        while wide < pace * length_s + 0.3 * self.width:
            notes.append(self.letters.line(rng, int(rng.integers(2, 5)), face, size))
            wide += notes[-1].alpha.shape[1] + 3 * size
        high = max(note.alpha.shape[0] for note in notes) + int(size)
        mask = np.zeros((high, int(wide) + 2), np.uint8)
        x, lines = 0.0, []
        for note in notes:
            lines.append(self.letters.stamp(mask, note, x, (high - note.alpha.shape[0]) / 2))
            x += note.alpha.shape[1] + 3 * size
        # The band is as wide as the way it goes: it covers the picture at every moment.
        room = self.width
        mask = np.pad(mask, ((0, 0), (room, room)))
        lines = [Line(one.key, one.words, one.polygons + np.array([room, 0])) for one in lines]
        paint = np.empty((*mask.shape, 3), np.uint8)
        back = rng.uniform(0, 60, 3).astype(np.float32)
        share = (mask / np.float32(255))[:, :, None]
        paint[:] = np.rint(back + (np.float32(240) - back) * share).astype(np.uint8)
        alpha = np.full(mask.shape, 255, np.uint8)
        start = -0.4 * self.width
        return Layer(paint, alpha, lines, lambda t: (start - pace * t, self.height * 0.03), still)

    def _card(self, rng: np.random.Generator, length_s: float) -> Layered:
        """Show one to three lines in the middle of a plain ground, as a film's title."""
        ground = np.empty((self.height, self.width, 3), np.uint8)
        tint = random_color(rng)
        ground[:] = tint.astype(np.uint8)
        ink = contrasting(rng, float(tint.mean()))
        face = self.letters.face(rng)
        size = self.height * rng.uniform(0.06, 0.12)
        y = self.height * rng.uniform(0.25, 0.4)
        layers = []
        for _ in range(int(rng.integers(1, 4))):
            drawn = self.letters.fitting(rng, int(rng.integers(1, 5)), face, size, 0.9 * self.width)
            layer = self.letters.layer(drawn, ink)
            layer.place = standing((self.width - drawn.alpha.shape[1]) / 2, y)
            layers.append(layer)
            y += drawn.alpha.shape[0] + size * 0.5
        return Layered(length_s, lambda _t: (0, ground), layers)

    def _film(
        self, rng: np.random.Generator, height: int, width: int, *, lively: bool
    ) -> Callable[[float], tuple[object, Picture]]:
        """Make a moving picture without text: a window that wanders over a photo."""
        reach = rng.uniform(0.04, 0.12) * width if lively else rng.uniform(0.0, 0.03) * width
        margin = int(reach) + 2
        photo = self.photos(rng, height + 2 * margin, width + 2 * margin)
        period_s = rng.uniform(2.0, 6.0)
        phase = rng.uniform(0, 2 * np.pi, 2)

        def film(time_s: float) -> tuple[object, Picture]:
            turn = 2 * np.pi * time_s / period_s
            x = margin + round(reach * float(np.sin(turn + phase[0])))
            y = margin + round(reach * float(np.sin(0.7 * turn + phase[1])))
            return (x, y), photo[y : y + height, x : x + width]

        return film

    def _signs(self, rng: np.random.Generator, canvas: Picture) -> list[Line]:
        """Hang signs of one to three lines, slightly turned and tilted, onto a canvas."""
        high, wide = canvas.shape[:2]
        taken = np.zeros((high, wide), np.bool_)
        lines: list[Line] = []
        for _ in range(int(rng.integers(7, 14))):
            face = self.letters.face(rng)
            size = self.height * float(np.exp(rng.uniform(np.log(0.04), np.log(0.13))))
            drawn = [
                self.letters.fitting(rng, int(rng.integers(1, 4)), face, size, 0.6 * self.width)
                for _ in range(int(rng.integers(1, 4)))
            ]
            layer = self.letters.plate(rng, drawn, True)
            h, w = layer.alpha.shape
            if h >= high or w >= wide:
                continue
            flat = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
            angle = rng.normal(0, 0.05)
            cos, sin = np.cos(angle), np.sin(angle)
            turned = (flat - (w / 2, h / 2)) @ np.array([[cos, sin], [-sin, cos]])
            turned += rng.normal(0, 0.03, (4, 2)) * min(w, 3 * h)
            reach = np.abs(turned).max(axis=0) + _CLEAR_PX
            for _ in range(12):
                if (reach * 2 >= (wide, high)).any():
                    break
                centre = rng.uniform(reach, (wide - reach[0], high - reach[1]))
                x0, y0 = (centre - reach).astype(int)
                x1, y1 = (centre + reach).astype(int)
                if taken[y0:y1, x0:x1].any():
                    continue
                taken[y0:y1, x0:x1] = True
                corners = (turned + centre).astype(np.float32)
                lines += hang(canvas, layer, flat, corners)
                break
        return lines
