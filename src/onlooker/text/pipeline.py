"""The reader: picture → page. Detection → rectified crops → recognition → lines in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, overload

import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError, MediaError
from onlooker.records import DetectedText, Page, Polygon, Producer, RecognizedText, TextWord
from onlooker.text.alphabets import ALTERNATIONS, alternations, is_foreign
from onlooker.text.crops import size_of, split_words, turned_back
from onlooker.text.lines import Strip, corners_of, group_lines, strips_of
from onlooker.text.marks import is_figure, marks_of
from onlooker.text.places import PlaceReader, PlacesConfig
from onlooker.text.small_type import find_places

if TYPE_CHECKING:
    from onlooker.hub import Weights
    from onlooker.text.recognition.lexicon import Lexicon
    from onlooker.text.rectification import TextRectifier

Picture = npt.NDArray[np.uint8]

VERSION = "6"
"""Of the steps around the networks: raise it whenever pages may come out otherwise."""
TURN_PLACES = 4
"""A picture with fewer places is not looked at from the side: a lone tall box is tried anyway."""
TURN_WIDE = 0.4
"""With a smaller share of places wider than high, a picture may have to be turned by a quarter. On
upright pages eight in ten are, on turned ones, whose lines fall apart into letters, one in ten."""
DETECTION = "db"
DETECTOR = "db.synth3-int8"
RECOGNIZER = "ctc.synth2-int8"
RECTIFIER = "outline.synth1"


class Detector(Protocol):
    """Finds where words stand (`onlooker.text.detection.TextDetector`)."""

    def __call__(self, pictures: Sequence[Picture], /) -> list[list[DetectedText]]:
        """Return the places of words for each picture."""


class Recognizer(Protocol):
    """Reads crops (`onlooker.text.recognition.TextRecognizer`)."""

    def __call__(self, crops: Sequence[Picture], /) -> list[RecognizedText]:
        """Return what each crop says."""


@dataclass(frozen=True, kw_only=True)
class ReaderConfig:
    """How detection and recognition are put together.

    The values were chosen on development pictures (focused and incidental scenes, slides), by the
    words found in them; between neighbouring values their hmean moves by less than 0.02.

    Attributes:
        min_confidence: Words read with less are not words: they are reported in ``Page.unread``.
        line_confidence: Lines of a page are read whole; those read with less, word by word.
        foreign_confidence: The same for words whose letters change between small and capital as no
            word's do, and for all words of a picture that is full of such words: it is written in
            another alphabet, and what look like letters are look-alikes.
        places: How places are read.

    Raises:
        ConfigError: A value out of range.
    """

    min_confidence: float = 0.8
    line_confidence: float = 0.88
    foreign_confidence: float = 0.97
    places: PlacesConfig = field(default_factory=PlacesConfig)

    def __post_init__(self) -> None:
        for name in ("min_confidence", "line_confidence", "foreign_confidence"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"ReaderConfig.{name} must be in [0, 1]: {getattr(self, name)}")


class TextReader:
    """Reads the text of pictures.

    One picture gives a `Page`; a sequence of pictures gives a list of pages of the same length.
    Pictures are read one after another, each by itself: a picture's page does not depend on what is
    read beside it, and memory does not grow with their number.

    Example:
        >>> reader = TextReader.load()                    # doctest: +SKIP
        >>> page = reader(picture)                        # doctest: +SKIP
        >>> pages = reader([picture, another])            # doctest: +SKIP
    """

    def __init__(
        self,
        detector: Detector,
        recognizer: Recognizer,
        *,
        config: ReaderConfig | None = None,
        rectifier: TextRectifier | None = None,
    ) -> None:
        self.detector = detector
        self.recognizer = recognizer
        self.rectifier = rectifier
        self.config = config or ReaderConfig()
        self._places = PlaceReader(recognizer, rectifier, self.config.places)

    @classmethod
    def load(
        cls,
        *,
        threads: int | None = None,
        config: ReaderConfig | None = None,
        lexicon: Lexicon | None = None,
        detection: str = DETECTION,
    ) -> TextReader:
        """Load the shipped networks.

        Args:
            threads: How many threads the networks may use; None: `onlooker.runtime.threads()`.
            config: How they are put together.
            lexicon: Words that are expected: doubtful readings are drawn towards them.
            detection: How words are found: a name of `onlooker.text.detection.methods`.

        Raises:
            WeightsError: Weights are missing or damaged.
            ConfigError: Unknown name of a detection method.
        """
        from onlooker.text.detection.methods import load_detector
        from onlooker.text.recognition import TextRecognizer
        from onlooker.text.rectification import TextRectifier

        return cls(
            load_detector(detection, threads=threads, read_afterwards=True),
            TextRecognizer.load(RECOGNIZER, threads=threads, lexicon=lexicon),
            config=config,
            rectifier=TextRectifier.load(RECTIFIER, threads=threads),
        )

    @overload
    def __call__(self, pictures: Picture, /) -> Page: ...

    @overload
    def __call__(self, pictures: Sequence[Picture], /) -> list[Page]: ...

    def __call__(self, pictures: Picture | Sequence[Picture], /) -> Page | list[Page]:
        """Read one picture or many.

        Args:
            pictures: An array (H, W, 3) uint8 RGB, or a sequence of such arrays. An array
                (N, H, W, 3) counts as a sequence.

        Returns:
            A `Page` for a single array, else a list of the same length. Polygons are in pixels of
            the picture that was handed in.

        Raises:
            MediaError: Something else than such a picture.
        """
        if isinstance(pictures, np.ndarray) and pictures.ndim != 4:
            return self._read(pictures)
        return [self._read(picture) for picture in pictures]

    def _read(self, picture: Picture) -> Page:
        pixels = _checked(picture)
        height, width = pixels.shape[:2]
        if not height or not width:
            return Page(width, height, ())
        found = find_places(self.detector, pixels)
        stands = self._stands(found)
        words, unread = self._look(pixels, found, straighten=stands)
        if not stands:
            # The detector sees lines that run up or down as piles of letters, or in parts. In the
            # picture turned by a quarter they are words, though maybe upside down, which is found
            # out there.
            side = np.ascontiguousarray(np.rot90(pixels))
            other = find_places(self.detector, side)
            other_words, other_unread = self._look(side, other, straighten=self._stands(other))
            if _legible(other_words) <= _legible(words):
                words, unread = self._look(pixels, found, straighten=True)
            else:
                words = [replace(w, polygon=turned_back(w.polygon, width)) for w in other_words]
                unread = [replace(t, polygon=turned_back(t.polygon, width)) for t in other_unread]
        return Page(width, height, group_lines(words), tuple(unread))

    def _stands(self, found: Sequence[DetectedText]) -> bool:
        """Say whether lines seem to run to the right (or the left) rather than up or down."""
        sizes = [size_of(corners_of(place.polygon)) for place in found]
        wide = sum(width >= self.config.places.tall_aspect * height for width, height in sizes)
        return len(found) < TURN_PLACES or wide >= TURN_WIDE * len(found)

    def _look(
        self, pixels: Picture, found: Sequence[DetectedText], *, straighten: bool
    ) -> tuple[list[TextWord], list[DetectedText]]:
        """Read places; those that lie otherwise only where asked to.

        Returns:
            The words, and the places that could not be read.
        """
        on_curves, others = self._read_curves(pixels, found)
        in_lines, alone = self._read_lines(pixels, others)
        read = self._places.read(pixels, alone, straighten=straighten)
        readings = [
            (place, polygon, reading, alternations(reading.text))
            for place, polygon, reading in (*on_curves, *in_lines, *read)
        ]
        likely = [
            changes
            for _, _, reading, changes in readings
            if len(reading.text) >= 4 and reading.confidence >= self.config.min_confidence
        ]
        foreign = is_foreign(likely)
        words: list[TextWord] = []
        unread: list[DetectedText] = []
        for place, polygon, reading, changes in readings:
            doubted = foreign or changes >= ALTERNATIONS
            least = self.config.foreign_confidence if doubted else self.config.min_confidence
            if reading.text.strip() and reading.confidence >= least:
                words.extend(split_words(reading, polygon))
            else:
                unread.append(place)
        return words, unread

    def _read_curves(
        self, pixels: Picture, found: Sequence[DetectedText]
    ) -> tuple[list[tuple[DetectedText, Polygon, RecognizedText]], list[DetectedText]]:
        """Read the places on curves → those that were read with confidence, and all others."""
        from onlooker.text.rectification.curved import read_along

        polygons = [place.polygon for place in found]
        along = read_along(self.recognizer, pixels, polygons, least=self.config.min_confidence)
        pairs = list(zip(found, along, strict=True))
        read = [(place, *one) for place, one in pairs if one is not None]
        return read, [place for place, one in pairs if one is None]

    def _read_lines(
        self, pixels: Picture, found: Sequence[DetectedText]
    ) -> tuple[list[tuple[DetectedText, Polygon, RecognizedText]], list[DetectedText]]:
        """Read the lines of a page whole.

        Returns:
            The words of the lines that were read with confidence, as `_readings` gives them, and
            the places of all others.
        """
        strips = strips_of([place.polygon for place in found])
        read: list[tuple[DetectedText, Polygon, RecognizedText]] = []
        done: set[int] = set()
        readings = self._places.read_straight(pixels, [strip.corners for strip in strips])
        for strip, reading in zip(strips, readings, strict=True):
            if not reading.text.strip() or reading.confidence < self.config.line_confidence:
                continue
            done.update(strip.members)
            polygon = tuple((float(x), float(y)) for x, y in strip.corners)
            for word in strip.settle(split_words(reading, polygon)):
                place = DetectedText(word.polygon, word.confidence)
                text = RecognizedText(
                    word.text,
                    reading.confidence,
                    char_spans=word.char_spans,
                    probability=word.confidence,
                )
                read.append((place, word.polygon, text))
        read.extend(self._read_marks(pixels, [s for s in strips if done.issuperset(s.members)]))
        return read, [place for at, place in enumerate(found) if at not in done]

    def _read_marks(
        self, pixels: Picture, strips: Sequence[Strip]
    ) -> Iterator[tuple[DetectedText, Polygon, RecognizedText]]:
        """Read the bullets and figures before lines, which a detector of words passes over."""
        marks = list(marks_of(pixels, strips))
        figures = [mark.corners for mark in marks if not mark.is_bullet]
        readings = iter(self._places.read_straight(pixels, figures))
        for mark in marks:
            # That it is round was measured; how sure that makes a bullet was not.
            reading = RecognizedText("•", 1.0) if mark.is_bullet else next(readings)
            if reading.confidence >= self.config.min_confidence and (
                mark.is_bullet or is_figure(reading.text)
            ):
                polygon = tuple((float(x), float(y)) for x, y in mark.corners)
                yield DetectedText(polygon, reading.confidence), polygon, reading


def shipped_weights() -> tuple[Weights, ...]:
    """Return what `TextReader.load` loads, the detector first; no network is opened.

    Raises:
        WeightsError: The tables of weights lack one.
    """
    from onlooker.hub import choose
    from onlooker.text.detection.weights import WEIGHTS as DETECTORS
    from onlooker.text.recognition.weights import LANGUAGE_MODEL
    from onlooker.text.recognition.weights import WEIGHTS as RECOGNIZERS
    from onlooker.text.rectification.weights import WEIGHTS as RECTIFIERS

    return (
        choose(DETECTORS, DETECTOR),
        choose(RECOGNIZERS, RECOGNIZER),
        choose(RECOGNIZERS, LANGUAGE_MODEL),
        choose(RECTIFIERS, RECTIFIER),
    )


def producer() -> Producer:
    """Return who makes the records of `TextReader.load`; no network is opened."""
    hashes = "+".join(one.sha256[:12] for one in shipped_weights())
    return Producer(name="text.reader", version=VERSION, weights=hashes)


def _checked(picture: object) -> Picture:
    if (
        not isinstance(picture, np.ndarray)
        or picture.ndim != 3
        or picture.shape[2] != 3
        or picture.dtype != np.uint8
    ):
        given = (
            f"an array {picture.shape} {picture.dtype}"
            if isinstance(picture, np.ndarray)
            else f"a {type(picture).__name__}"
        )
        raise MediaError(
            f"the reader was given {given}; it takes arrays (height, width, 3) uint8 RGB: "
            "onlooker.media.image.read_image(path) makes one from a file"
        )
    return picture


def _legible(words: Sequence[TextWord]) -> float:
    """Measure how much was read: letters of words of three and more, by their confidence."""
    return sum(len(word.text) * word.confidence for word in words if len(word.text) >= 3)
