"""``onlooker verify``: check the library, and repair it."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click

from onlooker.cli.options import json_option, library_option
from onlooker.cli.show import plain


@click.command("verify", short_help="Check the library, and repair it.")
@library_option
@click.option("--full", is_flag=True, help="Compare every entry of the indices, not a sample.")
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@json_option
def command(folder: Path | None, full: bool, repair: bool, as_json: bool) -> None:
    """Check the library's database, indices and thumbnails; changes nothing, unless --repair.

    Of the full-text indices a sample is compared; --full compares them whole, and keeps others
    from writing meanwhile.
    """
    from onlooker.library.library import Library

    with Library.open(folder, create=False, read_only=not (full or repair)) as library:
        problems = library.verify(repair=repair)
    left = [problem for problem in problems if not problem.repaired]
    if as_json:
        rows = [dataclasses.asdict(problem) for problem in problems]
        click.echo(json.dumps({"problems": rows, "ok": not left}, ensure_ascii=False, indent=2))
    else:
        for problem in problems:
            mark = "repaired" if problem.repaired else "problem"
            click.echo(f"{mark}: {plain(problem.what)} ({plain(problem.where)})")
        if not problems:
            click.echo("The library is sound.")
        elif left:
            click.echo(f"{len(left)} to mend" + ("" if repair else ":  onlooker verify --repair"))
    sys.exit(1 if left else 0)
