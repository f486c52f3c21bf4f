"""``onlooker remove``: forget files and folders."""

from __future__ import annotations

import json
from pathlib import Path

import click

from onlooker.cli.options import PathType, json_option, library_option


@click.command("remove", short_help="Forget files and folders (files stay).")
@click.argument("paths", nargs=-1, required=True, type=PathType())
@library_option
@json_option
def command(paths: tuple[Path, ...], folder: Path | None, as_json: bool) -> None:
    """Forget PATHS; the files themselves are left alone.

    A file inside a known folder stays excluded from it until it is added again by name.
    """
    from onlooker.library.library import Library

    with Library.open(folder, create=False) as library:
        count = library.remove(*paths)
    if as_json:
        click.echo(json.dumps({"removed": count}))
    else:
        click.echo(f"forgot {count} {'medium' if count == 1 else 'media'}; the files are untouched")
