"""Read the places of single words: in the likely directions, along outlines, weighed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.records import DetectedText, Polygon, RecognizedText
from onlooker.text.crops import cut_out, grown, size_of, without_margin
from onlooker.text.lines import corners_of, turned
from onlooker.text.recognition.drafts import Draft, Read, drafts_of

if TYPE_CHECKING:
    from onlooker.text.rectification import TextRectifier

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PlacesConfig:
    """How places are read.

    The values were chosen on development pictures (focused and incidental scenes, slides), by the
    words found in them; between neighbouring values their hmean moves by less than 0.02.

    Attributes:
        margin: By how much a crop is wider and higher on each side than what was detected, in
            heights of the word. The detector's edges tend to lie on the letters.
        tall_aspect: Height : width from which a crop is tried as text that runs up or down.
        hopeless: Drafts with less confidence are not weighed: of 250 such in 113 scenes one became
            sure. A lexicon does not mend them either.
        doubtful: Readings with less confidence are tried along the word's outline, too.
        sure: A draft of ``long`` letters and more with this confidence says which way is up,
        long: as letters upside down often look like others, but words seldom.
        upright: Share of the places that have to say so; else it is found out.
        probes: Places that are read upside down to find out.
        flip_gain: By how much another direction must be better to be believed: most text is
            upright.
        max_crop_height_px: Crops are shrunk to this height; the recogniser sees less than that.
        chunk: Crops cut out at a time: bounds the memory of a page full of text.

    Raises:
        ConfigError: A value out of range.
    """

    margin: tuple[float, float] = (0.15, 0.08)
    tall_aspect: float = 1.5
    hopeless: float = 0.6
    doubtful: float = 0.8
    sure: float = 0.95
    long: int = 4
    upright: float = 0.2
    probes: int = 8
    flip_gain: float = 0.15
    max_crop_height_px: int = 64
    chunk: int = 64

    def __post_init__(self) -> None:
        for name in ("hopeless", "doubtful", "sure", "upright", "flip_gain"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"PlacesConfig.{name} must be in [0, 1]: {getattr(self, name)}")
        for name in ("tall_aspect", "long", "probes", "max_crop_height_px", "chunk"):
            if getattr(self, name) < 1:
                raise ConfigError(f"PlacesConfig.{name} must be 1 or more: {getattr(self, name)}")


class PlaceReader:
    """Reads places of a picture, each by itself or all of one picture together.

    Args:
        recognizer: Reads upright crops.
        rectifier: Draws the outlines of words; None: all are taken to fill their places.
        config: How they are read.
    """

    def __init__(
        self, recognizer: Read, rectifier: TextRectifier | None, config: PlacesConfig
    ) -> None:
        self._recognizer = recognizer
        self._rectifier = rectifier
        self.config = config

    def read_straight(self, pixels: Picture, corners: Sequence[Floats]) -> list[RecognizedText]:
        """Read places just as they lie.

        Args:
            pixels: ``(H, W, 3)`` RGB.
            corners: Each ``(4, 2)``, clockwise from the top left of the text.

        Returns:
            What each says; ``char_spans`` are shares of the place.
        """
        drafts = self._drafts(pixels, [(quad, 0) for quad in corners])
        return [
            without_margin(draft.weigh(), quad, self.config.margin[0])
            for draft, quad in zip(drafts, corners, strict=True)
        ]

    def read(
        self, pixels: Picture, found: Sequence[DetectedText], *, straighten: bool
    ) -> Iterator[tuple[DetectedText, Polygon, RecognizedText]]:
        """Read the places of a picture, in whichever direction their text runs.

        Args:
            pixels: ``(H, W, 3)`` RGB.
            found: The places.
            straighten: Read doubtful ones along the outline of the word, too.

        Yields:
            Each place, its polygon turned as the text reads, and what it says.
        """
        corners = [corners_of(place.polygon) for place in found]
        turns = [_quarters_to_try(quad, self.config.tall_aspect) for quad in corners]
        wanted = [
            (quad, quarters) for quad, some in zip(corners, turns, strict=True) for quarters in some
        ]
        drafts = self._drafts(pixels, wanted)
        best = [
            _choose([(quarters, next(drafts)) for quarters in some], self.config.flip_gain)
            for some in turns
        ]
        self._turn_over(pixels, corners, best, [i for i, some in enumerate(turns) if some == (0,)])
        polygons = [
            turned(cast(Polygon, tuple((float(x), float(y)) for x, y in quad)), quarters)
            for quad, (quarters, _) in zip(corners, best, strict=True)
        ]
        readings = [
            without_margin(
                self._weighed(draft), np.roll(quad, -quarters, axis=0), self.config.margin[0]
            )
            for quad, (quarters, draft) in zip(corners, best, strict=True)
        ]
        if straighten:
            self._straighten(pixels, [draft for _, draft in best], polygons, readings)
        yield from zip(found, polygons, readings, strict=True)

    def _weighed(self, draft: Draft) -> RecognizedText:
        return draft.reading if draft.reading.confidence < self.config.hopeless else draft.weigh()

    def _straighten(
        self,
        pixels: Picture,
        drafts: Sequence[Draft],
        polygons: list[Polygon],
        readings: list[RecognizedText],
    ) -> None:
        """Replace doubtful readings by those along the outline of the word, if these are better."""
        if self._rectifier is None:
            return
        from onlooker.text.rectification.reading import drafts_around

        doubtful = [at for at, one in enumerate(readings) if one.confidence < self.config.doubtful]
        places = [(polygons[at], drafts[at]) for at in doubtful]
        others = drafts_around(self._recognizer, self._rectifier, pixels, places)
        for at, other in zip(doubtful, others, strict=True):
            if other is None:
                continue
            reading = self._weighed(other.draft)
            if reading.confidence > readings[at].confidence:
                polygons[at], readings[at] = other.polygon, other.within(reading)

    def _turn_over(
        self,
        pixels: Picture,
        corners: Sequence[Floats],
        best: list[tuple[int, Draft]],
        wide: Sequence[int],
    ) -> None:
        """Read the words of a picture that is upside down the other way up."""
        config = self.config
        upright = sum(
            len(best[i][1].reading.text) >= config.long
            and best[i][1].reading.confidence >= config.sure
            for i in wide
        )
        if not wide or upright > config.upright * len(wide):
            return
        # Long words tell best; ties in the order of the places.
        aspect = {i: (size := size_of(corners[i]))[0] / max(size[1], 1e-6) for i in wide}
        wide = sorted(wide, key=lambda i: (-aspect[i], i))
        probes, others = wide[: config.probes], wide[config.probes :]
        if min(best[i][1].reading.confidence for i in probes) >= config.sure:
            return
        flipped = list(self._drafts(pixels, [(corners[i], 2) for i in probes]))
        before = np.mean([best[i][1].reading.confidence for i in probes])
        after = np.mean([draft.reading.confidence for draft in flipped])
        if after < before + config.flip_gain:
            return
        flipped += self._drafts(pixels, [(corners[i], 2) for i in others])
        for i, draft in zip([*probes, *others], flipped, strict=True):
            best[i] = _choose([(2, draft), best[i]], config.flip_gain)

    def _drafts(self, pixels: Picture, wanted: Sequence[tuple[Floats, int]]) -> Iterator[Draft]:
        """Read places in given directions; only a chunk of crops exists at a time."""
        config = self.config
        for start in range(0, len(wanted), config.chunk):
            crops = [
                cut_out(
                    pixels,
                    grown(np.roll(quad, -quarters, axis=0), *config.margin),
                    max_height_px=config.max_crop_height_px,
                )
                for quad, quarters in wanted[start : start + config.chunk]
            ]
            yield from drafts_of(self._recognizer, crops)


def _quarters_to_try(corners: Floats, tall_aspect: float) -> tuple[int, ...]:
    """Say in which directions a place has to be read at once, the likeliest first."""
    width, height = size_of(corners)
    return (0, 1, 3) if height > tall_aspect * width else (0,)


def _choose(candidates: Sequence[tuple[int, Draft]], gain: float) -> tuple[int, Draft]:
    """Take the most confident draft; the first one (upright) unless beaten by ``gain``."""
    upright = candidates[0]
    other = max(candidates, key=lambda one: (one[1].reading.confidence, -one[0]))
    before, after = upright[1].reading, other[1].reading
    if after.text.strip() and (
        not before.text.strip() or after.confidence >= before.confidence + gain
    ):
        return other
    return upright
