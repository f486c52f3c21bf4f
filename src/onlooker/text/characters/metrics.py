"""Measures of character classification.

``accuracy``: the share of characters classified right, among 62. ``accuracy_lower``: case
disregarded. ``accuracy_merged``: classes that look the same in a lone crop count as one: cC, oO0,
sS, vV, wW, xX, zZ, 1lI.
"""

from __future__ import annotations

from collections.abc import Sequence

from onlooker.errors import ConfigError

MERGED = ("cC", "oO0", "sS", "vV", "wW", "xX", "zZ", "1lI")
_CLASS_OF = {character: group[0] for group in MERGED for character in group}


def merged(character: str) -> str:
    """Return the first of the characters that look like this one.

    Example:
        >>> merged("O"), merged("A")
        ('o', 'A')
    """
    return _CLASS_OF.get(character, character)


def character_metrics(found: Sequence[str], labels: Sequence[str]) -> dict[str, float | None]:
    """Measure classifications.

    Raises:
        ConfigError: There is no character.
    """
    if not labels:
        raise ConfigError("no character to measure; expected one or more")
    pairs = list(zip(found, labels, strict=True))
    return {
        "accuracy": sum(a == b for a, b in pairs) / len(pairs),
        "accuracy_lower": sum(a.lower() == b.lower() for a, b in pairs) / len(pairs),
        "accuracy_merged": sum(merged(a) == merged(b) for a, b in pairs) / len(pairs),
    }
