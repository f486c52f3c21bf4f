"""``onlooker update``: look at all known folders again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from onlooker.cli.add import stages_of, work_options


@click.command("update", short_help="Look at all known folders again.")
@click.option("--retry", is_flag=True, help="Try again what failed or was skipped.")
@work_options
def command(
    retry: bool,
    folder: Path | None,
    stages: str,
    until: float | None,
    newest_first: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Look at all known folders again: index what is new or changed, forget what is gone.

    A renamed file keeps its records. A folder that is not there (an unplugged drive) is kept as
    offline. Work that was stopped goes on.
    """
    from onlooker.cli.report import Reporter
    from onlooker.library.library import Library

    chosen = stages_of(stages)
    with (
        Library.open(folder, create=False) as library,
        Reporter(as_json=as_json, quiet=quiet) as reporter,
    ):
        summary = library.update(
            stages=chosen,
            until=until,
            newest_first=newest_first,
            retry=retry,
            on_event=reporter.event,
        )
        reporter.summary(summary)
    sys.exit(reporter.exit_code(summary))
