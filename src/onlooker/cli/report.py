"""Progress of long work: a bar for people, a line of JSON an event for programs."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from onlooker.cli.show import cells, end_of, path_text, plain, safe_text, start_that_fits

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress

    from onlooker.library.ingest import Event, Summary

STAGE_WORDS = {"look": "looking at", "read": "reading", "hear": "hearing"}
# More often than this no eye can follow, and drawing costs time.
_REDRAW_S = 0.1


class Reporter:
    """Shows `Event`s.

    Args:
        as_json: A line of JSON an event on standard output, and nothing else there.
        quiet: Failures and the summary only.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._as_json = as_json
        self._bar: Progress | None = None
        self._task: Any = None
        self._stage: str | None = None
        self._drawn = 0.0
        self._quiet = quiet
        self._told: set[tuple[Path | None, str]] = set()
        self._show_bar = not as_json and not quiet and sys.stderr.isatty()

    def __enter__(self) -> Self:
        if self._show_bar:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=12),
                TextColumn("{task.percentage:>3.0f}% {task.fields[speed]}"),
                TimeRemainingColumn(compact=True),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def event(self, event: Event) -> None:
        """Show one event."""
        if self._as_json:
            self._print_json(event)
            return
        if event.kind == "failed":
            # What could not be opened fails in every pass; once is enough for a person.
            if (event.path, event.reason) not in self._told:
                self._told.add((event.path, event.reason))
                self._line(f"failed: {plain(event.reason)}")
        elif event.kind == "offline":
            self._line(f"offline: {path_text(event.path) if event.path else ''}")
        elif not self._quiet and event.kind == "done" and self._bar is None and event.path:
            stage = STAGE_WORDS[event.stage or "look"]
            found = f"{event.moments} moments, {event.seconds:.1f} s{_speed(event)}"
            self._line(
                f"{stage} {event.position}/{event.media_total} {path_text(event.path)}: "
                f"{plain(event.reason) or found}"
            )
        self._draw(event)

    def _draw(self, event: Event) -> None:
        if self._bar is None or event.path is None:
            return
        now = time.monotonic()
        if event.kind in ("scan", "progress") and now - self._drawn < _REDRAW_S:
            return
        self._drawn = now
        name = plain(event.path.name)
        if cells(name) > 26:
            name = name[: start_that_fits(name, 12)] + end_of(name, 14)
        if event.kind == "scan":
            if self._task is None:
                self._task = self._bar.add_task("", total=None, speed="")
            self._bar.update(self._task, description=f"comparing {name}")
            return
        if event.stage != self._stage:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task("", total=event.work_total, speed="")
            self._stage = event.stage
        words = f"{STAGE_WORDS[event.stage or 'look']} {event.position}/{event.media_total} {name}"
        speed = _speed(event).removeprefix(", ")
        if speed:
            self._bar.update(self._task, speed=speed)
        self._bar.update(self._task, completed=event.work_done, description=words)

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(text, err=True)

    def _print_json(self, event: Event) -> None:
        values = {
            key: safe_text(value) if key == "path" else value
            for key, value in dataclasses.asdict(event).items()
            if value not in (None, "", 0, 0.0)
        }
        click.echo(json.dumps({"event": values.pop("kind"), **values}, ensure_ascii=False))

    def summary(self, summary: Summary) -> None:
        """Show what the work came to."""
        self.__exit__(None, None, None)
        if self._as_json:
            values = dataclasses.asdict(summary)
            for key in ("failed", "skipped"):
                values[key] = [
                    {"path": safe_text(path), "reason": reason} for path, reason in values[key]
                ]
            values["offline"] = [safe_text(path) for path in values["offline"]]
            click.echo(json.dumps({"event": "summary", **values}, ensure_ascii=False))
            return
        parts = [f"{summary.seen} {'file' if summary.seen == 1 else 'files'}"]
        parts += [f"{summary.added} new"] if summary.added else []
        parts += [f"{summary.changed} changed"] if summary.changed else []
        parts += [f"{summary.removed} gone"] if summary.removed else []
        click.echo(f"{', '.join(parts)}; {summary.moments} moments in {summary.seconds:.1f} s")
        self._list("failed", summary.failed)
        self._skipped(summary.skipped)
        for path in summary.offline:
            click.echo(f"offline, kept as it is: {path_text(path)}")
        if summary.stopped:
            click.echo(f"stopped: {summary.stopped}. Go on with:  onlooker update")

    @staticmethod
    def _list(word: str, rows: list[tuple[Path, str]]) -> None:
        files = len({path for path, _ in rows})
        if files:
            click.echo(
                f"{files} {word}; why:  onlooker list --failed; again:  onlooker update --retry"
            )

    @staticmethod
    def _skipped(rows: list[tuple[Path, str]]) -> None:
        reasons: dict[str, int] = {}
        for _, reason in rows:
            reasons[reason] = reasons.get(reason, 0) + 1
        for reason, count in reasons.items():
            how = "" if reason.startswith("not ") else "skipped: "
            click.echo(f"{count} {'file' if count == 1 else 'files'} {how}{plain(reason)}")

    @staticmethod
    def exit_code(summary: Summary) -> int:
        """Return 1 where a file failed, 130 where a person stopped it, else 0."""
        if summary.stopped == "interrupted":
            return 130
        return 1 if summary.failed else 0


def _speed(event: Event) -> str:
    if event.media_seconds and event.seconds and event.fraction:
        speed = event.media_seconds * event.fraction / event.seconds
        return f", {speed:.0f}× real time" if speed >= 10 else f", {speed:.1f}× real time"
    return ""
