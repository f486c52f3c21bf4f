"""What rendered pictures say: words, numbers, prices, addresses, lines of text, formulas.

Words come from frequency lists (the wordfreq package, part of ``onlooker[train]``), never from the
texts that readers are measured on.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from onlooker.errors import ConfigError, MissingExtraError
from onlooker.text.charset import ACCENTED, CHARSET, GREEK, MATHS, TYPOGRAPHIC, normalize
from onlooker.text.synthesis.fonts import FontFace

#: Longest text that is drawn, characters.
MAX_LENGTH = 44

#: Language → share of the words. English leads because signs and lectures do.
LANGUAGES = {"en": 0.66, "de": 0.11, "fr": 0.09, "es": 0.07, "it": 0.07}
_LIST_LENGTH = {"en": 60_000}
_OTHER_LIST_LENGTH = 25_000

#: Case of words on signs: lower, Title, UPPER, and a rest of MiXed. Shares chosen by hand.
_CASES = (0.42, 0.26, 0.30)

_TLDS = ("com", "org", "net", "de", "co.uk", "fr", "it", "es", "edu", "eu", "info", "sg", "at")
_CURRENCIES = ("$", "$", "€", "£", "¥")
_UNITS = ("km", "m", "cm", "mm", "kg", "g", "ml", "l", "%", "°C", "°", "h", "min", "GB", "MHz", "W")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FUNCTIONS = ("log", "exp", "sin", "cos", "tan", "max", "min", "lim", "det", "argmax", "Pr", "E")
_LETTERS = string.ascii_letters
_DIGITS = string.digits


class Corpus:
    """Draws strings over the charset.

    Args:
        languages: Share of each language among the words, by wordfreq's codes.
        exponent: Words are drawn with frequency to this power: 1 is running text, 0 all alike.
            Between, so that rare words are seen but common ones lead.

    Raises:
        MissingExtraError: wordfreq is not installed.

    Example:
        >>> corpus = Corpus()  # doctest: +SKIP
        >>> corpus.word(np.random.default_rng(1))  # doctest: +SKIP
        'Saturday'
    """

    def __init__(self, languages: dict[str, float] | None = None, *, exponent: float = 0.6) -> None:
        shares = languages or LANGUAGES
        self._language_ends = np.cumsum(list(shares.values())) / sum(shares.values())
        self._words: list[Sequence[str]] = []
        self._word_ends: list[np.ndarray] = []
        for language in shares:
            words, frequencies = _load_words(language)
            weights = np.asarray(frequencies) ** exponent
            self._words.append(words)
            self._word_ends.append(np.cumsum(weights) / weights.sum())

    def plain_word(self, rng: np.random.Generator) -> str:
        """Draw a lower-case word of some language."""
        which = int(np.searchsorted(self._language_ends, rng.random()))
        words, ends = self._words[which], self._word_ends[which]
        return words[min(int(np.searchsorted(ends, rng.random())), len(words) - 1)]

    def word(self, rng: np.random.Generator) -> str:
        """Draw one word as it stands on signs and slides; it holds no space."""
        kind = rng.random()
        if kind < 0.70:
            text = cased(self.plain_word(rng), rng)
            if rng.random() < 0.16:
                text = _punctuated(text, rng)
            return text
        if kind < 0.80:
            return number(rng)
        if kind < 0.86:
            return _code(rng)
        if kind < 0.90:
            return self._compound(rng)
        if kind < 0.925:
            return self._address(rng)
        if kind < 0.97:
            return _random_string(rng)
        return _special(rng)

    def line(self, rng: np.random.Generator) -> str:
        """Draw a line of two words and more, or a formula."""
        kind = rng.random()
        if kind < 0.18:
            return formula(rng)
        count = 2 + int(rng.random() ** 2 * 5)
        if kind < 0.75:
            words = [self.plain_word(rng) for _ in range(count)]
            words = [number(rng) if rng.random() < 0.06 else w for w in words]
            style = rng.random()
            if style < 0.2:
                words = [w.upper() if w.upper() != "SS" else w for w in words]
                words = [_in_charset(w) for w in words]
            elif style < 0.45:
                words = [w[:1].upper() + w[1:] for w in words]
            elif style < 0.75:
                words[0] = words[0][:1].upper() + words[0][1:]
            line = " ".join(words)
            ending = rng.random()
            if ending < 0.12:
                line += "."
            elif ending < 0.2:
                line += _one_of(rng, ":?!,;…")
            if rng.random() < 0.1:
                line = _one_of(rng, "•–-—·›") + " " + line
            elif rng.random() < 0.05:
                line = f"{int(rng.integers(1, 20))}. {line}"
            return _in_charset(line)
        return " ".join(self.word(rng) for _ in range(count))

    def _compound(self, rng: np.random.Generator) -> str:
        glue = _one_of(rng, "--/&'+’.@")
        first, second = cased(self.plain_word(rng), rng), cased(self.plain_word(rng), rng)
        if glue in "'’":
            return first + glue + ("s" if first[-1:].islower() else "S")
        return first + glue + second

    def _address(self, rng: np.random.Generator) -> str:
        host = _ascii_only(self.plain_word(rng)) or "web"
        end = _one_of(rng, _TLDS)
        kind = rng.random()
        if kind < 0.5:
            text = f"www.{host}.{end}"
        elif kind < 0.65:
            text = f"{_ascii_only(self.plain_word(rng)) or 'info'}@{host}.{end}"
        elif kind < 0.85:
            text = f"{host}.{end}"
        else:
            text = f"{_one_of(rng, ('http', 'https'))}://{host}.{end}"
        return text.upper() if rng.random() < 0.2 else text


class OwnWords(Corpus):
    """Draws from a list of one's own, each string equally often and as it is written.

    Args:
        words: Strings in the charset; those with spaces are lines.

    Raises:
        ConfigError: The list is empty.
    """

    def __init__(self, words: Sequence[str]) -> None:
        if not words:
            raise ConfigError("no word left to draw")
        self._all = list(words)
        self._single = [word for word in words if " " not in word] or [
            part for word in words for part in word.split()
        ]
        self._lines = [word for word in words if " " in word]

    def plain_word(self, rng: np.random.Generator) -> str:
        """Draw a word."""
        return _one_of(rng, self._single)

    def word(self, rng: np.random.Generator) -> str:
        """Draw a word."""
        return _one_of(rng, self._single)

    def line(self, rng: np.random.Generator) -> str:
        """Draw a line, or put one together of some words where there is none."""
        if self._lines:
            return _one_of(rng, self._lines)
        return " ".join(self.word(rng) for _ in range(2 + int(rng.random() * 3)))


def read_words(path: Path, faces: Sequence[FontFace]) -> tuple[list[str], list[tuple[str, str]]]:
    """Read a list of words, one a line.

    Args:
        path: A UTF-8 text file.
        faces: What they are to be drawn with.

    Returns:
        The words that can be drawn, and those that cannot, each with the reason.

    Raises:
        ConfigError: The file cannot be read, or none of its words can be drawn.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the list of words {path} cannot be read: {error}") from None
    good: list[str] = []
    refused: list[tuple[str, str]] = []
    for row in content.split("\n"):
        word = " ".join(normalize(row).split())
        if not word:
            continue
        strange = "".join(dict.fromkeys(c for c in word if c not in CHARSET))
        if strange:
            refused.append((word, f"outside the charset: {strange}"))
        elif len(word) > MAX_LENGTH:
            refused.append((word, f"longer than {MAX_LENGTH} characters"))
        elif not any(face.covers(word) for face in faces):
            refused.append((word, "no font draws all of its characters"))
        else:
            good.append(word)
    if not good:
        told = f"; the first: {refused[0][0]!r}: {refused[0][1]}" if refused else ": it is empty"
        raise ConfigError(f"none of the words in {path} can be drawn{told}")
    return good, refused


