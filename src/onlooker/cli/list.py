"""``onlooker list``: what is in the library."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from onlooker.cli.options import filter_options, json_option, library_option, to_filters
from onlooker.cli.show import cells, end_of, path_text, plain, safe_text, size
from onlooker.library.export import media_json
from onlooker.library.store import MediaRow, PathRow, TaskRow
from onlooker.records import clock

_MARKS = {"done": "✓", "pending": "·", "failed": "✗", "skipped": "–"}


@click.command("list", short_help="List what is in the library.")
@library_option
@filter_options
@click.option("--failed", is_flag=True, help="Only what failed or was skipped, and why.")
@click.option("--folders", is_flag=True, help="Only the known folders.")
@json_option
def command(
    folder: Path | None,
    kinds: tuple[str, ...],
    under: Path | None,
    since: float | None,
    before: float | None,
    by: str,
    series: str,
    lang: str,
    failed: bool,
    folders: bool,
    as_json: bool,
) -> None:
    """List what is in the library; the three marks are looked at, read, heard."""
    from onlooker.library.library import Library

    filters = to_filters(kinds, under, since, before, by, series, lang)
    with Library.open(folder, create=False, read_only=True) as library:
        if folders:
            roots = library.store.roots()
            if as_json:
                rows = [
                    {
                        "path": safe_text(r.path),
                        "exclude": [safe_text(pattern) for pattern in r.exclude],
                        "offline": r.offline,
                    }
                    for r in roots
                ]
                click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
            for root in roots if not as_json else []:
                click.echo(path_text(root.path) + (" (offline)" if root.offline else ""))
        elif failed:
            _print_failures(library.store.failures(), as_json)
        else:
            media = library.media(filters)
            if as_json:
                click.echo(json.dumps([media_json(m) for m in media], ensure_ascii=False, indent=2))
            else:
                _print_media(media)


def _print_failures(rows: list[tuple[PathRow | MediaRow, TaskRow | None]], as_json: bool) -> None:
    out = []
    for row, task in rows:
        if isinstance(row, PathRow):
            out.append({"path": safe_text(row.path), "state": row.state, "reason": row.reason})
        elif task is not None:
            path = safe_text(row.paths[0].path) if row.paths else row.title
            values = {"path": path, "stage": task.stage}
            out.append({**values, "state": task.state, "reason": task.reason})
    if as_json:
        click.echo(json.dumps(out, ensure_ascii=False, indent=2))
        return
    if not out:
        click.echo("Nothing failed.")
    # What could not be opened failed in every stage, for one reason.
    stages: dict[tuple[str, str, str], list[str]] = {}
    for values in out:
        key = (values["path"], values["state"], values["reason"])
        stages.setdefault(key, []).extend([values["stage"]] if "stage" in values else [])
    for (path, state, reason), names in stages.items():
        click.echo(click.style(plain(path), bold=True))
        where = f" ({', '.join(names)})" if names else ""
        click.echo(f"  {state}{where}: {plain(reason)}")


def _print_media(media: list[MediaRow]) -> None:
    width = shutil.get_terminal_size().columns
    for row in media:
        states = {task.stage: task.state for task in row.tasks}
        marks = "".join(_MARKS.get(states.get(s, ""), " ") for s in ("look", "read", "hear"))
        facts = row.facts
        length = (
            clock(facts.duration_s) if facts.duration_s else
            f"{facts.pages} p." if facts.pages else
            f"{facts.width}×{facts.height}" if facts.width else ""
        )  # fmt: skip
        tail = f"{row.kind:<9}{length:>11}{size(row.size_bytes):>10}"
        name = path_text(row.paths[0].path) if row.paths else plain(row.title)
        if len(row.paths) > 1:
            name += f" (+{len(row.paths) - 1})"
        room = max(10, width - len(tail) - 6)
        name = end_of(name, room)
        click.echo(f"{marks}  {name}{' ' * (room - cells(name))} {tail}")
    click.echo(f"{len(media)} {'medium' if len(media) == 1 else 'media'}")
