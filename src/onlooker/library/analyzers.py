"""What is done with each kind of media at each stage, and by whom.

A stage takes a medium and returns an `Analysis`: moments, views, and how it ended. To add a task,
write its predictor in its own room and one line in `STEPS`.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from onlooker.errors import (
    MediaError,
    MissingExtraError,
    OnlookerError,
    StoreError,
    WeightsError,
)
from onlooker.library.store import MediaRow, MomentRow, Stage, TaskState
from onlooker.library.tracks import LineTracks
from onlooker.records import (
    Description,
    MediaFacts,
    MediaKind,
    Moment,
    Page,
    Polygon,
    Producer,
    TextLine,
    TextWord,
    View,
)

if TYPE_CHECKING:
    from onlooker.media.document import Document
    from onlooker.media.subtitles import Cue
    from onlooker.speech import Transcriber
    from onlooker.text import TextReader
    from onlooker.video.shots import StableGroup

T = TypeVar("T")

# Changes whenever the output of the stage may change for reasons other than new weights.
LOOK = Producer(name="media.look", version="1", kind="file")
# Readers see text of ten pixels and more; a page of A4 at this size has its 8-point text at 15.
PAGE_READ_PX = 1600
PHOTO_READ_PX = 3200


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
        self._deaf: str | None = None

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
    def transcriber(self) -> Transcriber | None:
        """The speech engine, None where there is none (`deaf` says why)."""
        if self._transcriber is None and self._deaf is None:
            from onlooker.speech import Transcriber

            self._deaf = Transcriber.available()
            if self._deaf is None:
                self._transcriber = Transcriber.load()
        return self._transcriber

    @property
    def deaf(self) -> str:
        """Why speech cannot be transcribed; empty where it can."""
        return "" if self.transcriber else (self._deaf or "")


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


def _begin(medium: Medium, facts: MediaFacts) -> tuple[Analysis, list[str]]:
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


def _end(analysis: Analysis, broken: list[str]) -> Analysis:
    """Mark an analysis as failed where something could not be used; the rest of it counts."""
    if broken:
        analysis.state, analysis.reason = "failed", _join(broken)
    return analysis


def _subtitles(path: Path, broken: list[str]) -> Iterator[Moment]:
    """Yield what is said, one transcript a language: files beside it, else the streams inside."""
    from onlooker.media import sidecars, subtitles

    transcripts: dict[str, Sequence[Cue]] = {}
    for file in sidecars.beside(path).subtitles:
        try:
            transcripts.setdefault(subtitles.language_of(file), subtitles.read_subtitles(file))
        except MediaError as error:
            broken.append(str(error))
    if not transcripts:
        for stream in subtitles.streams(path):
            transcripts.setdefault(stream.language, stream.cues)
    for cues in transcripts.values():
        for cue in cues:
            yield Moment(kind="speech", text=cue.text, start_s=cue.start_s, end_s=cue.end_s)


def _join(reasons: list[str], most: int = 3) -> str:
    shown = "; ".join(reasons[:most])
    return f"{shown}; and {len(reasons) - most} more" if len(reasons) > most else shown


def look_photo(medium: Medium, progress: Progress) -> Analysis:
    """Facts, description, thumbnail."""
    from onlooker.media.image import image_facts, read_image, thumbnail

    facts = image_facts(medium.path)
    analysis, broken = _begin(medium, facts)
    pixels, _ = read_image(medium.path, max_side=640)
    analysis.views = [
        View(index=0, width=facts.width, height=facts.height, thumbnail=thumbnail(pixels))
    ]
    return _end(analysis, broken)


def read_photo(medium: Medium, progress: Progress) -> Analysis:
    """The text in a photo, a line a moment."""
    from onlooker.media.image import read_image

    pixels, scale = read_image(medium.path, max_side=PHOTO_READ_PX)
    page = medium.engines.reader(pixels)
    return Analysis(moments=list(_lines(page, scale=1 / scale, view=0)))


def _lines(
    page: Page, *, scale: float, view: int, page_number: int | None = None
) -> Iterator[Moment]:
    for line in page.lines:
        yield Moment(
            kind="screen",
            text=line.text,
            page=page_number,
            view=view,
            polygons=tuple(_scaled(word.polygon, scale) for word in line.words),
            confidence=line.confidence,
        )


def _scaled(polygon: Polygon, factor: float) -> Polygon:
    if factor == 1:
        return polygon
    return tuple((x * factor, y * factor) for x, y in polygon)


def look_document(medium: Medium, progress: Progress) -> Analysis:
    """Facts, thumbnails of the pages, and the text that the file itself carries."""
    from onlooker.media.document import Document
    from onlooker.media.image import thumbnail

    with Document.open(medium.path) as document:
        analysis, broken = _begin(medium, document.facts)
        views: list[View] = []
        for index in range(len(document)):
            if progress.stopped:
                break
            try:
                width, height = document.page_size(index)
                pixels, _ = document.render(index, 320)
                picture = thumbnail(pixels)
            except MediaError as error:
                broken.append(str(error))
                continue
            views.append(
                View(
                    index=index,
                    width=round(width),
                    height=round(height),
                    page=index + 1,
                    kind="page",
                    thumbnail=picture,
                )
            )
            try:
                lines = tuple(document.page_lines(index))
            except MediaError as error:
                broken.append(str(error))
                continue
            page = Page(width=round(width), height=round(height), lines=lines)
            analysis.moments += _lines(page, scale=1.0, view=index, page_number=index + 1)
            progress.report((index + 1) / len(document))
        analysis.views = views
    return _end(analysis, broken)


def read_document(medium: Medium, progress: Progress) -> Analysis:
    """The text of the pages that have none inside the file, or large pictures."""
    from onlooker.media.document import Document

    analysis = Analysis()
    broken: list[str] = []
    with Document.open(medium.path) as document:
        for index in range(len(document)):
            if progress.stopped:
                break
            try:
                if document.needs_reading(index):
                    pixels, scale = document.render(index, PAGE_READ_PX)
                    page = _without(medium.engines.reader(pixels), document, index, scale)
                    analysis.moments += _lines(
                        page, scale=1 / scale, view=index, page_number=index + 1
                    )
            except MediaError as error:
                broken.append(str(error))
            progress.report((index + 1) / len(document))
    return _end(analysis, broken)


def _without(page: Page, document: Document, index: int, scale: float) -> Page:
    """Return the page that was read without what its text layer says anyway."""
    layer = [word.box for line in document.page_lines(index) for word in line.words]
    if not layer:
        return page
    boxes = np.array(layer) * scale

    def new(word: TextWord) -> bool:
        left, top, right, bottom = word.box
        x, y = (left + right) / 2, (top + bottom) / 2
        inside = (boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])
        return not bool(inside.any())

    lines = (TextLine(tuple(filter(new, line.words))) for line in page.lines)
    return replace(page, lines=tuple(line for line in lines if line.words))


def _view(group: StableGroup, index: int, facts: MediaFacts) -> View:
    from onlooker.media.image import thumbnail

    return View(
        index=index,
        width=facts.width,
        height=facts.height,
        start_s=group.start_s,
        end_s=group.end_s,
        best_s=group.best_s,
        kind=group.kind,
        thumbnail=thumbnail(group.pixels),
    )


def look_video(medium: Medium, progress: Progress) -> Analysis:
    """Facts, subtitles and key frames: a first strip of thumbnails."""
    from onlooker.media.video import Video
    from onlooker.video.shots import coarse_groups

    with Video.open(medium.path) as video:
        analysis, broken = _begin(medium, video.facts)
        analysis.views = []
        for group in coarse_groups(video):
            analysis.views.append(_view(group, len(analysis.views), video.facts))
            progress.report(group.end_s / video.duration_s if video.duration_s else 0.0)
            if progress.stopped:
                break
    analysis.moments += _subtitles(medium.path, broken)
    return _end(analysis, broken)


def look_audio(medium: Medium, progress: Progress) -> Analysis:
    """Facts and subtitles."""
    from onlooker.media.audio import Audio

    with Audio.open(medium.path) as audio:
        analysis, broken = _begin(medium, audio.facts)
    analysis.moments += _subtitles(medium.path, broken)
    return _end(analysis, broken)


def read_video(medium: Medium, progress: Progress) -> Analysis:
    """The text of a video: each stable group is read once, a line that stays is one moment.

    Decoding runs ahead of reading in a thread of its own, by two pictures at most.
    """
    from onlooker.media.video import Video
    from onlooker.video.shots import segment

    reader = medium.engines.reader
    analysis = Analysis(views=[])
    tracks = LineTracks()
    with Video.open(medium.path) as video:
        assert analysis.views is not None
        for group in _ahead(segment(video), most=2):
            index = len(analysis.views)
            analysis.views.append(_view(group, index, video.facts))
            page = reader(group.pixels)
            page = _at_size(page, video.facts)
            analysis.moments += tracks.add(index, group.start_s, group.end_s, page)
            progress.report(group.end_s / video.duration_s if video.duration_s else 0.0)
            if progress.stopped:
                break
    analysis.moments += tracks.end()
    return analysis


def _at_size(page: Page, facts: MediaFacts) -> Page:
    """Return the page with its polygons in pixels of the full frame."""
    factor = facts.width / page.width if page.width else 1.0
    if factor == 1.0:
        return page
    lines = tuple(
        TextLine(tuple(replace(w, polygon=_scaled(w.polygon, factor)) for w in line.words))
        for line in page.lines
    )
    return replace(page, width=facts.width, height=facts.height, lines=lines)


def _ahead(groups: Iterator[T], *, most: int) -> Iterator[T]:
    """Iterate with the producer working ahead in a thread, by at most ``most`` items."""
    waiting: queue.Queue[T | BaseException | None] = queue.Queue(maxsize=most)
    over = threading.Event()

    def put(item: T | BaseException | None) -> bool:
        while not over.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        try:
            for group in groups:
                if not put(group):
                    return
            put(None)
        except BaseException as error:
            put(error)

    worker = threading.Thread(target=produce, name="onlooker-decode", daemon=True)
    worker.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        over.set()
        worker.join()


def hear(medium: Medium, progress: Progress) -> Analysis:
    """What is said: subtitles where there are any, else the speech engine."""
    from onlooker.media.audio import Audio

    if any(row.moment.kind == "speech" and row.stage == "look" for row in medium.earlier()):
        return Analysis(reason="transcript from subtitles")
    if not medium.row.facts.audio_codec:
        return Analysis(reason="no sound")
    transcriber = medium.engines.transcriber
    if transcriber is None:
        return Analysis(state="skipped", reason=f"not heard: {medium.engines.deaf}")
    analysis = Analysis()
    duration = medium.row.facts.duration_s or 0.0
    with Audio.open(medium.path) as audio:
        for cue in transcriber.stream(audio):
            analysis.moments.append(
                Moment(
                    kind="speech",
                    text=cue.text,
                    start_s=cue.start_s,
                    end_s=cue.end_s,
                    confidence=cue.confidence,
                )
            )
            progress.report(cue.end_s / duration if duration else 0.0)
            if progress.stopped:
                break
    return analysis


STEPS: dict[tuple[MediaKind, Stage], Callable[[Medium, Progress], Analysis]] = {
    ("photo", "look"): look_photo,
    ("photo", "read"): read_photo,
    ("document", "look"): look_document,
    ("document", "read"): read_document,
    ("video", "look"): look_video,
    ("video", "read"): read_video,
    ("video", "hear"): hear,
    ("audio", "look"): look_audio,
    ("audio", "hear"): hear,
}


def analyze(medium: Medium, stage: Stage, progress: Progress) -> Analysis:
    """Run one stage on one medium; an error becomes a failed analysis with its reason.

    Errors that are ours to mend (not the file's) are not caught: they carry the path upwards.
    """
    analysis = _analyze(medium, stage, progress)
    if stage == "look" and not analysis.moments:
        # Even what cannot be opened is found by its name.
        analysis.moments = [Moment(kind="name", text=name) for name in names(medium.row)]
    return analysis


def _analyze(medium: Medium, stage: Stage, progress: Progress) -> Analysis:
    try:
        return STEPS[medium.row.kind, stage](medium, progress)
    except MissingExtraError as error:
        return Analysis(state="skipped", reason=str(error))
    except (StoreError, WeightsError):
        raise
    except OnlookerError as error:
        return Analysis(state="failed", reason=str(error))
    except MemoryError:
        return Analysis(state="failed", reason=f"{medium.path} needs more memory than there is")
    except OSError as error:
        return Analysis(
            state="failed", reason=f"{medium.path} cannot be read: {error.strerror or error}"
        )
    except Exception as error:
        # One odd file among thousands must not stop the night's work; the row tells what
        # happened, and the log keeps the traceback for a report.
        logging.getLogger(__name__).exception("%s failed in stage %s", medium.path, stage)
        return Analysis(
            state="failed", reason=f"{medium.path}: {type(error).__name__}: {error} (a defect)"
        )
