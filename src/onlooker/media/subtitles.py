"""Subtitles and captions: SubRip and WebVTT files, and text streams inside recordings.

The words come out as they were said, once: markup is stripped, malformed cues are left out, and
the rolling captions of live and automatic captioning, in which each line is shown two or three
times, are merged.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from av.stream import Discard

from onlooker.errors import MediaError
from onlooker.media.container import STREAM_ERRORS, open_container, zero_s
from onlooker.media.files import PathLike, as_path, read_bytes, shown
from onlooker.media.language import language_tag

MAX_BYTES = 64_000_000
"""A day of subtitles has some 2 MB."""

MAX_CUES = 500_000

TEXT_CODECS = frozenset({"subrip", "srt", "mov_text", "ass", "ssa", "webvtt", "text", "eia_608"})
"""Subtitle codecs that carry text; the others (Blu-ray, DVD, DVB) are pictures."""

ROLLING_GAP_S = 0.25
"""Captions that follow one another within this gap may roll. Automatic captions leave 0 or 10 ms,
live captions a few frames."""

MIN_WORD_CUES = 10
WORD_CUE_SHARE = 0.8
"""A file of at least so many cues, so many of them one word each, is a list of words."""

PHRASE_WORDS = 14
PHRASE_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Cue:
    """Something said, and when.

    Attributes:
        start_s: Start in seconds.
        end_s: End (exclusive).
        text: Words on one line, without markup.
        language: BCP 47 tag, empty where unknown.
    """

    start_s: float
    end_s: float
    text: str
    language: str = ""


_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[,.:](\d{1,6})"
_TIMING = re.compile(rf"^\s*{_TIME}\s*-{{1,2}}>\s*{_TIME}(?:\s.*)?$")
_BRACKETED = re.compile(rf"^\s*\[{_TIME}\s*-{{1,2}}>\s*{_TIME}\](.*)$")
"""What Whisper prints, and people save as .srt: times in brackets, the text behind them."""
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>|</>|<\d[\d:.]*>")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(?:\{[^{}]*\\p0[^{}]*\}|$)", re.DOTALL)
_OVERRIDE = re.compile(r"\{\\[^{}]*\}|\{[a-zA-Z]:[^{}]*\}")
_SPACE = re.compile(r"[\s\u200b\ufeff]+")
_DIRECTION = dict.fromkeys(
    map(ord, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
)
_SUFFIX_LANGUAGE = re.compile(r"\.([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*)$")


def decode_text(data: bytes) -> str:
    """Decode text of unknown encoding: by its mark, as UTF-8, as UTF-16 by its zeros, as cp1252.

    Windows-1252 comes last since it takes nearly any bytes; it holds Latin-1's letters.

    Example:
        >>> decode_text("ä".encode("utf-16")), decode_text("Grüße".encode("latin-1"))
        ('ä', 'Grüße')
    """
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe\0\0", "utf-32"),
        (b"\0\0\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    sample = data[:4096]
    zeros = (sample[0::2].count(0), sample[1::2].count(0))
    if max(zeros) > len(sample) // 8:
        return data.decode("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def plain_text(markup: str) -> str:
    r"""Strip HTML and ASS tags, entities, karaoke times and direction marks; lines are kept.

    Example:
        >>> plain_text(r"{\an8}<i>Gr&uuml;&szlig;e</i> <00:00:01.500><c> alle</c>")
        'Grüße alle'
    """
    text = _DRAWING.sub("", markup) if "\\p" in markup else markup
    text = _OVERRIDE.sub("", text)
    text = text.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    text = html.unescape(_TAG.sub("", text)).translate(_DIRECTION)
    lines = (_SPACE.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _parse(text: str) -> Iterator[tuple[float, float, str]]:
    """Yield the cues of SubRip or WebVTT text: start, end, lines without markup.

    Both formats are read alike: a line of times, then text up to an empty line. What stands before
    a line of times (numbers, names, styles, notes) is passed over, and so are cues whose times
    cannot be right.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    at = 0
    while at < len(lines):
        match = _TIMING.match(lines[at])
        bracketed = None if match else _BRACKETED.match(lines[at])
        at += 1
        if bracketed is not None:
            times = bracketed.groups()
            start, end = _seconds(*times[:4]), _seconds(*times[4:8])
            words = plain_text(times[8])
            if words and end >= start:
                yield start, end, words
            continue
        if match is None:
            continue
        body: list[str] = []
        while at < len(lines) and lines[at]:
            if not lines[at].strip():
                at += 1
                if body:
                    break
                continue  # automatic captions begin with a line of one space
            if _TIMING.match(lines[at]):  # the empty line between two cues is missing
                if body and body[-1].strip().isdigit():
                    body.pop()
                break
            body.append(lines[at])
            at += 1
        start, end = _seconds(*match.groups()[:4]), _seconds(*match.groups()[4:])
        words = plain_text("\n".join(body))
        if words and end >= start:
            yield start, end, words


