"""Pictures → places of words.

A picture is brought to a working size (sides multiples of 32, the longer one bounded), the network
gives a probability map, and each connected core of it becomes a rotated rectangle, or an outline
that follows a curve, grown back to the whole word. A picture is looked at several times: as a
whole; much reduced, for large text, which costs little; and, if it is large, in overlapping tiles
at a finer scale, for small text. Memory is bounded by the tile, not by the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError, WeightsError
from onlooker.hub import choose, resolve
from onlooker.records import DetectedText, Polygon
from onlooker.runtime.session import Network
from onlooker.text.detection.curves import bent, outline_around
from onlooker.text.detection.geometry import growth
from onlooker.text.detection.weights import WEIGHTS

Picture = npt.NDArray[np.uint8]
Map = npt.NDArray[np.float32]

STRIDE = 32
"""Sides of what the network sees are multiples of this."""

_WORTHWHILE = 1.3
"""A further look is taken if it differs in scale by more than this."""

_EASY_PX = (12.0, 64.0)
"""Heights at which the network sees words best: most of the words that it learnt from."""

_SAME = 0.4
"""Share of a word's area in another above which both are not words."""

_MANY, _SMALLER, _FILLED = 4, 0.6, 0.3
"""So many words, lower by that factor, that fill this share of a place show that it is a block of
them. The letters of a large word, seen one by one, are as high as the word."""

_SPREAD_PX = 0.3
"""By how much a core comes out too thick at the default threshold: measured on generated scenes
that were kept from training."""

_THINNEST = 0.7
"""Cells: a core one cell thick has a contour without thickness."""


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """How pictures are looked at and what counts as a word.

    Attributes:
        max_side: Longer side, in pixels, at which a picture is looked at as a whole.
        coarse_sides: Longer sides at which a picture is looked at again, for large text.
        fine_side: Longer side at which a larger picture is looked at in tiles.
        tile: Longest side of a tile.
        overlap: Pixels that neighbouring tiles share; small text is shorter.
        threshold: Value of the map from which a cell belongs to a core. DB uses 0.3; but the loss
            counts only the hardest of the cells without text, so that the map is too high around
            words. 0.62 is better than 0.7 on generated scenes kept from training (hmean 0.733
            and 0.723).
        min_score: Least mean value over a core. 0.85 is best on these scenes, and 0.80 to 0.89 are
            within 0.004.
        min_side: Least shorter side of a word, in pixels of what the network sees; under 5 px it
            was never asked for words.
        level_deg: A rectangle turned by less is taken as upright if that costs little.

    Raises:
        ConfigError: A value is out of its range.
    """

    max_side: int = 1280
    coarse_sides: tuple[int, ...] = (640, 320)
    fine_side: int = 2560
    tile: int = 1280
    overlap: int = 160
    threshold: float = 0.62
    min_score: float = 0.85
    min_side: float = 4.0
    level_deg: float = 4.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for side in (self.max_side, self.fine_side, self.tile, *self.coarse_sides):
            if side < STRIDE:
                raise ConfigError(f"sides of DetectorConfig must be {STRIDE} or more: {side}")
        if not 0 <= self.overlap < self.tile:
            raise ConfigError(f"DetectorConfig.overlap must be in [0, tile): {self.overlap}")
        if not (0 < self.threshold < 1 and 0 <= self.min_score <= 1):
            raise ConfigError("DetectorConfig.threshold and min_score must be probabilities")


FOR_READING = DetectorConfig(threshold=0.5, min_score=0.65)
"""For places that are read afterwards, which shows better than the map whether they are words. On
half of the development scenes lower values than these found no more words."""


@dataclass(frozen=True, slots=True)
class _Word:
    """An outline in pixels of the picture: a rectangle, or one of a curved word."""

    corners: npt.NDArray[np.float64]  # (2 k, 2): half along the top, half back along the bottom
    score: float
    merit: float  # score, less where the word was too small or too large for the look