def _load_words(language: str) -> tuple[list[str], list[float]]:
    try:
        # Imported here: the lists take 60 MB, and a machine that only reads text has none of it.
        import wordfreq
    except ImportError:
        raise MissingExtraError("rendering training pictures", "train") from None
    listed: Any = wordfreq.get_frequency_dict(language)
    length = _LIST_LENGTH.get(language, _OTHER_LIST_LENGTH)
    words, frequencies = [], []
    for raw, frequency in listed.items():
        word = normalize(raw)
        if not all(c in CHARSET and c not in GREEK for c in word) or len(word) > 22:
            continue
        if word.isdigit() or not any(c.isalpha() for c in word):
            continue
        # One-letter words would be a tenth of all, and say nothing; a few come from elsewhere.
        words.append(word)
        frequencies.append(frequency * (0.02 if len(word) == 1 else 0.4 if len(word) == 2 else 1.0))
        if len(words) == length:
            break
    return words, frequencies


def cased(word: str, rng: np.random.Generator) -> str:
    """Write ``word`` lower, Title, UPPER or (rarely) MiXed, staying inside the charset."""
    kind = rng.random()
    if kind < _CASES[0]:
        return word
    if kind < _CASES[0] + _CASES[1]:
        return _in_charset(word[:1].upper() + word[1:])
    if kind < sum(_CASES):
        return _in_charset(word.upper())
    return _in_charset("".join(c.upper() if rng.random() < 0.5 else c for c in word))