def merge_rolling(cues: Iterable[tuple[float, float, str]], language: str = "") -> list[Cue]:
    """Merge captions that repeat one another's lines while they roll up the screen.

    A caption that follows the one before within `ROLLING_GAP_S` gives only its new lines; one that
    only adds words to the line before replaces it; one that adds nothing extends it.

    Args:
        cues: Start, end, and lines separated by line breaks.
        language: BCP 47 tag for the result.
    """
    merged: list[Cue] = []
    shown_lines: list[str] = []
    shown_until = -1.0
    for start, end, text in sorted(cues, key=lambda cue: cue[:2]):
        lines = text.split("\n")
        follows = bool(merged) and start <= shown_until + ROLLING_GAP_S
        fresh = lines
        if follows:
            overlap = next(
                (n for n in range(min(len(lines), len(shown_lines)), 0, -1)
                 if shown_lines[-n:] == lines[:n]),
                0,
            )  # fmt: skip
            fresh = lines[overlap:]
            if not fresh:
                merged[-1] = replace(merged[-1], end_s=max(merged[-1].end_s, end))
            elif (
                overlap == len(lines) - 1
                and len(shown_lines) >= 1
                and fresh[0].startswith(shown_lines[-1] + " ")
                and merged[-1].text.endswith(shown_lines[-1])
            ):
                kept = merged[-1].text[: -len(shown_lines[-1])]
                merged[-1] = replace(
                    merged[-1], text=kept + fresh[0], end_s=max(merged[-1].end_s, end)
                )
                fresh = []
        if fresh:
            if follows and len(fresh) < len(lines):
                # The line before goes on rolling, yet it is no longer what is being said.
                merged[-1] = replace(
                    merged[-1], end_s=min(merged[-1].end_s, max(start, merged[-1].start_s))
                )
            merged.append(Cue(start, end, " ".join(fresh), language))
        shown_lines = lines
        shown_until = max(shown_until, end) if follows else end
        if len(merged) > MAX_CUES:
            break
    return merged


def join_words(cues: list[Cue]) -> list[Cue]:
    """Join cues of one word each, as recognisers give them, to phrases that can be read.

    A phrase ends after a full stop, at a pause, or when it is long (`PHRASE_WORDS`, about what one
    caption of two lines holds). Cues that are phrases already stay as they are.
    """
    single = sum(" " not in cue.text for cue in cues)
    if len(cues) < MIN_WORD_CUES or single < WORD_CUE_SHARE * len(cues):
        return cues
    joined: list[Cue] = []
    words: list[Cue] = []
    for cue in cues:
        if words and (
            cue.start_s - words[-1].end_s > PHRASE_PAUSE_S
            or len(words) >= PHRASE_WORDS
            or words[-1].text.endswith((".", "?", "!"))
        ):
            joined.append(_phrase(words))
            words = []
        words.append(cue)
    joined.append(_phrase(words))
    return joined


