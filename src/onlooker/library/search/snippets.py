"""The text that matched, with its marks; and why it matched, in words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from onlooker.library.folding import fold_spelled, fold_with_places, squeeze
from onlooker.library.search.patterns import Pattern, fold_words
from onlooker.library.search.result import Match, Snippet
from onlooker.records import Moment

_SNIPPET = 240  # characters: three lines of a terminal
_LONG = (
    2_000  # longer texts (a whole description, a transcript without times) are looked at in parts
)


def _passage(text: str, patterns: Sequence[Pattern], squeezed: str) -> str:
    """Return the stretch of a very long text where most of the query stands."""
    best, most = text[:_LONG], 0
    # Half over each other, so that what stands together is together in one of them.
    for start in range(0, len(text), _LONG // 2):
        piece = text[start : start + _LONG]
        if squeezed:
            count = int(squeezed in squeeze(piece))
        else:
            words, spelled = fold_words(piece)
            count = sum(any(True for _ in pattern.find(words, spelled)) for pattern in patterns)
        if count > most:
            best, most = piece, count
            if start:  # whole words only
                best = best.partition(" ")[2] or best
        if most == len(patterns):
            break
    return best


def _marks(text: str, patterns: Sequence[Pattern], ways: dict[str, str]) -> list[tuple[int, int]]:
    folded, places = fold_with_places(text)
    words: list[str] = []
    spelled: list[str] = []
    starts: list[int] = []
    at = 0
    for word in folded.split():
        at = folded.index(word, at)
        starts.append(at)
        begin, end = places[at], places[at + len(word) - 1] + 1
        words.append(word)
        spelled.append(fold_spelled(text[begin:end]).strip() or word)
        at += len(word)
    spans: list[tuple[int, int]] = []
    for pattern in patterns:
        for place in pattern.find(words, spelled if spelled != words else ()):
            first = starts[place.start]
            last = starts[place.end - 1] + len(words[place.end - 1])
            if place.level == "part":
                inside = words[place.start].find(pattern.term.words[0])
                if inside >= 0:
                    first += inside
                    last = first + len(pattern.term.words[0])
            if place.level != "exact":
                ways.setdefault(
                    text[places[starts[place.start]] : places[last - 1] + 1]
                    if place.level != "part"
                    else _word_at(text, places[first]),
                    pattern.term.raw.rstrip("*"),
                )
            spans.append((places[first], places[last - 1] + 1))
    return _merged(spans)


def cut(
    texts: Sequence[str], patterns: Sequence[Pattern], squeezed: str = ""
) -> tuple[Snippet, dict[str, str]]:
    """Cut and mark the texts of moments that match together.

    Args:
        texts: What they say, in reading order.
        patterns: The terms of the query.
        squeezed: Letters in a row that are looked for instead, whatever spaces stand between them.

    Returns:
        The snippet; and the words in it that stand for others: word found → word meant.
    """
    pieces: list[str] = []
    marks: list[tuple[int, int]] = []
    ways: dict[str, str] = {}
    at = 0
    room = max(40, _SNIPPET // max(1, len(texts)))
    for raw in texts:
        text = unicodedata.normalize("NFC", raw)
        if len(text) > _LONG:
            text = _passage(text, patterns, squeezed)
        spans = _marks(text, patterns, ways) if not squeezed else _run_of(text, squeezed)
        text, spans = _shortened(text, spans, room)
        marks += [(at + start, at + end) for start, end in spans]
        pieces.append(text)
        at += len(text) + 3
    return Snippet(" … ".join(pieces), tuple(marks)), ways


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _run_of(text: str, sought: str) -> list[tuple[int, int]]:
    """Return where letters stand in a row, spaces and signs between them aside."""
    folded, places = fold_with_places(text)
    letters = [
        (letter, place) for letter, place in zip(folded, places, strict=True) if letter != " "
    ]
    start = "".join(letter for letter, _ in letters).find(sought)
    if start < 0:
        return []
    return [(letters[start][1], letters[start + len(sought) - 1][1] + 1)]


def _word_at(text: str, place: int) -> str:
    start = end = place
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return text[start:end]


def _shortened(
    text: str, spans: list[tuple[int, int]], room: int
) -> tuple[str, list[tuple[int, int]]]:
    """Cut a long text around its first mark, at spaces."""
    if len(text) <= room:
        return text, spans
    first = spans[0][0] if spans else 0
    start = max(0, min(first - room // 3, len(text) - room))
    if start > 0:
        space = text.find(" ", start, max(start, first))
        start = start if space < 0 else space + 1
    end = min(len(text), start + room)
    if end < len(text):
        space = text.rfind(" ", start + room // 2, end)
        end = end if space < 0 else space
    head = "…" if start > 0 else ""
    tail = "…" if end < len(text) else ""
    shift = len(head) - start
    kept = [(max(a, start) + shift, min(b, end) + shift) for a, b in spans if b > start and a < end]
    return head + text[start:end] + tail, kept


_WHERE = {
    "screen": "on screen",
    "speech": "in what is said",
    "name": "in the file's name",
    "person": "in what people said about it",
}


def why(
    moment: Moment, match: Match, ways: dict[str, str], *, moments: int = 1, squeezed: bool = False
) -> str:
    """Return in one phrase why a moment was found."""
    where = f"in the {moment.field}" if moment.field else _WHERE[moment.kind]
    if squeezed:
        return f"the same letters in a row, {where}"
    if match != "exact" and ways:
        verb = {"prefix": "begins with", "part": "contains", "near": "is near"}[match]
        shown = [f"“{word}” {verb} “{meant}”" for word, meant in list(ways.items())[:3]]
        return f"{', '.join(shown)}, {where}"
    if moments > 1:
        return f"the words stand beside each other, {where}"
    return where
