"""Text found in a picture: words, lines, pages."""

from __future__ import annotations

from dataclasses import dataclass

from onlooker.records.geometry import Box, Point, Polygon, bounding_box


@dataclass(frozen=True, slots=True)
class DetectedText:
    """A place in a picture where a word stands.

    Attributes:
        polygon: Four or more corners, clockwise from the top left, in pixels of the picture.
        confidence: Probability in [0, 1].
    """

    polygon: Polygon
    confidence: float


@dataclass(frozen=True, slots=True)
class RecognizedText:
    """What a crop says.

    Attributes:
        text: The characters read; empty where nothing legible was found.
        confidence: How sure the network is of each character, on average, in [0, 1]; too sure,
            as networks are: it ranks readings, and is no probability.
        char_spans: For each character, its left and right end as fractions of the crop's width.
        char_confidences: For each character, how sure the network is of it, in [0, 1].
        probability: That the text is right in all its characters, calibrated on rendered crops;
            None: not known.
    """

    text: str
    confidence: float
    char_spans: tuple[tuple[float, float], ...] = ()
    char_confidences: tuple[float, ...] = ()
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class TextWord:
    """A word that was found and read.

    Attributes:
        text: What it says.
        polygon: Corners clockwise from the top left of the text, in pixels of the picture.
        confidence: Probability in [0, 1] that the text is right.
        char_spans: For each character, its left and right end as fractions of the way along the
            polygon; empty: not known.
    """

    text: str
    polygon: Polygon
    confidence: float
    char_spans: tuple[tuple[float, float], ...] = ()

    @property
    def char_polygons(self) -> tuple[Polygon, ...]:
        """The four corners of each character, clockwise from its top left; may be empty.

        They share the height of the word, whichever way it slants or bends.
        """
        half, odd = divmod(len(self.polygon), 2)
        if odd or half < 2:
            return ()
        top, bottom = self.polygon[:half], self.polygon[: half - 1 : -1]
        return tuple(
            (_along(top, a), _along(top, b), _along(bottom, b), _along(bottom, a))
            for a, b in self.char_spans
        )

    @property
    def box(self) -> Box:
        """The upright box around the word."""
        return bounding_box(self.polygon)


def _along(points: Polygon, share: float) -> Point:
    """Return the point at a share of the way along some points, each step as long as any other."""
    at = min(max(share, 0.0), 1.0) * (len(points) - 1)
    index = min(int(at), len(points) - 2)
    (x0, y0), (x1, y1) = points[index], points[index + 1]
    return (x0 + (at - index) * (x1 - x0), y0 + (at - index) * (y1 - y0))


@dataclass(frozen=True, slots=True)
class TextLine:
    """Words that stand on one line, in reading order."""

    words: tuple[TextWord, ...]

    @property
    def text(self) -> str:
        """The words, joined by single spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def box(self) -> Box:
        """The upright box around the line."""
        return bounding_box(point for word in self.words for point in word.polygon)

    @property
    def confidence(self) -> float:
        """The mean confidence of the words, weighted by their length."""
        weights = [max(1, len(word.text)) for word in self.words]
        total = sum(w * word.confidence for w, word in zip(weights, self.words, strict=True))
        return total / sum(weights) if weights else 0.0


@dataclass(frozen=True, slots=True)
class Page:
    """The text of one picture.

    Attributes:
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        lines: Lines in reading order.
        unread: Places where text seems to stand that could not be read with confidence: another
            script, handwriting, letters too small or too blurred.
    """

    width: int
    height: int
    lines: tuple[TextLine, ...]
    unread: tuple[DetectedText, ...] = ()

    @property
    def text(self) -> str:
        """The lines, one below the other."""
        return "\n".join(line.text for line in self.lines)

    @property
    def words(self) -> tuple[TextWord, ...]:
        """All words in reading order."""
        return tuple(word for line in self.lines for word in line.words)