def number(rng: np.random.Generator) -> str:
    """Draw a number, price, date, time, telephone number or measure."""
    kind = int(rng.random() * 13)
    if kind == 12:
        return _one_of(rng, _CURRENCIES) + _digits(rng, 1 + int(rng.random() * 4))
    if kind < 3:
        return _digits(rng, 1 + int(rng.random() * 5))
    if kind == 3:
        price = f"{_digits(rng, 1 + int(rng.random() * 3))}{_one_of(rng, '.,')}{_digits(rng, 2)}"
        if rng.random() < 0.6:
            price = _one_of(rng, _CURRENCIES) + price
        return price if rng.random() < 0.85 else price + "€"
    if kind == 4:
        return f"{rng.integers(0, 24)}{_one_of(rng, '::.')}{rng.integers(0, 60):02d}" + _one_of(
            rng, ("", "", "", "am", "pm", "AM", "PM", "h")
        )
    if kind == 5:
        glue = _one_of(rng, "./-")
        day, month = f"{rng.integers(1, 32):02d}", f"{rng.integers(1, 13):02d}"
        return glue.join((day, month, str(rng.integers(1950, 2040))[_one_of_int(rng, 0, 2) :]))
    if kind == 6:
        groups = [_digits(rng, 2 + int(rng.random() * 3)) for _ in range(2 + int(rng.random() * 2))]
        prefix = _one_of(rng, ("", "", "+", "0", "(0)"))
        return prefix + _one_of(rng, "--./").join(groups)
    if kind == 7:
        return _digits(rng, 1 + int(rng.random() * 3)) + _one_of(rng, _UNITS)
    if kind == 8:
        return (
            f"{_digits(rng, 1 + int(rng.random() * 2))}{_one_of(rng, ('%', '%', '-%', '°', 'x'))}"
        )
    if kind == 9:
        return str(rng.integers(1900, 2035))
    if kind == 10:
        return _one_of(rng, ("#", "No.", "Nr.", "S.", "p.", "-", "+", "§", "~")) + _digits(
            rng, 1 + int(rng.random() * 3)
        )
    if rng.random() < 0.5:
        return _one_of(rng, _MONTHS) + _one_of(rng, ("-", ".", "")) + _digits(rng, 2)
    return f"{_digits(rng, 1 + int(rng.random() * 3))},{_digits(rng, 3)}"


def formula(rng: np.random.Generator) -> str:
    """Draw a line that looks like a formula of a slide; it need not make sense."""
    parts: list[str] = []
    for position in range(2 + int(rng.random() * 4)):
        if position:
            parts.append(_one_of(rng, "=+-=·×≤≥≈≠≡∝→∈⇒<>±∧∨∪∩⊂⊆←↔⇔*/:|∉"))
        parts.append(_term(rng))
    glue = " " if rng.random() < 0.75 else ""
    text = glue.join(parts)
    if rng.random() < 0.15:
        text = _one_of(rng, "∀∃∑∏∫∇∂√¬") + text
    return text


