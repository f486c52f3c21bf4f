"""The work on a library: coarse passes first, one medium at a time, each result kept whole.

Pass 1 (``look``) makes everything findable by name, description, subtitles and PDF text; pass 2
(``read``) reads pictures; pass 3 (``hear``) transcribes speech. A pass goes over all media before
the next begins, so that the library is searchable throughout. What a killed process had not stored
is done again; what it had stored is not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from onlooker.library.analyzers import Analysis, Engines, Medium, Progress, analyze
from onlooker.library.store import STAGES, MediaRow, Stage, Store
from onlooker.media.files import shown
from onlooker.records import MediaFacts

# Seconds of work on a small machine, only to weigh files against each other in the progress bar:
# a second of video, a page, a photo. Measured orders of magnitude, no promise.
_COST_S: dict[Stage, dict[str, float]] = {
    "look": {"second": 0.004, "page": 0.03, "each": 0.05},
    "read": {"second": 0.035, "page": 0.4, "each": 0.3},
    "hear": {"second": 0.05, "page": 0.0, "each": 0.05},
}


# Rows of this many media are held at a time to weigh them.
_COSTED = 500


def batched(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Yield slices of at most ``size`` (``itertools.batched`` came with Python 3.12)."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened during the work on a library.

    Attributes:
        kind: ``scan`` a file is compared; ``start``, ``progress``, ``done``, ``failed``,
            ``skipped`` a medium's stage; ``offline`` a known folder is not there; ``stopped`` the
            time was up or a person stopped it.
        stage: The stage, None while scanning.
        path: The file.
        fraction: How much of this medium's stage is done, in [0, 1].
        work_done: Work done in this pass, in estimated seconds.
        work_total: Work of this pass, in estimated seconds.
        position: Number of this medium in the pass, from 1.
        media_total: Number of media in the pass.
        seconds: Time the stage took so far.
        media_seconds: Length of the recording, 0 where there is none.
        moments: Number of moments found.
        reason: Why it failed, was skipped or stopped.
    """

    kind: Literal[
        "scan", "start", "progress", "done", "failed", "skipped", "offline", "stopped"
    ]  # fmt: skip
    stage: Stage | None = None
    path: Path | None = None
    fraction: float = 0.0
    work_done: float = 0.0
    work_total: float = 0.0
    position: int = 0
    media_total: int = 0
    seconds: float = 0.0
    media_seconds: float = 0.0
    moments: int = 0
    reason: str = ""


@dataclass(slots=True)
class Summary:
    """What the work came to."""

    seen: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    done: dict[Stage, int] = field(default_factory=lambda: dict.fromkeys(STAGES, 0))
    failed: list[tuple[Path, str]] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    offline: list[Path] = field(default_factory=list)
    moments: int = 0
    seconds: float = 0.0
    stopped: str = ""


def cost_s(row: MediaRow, stage: Stage) -> float:
    """Estimate the work of a stage in seconds, to weigh media against each other."""
    unit = _COST_S[stage]
    facts = row.facts
    return (
        unit["each"] + unit["second"] * (facts.duration_s or 0) + unit["page"] * (facts.pages or 0)
    )


