"""Measures of word recognition.

``word_accuracy``: the share of crops read exactly. ``word_accuracy_alnum``: with everything but
letters and figures deleted on both sides; labels of which nothing is left are skipped.
``word_accuracy_alnum_lower``: the same, lower-cased (the protocol of most published figures on
IIIT5K, SVT and ICDAR crops). ``cer``: character error rate, edits over characters of the labels,
summed over the set (Levenshtein 1966); it may exceed 1.
"""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz.distance import Levenshtein

from onlooker.errors import ConfigError


def alphanumerics(text: str) -> str:
    """Return the letters and figures of ``text``, case kept."""
    return "".join(character for character in text if character.isalnum())


def recognition_metrics(pairs: Iterable[tuple[str, str]]) -> dict[str, float | None]:
    """Measure readings.

    Args:
        pairs: (what was read, what the label says).

    Returns:
        The four measures; a measure is None where no label could count.

    Raises:
        ConfigError: There is no pair.
    """
    count = exact = judged = same = same_lower = edits = characters = 0
    for read, label in pairs:
        count += 1
        exact += read == label
        edits += Levenshtein.distance(read, label)
        characters += len(label)
        wanted = alphanumerics(label)
        if wanted:
            found = alphanumerics(read)
            judged += 1
            same += found == wanted
            same_lower += found.lower() == wanted.lower()
    if not count:
        raise ConfigError("no crop to measure; expected one or more")
    return {
        "word_accuracy": exact / count,
        "word_accuracy_alnum": same / judged if judged else None,
        "word_accuracy_alnum_lower": same_lower / judged if judged else None,
        "cer": edits / characters if characters else None,
    }
