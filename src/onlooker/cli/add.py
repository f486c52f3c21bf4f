"""``onlooker add``: index files and folders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from onlooker.cli.options import PathType, TimeType, library_option
from onlooker.library.store import STAGES, Stage


def work_options(command: Any) -> Any:
    """Add the options that ``add`` and ``update`` share."""
    options = [
        library_option,
        click.option(
            "--stages",
            default=",".join(STAGES),
            show_default=True,
            help="Passes to do now: look (names, subtitles, PDF text, key frames), read (text "
            "in pictures), hear (speech).",
        ),
        click.option(
            "--until",
            type=TimeType(coming=True),
            help="Begin no further file after this time (07:00); a later update goes on.",
        ),
        click.option("--newest-first", is_flag=True, help="Begin with the newest files."),
        click.option("--json", "as_json", is_flag=True, help="Print a line of JSON an event."),
        click.option("--quiet", is_flag=True, help="Print errors and the summary only."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def stages_of(text: str) -> tuple[Stage, ...]:
    """Parse ``look,read``.

    Raises:
        click.BadParameter: An unknown stage.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in STAGES:
            raise click.BadParameter(f"{name!r} is no stage; there are: {', '.join(STAGES)}")
    return tuple(stage for stage in STAGES if stage in names)


@click.command("add", short_help="Index files and folders.")
@click.argument("paths", nargs=-1, required=True, type=PathType())
@click.option(
    "--exclude", multiple=True, metavar="PATTERN", help="Leave out what matches; may be repeated."
)
@work_options
def command(
    paths: tuple[Path, ...],
    exclude: tuple[str, ...],
    folder: Path | None,
    stages: str,
    until: float | None,
    newest_first: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Index PATHS: videos, photos, PDF documents and audio, folders with all below them.

    The library is searchable while this runs. Stop it with Ctrl-C whenever you like: what is done
    is kept, and the next `onlooker update` goes on.
    """
    from onlooker.cli.report import Reporter
    from onlooker.library.library import Library

    chosen = stages_of(stages)
    with Library.open(folder) as library, Reporter(as_json=as_json, quiet=quiet) as reporter:
        summary = library.add(
            *paths,
            exclude=exclude,
            stages=chosen,
            until=until,
            newest_first=newest_first,
            on_event=reporter.event,
        )
        reporter.summary(summary)
    sys.exit(reporter.exit_code(summary))
