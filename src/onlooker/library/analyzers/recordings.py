"""Videos and sound: key frames and subtitles, then the text in stable groups, then speech."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from onlooker.errors import MediaError
from onlooker.library.analyzers.medium import Analysis, Medium, Progress, begin, end
from onlooker.library.analyzers.photos import scaled
from onlooker.library.tracks import LineTracks
from onlooker.records import MediaFacts, Moment, Page, TextLine, View
from onlooker.runtime import threads

if TYPE_CHECKING:
    from onlooker.media.subtitles import Cue
    from onlooker.video.shots import StableGroup

T = TypeVar("T")


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
        analysis, broken = begin(medium, video.facts)
        analysis.views = []
        for group in coarse_groups(video):
            analysis.views.append(_view(group, len(analysis.views), video.facts))
            progress.report(group.end_s / video.duration_s if video.duration_s else 0.0)
            if progress.stopped:
                break
    analysis.moments += _subtitles(medium.path, broken)
    return end(analysis, broken)


def look_audio(medium: Medium, progress: Progress) -> Analysis:
    """Facts and subtitles."""
    from onlooker.media.audio import Audio

    with Audio.open(medium.path) as audio:
        analysis, broken = begin(medium, audio.facts)
    analysis.moments += _subtitles(medium.path, broken)
    return end(analysis, broken)


def read_video(medium: Medium, progress: Progress) -> Analysis:
    """The text of a video: each stable group is read once, a line that stays is one moment.

    Decoding runs ahead of reading in a thread of its own, by two pictures at most; not where only
    one thread may be used.
    """
    from onlooker.media.video import Video
    from onlooker.video.shots import segment

    reader = medium.engines.reader
    analysis = Analysis(views=[])
    tracks = LineTracks()
    over = threading.Event()

    def stop_if_over(_fraction: float) -> None:
        # An hour without a stable picture would else be decoded to its end after a Ctrl-C.
        if over.is_set():
            raise _Over

    with Video.open(medium.path) as video:
        assert analysis.views is not None
        groups = segment(video, on_progress=stop_if_over)
        for group in _ahead(groups, over, most=2) if threads() > 1 else groups:
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
        TextLine(tuple(replace(w, polygon=scaled(w.polygon, factor)) for w in line.words))
        for line in page.lines
    )
    return replace(page, width=facts.width, height=facts.height, lines=lines)


class _Over(Exception):  # noqa: N818 no error: what was to come is not wanted any more
    """Ends the work of a producer."""


def _ahead(groups: Iterator[T], over: threading.Event, *, most: int) -> Iterator[T]:
    """Iterate with the producer working ahead in a thread, by at most ``most`` items.

    ``over`` is set when no more is wanted, so that the producer ends soon.
    """
    waiting: queue.Queue[T | BaseException | None] = queue.Queue(maxsize=most)

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
    if deaf := medium.engines.deaf:
        return Analysis(state="skipped", reason=f"not heard: {deaf}")
    analysis = Analysis()
    duration = medium.row.facts.duration_s or 0.0
    with Audio.open(medium.path) as audio:
        for cue in medium.engines.transcriber.stream(audio):
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
