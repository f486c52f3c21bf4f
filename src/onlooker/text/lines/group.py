"""Words → lines in reading order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onlooker.records import TextLine, TextWord
from onlooker.text.lines.chains import chains_of
from onlooker.text.lines.frames import frames_of
from onlooker.text.lines.order import reading_order

MARK_LENGTH = 3
"""Longest text of a mark before a paragraph ("•", "2.", "iv)")."""


def group_lines(words: Sequence[TextWord]) -> tuple[TextLine, ...]:
    """Group words into lines and put the lines into reading order.

    Args:
        words: Words of one picture, in any order.

    Returns:
        Lines in reading order; each word stands in exactly one. Lines of the direction in which
        most of the text runs come first, then those of the others (a spine, a margin note).

    Example:
        >>> def word(text, x, y):
        ...     box = ((x, y), (x + 30, y), (x + 30, y + 10), (x, y + 10))
        ...     return TextWord(text, box, 1.0)
        >>> words = [word("b", 34, 0), word("c", 0, 20), word("a", 0, 0)]
        >>> [line.text for line in group_lines(words)]
        ['a b', 'c']
    """
    # A fixed order first: nothing below may depend on how the words came in.
    ordered = sorted(words, key=lambda word: (word.polygon, word.text, word.confidence))
    lines: list[TextLine] = []
    for frame in frames_of([word.polygon for word in ordered]):
        no_letters = [not any(c.isalnum() for c in ordered[m].text) for m in frame.members]
        chains = chains_of(frame, np.array(no_letters, dtype=bool))
        boxes = np.array(
            [
                (
                    frame.left[chain].min(),
                    float(np.average(frame.middle[chain], weights=frame.height[chain])),
                    frame.right[chain].max(),
                    float(np.median(frame.height[chain])),
                )
                for chain in chains
            ]
        )
        texts = [" ".join(ordered[frame.members[i]].text for i in chain) for chain in chains]
        figures = np.array([any(c.isdigit() for c in text) for text in texts], dtype=bool)
        marks = np.array([len(text) <= MARK_LENGTH for text in texts], dtype=bool)
        for index in reading_order(boxes, figures, marks):
            lines.append(TextLine(tuple(ordered[frame.members[i]] for i in chains[index])))
    return tuple(lines)