class TextDetector:
    """Finds words; see `load`.

    Example:
        >>> detector = TextDetector.load()  # doctest: +SKIP
        >>> [text.polygon for text in detector([picture])[0]]  # doctest: +SKIP
    """

    def __init__(
        self, path: Path, *, threads: int | None = None, config: DetectorConfig | None = None
    ) -> None:
        self.config = config or DetectorConfig()
        self._network = Network(path, threads)
        if self._network.input_shape[1:2] != [3] or len(self._network.output_shapes) != 1:
            raise WeightsError(f"{path} is not a text detector: expected one (N, 3, H, W) input")

    @classmethod
    def load(
        cls,
        name: str = "db.synth3-int8",
        *,
        threads: int | None = None,
        config: DetectorConfig | None = None,
    ) -> TextDetector:
        """Load weights by name.

        Args:
            name: A key of ``WEIGHTS``.
            threads: Threads inside one call; None: as many as Onlooker may use.
            config: How pictures are looked at.

        Raises:
            WeightsError: Unknown name, or the file is missing or damaged.
        """
        return cls(resolve(choose(WEIGHTS, name)), threads=threads, config=config)

    def __call__(self, pictures: Sequence[Picture]) -> list[list[DetectedText]]:
        """Find the words of pictures, one picture after another.

        Args:
            pictures: Each ``(H, W, 3)`` uint8 RGB.

        Returns:
            For each picture its words from top to bottom. Polygons have four corners, clockwise
            from the top left of the text as it is read, in pixels of the picture, clipped to it;
            those of words on a curve have 14 points or more, half along the top, half back along
            the bottom.
        """
        return [self._find(picture) for picture in pictures]

    def probability(self, picture: Picture) -> Map:
        """Run the network on a picture as it is, its sides padded to multiples of 32.

        Returns:
            ``(ceil(H / 2), ceil(W / 2))`` float32 in [0, 1].
        """
        height, width = picture.shape[:2]
        padded = cv2.copyMakeBorder(
            picture, 0, -height % STRIDE, 0, -width % STRIDE, cv2.BORDER_REPLICATE
        )
        pixels = np.empty((1, 3, *padded.shape[:2]), np.float32)
        pixels[0] = padded.transpose(2, 0, 1)  # nine times as fast as OpenCV's blobFromImage
        (maps,) = self._network(pixels)
        return np.asarray(maps[0, 0, : (height + 1) // 2, : (width + 1) // 2], np.float32)

    def _find(self, picture: Picture) -> list[DetectedText]:
        height, width = picture.shape[:2]
        if not height or not width:
            return []
        longest = max(height, width)
        config = self.config
        whole = min(1.0, config.max_side / longest)
        looks = [self._look(picture, whole)]
        fine = min(1.0, config.fine_side / longest)
        if fine > _WORTHWHILE * whole:  # else the tiles would show hardly more than the whole
            looks.insert(0, self._tiles(picture, fine))
        for side in config.coarse_sides:
            if longest * whole > _WORTHWHILE * side:
                looks.append(self._look(picture, side / longest))
        words: list[_Word] = []
        for look in looks:  # from fine to coarse
            words += _without_blocks(list(look), words)
        words = _best(words)
        words.sort(key=lambda word: (float(word.corners[:, 1].min()), float(word.corners[0, 0])))
        return [_record(word, height, width) for word in words]

    def _look(self, picture: Picture, scale: float) -> Iterator[_Word]:
        """Find words in a picture brought to ``scale``."""
        height, width = picture.shape[:2]
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        seen = picture
        if size != (width, height):
            shrunk = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            seen = np.asarray(shrunk, np.uint8)
        factors = np.array([width / size[0], height / size[1]])
        for corners, score, short in cores(self.probability(seen), self.config):
            trust = min(1.0, short / _EASY_PX[0], _EASY_PX[1] / short)
            yield _Word(corners * factors, score, score * trust)

    def _tiles(self, picture: Picture, scale: float) -> Iterator[_Word]:
        """Find words in overlapping tiles; one cut by a tile's inner edge is left to the next."""
        height, width = picture.shape[:2]
        side = self.config.tile / scale
        step = (self.config.tile - self.config.overlap) / scale
        guard = 3 / scale
        found: list[_Word] = []
        for top, bottom in _spans(height, side, step):
            for left, right in _spans(width, side, step):
                for word in self._look(picture[top:bottom, left:right], scale):
                    corners = word.corners + np.array([left, top])
                    low, high = corners.min(axis=0), corners.max(axis=0)
                    cut = (
                        (left > 0 and low[0] < left + guard)
                        or (top > 0 and low[1] < top + guard)
                        or (right < width and high[0] > right - guard)
                        or (bottom < height and high[1] > bottom - guard)
                    )
                    if not cut:
                        found.append(_Word(corners, word.score, word.merit))
        yield from found


def cores(
    probability: Map, config: DetectorConfig
) -> Iterator[tuple[npt.NDArray[np.float64], float, float]]:
    """Turn a probability map into outlines of whole words.

    Args:
        probability: ``(H / 2, W / 2)`` map.
        config: Thresholds.

    Yields:
        Corners ``(4, 2)`` clockwise from the top left in pixels of what the network saw (of a word
        on a curve, an outline ``(2 k, 2)``), the mean probability of the core, and the word's
        shorter side.
    """
    binary = (probability > config.threshold).view(np.uint8)
    count, labels = cv2.connectedComponents(binary, connectivity=8, ltype=cv2.CV_32S)
    if count < 2:
        return
    cells = np.flatnonzero(binary)
    numbers = labels.ravel()[cells]
    sums = np.bincount(numbers, weights=probability.ravel()[cells], minlength=count)
    scores = sums / np.maximum(np.bincount(numbers, minlength=count), 1)
    contours, hierarchy = cv2.findContours(binary, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    for contour, (_, _, _, parent) in zip(contours, hierarchy[0], strict=True):
        if parent >= 0:  # a hole
            continue
        x, y = contour[0, 0]
        score = float(scores[labels[y, x]])
        if score < config.min_score:
            continue
        band = bent(contour)
        curve = outline_around(band, _SPREAD_PX, _THINNEST) if band else None
        if curve is not None:
            if curve[1] >= config.min_side:
                yield curve[0], min(1.0, score), curve[1]
            continue
        center, (width, height), angle = _rectangle(contour, config.level_deg)
        # A contour runs through the middles of the outer cells, half a cell inside their edge; and
        # the cores that were learnt take in every cell their outline touches, half a cell outside
        # the true edge. Both cancel.
        width = 2 * max(width, _THINNEST) - _SPREAD_PX
        height = 2 * max(height, _THINNEST) - _SPREAD_PX
        more = 2 * growth(width, height)
        width, height = width + more, height + more
        if min(width, height) < config.min_side:
            continue
        middle = (2 * np.asarray(center) + 1).tolist()  # cell (i, j) spans pixels 2i to 2i + 2
        corners = cv2.boxPoints((middle, (width, height), angle)).astype(np.float64)
        yield _ordered(corners), min(1.0, score), min(width, height)


def _rectangle(
    contour: npt.NDArray[np.int32], level_deg: float
) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Bound a contour by a rectangle of least area, or by an upright one where that is near."""
    center, (width, height), angle = cv2.minAreaRect(contour)
    lean = (angle + 45) % 90 - 45
    if abs(lean) <= level_deg:
        x, y, w, h = cv2.boundingRect(contour)
        # Of a few cells every small turn is chance; of a long word it is not.
        if w * h <= 1.25 * (width + 1) * (height + 1):
            return (x + (w - 1) / 2, y + (h - 1) / 2), (w - 1, h - 1), 0.0
    return center, (width, height), angle


def _ordered(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Begin at the top left of the text as it is probably read; clockwise on the screen.

    Reading runs along the longer side unless that is nearly upright, else along the side that is
    nearest to level.
    """
    sides = np.roll(corners, -1, axis=0) - corners  # cv2 gives them clockwise (y down)
    lengths = np.hypot(sides[:, 0], sides[:, 1])
    along = sides[:, 0] / np.maximum(lengths, 1e-9)  # cosine of each side with "to the right"
    first = int(np.argmax(along))
    following = (first + 1) % 4
    if lengths[following] > 1.5 * lengths[first]:
        # A steep word: its long sides, read to the right, if they lean by less than 65 degrees.
        steep = max(following, (first + 3) % 4, key=lambda i: along[i])
        if along[steep] > 0.42:
            first = steep
    return np.roll(corners, -first, axis=0)


def _spans(length: int, side: float, step: float) -> list[tuple[int, int]]:
    """Cover ``length`` by spans of about ``side`` that overlap evenly."""
    if length <= side:
        return [(0, length)]
    count = 1 + int(np.ceil((length - side) / step))
    starts = np.linspace(0, length - side, count)
    return [(int(start), min(length, int(np.ceil(start + side)))) for start in starts]


def _without_blocks(words: list[_Word], finer: list[_Word]) -> list[_Word]:
    """Leave out what are blocks of small words, seen as one large word at a coarse scale."""
    if not words or not finer:
        return words
    middles = np.stack([word.corners.mean(axis=0) for word in finer])
    heights = np.array([_height(word) for word in finer])
    areas = np.array([_area(word) for word in finer])
    kept = []
    for word in words:
        low, high = word.corners.min(axis=0), word.corners.max(axis=0)
        near = (middles > low).all(axis=1) & (middles < high).all(axis=1)
        near &= heights < _SMALLER * _height(word)
        # The box around a slanting word, or one on a ring, holds what does not lie on the word.
        outline = word.corners.astype(np.float32)
        inside = [
            i
            for i in np.flatnonzero(near)
            if cv2.pointPolygonTest(outline, middles[i].tolist(), False) > 0
        ]
        if len(inside) < _MANY or float(areas[inside].sum()) < _FILLED * _area(word):
            kept.append(word)
    return kept


def _height(word: _Word) -> float:
    """Return the shorter side, of a word on a curve its thickness."""
    length = max(_length(word), 1e-6)
    return min(_area(word) / length, length)


def _length(word: _Word) -> float:
    half = len(word.corners) // 2
    top = np.diff(word.corners[:half], axis=0)
    return float(np.hypot(top[:, 0], top[:, 1]).sum())


def _best(words: list[_Word]) -> list[_Word]:
    """Of words that lie on each other, keep those of most merit.

    Two looks see one word twice, with slightly other edges; and a look at the wrong scale sees
    parts of a large word, or a line of small words as one.
    """
    if not words:
        return []
    words = sorted(words, key=lambda word: (-word.merit, -_area(word)))
    low = np.stack([word.corners.min(axis=0) for word in words])
    high = np.stack([word.corners.max(axis=0) for word in words])
    kept = np.zeros(len(words), np.bool_)
    for i, word in enumerate(words):
        near = kept & (low < high[i]).all(axis=1) & (high > low[i]).all(axis=1)
        kept[i] = not any(_same(word, words[k]) for k in np.flatnonzero(near))
    return [words[i] for i in np.flatnonzero(kept)]


def _area(word: _Word) -> float:
    return float(cv2.contourArea(word.corners.astype(np.float32)))


def _same(word: _Word, other: _Word) -> bool:
    """Say whether one covers much of the other."""
    shared = sum(
        float(cv2.intersectConvexConvex(part, piece)[0])
        for part in _pieces(word)
        for piece in _pieces(other)
    )
    return shared > _SAME * max(min(_area(word), _area(other)), 1e-6)


def _pieces(word: _Word) -> list[npt.NDArray[np.float32]]:
    """Part an outline into quadrilaterals, which are convex even where the whole is not."""
    points = word.corners.astype(np.float32)
    half = len(points) // 2
    top, bottom = points[:half], points[: half - 1 : -1]
    return [np.stack([top[i], top[i + 1], bottom[i + 1], bottom[i]]) for i in range(half - 1)]


def _record(word: _Word, height: int, width: int) -> DetectedText:
    corners = np.clip(word.corners, 0, (width, height))
    polygon: Polygon = tuple((float(x), float(y)) for x, y in corners)
    return DetectedText(polygon=polygon, confidence=word.score)
