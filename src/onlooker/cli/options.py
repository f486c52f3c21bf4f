"""Options that several commands share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from onlooker.library.store import Filters
from onlooker.records import EVIDENCE_KINDS, MEDIA_KINDS

F = TypeVar("F", bound=Callable[..., Any])


class TimeType(click.ParamType[float]):
    """A date, a date and time, or a time of day; becomes a POSIX time stamp.

    Args:
        coming: A time of day means the next such moment (for deadlines), else the last.
    """

    name = "time"

    def __init__(self, *, coming: bool = False) -> None:
        self._coming = coming

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse ``2024``, ``2024-05``, ``2024-05-31``, ``2024-05-31T18:00``, ``07:00``."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        now = dt.datetime.now()
        for form in ("%H:%M", "%H:%M:%S"):
            try:
                clock = dt.datetime.strptime(text, form).time()
            except ValueError:
                continue
            moment = dt.datetime.combine(now.date(), clock)
            if self._coming and moment <= now:
                moment += dt.timedelta(days=1)
            return moment.timestamp()
        for form in ("%Y", "%Y-%m"):
            try:
                return dt.datetime.strptime(text, form).timestamp()
            except (ValueError, OverflowError):
                continue
        try:
            return dt.datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError):
            self.fail(
                f"{text!r} is no time; write 2024, 2024-05, 2024-05-31, 2024-05-31T18:00 or 07:00",
                param,
                ctx,
            )


class PathType(click.Path):
    """A path that was really given: ``""``, as of an unset variable, is not the current folder."""

    def __init__(self, *, exists: bool = False, file_okay: bool = True) -> None:
        # What cannot be read is told with its reason, and does not stop the others.
        super().__init__(exists=exists, file_okay=file_okay, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty path."""
        if value == "":
            self.fail("the path is empty; write . for the current folder", param, ctx)
        return super().convert(value, param, ctx)


library_option = click.option(
    "--library",
    "folder",
    type=PathType(file_okay=False),
    help="The library's folder.  [default: $ONLOOKER_LIBRARY or the user's data folder]",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def filter_options(command: F) -> F:
    """Add the options that become `Filters`."""
    options = [
        click.option(
            "--kind",
            "kinds",
            multiple=True,
            metavar="KIND",
            type=click.Choice([*EVIDENCE_KINDS, *MEDIA_KINDS], case_sensitive=False),
            help="Only this kind of evidence (screen, speech, name, person) or medium (video, "
            "audio, photo, document); may be repeated.",
        ),
        click.option(
            "--in",
            "under",
            type=PathType(),
            help="Only at or below this path.",
        ),
        click.option("--since", type=TimeType(), help="Not older: capture time, else file time."),
        click.option("--before", type=TimeType(), help="Older than this."),
        click.option("--by", default="", help="Only by this creator."),
        click.option("--series", default="", help="Only of this series."),
        click.option("--lang", default="", help="Only in this language (as: en, de)."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def to_filters(
    kinds: tuple[str, ...],
    under: Path | None,
    since: float | None,
    before: float | None,
    by: str,
    series: str,
    lang: str,
) -> Filters:
    """Make `Filters` of the values of `filter_options`."""
    import os

    return Filters(
        kinds=tuple(kind for kind in EVIDENCE_KINDS if kind in kinds),
        media_kinds=tuple(kind for kind in MEDIA_KINDS if kind in kinds),
        under=Path(os.path.abspath(under.expanduser())) if under else None,  # noqa: PTH100
        since=since,
        until=before,
        by=by,
        series=series,
        language=lang,
    )
