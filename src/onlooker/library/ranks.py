"""How much a match in a moment says, known before any query: one small number, the rank.

A rank is the moment's class of evidence and, within it, its length. An index that is kept in the
order of ranks gives the best matches of any word first (an impact-ordered index; Anh and Moffat,
"Pruned query evaluation using pre-computed impacts", SIGIR 2006), and a rank tells the kind of
evidence.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Literal

from onlooker.records import EvidenceKind

RankClass = Literal["person", "title", "screen", "speech", "name"]
CLASSES: tuple[RankClass, ...] = ("person", "title", "screen", "speech", "name")
"""Classes of evidence, best first. What people said about a medium was meant to describe it; then
lines that look like the title of what is seen; then other lines that can be seen; what is said in
passing; and last the file's name, which is often a number of a camera."""

LENGTH_STEPS = (4, 7, 10, 14, 20, 30, 60)
"""Words in a moment, upper ends: a word says more about a short line than about a long one."""
LENGTH_MIDDLES = (4, 6, 9, 12, 17, 25, 42, 90)
"""A length for each step, to score by."""
LENGTHS = len(LENGTH_MIDDLES)
RANKS = len(CLASSES) * LENGTHS


def rank_of(kind: EvidenceKind, *, title: bool, words: int) -> int:
    """Return the rank of a moment.

    Args:
        kind: Kind of evidence.
        title: It looks like the title of what is seen.
        words: Number of its words.
    """
    number = CLASSES.index("title" if title else kind)
    return number * LENGTHS + bisect_left(LENGTH_STEPS, words)


def class_of(rank: int) -> RankClass:
    """Return the class of evidence that a rank stands for."""
    return CLASSES[rank // LENGTHS]


def kind_of(rank: int) -> EvidenceKind:
    """Return the kind of evidence that a rank stands for."""
    name = CLASSES[rank // LENGTHS]
    return "screen" if name == "title" else name