class Ingest:
    """Runs the passes over all media that need them.

    Args:
        store: The store, already locked for writing.
        engines: The predictors.
        on_event: Called from the same thread; must not write to the store.
        until: POSIX time stamp after which no further file is begun.
    """

    def __init__(
        self,
        store: Store,
        engines: Engines,
        on_event: Callable[[Event], None],
        *,
        until: float | None = None,
    ) -> None:
        self._store = store
        self._engines = engines
        self._on_event = on_event
        self._until = until
        self._stopped = ""

    def should_stop(self) -> bool:
        """Return whether no further file may be begun."""
        if self._until is not None and time.time() >= self._until:
            self._stopped = "the time given with --until is over"
        return bool(self._stopped)

    def run(self, summary: Summary, *, stages: Sequence[Stage], newest_first: bool = False) -> None:
        """Do the passes.

        Args:
            summary: Filled as the work goes on.
            stages: Which passes, in their order.
            newest_first: Begin with the newest media.
        """
        for stage in STAGES:
            if stage in stages and not self._stopped:
                self._pass(summary, stage, newest_first)
        if self._stopped:
            summary.stopped = self._stopped
            self._on_event(Event(kind="stopped", reason=self._stopped))

    def _pass(self, summary: Summary, stage: Stage, newest_first: bool) -> None:
        producer = self._engines.producer(stage)
        # Where the means are absent, what was done with them elsewhere is left as it is.
        able = stage != "hear" or not self._engines.deaf
        ids = self._store.pending(
            stage, producer=producer if able else None, newest_first=newest_first
        )
        costs: dict[int, float] = {}
        for some in batched(ids, _COSTED):
            rows = self._store.media_of(some)
            costs |= {media_id: cost_s(row, stage) for media_id, row in rows.items()}
        turn = Event(
            kind="start", stage=stage, work_total=sum(costs.values()), media_total=len(ids)
        )
        for position, media_id in enumerate(ids, 1):
            if self.should_stop():
                return
            row = self._store.media(media_id)
            turn = replace(turn, position=position, media_seconds=row.facts.duration_s or 0.0)
            self._do(row, turn, costs[media_id], summary)
            turn = replace(turn, work_done=turn.work_done + costs[media_id])

    def _do(self, row: MediaRow, turn: Event, cost: float, summary: Summary) -> None:
        """Do one stage of one medium, and tell how it goes; ``turn`` is its first event."""
        stage = turn.stage
        assert stage is not None
        path = _first_there(row)
        if path is None:
            # The scan saw it, so it has just gone; its work waits for the next update.
            path = row.paths[0].path if row.paths else Path(row.title)
            reason = f"cannot open {shown(path)}: it vanished"
            summary.failed.append((path, reason))
            self._on_event(replace(turn, kind="failed", path=path, fraction=1.0, reason=reason))
            return
        turn = replace(turn, path=path)
        self._on_event(turn)
        began = time.perf_counter()

        def report(fraction: float) -> None:
            self._on_event(
                replace(
                    turn,
                    kind="progress",
                    fraction=fraction,
                    work_done=turn.work_done + fraction * cost,
                    seconds=time.perf_counter() - began,
                )
            )

        earlier = partial(self._store.moments, row.id)
        medium = Medium(row, path, earlier, self._engines)
        analysis = _unopened(row, stage) or analyze(medium, stage, Progress(report))
        seconds = time.perf_counter() - began
        self._keep(row, path, stage, analysis, seconds)
        summary.moments += len(analysis.moments)
        kind: Literal["done", "failed", "skipped"] = "done"
        if analysis.state == "done":
            summary.done[stage] += 1
        elif analysis.state == "failed":
            kind = "failed"
            summary.failed.append((path, analysis.reason))
        else:
            kind = "skipped"
            summary.skipped.append((path, analysis.reason))
        self._on_event(
            replace(
                turn,
                kind=kind,
                fraction=1.0,
                work_done=turn.work_done + cost,
                seconds=seconds,
                moments=len(analysis.moments),
                reason=analysis.reason,
            )
        )

    def _keep(
        self, row: MediaRow, path: Path, stage: Stage, analysis: Analysis, seconds: float
    ) -> None:
        producer = self._engines.producer(stage)
        if stage == "look":
            self._hear_again(row, analysis)
        if analysis.facts is not None:
            times = [p.mtime_ns for p in row.paths if p.path == path]
            self._store.put_facts(
                row.id, analysis.facts, file_time=(times[0] if times else 0) / 1e9
            )
        if analysis.state != "done" and not analysis.moments and analysis.views is None:
            self._store.put_failure(row.id, stage, producer, analysis.state, analysis.reason)
            return
        self._store.put_result(
            row.id,
            stage,
            producer,
            moments=analysis.moments,
            views=analysis.views,
            seconds=seconds,
            state=analysis.state,
            reason=analysis.reason,
        )

    def _hear_again(self, row: MediaRow, analysis: Analysis) -> None:
        """Where subtitles came or went, have the speech pass choose its source anew."""
        heard = any(task.stage == "hear" and task.state != "pending" for task in row.tasks)
        if not heard or analysis.state != "done":
            return
        had = any(m.stage == "look" for m in self._store.moments(row.id, ("speech",)))
        if had != any(moment.kind == "speech" for moment in analysis.moments):
            self._store.put_failure(
                row.id, "hear", self._engines.producer("hear"), "pending", "subtitles changed"
            )


def _unopened(row: MediaRow, stage: Stage) -> Analysis | None:
    """Return the failure of the first pass for what it could not even open, else None.

    Without the facts the later passes would take it for a file with nothing to see or hear.
    """
    look = next((task for task in row.tasks if task.stage == "look"), None)
    if stage == "look" or look is None or look.state != "failed":
        return None
    if row.facts != MediaFacts(kind=row.kind):
        return None
    return Analysis(state="failed", reason=look.reason)


def _first_there(row: MediaRow) -> Path | None:
    """Return the place where a medium can be read now, best one with subtitles or such beside."""
    places = sorted(row.paths, key=lambda place: not place.beside)
    present = (place.path for place in places if place.state == "present")
    return next((path for path in present if os.path.exists(path)), None)  # noqa: PTH110 no errors