def _term(rng: np.random.Generator) -> str:
    kind = rng.random()
    variable = _one_of(rng, _LETTERS) if rng.random() < 0.5 else _one_of(rng, GREEK)
    if kind < 0.4:
        return variable + _one_of(rng, ("", "", "", "²", "³", "'", "¹", "(x)", "(t)", "[i]", "!"))
    if kind < 0.55:
        return _digits(rng, 1 + int(rng.random() * 2)) + variable
    if kind < 0.68:
        return f"{_one_of(rng, _FUNCTIONS)}({variable})"
    if kind < 0.78:
        return _one_of(rng, "∑∏∫√∂∇") + variable
    if kind < 0.86:
        return f"({variable} {_one_of(rng, '+-·×÷±')} {_one_of(rng, _LETTERS)})"
    if kind < 0.93:
        return f"{_digits(rng, 1)}.{_digits(rng, 1 + int(rng.random() * 3))}"
    return _one_of(rng, ("∞", "∅", "½", "{0, 1}", "|" + variable + "|", variable + "∪" + variable))


def _special(rng: np.random.Generator) -> str:
    """Draw a short string in which every character of the charset is equally likely."""
    kind = rng.random()
    pool = ACCENTED if kind < 0.4 else CHARSET[1:] if kind < 0.6 else TYPOGRAPHIC
    pool = pool if kind < 0.75 else GREEK if kind < 0.88 else MATHS
    count = 1 + int(rng.random() * 4)
    text = "".join(_one_of(rng, pool) for _ in range(count))
    if rng.random() < 0.6:
        text += _random_string(rng)[: int(rng.random() * 5)]
    return text


def _random_string(rng: np.random.Generator) -> str:
    kind = rng.random()
    pool = (
        string.ascii_uppercase
        if kind < 0.3
        else string.ascii_lowercase
        if kind < 0.5
        else _LETTERS + _DIGITS
        if kind < 0.8
        else CHARSET[1:95]
    )
    return "".join(_one_of(rng, pool) for _ in range(1 + int(rng.random() * 8)))


def _code(rng: np.random.Generator) -> str:
    """Draw a plate, room, product or bus number: letters and digits in groups."""
    groups = []
    for _ in range(1 + int(rng.random() * 3)):
        kind = rng.random()
        length = 1 + int(rng.random() * 4)
        if kind < 0.5:
            groups.append(_digits(rng, length))
        elif kind < 0.9:
            groups.append("".join(_one_of(rng, string.ascii_uppercase) for _ in range(length)))
        else:
            groups.append("".join(_one_of(rng, string.ascii_lowercase) for _ in range(length)))
    return _one_of(rng, ("", "", "-", "-", "/", ".", ":")).join(groups)


def _punctuated(text: str, rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.55:
        return text + _one_of(rng, ".,:!?;.,:!.,…®™*")
    if kind < 0.65:
        return f"({text})"
    if kind < 0.74:
        pair = _one_of(rng, ('""', "''", "“”", "„“", "‘’", "«»", "[]", "‹›"))
        return pair[0] + text + pair[1]
    if kind < 0.84:
        return _one_of(rng, "#@&-•–*+~¿¡$") + text
    if kind < 0.94:
        return text + _one_of(rng, "-–/)\"'&+>")
    return text + _one_of(rng, ("'s", "’s", "...", "!!", "!!!", "?!"))


def _digits(rng: np.random.Generator, length: int) -> str:
    return "".join(_one_of(rng, _DIGITS) for _ in range(length))


def _in_charset(text: str) -> str:
    return "".join(c for c in normalize(text) if c in CHARSET)


def _ascii_only(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isalnum())


def _one_of(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.random() * len(choices))]


def _one_of_int(rng: np.random.Generator, *choices: int) -> int:
    return choices[int(rng.random() * len(choices))]
