"""``onlooker estimate``: what indexing would take."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from onlooker.cli.options import PathType, json_option
from onlooker.cli.show import plain, size


@click.command("estimate", short_help="Tell what indexing would take, from a sample.")
@click.argument("paths", nargs=-1, required=True, type=PathType(exists=True))
@click.option("--seed", default=0, show_default=True, help="Chooses the sample.")
@json_option
def command(paths: tuple[Path, ...], seed: int, as_json: bool) -> None:
    """Tell hours and gigabytes that indexing PATHS would take, by trying a few files of each kind.

    Nothing is added to any library.
    """
    from onlooker.library.estimate import estimate

    result = estimate(
        list(paths),
        seed=seed,
        on_file=lambda path: click.echo(f"trying {plain(path.name)}", err=True),
    )
    if as_json:
        values = dataclasses.asdict(result)
        values |= {"seconds": result.seconds, "disk_bytes": result.disk_bytes}
        click.echo(json.dumps(values, indent=2))
        return
    click.echo(f"{'':<10}{'files':>7}{'size':>11}{'look':>9}{'read':>9}{'hear':>9}{'library':>11}")
    for kind, row in result.kinds.items():
        times = "".join(
            f"{_hours(row.seconds[stage]) if stage in row.seconds else '':>9}"
            for stage in ("look", "read", "hear")
        )
        click.echo(
            f"{kind:<10}{row.files:>7}{size(row.bytes):>11}{times}{size(row.disk_bytes):>11}"
        )
    sampled = sum(row.sampled for row in result.kinds.values())
    click.echo(
        f"In all {_hours(result.seconds)} and {size(result.disk_bytes)}, "
        f"from a sample of {sampled} {'file' if sampled == 1 else 'files'}."
    )
    if result.unreadable:
        count = result.unreadable
        click.echo(f"{count} {'file or folder' if count == 1 else 'files or folders'} left out: "
                   "empty, unreadable, or of no known kind.")  # fmt: skip


def _hours(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
