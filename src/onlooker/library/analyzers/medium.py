"""What an analyzer gets, what it gives back, and what every medium has."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from onlooker.library.store import MediaRow, MomentRow, Stage, TaskState
from onlooker.records import Description, MediaFacts, Moment, Producer, View

if TYPE_CHECKING:
    from onlooker.speech import Transcriber
    from onlooker.text import TextReader

# Changes whenever the output of the stage may change for reasons other than new weights.
LOOK = Producer(name="media.look", version="1", kind="file")


@dataclass(slots=True)
class Analysis:
    """What a stage found out about a medium."""

    moments: list[Moment] = field(default_factory=list)
    views: list[View] | None = None
    facts: MediaFacts | None = None
    state: TaskState = "done"
    reason: str = ""


class Progress:
    """Carries how far a medium is one way, and the wish to stop the other way."""

    def __init__(self, report: Callable[[float], None] = lambda _fraction: None) -> None:
        self._report = report
        self.fraction = 0.0
        self._stop = threading.Event()

    def report(self, fraction: float) -> None:
        """Tell how much of the medium is done, in [0, 1]."""
        self.fraction = min(1.0, max(0.0, fraction))
        self._report(self.fraction)

    def stop(self) -> None:
        """Ask the stage to return what it has so far."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether the stage was asked to stop."""
        return self._stop.is_set()


class Engines:
    """The predictors, loaded when first used and kept for the next medium."""

    def __init__(self) -> None:
        self._reader: TextReader | None = None
        self._transcriber: Transcriber | None = None

    @property
    def reader(self) -> TextReader:
        """The text reader."""
        if self._reader is None:
            from onlooker.text import TextReader

            self._reader = TextReader.load()
        return self._reader

    def producer(self, stage: Stage) -> Producer:
        """Return who does a stage, without loading any network."""
        if stage == "look":
            return LOOK
        if stage == "read":
            from onlooker.text.pipeline import producer

            return producer()
        from onlooker.speech import Transcriber

        return Transcriber.producer()

    @property
    def transcriber(self) -> Transcriber:
        """The speech engine.

        Raises:
            OnlookerError: There is none (`deaf` says why).
        """
        if self._transcriber is None:
            from onlooker.speech import Transcriber

            self._transcriber = Transcriber.load()
        return self._transcriber

    @property
    def deaf(self) -> str:
        """Why speech cannot be transcribed; empty where it can. Loads no network."""
        from onlooker.speech import Transcriber

        return Transcriber.available() or ""


@dataclass(frozen=True, slots=True)
class Medium:
    """One medium as an analyzer gets it."""

    row: MediaRow
    path: Path
    earlier: Callable[[], list[MomentRow]]
    engines: Engines


def _said_by_people(description: Description) -> Iterator[Moment]:
    fields = {
        "title": description.title,
        "description": description.description,
        "creator": ", ".join(description.creators),
        "keywords": ", ".join(description.keywords),
        "series": description.series,
    }
    for name, text in fields.items():
        if text.strip():
            yield Moment(kind="person", text=text.strip(), field=name)


def names(row: MediaRow) -> list[str]:
    """Return the names of a medium's files; bytes that are no text are shown as such."""
    raw = {os.fsencode(path.path.name) for path in row.paths}
    return sorted(name.decode("utf-8", "replace") for name in raw)


def begin(medium: Medium, facts: MediaFacts) -> tuple[Analysis, list[str]]:
    """Start an analysis with what every medium has; return it with what could not be used."""
    from onlooker.media.description import describe

    broken: list[str] = []
    description = describe(medium.path, facts.kind, broken)
    named = [Moment(kind="name", text=name) for name in names(medium.row)]
    analysis = Analysis(
        moments=[*named, *_said_by_people(description)],
        facts=replace(facts, description=description),
    )
    return analysis, broken


def end(analysis: Analysis, broken: list[str]) -> Analysis:
    """Mark an analysis as failed where something could not be used; the rest of it counts."""
    if broken:
        analysis.state, analysis.reason = "failed", _join(broken)
    return analysis


def _join(reasons: list[str], most: int = 3) -> str:
    shown = "; ".join(reasons[:most])
    return f"{shown}; and {len(reasons) - most} more" if len(reasons) > most else shown
