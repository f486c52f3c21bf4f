"""``onlooker export``: write the library for other tools."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import click

from onlooker.cli.options import PathType, filter_options, library_option, to_filters
from onlooker.errors import OnlookerError, StoreError
from onlooker.library.store import MediaRow
from onlooker.media.files import shown


@click.command("export", short_help="Write the library as JSON, CSV or WebVTT.")
@library_option
@filter_options
@click.option(
    "--format", "form", default="json", show_default=True,
    type=click.Choice(["json", "csv", "vtt"]),
)  # fmt: skip
@click.option(
    "--output", "-o", type=PathType(),
    help="File to write (for vtt of several recordings: a folder).  [default: standard output]",
)  # fmt: skip
def command(
    folder: Path | None,
    kinds: tuple[str, ...],
    under: Path | None,
    since: float | None,
    before: float | None,
    by: str,
    series: str,
    lang: str,
    form: str,
    output: Path | None,
) -> None:
    """Write the library: json (all), csv (a row a moment), vtt (on-screen text and transcript)."""
    from onlooker.library.export import write_csv, write_json, write_vtt
    from onlooker.library.library import Library

    filters = to_filters(kinds, under, since, before, by, series, lang)
    with Library.open(folder, create=False, read_only=True) as library:
        if form != "vtt":
            write = write_json if form == "json" else write_csv
            with _opened(output) as out:
                write(library.store, out, filters)
            return
        recordings = [m for m in library.media(filters) if m.kind in ("video", "audio")]
        if not recordings:
            raise OnlookerError("no recording matches; WebVTT is for videos and audio")
        if len(recordings) == 1 and (output is None or not output.is_dir()):
            with _opened(output) as out:
                write_vtt(library.store, out, recordings[0], filters.kinds)
            return
        if output is None:
            raise click.UsageError(
                f"{len(recordings)} recordings match: choose one with --in PATH, or give a folder "
                "with --output"
            )
        output.mkdir(parents=True, exist_ok=True)
        for name, row in _names(recordings):
            with _opened(output / name) as out:
                count = write_vtt(library.store, out, row, filters.kinds)
            click.echo(f"{output / name}: {count} cues", err=True)


def _names(rows: list[MediaRow]) -> Iterator[tuple[str, MediaRow]]:
    used: set[str] = set()
    for row in rows:
        stem = row.paths[0].path.stem if row.paths else row.public_id
        name = f"{stem}.vtt" if stem not in used else f"{stem}.{row.public_id}.vtt"
        used.add(stem)
        yield name, row


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    """Open a file that appears only when it is whole."""
    if path is None:
        yield sys.stdout
        sys.stdout.flush()  # here, where a full disk is still an error with a message
        return
    half = path.with_name(f".{path.name}.half")
    try:
        with half.open("w", encoding="utf-8", errors="backslashreplace", newline="") as out:
            yield out
        os.replace(half, path)  # noqa: PTH105 (atomic, also over an existing file)
    except BaseException as error:
        with contextlib.suppress(OSError):
            half.unlink()
        if isinstance(error, OSError):
            raise StoreError(f"{shown(path)} cannot be written: {error.strerror}") from error
        raise
