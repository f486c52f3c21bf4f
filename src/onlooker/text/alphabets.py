"""Readings that come from another alphabet, whose letters look like ours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

ALTERNATIONS = 2
"""Fewest changes from small to capital that make a word an odd one; names have one."""
FOREIGN_SHARE = 0.25
"""Share of odd words (two at least) from which a picture is taken to be in another alphabet: of
Russian text read as Latin letters half the words are odd, of pages in English none."""


def alternations(text: str) -> int:
    """Count capitals that follow a small letter.

    Words have none, names now and then one (McKay, YouTube); Cyrillic or Greek read as Latin
    letters has many, for most of their small letters look like small capitals.

    Example:
        >>> alternations("yHnBepcnTeT"), alternations("YouTube"), alternations("EXIT")
        (4, 1, 0)
    """
    return sum(a.islower() and b.isupper() for a, b in pairwise(text))


def is_foreign(changes: Sequence[int]) -> bool:
    """Say whether a picture is written in another alphabet, by the alternations of its words."""
    odd = sum(count >= ALTERNATIONS for count in changes)
    return odd >= 2 and odd >= FOREIGN_SHARE * len(changes)
