"""Things that look like text and are none: fences, bricks, windows, leaves, icons, barcodes.

A detector that learns from rendered text alone fires on every regular texture. Each function draws
one kind of clutter on a picture in place; nothing of it is labelled.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

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


KINDS: tuple[Callable[[np.random.Generator, Picture], None], ...] = (
    bars,
    bricks,
    windows,
    leaves,
    scribble,
    icons,
    barcode,
    panels,
)


def add_clutter(rng: np.random.Generator, picture: Picture, count: int) -> None:
    """Draw ``count`` pieces of clutter of random kinds on ``picture``, in place."""
    for _ in range(count):
        KINDS[int(rng.random() * len(KINDS))](rng, picture)