def _phrase(words: list[Cue]) -> Cue:
    text = " ".join(word.text for word in words)
    end = max(word.end_s for word in words)
    return Cue(words[0].start_s, end, text, words[0].language)


def language_of(path: PathLike) -> str:
    """Return the language that a subtitle file's name states (``talk.de.srt``), else nothing."""
    match = _SUFFIX_LANGUAGE.search(as_path(path).stem)
    return language_tag(match[1]) if match else ""


def read_subtitles(path: PathLike) -> list[Cue]:
    """Read a SubRip or WebVTT file.

    Args:
        path: A ``.srt`` or ``.vtt`` file in UTF-8, UTF-16, UTF-32 or Windows-1252.

    Returns:
        Cues by their start. A WebVTT file without cues gives none.

    Raises:
        MediaError: It is missing, unreadable, empty, too large, or holds no cue at all.
    """
    text = decode_text(read_bytes(path, MAX_BYTES))
    is_webvtt = text.lstrip("\ufeff").startswith("WEBVTT")
    language = language_of(path)
    if is_webvtt and not language:
        header = re.search(r"^Language:[ \t]*(\S+)", text.partition("\n\n")[0][:1000], re.MULTILINE)
        language = language_tag(header[1]) if header else ""
    cues = join_words(merge_rolling(_parse(text), language))
    if not cues and not is_webvtt:
        raise MediaError(
            f"cannot read {shown(path)}: there is no subtitle in it; a line such as"
            " '00:00:01,000 --> 00:00:03,500' was expected above each text"
        )
    return cues


@dataclass(frozen=True, slots=True)
class SubtitleStream:
    """A text subtitle stream inside a recording.

    Attributes:
        index: Index of the stream in its container.
        codec: Name of the codec.
        language: BCP 47 tag, empty where unknown.
        title: What the file calls it.
        cues: What it says.
    """

    index: int
    codec: str
    language: str
    title: str
    cues: tuple[Cue, ...]


def streams(path: PathLike) -> list[SubtitleStream]:
    """Read the text subtitle streams inside a recording; a damaged packet is passed over.

    Raises:
        MediaError: The recording cannot be opened.
    """
    with open_container(path) as container:
        chosen = [
            stream
            for stream in container.streams.subtitles
            if stream.codec_context is not None and stream.codec_context.name in TEXT_CODECS
        ]
        if not chosen:
            return []
        for stream in container.streams:
            if stream not in chosen:
                stream.discard = Discard.all  # lets the reader skip pictures and sound
        found: dict[int, list[tuple[float, float, str]]] = {stream.index: [] for stream in chosen}
        zero = zero_s(container)
        try:
            for packet in container.demux(chosen):
                if packet.pts is None or packet.size == 0:
                    continue
                start = float(packet.pts * packet.time_base) - zero
                length = float((packet.duration or 0) * packet.time_base)
                text = _packet_text(packet)
                if text and start + length >= 0:
                    found[packet.stream.index].append((max(0.0, start), start + length, text))
        except STREAM_ERRORS:
            pass  # the end is damaged: what came before it counts
        return [
            SubtitleStream(
                stream.index,
                stream.codec_context.name,
                language := language_tag(stream.metadata.get("language", "")),
                stream.metadata.get("title", ""),
                tuple(merge_rolling(found[stream.index], language)),
            )
            for stream in chosen
        ]


def _packet_text(packet: Any) -> str:
    """Decode one packet; FFmpeg brings every text codec into the form of ASS events."""
    try:
        parts = packet.decode()
    except STREAM_ERRORS:
        return ""
    texts = []
    for part in parts:
        event = getattr(part, "ass", b"") or b""
        # ReadOrder, Layer, Style, Name, MarginL, MarginR, MarginV, Effect, Text
        fields = event.split(b",", 8)
        if len(fields) == 9:
            texts.append(plain_text(decode_text(fields[8])))
    return "\n".join(text for text in texts if text)
