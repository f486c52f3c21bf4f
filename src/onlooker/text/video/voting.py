"""Many readings of a word become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

CONFIDENCE_POWER = 6
"""A reading with confidence 0.9 counts half as much as a sure one: what the recogniser is not sure
of is wrong far more often than its confidence says."""

PART = 0.85
"""A place shorter than this share of another is that of a part of the word: places of the same word
differ by less from frame to frame."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one frame says about a word.

    Attributes:
        text: What was read.
        confidence: The recogniser's.
        time_s: When.
        trust: In [0, 1]: how well it could be seen (cut off by the frame's edge, blurred).
        length: Of the place that was read, in pixels; 0: not known.
    """

    text: str
    confidence: float
    time_s: float
    trust: float = 1.0
    length: float = 0.0

    @property
    def weight(self) -> float:
        """How much it counts."""
        return float(self.confidence**CONFIDENCE_POWER * self.trust)


def vote(readings: Sequence[Reading]) -> tuple[str, float]:
    """Return what a word says by all its readings, and with what confidence.

    Readings of a part of the word ("b=0,1:" of "Forb=0,1:") are left out where the whole was read
    as often: how sure a reader is of what it sees does not tell that it sees all.

    The readings that say the same add up; among the candidates the one wins to which all readings
    together are nearest (the weighted median string, restricted to what was read); its characters
    are then put to the vote one by one, each reading aligned with it.

    Args:
        readings: One or more.

    Example:
        >>> vote([Reading("Hous", 0.9, 0.0), Reading("House", 0.95, 0.5), Reading("Mouse", 0.9, 1)])
        ('House', 0.95)
    """
    readings = _whole(readings)
    weights: dict[str, float] = {}
    for reading in readings:
        weights[reading.text] = weights.get(reading.text, 0.0) + reading.weight
    if len(weights) == 1:
        return readings[0].text, max(reading.confidence for reading in readings)

    def cost(candidate: str) -> tuple[float, float, str]:
        off = sum(
            weight * Levenshtein.normalized_distance(candidate, text)
            for text, weight in weights.items()
        )
        return off, -weights[candidate], candidate

    pivot = min(weights, key=cost)
    text = _by_character(pivot, weights)
    agreeing = [r.confidence for r in readings if r.text == text]
    if agreeing:
        return text, max(agreeing)
    return text, min(r.confidence for r in readings)


def _whole(readings: Sequence[Reading]) -> Sequence[Reading]:
    """Leave out readings of parts of the word.

    Equal readings, equally sure, are looks at an unchanged picture, and count as one here: what was
    overlooked in it once is overlooked each time. But what was read no more than once is no whole.
    """
    looks: dict[str, dict[float, float]] = {}
    counts: dict[str, int] = {}
    lengths: dict[str, float] = {}
    for reading in readings:
        seen = looks.setdefault(reading.text, {})
        sure = round(reading.confidence, 2)
        seen[sure] = max(seen.get(sure, 0.0), reading.trust)
        counts[reading.text] = counts.get(reading.text, 0) + 1
        lengths[reading.text] = max(lengths.get(reading.text, 0.0), reading.length)
    trusts = {text: sum(seen.values()) for text, seen in looks.items()}
    parts = {
        text
        for text in trusts
        for other in trusts
        if len(text) < len(other)
        and (other.startswith(text) or other.endswith(text))
        and lengths[text] < PART * lengths[other]
        and counts[other] > 1
        and trusts[text] <= trusts[other]
    }
    return [reading for reading in readings if reading.text not in parts] if parts else readings


def _by_character(pivot: str, weights: dict[str, float]) -> str:
    """Let the readings of the pivot's length, give or take one, vote on each of its characters."""
    tallies: list[dict[str, float]] = [{} for _ in pivot]
    for text, weight in weights.items():
        at = list(pivot)
        if text != pivot:
            if (
                abs(len(text) - len(pivot)) > 1
                or Levenshtein.distance(pivot, text) > len(pivot) // 2
            ):
                continue
            for step in Levenshtein.editops(pivot, text):
                if step.tag == "replace":
                    at[step.src_pos] = text[step.dest_pos]
                elif step.tag == "delete":
                    at[step.src_pos] = ""
        for tally, character in zip(tallies, at, strict=True):
            tally[character] = tally.get(character, 0.0) + weight
    voted = "".join(max(tally, key=lambda c: (tally[c], c)) for tally in tallies)
    return voted or pivot
