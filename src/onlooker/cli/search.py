"""``onlooker search``: find moments."""

from __future__ import annotations

import json
import shutil
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onlooker.cli.options import filter_options, json_option, library_option, to_filters
from onlooker.cli.show import (
    KIND_WORDS,
    cells,
    end_of,
    path_text,
    place,
    plain,
    safe_text,
    start_that_fits,
)
from onlooker.library.export import media_json, moment_json
from onlooker.records import clock

if TYPE_CHECKING:
    from onlooker.library.search import Hit, SearchResult

_HOW = {"exact": "", "prefix": "", "part": "part of a word", "near": "similar spelling"}


@click.command("search", short_help="Find moments.")
@click.argument("query", nargs=-1, required=True)
@library_option
@filter_options
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--offset", default=0, type=click.IntRange(min=0), help="Leave out the first hits.")
@json_option
def command(
    query: tuple[str, ...],
    folder: Path | None,
    kinds: tuple[str, ...],
    under: Path | None,
    since: float | None,
    before: float | None,
    by: str,
    series: str,
    lang: str,
    limit: int,
    offset: int,
    as_json: bool,
) -> None:
    """Find the moments at which QUERY is seen, said, or given as title or name.

    \b
    gradient descent      both words, near each other
    "gradient descent"    the phrase          (quote it for your shell, too)
    grad*                 words that begin so
    cat OR dog, cat NOT dog, (a OR b) c

    Parts of words and slips of spelling are found, too, below the exact hits. Exits with 1 when
    nothing was found.
    """  # noqa: D301
    from onlooker.library.library import Library

    text = " ".join(query)
    filters = to_filters(kinds, under, since, before, by, series, lang)
    with Library.open(folder, create=False, read_only=True) as library:
        result = library.search(text, filters=filters, limit=limit, offset=offset)
        if as_json:
            click.echo(json.dumps(_as_json(text, result), ensure_ascii=False, indent=2))
        else:
            _print(text, result)
            _print_waiting(library)
    sys.exit(0 if result.hits else 1)


def _as_json(text: str, result: SearchResult) -> dict[str, object]:
    return {
        "query": safe_text(text),
        "total": result.total,
        "total_is_exact": result.total_exact,
        "took_s": round(result.took_s, 4),
        "suggestion": result.suggestion,
        "hits": [
            {
                "score": round(hit.score, 4),
                "match": hit.match,
                "why": hit.why,
                "snippet": hit.snippet.text,
                "marks": [list(mark) for mark in hit.snippet.marks],
                "moment": moment_json(hit.moment.moment),
                "media": {
                    key: value
                    for key, value in media_json(hit.media).items()
                    if key in ("id", "kind", "title", "paths", "duration_s", "pages")
                },
            }
            for hit in result.hits
        ],
    }


def _print(text: str, result: SearchResult) -> None:
    if not result.hits:
        click.echo(f"Nothing found for {plain(text)!r}.")
        if result.suggestion:
            click.echo(f"Nearest in this library: {plain(result.suggestion)}")
        return
    about = "" if result.total_exact else "about "
    click.echo(
        f"{about}{result.total} {'moment' if result.total == 1 else 'moments'} "
        f"({result.took_s * 1000:.0f} ms)"
    )
    # Hits stay in the order of their rank; neighbours of one file share a heading.
    for _, hits in groupby(result.hits, key=lambda hit: hit.media.id):
        group = list(hits)
        _print_heading(group[0])
        for hit in group:
            _print_hit(hit)


def _print_heading(hit: Hit) -> None:
    row = hit.media
    name = path_text(row.paths[0].path) if row.paths else plain(row.title)
    facts = row.facts
    about = (
        clock(facts.duration_s) if facts.duration_s else f"{facts.pages} p." if facts.pages else ""
    )
    detail = f"{row.kind} {about}".strip()
    if row.paths and all(p.state == "offline" for p in row.paths):
        detail += ", offline"
    width = shutil.get_terminal_size().columns
    room = max(10, width - len(detail) - 2)
    name = end_of(name, room)
    gap = " " * max(2, width - cells(name) - len(detail))
    click.echo("\n" + click.style(name, bold=True) + gap + detail)


def _print_hit(hit: Hit) -> None:
    moment = hit.moment.moment
    width = shutil.get_terminal_size().columns
    head = f"  {place(moment):<15} {KIND_WORDS[moment.kind]:<11} "
    tail = f" {hit.score:.2f}"
    how = _HOW.get(hit.match, hit.match)
    room = max(20, width - len(head) - len(tail))
    snippet = _marked(hit.snippet.text, hit.snippet.marks, room - (len(how) + 3 if how else 0))
    shown = snippet[0] + (click.style(f" ({how})", dim=True) if how else "")
    used = snippet[1] + (len(how) + 3 if how else 0)
    click.echo(click.style(head, dim=True) + shown + " " * max(0, room - used) + tail)


def _marked(text: str, marks: tuple[tuple[int, int], ...], room: int) -> tuple[str, int]:
    """Cut a snippet to its room around the first mark; return it with its width in columns."""
    in_terminal = sys.stdout.isatty()
    text = plain(text)  # letter by letter, so the marks stay where they are
    room -= 0 if in_terminal else 2 * len(marks)
    start = 0
    if cells(text) > room and marks and cells(text[: marks[0][1]]) > room - 1:
        before = text[: marks[0][0]]
        start = len(before) - start_that_fits(before[::-1], room // 3)
    left = room - (start > 0)
    fits = cells(text[start:]) <= left
    end = len(text) if fits else start + start_that_fits(text[start:], left - 1)
    out: list[str] = ["…"] if start else []
    at = start
    width = cells(text[start:end]) + (start > 0) + (not fits)
    for first, last in marks:
        first, last = max(first, start), min(last, end)
        if first >= last:
            continue
        word = text[first:last]
        out += [text[at:first]]
        out += [click.style(word, bold=True, fg="yellow") if in_terminal else f"*{word}*"]
        width += 0 if in_terminal else 2
        at = last
    out += [text[at:end], "" if fits else "…"]
    return "".join(out), width


def _print_waiting(library: object) -> None:
    from onlooker.library.library import Library

    assert isinstance(library, Library)
    tasks = library.store.counts().tasks
    waiting = {stage: states.get("pending", 0) for stage, states in tasks.items()}
    parts = [
        f"{count} {word}"
        for stage, word in (("look", "not looked at"), ("read", "not read"), ("hear", "not heard"))
        if (count := waiting.get(stage, 0))
    ]
    if parts:
        click.echo(f"\nNot everything was searched: {', '.join(parts)} yet (onlooker update).")
