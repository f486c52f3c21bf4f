"""One spelling for many: what search compares instead of the text itself.

The text of a moment is kept as it stands; indices and queries see it folded: without case, accents
and ligatures, with everything that is neither letter, digit nor mark turned into a space. German
and Nordic vowels have two plain spellings (``ä`` is written ``a`` or ``ae``), so a text with such
letters has a second folding, and a query word matches either.
"""

from __future__ import annotations

import unicodedata

FOLD_VERSION = f"1/{unicodedata.unidata_version}"
"""Changes whenever a folding may differ (Unicode knows new letters with each version of Python):
stored indices are then built anew, since a word leaves an index only as it came in."""

# Letters that Unicode does not decompose, with the plain letters people type for them.
_LETTERS = {
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "ħ": "h",
    "ı": "i",
    "ł": "l",
    "ŋ": "n",
    "þ": "th",
    "ŧ": "t",
}
# The second spelling (DIN 5007-2, and the Danish and Swedish habit).
_SPELLED_OUT = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"}


def _fold_letter(letter: str) -> str:
    """Return the plain spelling of one character."""
    category = unicodedata.category(letter)
    if category == "Cf":  # soft hyphens, zero-width joiners, marks of direction
        return ""
    if "\u0300" <= letter <= "\u036f":  # accents that no letter could take up
        return ""
    if category[0] not in "LNM" and category != "Co":
        return " "
    folded = []
    # Decomposed before too: the small form of a mathematical 𝐒 is only known once it is an S.
    for small in unicodedata.normalize("NFKD", letter).casefold():
        for part in unicodedata.normalize("NFKD", _LETTERS.get(small, small)):
            if not "\u0300" <= part <= "\u036f":
                folded.append(part)
    # Composed again: only Latin, Greek and Cyrillic accents are dropped, Hangul stays whole.
    plain = unicodedata.normalize("NFC", "".join(folded))
    return "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in plain)


class _Table(dict[int, str]):
    """Foldings by code point, filled as they are met."""

    def __init__(self, first: dict[str, str]) -> None:
        super().__init__()
        for letter, plain in first.items():
            self[ord(letter)] = plain
            self[ord(letter.upper())] = plain

    def __missing__(self, code: int) -> str:
        plain = self[code] = _fold_letter(chr(code))
        return plain


_PLAIN = _Table({})
_SPELLED = _Table(_SPELLED_OUT)


def fold(text: str) -> str:
    """Return the plain spelling: words in small plain letters, and spaces.

    Example:
        >>> fold("Ein Mädchen (groß)").split()
        ['ein', 'madchen', 'gross']
    """
    if text.isascii():
        return text.translate(_PLAIN)
    return unicodedata.normalize("NFC", text).translate(_PLAIN)


def fold_spelled(text: str) -> str:
    """Return the second plain spelling (``ä`` as ``ae``), or "" where it is the same.

    Example:
        >>> fold_spelled("Mädchen"), fold_spelled("Kind")
        ('maedchen', '')
    """
    if text.isascii():
        return ""
    normal = unicodedata.normalize("NFC", text)
    spelled = normal.translate(_SPELLED)
    return "" if spelled == normal.translate(_PLAIN) else spelled


def squeeze(text: str) -> str:
    """Return letters and digits only, in both spellings: what part-words are looked up in.

    Without the spaces a code is found however it is grouped ("B-AB 1234" by "bab1234"), and so is
    a word that a reader tore apart or glued to the next.
    """
    plain = "".join(fold(text).split())
    spelled = "".join(fold_spelled(text).split())
    return f"{plain} {spelled}" if spelled else plain


def fold_with_places(text: str) -> tuple[str, list[int]]:
    """Fold a text that is in normal form C, and tell where each folded character comes from.

    Returns:
        The plain spelling, and for each of its characters the index in ``text``.
    """
    letters: list[str] = []
    places: list[int] = []
    for index, letter in enumerate(text):
        plain = _PLAIN[ord(letter)]
        letters.append(plain)
        places.extend([index] * len(plain))
    return "".join(letters), places


LONGEST_WORD = 64
"""Longer "words" (hashes, addresses, base64) can be searched for, but are not in the vocabulary."""


def words_of(text: str) -> set[str]:
    """Return the different words of a text, in both spellings, as the vocabulary counts them."""
    words = set(fold(text).split())
    spelled = fold_spelled(text)
    if spelled:
        words.update(spelled.split())
    return {word for word in words if len(word) <= LONGEST_WORD}


def filter_text(text: str) -> str:
    """Return what a filter on names compares: the plain words with single spaces."""
    return " ".join(fold(text).split())
