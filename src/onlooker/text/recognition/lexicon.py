"""Words that are expected: a list that readings are drawn towards."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from onlooker.errors import ConfigError
from onlooker.text.charset import normalize, unreadable

#: Words of the list that are tried for one doubtful reading.
_NEAREST = 6


class Lexicon:
    """A list of words; case is disregarded, as are marks around a word.

    Args:
        words: The words. One of several parts counts as each of its parts: crops are read word
            by word.

    Attributes:
        unwritable: Words with characters that the reader cannot write: they are never read.

    Raises:
        ConfigError: There is no word that can be written.
    """

    def __init__(self, words: Iterable[str]) -> None:
        forms: dict[str, str] = {}
        unwritable: list[str] = []
        for entry in words:
            for word in normalize(entry).split():
                if unreadable(word):
                    unwritable.append(word)
                else:
                    forms.setdefault(word.lower(), word)
        if not forms:
            raise ConfigError(
                "the lexicon holds no word that the reader can write"
                + (f" (it has {unwritable[0]!r})" if unwritable else "; give one a line")
            )
        self.unwritable = tuple(unwritable)
        self._forms = forms
        self._folded = list(forms)

    @classmethod
    def read(cls, path: Path) -> Lexicon:
        """Read a file of words, one a line, UTF-8.

        Raises:
            ConfigError: The file cannot be read, or holds no word that can be written.
        """
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise ConfigError(f"the lexicon {path} cannot be read: {reason}") from error
        try:
            return cls(lines)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def __len__(self) -> int:
        return len(self._forms)

    def __contains__(self, text: str) -> bool:
        folded = text.lower()
        return folded in self._forms or _bare(folded) in self._forms

    def near(self, text: str) -> list[str]:
        """List words like a reading, in each usual case, with the marks around the reading.

        Example:
            >>> Lexicon(["Hotel"]).near("hotcl!")
            ['Hotel!', 'hotel!', 'HOTEL!']
        """
        bare = _bare(text)
        if not bare:
            return []
        found = process.extract(
            bare.lower(),
            self._folded,
            scorer=Levenshtein.distance,
            limit=_NEAREST,
            score_cutoff=max(1, len(bare) // 2),
        )
        before, _, after = text.partition(bare)
        forms: dict[str, None] = {}
        for folded, _, _ in found:
            for form in (self._forms[folded], folded, folded.title(), folded.upper()):
                whole = before + form + after
                if not unreadable(whole):
                    forms[whole] = None
        return list(forms)


def _bare(text: str) -> str:
    """Strip the marks around a word."""
    first, last = 0, len(text)
    while first < last and not text[first].isalnum():
        first += 1
    while last > first and not text[last - 1].isalnum():
        last -= 1
    return text[first:last]
