"""The characters that the reader can write, in one literal.

Class 0 is the CTC blank; class ``i`` (from 1) is ``CHARSET[i - 1]``. The order is part of every
trained recogniser: append, never insert, and train anew when it changes.

Left out on purpose: letters that cannot be told apart by their looks alone. Greek capitals with a
Latin twin (Α Β Ε …) and omicron are written with the Latin letter, the micro sign as Greek mu;
:func:`normalize` maps such strings onto the charset.
"""

from __future__ import annotations

import unicodedata

ASCII = (
    " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
    "abcdefghijklmnopqrstuvwxyz{|}~"
)
ACCENTED = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿŒœŸ"
TYPOGRAPHIC = "€£¥§°–—„“”‘’«»‹›•·…©®™¿¡†"
GREEK = "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθικλμνξπρςστυφχψω"
MATHS = "±×÷√∑∏∫∂∇∞≈≠≤≥≡∝∈∉⊂⊆∪∩∅∀∃¬∧∨→←↔⇒⇔↑↓²³¹½"

CHARSET = ASCII + ACCENTED + TYPOGRAPHIC + GREEK + MATHS
BLANK = 0
NUM_CLASSES = len(CHARSET) + 1

_CLASS_OF = {character: index + 1 for index, character in enumerate(CHARSET)}

# Twins by looks → the member of the charset that stands for them.
_TWINS = {
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo", strict=True)),
    "\u00b5": "μ",  # micro sign
    "\u2126": "Ω",  # ohm sign
    "\u2206": "Δ",  # increment
    "\u03d5": "φ",
    "\u03d1": "θ",
    "\u03f5": "ε",
    "\u2212": "-",  # minus sign
    "\u2010": "-",
    "\u2011": "-",
    "\u2215": "/",
    "\u2217": "*",
    "\u223c": "~",
    "\u201a": ",",
    "\u22c5": "·",
    "\u2044": "/",
    "\u2032": "'",
    "\u2033": '"',
    "\u00a0": " ",
    "\u2009": " ",
    "\u202f": " ",
    "ﬁ": "fi",
    "ﬂ": "fl",
    "ﬀ": "ff",
    "ﬃ": "ffi",
    "ﬄ": "ffl",
}


def normalize(text: str) -> str:
    r"""Map ``text`` onto the charset where that loses nothing the eye can see.

    Composes accents (NFC), replaces look-alikes and ligatures. Characters without a twin stay as
    they are; test them with :func:`unreadable`.

    Example:
        >>> normalize("5 \u00b5m \u2212 e\u0301")
        '5 μm - é'
    """
    return "".join(_TWINS.get(c, c) for c in unicodedata.normalize("NFC", text))


def unreadable(text: str) -> str:
    """Return the characters of ``text``, each once, that are outside the charset.

    Example:
        >>> unreadable("日本 Japan")
        '日本'
    """
    return "".join(dict.fromkeys(c for c in text if c not in _CLASS_OF))


def encode(text: str) -> list[int]:
    """Turn ``text`` into class numbers.

    Raises:
        ValueError: A character is outside the charset; the message names it.

    Example:
        >>> encode("Ab") == [CHARSET.index("A") + 1, CHARSET.index("b") + 1]
        True
    """
    try:
        return [_CLASS_OF[c] for c in text]
    except KeyError as error:
        raise ValueError(
            f"the character {error.args[0]!r} of {text!r} is outside the charset of "
            f"{len(CHARSET)} characters; normalize() or drop it first"
        ) from None


def decode(classes: list[int]) -> str:
    """Turn class numbers (no blanks) into text.

    Example:
        >>> decode(encode("Größe"))
        'Größe'
    """
    return "".join(CHARSET[c - 1] for c in classes)
