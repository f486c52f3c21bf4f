"""Things that look like text and are none: fences, bricks, windows, leaves, icons, barcodes.

A detector that learns from rendered text alone fires on every regular texture. Each function draws
one kind of clutter on a picture in place; nothing of it is labelled. The kinds of the second half
(railings, meshes, lamps, specks, slots, hedges, shelves, pictograms) are those on which a first
detector fired in street scenes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ImageFont

from onlooker.errors import ConfigError, MissingExtraError
from onlooker.text.synthesis.backgrounds import random_color

Picture = npt.NDArray[np.uint8]

_SHIFT = 3  # fixed-point bits of cv2's drawing: an eighth of a pixel


def _color(rng: np.random.Generator) -> tuple[float, float, float]:
    red, green, blue = random_color(rng).tolist()
    return red, green, blue


def _near(rng: np.random.Generator, picture: Picture, y: int, x: int) -> tuple[float, ...]:
    """Shade the colour at a point: relief of the same material rather than paint."""
    here = picture[y, x].astype(np.float32) + rng.normal(0, 45) + rng.normal(0, 8, 3)
    return tuple(np.clip(here, 0, 255).tolist())


def _area(rng: np.random.Generator, picture: Picture, least: float = 0.15) -> Picture:
    """Choose a part of the picture (a view, drawn on in place)."""
    height, width = picture.shape[:2]
    h = max(8, int(height * rng.uniform(least, 0.9)))
    w = max(8, int(width * rng.uniform(least, 0.9)))
    y, x = int(rng.random() * (height - h + 1)), int(rng.random() * (width - w + 1))
    return picture[y : y + h, x : x + w]


def bars(rng: np.random.Generator, picture: Picture) -> None:
    """Draw a fence, blinds, a keyboard of strokes: parallel bars, evenly or unevenly spaced."""
    part = np.ascontiguousarray(area := _area(rng, picture))
    height, width = part.shape[:2]
    color = _color(rng) if rng.random() < 0.5 else _near(rng, part, height // 2, width // 2)
    step = rng.uniform(5, 40)
    thick = max(1, int(step * rng.uniform(0.15, 0.6)))
    lean = rng.normal(0, 0.2) if rng.random() < 0.5 else 0.0
    uneven = rng.random() * 0.3
    upright = rng.random() < 0.7
    at = rng.random() * step
    while at < (width if upright else height):
        if upright:
            cv2.line(part, (int(at), 0), (int(at + lean * height), height), color, thick)
        else:
            cv2.line(part, (0, int(at)), (width, int(at + lean * width)), color, thick)
        at += step * (1 + uneven * rng.standard_normal() if uneven else 1) + 1
    area[:] = part


def bricks(rng: np.random.Generator, picture: Picture) -> None:
    """Draw masonry: rows of blocks, each row shifted, with joints."""
    part = np.ascontiguousarray(area := _area(rng, picture, 0.3))
    height, width = part.shape[:2]
    h = rng.uniform(6, 40)
    w = h * rng.uniform(1, 3.5)
    base, joint = random_color(rng), random_color(rng)
    gap = max(1, int(h * rng.uniform(0.08, 0.25)))
    part[:] = joint.astype(np.uint8)
    for row in range(int(height / h) + 1):
        shift = w / 2 * (row % 2)
        for column in range(-1, int(width / w) + 1):
            shade = np.clip(base + 14 * rng.standard_normal(), 0, 255).tolist()
            x, y = column * w + shift, row * h
            first = (int(x) + gap, int(y) + gap)
            cv2.rectangle(part, first, (int(x + w) - 1, int(y + h) - 1), shade, -1)
    area[:] = part


def windows(rng: np.random.Generator, picture: Picture) -> None:
    """Draw a facade, a keypad or a circuit: a grid of rectangles, framed and crossed at times."""
    part = np.ascontiguousarray(area := _area(rng, picture, 0.3))
    height, width = part.shape[:2]
    h, w = rng.uniform(8, 70, 2)
    gap_y, gap_x = h * rng.uniform(0.2, 1), w * rng.uniform(0.2, 1)
    fill, frame = _color(rng), _color(rng)
    crossed, hollow = rng.random() < 0.5, rng.random() < 0.3
    y = rng.random() * gap_y
    while y + h < height:
        x = rng.random() * 3
        while x + w < width:
            if rng.random() < 0.95:
                a, b = (int(x), int(y)), (int(x + w), int(y + h))
                if not hollow:
                    cv2.rectangle(part, a, b, fill, -1)
                cv2.rectangle(part, a, b, frame, max(1, int(min(h, w) * 0.08)))
                if crossed:
                    middle = int(x + w / 2)
                    cv2.line(part, (middle, a[1]), (middle, b[1]), frame, 1)
            x += w + gap_x
        y += h + gap_y
    area[:] = part


def leaves(rng: np.random.Generator, picture: Picture) -> None:
    """Scatter ellipses of nearly one colour: foliage, gravel, crowds."""
    part = np.ascontiguousarray(area := _area(rng, picture))
    height, width = part.shape[:2]
    base = random_color(rng)
    size = rng.uniform(2, 16)
    for _ in range(int(min(400, height * width / (size * size) * rng.uniform(0.1, 0.6)))):
        color = np.clip(base + 35 * rng.standard_normal(), 0, 255).tolist()
        center = (int(rng.random() * width), int(rng.random() * height))
        axes = (max(1, int(size * rng.uniform(0.3, 1))), max(1, int(size * rng.uniform(0.2, 0.6))))
        cv2.ellipse(part, center, axes, rng.uniform(0, 180), 0, 360, color, -1, cv2.LINE_AA)
    area[:] = part


def scribble(rng: np.random.Generator, picture: Picture) -> None:
    """Draw branches, cracks, cables: long random walks."""
    height, width = picture.shape[:2]
    color = _color(rng)
    for _ in range(int(rng.integers(1, 7))):
        turns = np.cumsum(rng.normal(0, rng.uniform(0.1, 0.7), int(rng.integers(5, 40))))
        angles = turns + rng.uniform(0, 2 * np.pi)
        steps = rng.uniform(3, 22) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        path = np.cumsum(steps, axis=0) + rng.random(2) * (width, height)
        points = np.rint(path * (1 << _SHIFT)).astype(np.int32)
        thick = int(rng.integers(1, 6))
        cv2.polylines(picture, [points], False, color, thick, cv2.LINE_AA, _SHIFT)


def icons(rng: np.random.Generator, picture: Picture) -> None:
    """Draw a few pictograms: discs, rings, arrows, stars, triangles, crosses, ticks, smiles."""
    height, width = picture.shape[:2]
    color = _color(rng)
    alike = rng.random() < 0.4
    kind, size = int(rng.integers(0, 8)), rng.uniform(5, 60)
    row = rng.random() < 0.3
    x, y = rng.random() * width, rng.random() * height
    for _ in range(int(rng.integers(1, 6))):
        if not alike:
            kind, size = int(rng.integers(0, 8)), rng.uniform(5, 60)
        if row:
            x += size * rng.uniform(2.2, 3)
        else:
            x, y = rng.random() * width, rng.random() * height
        center, thick = (int(x), int(y)), max(1, int(size * rng.uniform(0.08, 0.3)))
        if kind == 0:
            cv2.circle(picture, center, int(size), color, -1, cv2.LINE_AA)
        elif kind == 1:
            # A ring is an O: only large or doubled ones are certainly none.
            cv2.circle(picture, center, int(size), color, thick, cv2.LINE_AA)
            cv2.circle(picture, center, int(size * 0.45), color, -1, cv2.LINE_AA)
        elif kind == 2:
            tip = (int(x + size * rng.choice([-2, 2])), int(y + size * rng.normal(0, 0.6)))
            cv2.arrowedLine(picture, center, tip, color, thick, cv2.LINE_AA, tipLength=0.4)
        elif kind in (3, 4):
            arms = int(rng.integers(3, 8))
            turn = np.arange(2 * arms) * np.pi / arms + rng.uniform(0, 0.3)
            radius = np.where(np.arange(2 * arms) % 2, size * rng.uniform(0.4, 0.9), size)
            corners = np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1)
            cv2.fillPoly(picture, [corners.astype(np.int32)], color, cv2.LINE_AA)
        elif kind == 5:
            cv2.rectangle(picture, center, (int(x + 2 * size), int(y + size)), color, thick)
            cv2.line(picture, center, (int(x + 2 * size), int(y + size)), color, thick)
        elif kind == 6:
            points = np.array(
                [[x - size, y], [x - size * 0.3, y + size * 0.6], [x + size, y - size]]
            )
            cv2.polylines(picture, [points.astype(np.int32)], False, color, thick, cv2.LINE_AA)
        else:
            cv2.circle(picture, center, int(size), color, thick, cv2.LINE_AA)
            for side in (-0.35, 0.35):
                eye = (int(x + side * size), int(y - 0.3 * size))
                cv2.circle(picture, eye, max(1, int(size * 0.12)), color, -1, cv2.LINE_AA)
            mouth = (int(size * 0.5), int(size * 0.4))
            cv2.ellipse(picture, center, mouth, 0, 20, 160, color, max(1, thick // 2), cv2.LINE_AA)


def barcode(rng: np.random.Generator, picture: Picture) -> None:
    """Draw a barcode or a square code on a light label."""
    height, width = picture.shape[:2]
    size = int(rng.uniform(20, 110))
    x, y = int(rng.random() * max(1, width - size)), int(rng.random() * max(1, height - size))
    part = picture[y : y + size, x : x + size]
    light, dark = int(rng.uniform(190, 255)), int(rng.uniform(0, 60))
    if rng.random() < 0.5:
        cells = rng.random((1, max(12, size // 2))) < 0.5
        part = part[: max(8, int(size * rng.uniform(0.25, 0.7)))]
    else:
        cells = rng.random((21, 21)) < 0.5
    code = np.where(cells, dark, light).astype(np.uint8)
    shape = (part.shape[1], part.shape[0])
    part[:] = cv2.resize(code, shape, interpolation=cv2.INTER_NEAREST)[:, :, None]


def panels(rng: np.random.Generator, picture: Picture) -> None:
    """Draw flat rectangles and triangles: furniture, sky between houses, empty signs."""
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        count = int(rng.integers(3, 5))
        center = rng.random(2) * (width, height)
        points = center + rng.normal(0, 1, (count, 2)) * rng.uniform(10, 120)
        hull = cv2.convexHull(points.astype(np.float32)).astype(np.int32)
        cv2.fillPoly(picture, [hull], _color(rng), cv2.LINE_AA)


def railing(rng: np.random.Generator, picture: Picture) -> None:
    """Draw a railing or a row of posts seen at an angle: a band of bars between two rails."""
    height, width = picture.shape[:2]
    tall = float(np.exp(rng.uniform(np.log(8), np.log(70))))
    step = tall * rng.uniform(0.08, 0.7) + 2
    length = min(width * 1.2, step * rng.uniform(6, 60))
    x, y = rng.uniform(-0.2, 0.8) * width, rng.random() * height
    slope, shrink = rng.normal(0, 0.12), np.exp(rng.normal(0, 0.35))
    color = _color(rng) if rng.random() < 0.3 else (float(rng.choice([25, 60, 200, 235])),) * 3
    thick = max(1, int(step * rng.uniform(0.12, 0.5)))
    count = max(3, int(length / step))
    ends = []
    for i in range(count + 1):
        size = tall * (1 + (shrink - 1) * i / count)
        at = x + length * i / count
        top = y + slope * length * i / count
        ends.append(((int(at), int(top)), (int(at), int(top + size))))
        cv2.line(picture, *ends[-1], color, thick, cv2.LINE_AA)
    if rng.random() < 0.8:
        for first, last in zip(ends[0], ends[-1], strict=True):
            cv2.line(picture, first, last, color, max(1, thick), cv2.LINE_AA)


def mesh(rng: np.random.Generator, picture: Picture) -> None:
    """Draw a grille, a trolley or chain link: two sets of crossing lines."""
    height, width = picture.shape[:2]
    w, h = np.exp(rng.uniform(np.log(25), np.log(260), 2))
    x, y = rng.uniform(0, max(width - w, 1)), rng.uniform(0, max(height - h, 1))
    corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
    corners += rng.normal(0, 0.12, (4, 2)) * (w, h)
    color = _color(rng) if rng.random() < 0.3 else (float(rng.choice([30, 90, 190, 240])),) * 3
    step_x, step_y = rng.uniform(4, 24, 2)
    a, b, c, d = corners
    crossed = rng.random() < 0.75
    upright, level = (int(w / step_x), (a, b, d, c)), (int(h / step_y) * crossed, (a, d, b, c))
    for count, (a, b, c, d) in (upright, level):
        for share in np.linspace(0, 1, count + 1) if count else ():
            ends = np.stack([a + (b - a) * share, c + (d - c) * share])
            first, last = (ends * (1 << _SHIFT)).astype(int).tolist()
            cv2.line(picture, first, last, color, 1 + int(rng.random() < 0.1), cv2.LINE_AA, _SHIFT)


def lamps(rng: np.random.Generator, picture: Picture) -> None:
    """Draw rows of bright tubes or spots with their glow, as on ceilings and in reflections."""
    height, width = picture.shape[:2]
    sheet = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        size = float(np.exp(rng.uniform(np.log(2), np.log(22))))
        at = rng.random(2) * (width, height)
        step = rng.normal(0, 1, 2) * size * rng.uniform(2, 7)
        long = size * rng.uniform(0.8, 8) if rng.random() < 0.6 else 0.0
        angle = rng.normal(0, 0.3)
        away = np.array([np.cos(angle), np.sin(angle)]) * long / 2
        fade = rng.uniform(0.75, 1.05)
        for i in range(int(rng.integers(1, 8))):
            first, last = (at - away * fade**i).astype(int), (at + away * fade**i).astype(int)
            thick = max(1, int(size * fade**i * 0.6))
            cv2.line(sheet, first.tolist(), last.tolist(), (1.0,), thick, cv2.LINE_AA)
            at = at + step * fade**i
    glow = cv2.GaussianBlur(sheet, (0, 0), rng.uniform(0.4, 1.2))
    glow += rng.uniform(0, 0.8) * cv2.GaussianBlur(sheet, (0, 0), rng.uniform(3, 9))
    tint = (255 - np.abs(rng.normal(0, 30, 3))).astype(np.float32)
    lit = picture + np.minimum(glow, 1)[:, :, None] * tint
    picture[:] = np.clip(lit, 0, 255).astype(np.uint8)


def specks(rng: np.random.Generator, picture: Picture) -> None:
    """Draw screws, handles, far lights, leaves: few small marks of high contrast."""
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(3, 25))):
        x, y = int(rng.random() * width), int(rng.random() * height)
        size = float(np.exp(rng.uniform(np.log(1.0), np.log(9))))
        color = (float(rng.choice([rng.uniform(0, 50), rng.uniform(200, 255)])),) * 3
        if rng.random() < 0.35:
            color = _color(rng)
        for _ in range(int(rng.integers(1, 4))):
            x, y = x + int(rng.normal(0, 2 * size)), y + int(rng.normal(0, size))
            axes = (max(1, int(size * rng.uniform(0.5, 2.5))), max(1, int(size / 2)))
            if rng.random() < 0.5:
                turn = rng.choice([0.0, 90.0]) + rng.normal(0, 10)
                cv2.ellipse(picture, (x, y), axes, turn, 0, 360, color, -1, cv2.LINE_AA)
            else:
                cv2.rectangle(picture, (x, y), (x + axes[0], y + axes[1]), color, -1)


def slots(rng: np.random.Generator, picture: Picture) -> None:
    """Draw rows of dashes: vents, stickers on glass doors, road markings, hazard stripes."""
    height, width = picture.shape[:2]
    long, thick = rng.uniform(6, 70), max(1.0, float(np.exp(rng.uniform(0, np.log(14)))))
    gap, apart = long * rng.uniform(0.15, 1.2), thick * rng.uniform(1.4, 6)
    angle = rng.normal(0, 0.15) + (np.pi / 2 if rng.random() < 0.3 else 0)
    lean = np.pi / 2 + (rng.normal(0, 0.5) if rng.random() < 0.4 else 0)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([np.cos(angle + lean), np.sin(angle + lean)])
    start = rng.random(2) * (width, height)
    color = _color(rng) if rng.random() < 0.5 else (float(rng.choice([15, 70, 210, 245])),) * 3
    columns, rows = int(rng.integers(1, 9)), int(rng.integers(1, 7))
    ragged = rng.random() < 0.4
    for row in range(rows):
        for column in range(columns):
            size = long * rng.uniform(0.3, 1) if ragged else long
            a = start + along * column * (long + gap) + across * row * apart
            b, c = a + along * size, across * thick * 0.6
            corners = np.stack([a, b, b + c, a + c])
            points = np.rint(corners * (1 << _SHIFT)).astype(np.int32)
            cv2.fillPoly(picture, [points], color, cv2.LINE_AA, _SHIFT)


def hedge(rng: np.random.Generator, picture: Picture) -> None:
    """Fill a band with fine light and dark grain, upright or in all directions: grass, foliage."""
    area = _area(rng, picture, 0.05)
    height, width = area.shape[:2]
    base = random_color(rng)
    if rng.random() < 0.6:
        base = np.array([rng.uniform(20, 110), rng.uniform(60, 150), rng.uniform(10, 70)])
    grain = np.zeros((height, width), np.float32)
    for sigma, share in ((0.7, 22), (rng.uniform(1.2, 2.5), 40), (rng.uniform(3, 8), 60)):
        noise = rng.standard_normal((height, width), dtype=np.float32)
        stretch = float(np.exp(rng.normal(0, 0.5)))
        soft = cv2.GaussianBlur(noise, (0, 0), sigma * stretch, sigmaY=sigma / stretch)
        grain += share * soft / max(float(soft.std()), 1e-6) * np.float32(rng.uniform(0.3, 1))
    if rng.random() < 0.5:  # sky through the leaves
        grain = np.where(grain > rng.uniform(40, 110), grain + 90, grain)
    tint = rng.uniform(0.7, 1.2, 3).astype(np.float32)
    filled = np.clip(base.astype(np.float32) + grain[:, :, None] * tint, 0, 255)
    if rng.random() < 0.5:
        ragged = rng.standard_normal((height, width), dtype=np.float32)
        ragged = cv2.GaussianBlur(ragged, (0, 0), min(height, width) / 8 + 1)
        area[ragged > 0] = filled[ragged > 0].astype(np.uint8)
    else:
        area[:] = filled.astype(np.uint8)


def shelves(rng: np.random.Generator, picture: Picture) -> None:
    """Draw goods on shelves, a parked row, a far house front: boxes side by side, in rows."""
    area = _area(rng, picture, 0.15)
    part = np.ascontiguousarray(area)
    height, width = part.shape[:2]
    tall = float(np.exp(rng.uniform(np.log(5), np.log(60))))
    colors = [_color(rng) for _ in range(int(rng.integers(2, 7)))]
    y = 0.0
    while y < height:
        x = -rng.random() * tall
        while x < width:
            w, h = tall * rng.uniform(0.25, 1.1), tall * rng.uniform(0.5, 0.95)
            color = colors[int(rng.random() * len(colors))]
            low = (int(x), int(y + tall - h))
            cv2.rectangle(part, low, (int(x + w), int(y + tall)), color, -1)
            if rng.random() < 0.4:
                inner = colors[int(rng.random() * len(colors))]
                x0, y0 = int(x + w * 0.2), int(y + tall - h * rng.uniform(0.4, 0.8))
                cv2.rectangle(part, (x0, y0), (int(x + w * 0.8), y0 + int(h * 0.25)), inner, -1)
            x += w + tall * rng.uniform(0, 0.25)
        y += tall * rng.uniform(1.05, 1.6)
    area[:] = part


KINDS: tuple[Callable[[np.random.Generator, Picture], None], ...] = (
    bars,
    bricks,
    windows,
    leaves,
    scribble,
    icons,
    barcode,
    panels,
    railing,
    mesh,
    lamps,
    specks,
    slots,
    hedge,
    shelves,
)


def add_clutter(rng: np.random.Generator, picture: Picture, count: int) -> None:
    """Draw ``count`` pieces of clutter of random kinds on ``picture``, in place."""
    for _ in range(count):
        KINDS[int(rng.random() * len(KINDS))](rng, picture)


#: Glyphs of icon fonts that show letters, digits or the marks of companies, by their names.
_LETTERED = re.compile(
    r"alpha|numeric|format|letter|text|title|currency|help|question|info|parking|html|language|sort|"
    r"roman|font|bold|script|sharp|css|tv|hd|3d|4k|gif|ftp|nfc|usb|sim|sd|ab-|hp|closed-caption|"
    r"facebook|google|twitter|pinterest|linkedin|skype|tumblr|vimeo|vk|yelp|wordpress|whatsapp|"
    r"xbox|xda|yammer|evernote|etsy|ebay|deviantart|basecamp|bing|blogger|beats|behance|code|"
    r"disqus|dolby|dribbble|dropbox|emby|fingerprint|flattr|foursquare|git|houzz|imdb|instapaper|"
    r"itunes|lastfm|linux|mastodon|maxcdn|medium|mixcloud|netflix|npm|odnoklassniki|onenote|pandora|"
    r"paypal|periscope|pocket|polymer|quicktime|raspberry|rdio|reddit|renren|rss|shazam|snapchat|"
    r"soundcloud|spotify|stack|steam|telegram|tinder|trello|twitch|uber|untappd|vine|visual|walk-in|"
    r"wechat|wunderlist|xing|xml|youtube|office|outlook|microsoft|windows|amazon|apple|android|adobe|"
    r"angular|wiki|^close|circle-outline|checkbox-blank|^plus$|^minus$|math|pi$|sigma|infinity|"
    r"tooltip|calendar|newspaper|file|book|receipt|card|license|certificate|keyboard|atm|mdi",
)


class PictogramBank:
    """Pictograms of an icon font: people, vehicles, arrows, tools, as on signs.

    Args:
        path: A TrueType or OpenType icon font with named glyphs in the private area.

    Raises:
        ConfigError: It cannot be read, or has no such glyph.
        MissingExtraError: fontTools is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from fontTools.ttLib import TTFont
        except ImportError:
            raise MissingExtraError("reading an icon font", "train") from None
        try:
            with TTFont(path) as font:
                names = font.getBestCmap()
        except Exception as error:
            raise ConfigError(f"cannot read the icon font {path}: {error}") from error
        self.path = path
        self.codes = [
            code for code, name in names.items() if code >= 0xE000 and not _LETTERED.search(name)
        ]
        if not self.codes:
            raise ConfigError(f"{path} has no pictograms: expected glyphs from U+E000 on")

    def mask(self, rng: np.random.Generator, size_px: int) -> npt.NDArray[np.uint8]:
        """Draw a pictogram, in a ring with a bar across at times → alpha (h, w) uint8."""
        font = ImageFont.truetype(str(self.path), size_px)
        code = self.codes[int(rng.random() * len(self.codes))]
        glyph = font.getmask(chr(code), mode="L")
        width, height = glyph.size
        if not width or not height:
            return np.full((size_px, size_px), 255, np.uint8)
        mask = np.asarray(glyph, np.uint8).reshape(height, width)
        if rng.random() < 0.2:
            pad = size_px // 4
            mask = np.pad(mask, pad)
            middle = (mask.shape[1] // 2, mask.shape[0] // 2)
            radius, thick = max(3, min(middle) - 2), max(1, size_px // 12)
            cv2.circle(mask, middle, radius, (255,), thick, cv2.LINE_AA)
            if rng.random() < 0.7:
                reach = int(radius * 0.7)
                first = (middle[0] - reach, middle[1] - reach)
                last = (middle[0] + reach, middle[1] + reach)
                cv2.line(mask, first, last, (255,), thick, cv2.LINE_AA)
        return mask
