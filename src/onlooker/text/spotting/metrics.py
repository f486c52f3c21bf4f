"""End-to-end measures: words that were both found and read.

Two protocols (`docs/reference/data.md`):

* **spotting hmean**: a word counts where its region overlaps the true one (one to one, IoU ≥ 0.5)
  and its text is the same, lower-cased and without signs. The end-to-end task of ICDAR 2015
  (Karatzas et al. 2015, section V.C), except that no word is left out for being short.
* **words found**: the multiset of words of three letters and figures or more, whatever their place,
  micro-averaged over the set. What somebody who searches would find; it can be measured for systems
  that give lines. A word here is a run of letters and figures: one system reads "self-adhesive" as
  one word where the label has two, and both are found by the same search.

In both, regions marked ``ignore`` count neither way: a prediction of which half or more lies in
one is dropped. A label without letters or figures cannot be judged, and counts as such a region.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from onlooker.metrics import covered, harmonic_mean, match_regions
from onlooker.records import Polygon

IGNORED_COVER = 0.5
MIN_LENGTH = 3


@dataclass(frozen=True, slots=True)
class ReadWord:
    """A word that a system read: its text and its place."""

    text: str
    polygon: Polygon


@dataclass(frozen=True, slots=True)
class TrueWord:
    """A word as labelled by people."""

    text: str
    polygon: Polygon
    ignore: bool = False


def plain(text: str) -> str:
    """Return the letters and figures of a word, lower-cased."""
    return "".join(character for character in text.casefold() if character.isalnum())


def searched(text: str) -> list[str]:
    """Return the lower-cased runs of letters and figures that are long enough to count.

    Example:
        >>> searched("Self-adhesive, 2 x 36mm")
        ['self', 'adhesive', '36mm']
    """
    runs = "".join(c if c.isalnum() else " " for c in text.casefold()).split()
    return [run for run in runs if len(run) >= MIN_LENGTH]


@dataclass
class Counts:
    """Hits among predictions and among true words, summed over pictures."""

    hits: int = 0
    predicted: int = 0
    true: int = 0

    @property
    def precision(self) -> float:
        """Hits per prediction; 0 where nothing was predicted."""
        return self.hits / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Hits per true word; 0 where there are none."""
        return self.hits / self.true if self.true else 0.0

    @property
    def hmean(self) -> float:
        """Harmonic mean of both."""
        return harmonic_mean(self.precision, self.recall)


@dataclass
class SpottingScore:
    """Adds up both protocols picture by picture.

    Example:
        >>> box = ((0, 0), (9, 0), (9, 3), (0, 3))
        >>> score = SpottingScore()
        >>> score.add([ReadWord("Exit!", box)], [TrueWord("EXIT", box)])
        >>> score.metrics()["hmean"]
        1.0
    """

    spotted: Counts = field(default_factory=Counts)
    words: Counts = field(default_factory=Counts)
    pictures: int = 0

    def add(self, read: Sequence[ReadWord], true: Sequence[TrueWord]) -> None:
        """Count one picture."""
        self.pictures += 1
        cared = [word for word in true if not word.ignore and plain(word.text)]
        ignored = [word.polygon for word in true if word.ignore or not plain(word.text)]
        kept = [
            word
            for word in read
            if plain(word.text)
            and not any(covered(word.polygon, region) >= IGNORED_COVER for region in ignored)
        ]

        pairs = match_regions([word.polygon for word in kept], [word.polygon for word in cared])
        self.spotted.hits += sum(plain(kept[p].text) == plain(cared[t].text) for p, t in pairs)
        self.spotted.predicted += len(kept)
        self.spotted.true += len(cared)

        found = Counter(run for word in kept for run in searched(word.text))
        wanted = Counter(run for word in cared for run in searched(word.text))
        self.words.hits += (found & wanted).total()
        self.words.predicted += found.total()
        self.words.true += wanted.total()

    def metrics(self) -> dict[str, float | None]:
        """Return the measures by name; None for a set without a word to find."""
        if not self.spotted.true:
            return dict.fromkeys(
                ("hmean", "precision", "recall", "words_recall", "words_precision", "words_hmean")
            )
        return {
            "hmean": self.spotted.hmean,
            "precision": self.spotted.precision,
            "recall": self.spotted.recall,
            "words_recall": self.words.recall,
            "words_precision": self.words.precision,
            "words_hmean": self.words.hmean,
        }
