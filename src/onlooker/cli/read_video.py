"""``onlooker read --video``: the text of a video or camera, line by line, as it is read."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onlooker.cli.show import plain
from onlooker.errors import ConfigError
from onlooker.records import Page, TextLine, TextTrack, TextWord

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from onlooker.text.video import Step
    from onlooker.text.video.frames import Look

_SHOWN_LINES = 20
_REFRESH_HZ = 8


def read_video(source: str, *, as_json: bool, out: Path | None) -> None:
    """Read a video file or a camera, and print its lines.

    On a terminal, what stands in the picture is shown as it is read, with the speed. Each line is
    printed when it is over, with its span.

    Args:
        source: A file, the number of a camera, or ``camera`` for the first one.
        as_json: Print one object a line.
        out: Write the video with boxes and text drawn over it.

    Raises:
        ConfigError: ``out`` is the video itself, or does not end in .mp4.
        MediaError: The video or camera cannot be read.
    """
    if out is not None and out.suffix.lower() != ".mp4":
        raise ConfigError(f"--out {plain(str(out))} must end in .mp4")
    number = 0 if source == "camera" else int(source) if source.isdecimal() else None
    if number is not None and not Path(source).exists():
        _read_camera(number, as_json=as_json, out=out)
        return
    path = Path(source)
    if out is not None and out.resolve() == path.resolve():
        raise ConfigError(f"{plain(str(out))} is the input; write to another file")
    _read_file(path, as_json=as_json, out=out)


def _read_file(path: Path, *, as_json: bool, out: Path | None) -> None:
    from onlooker.media.video import Video
    from onlooker.text.video import VideoTextReader

    tracks: list[TextTrack] = []
    with Video.open(path) as video, _display(as_json) as show:
        reader = VideoTextReader.load()
        for step in _told(reader.steps(video.pictures()), show, video.duration_s):
            tracks += step.ended
            for track in step.ended:
                _print(track, as_json)
    if not tracks:
        click.echo("no text found", err=True)
    if out is not None:
        _annotate(path, tracks, out)


def _read_camera(number: int, *, as_json: bool, out: Path | None) -> None:
    from onlooker.media.camera import Camera
    from onlooker.media.recording import VideoWriter
    from onlooker.text.video import VideoTextReader

    with Camera.open(number) as camera, _display(as_json) as show:
        reader = VideoTextReader.load()
        with ExitStack() as stack:
            writer = stack.enter_context(VideoWriter(out, rate_hz=25)) if out is not None else None
            for step in _told(reader.steps(_until_interrupted(camera.pictures())), show, None):
                for track in step.ended:
                    _print(track, as_json)
                if writer is not None:
                    writer.add(_drawn(step.look.pixels(), _lines_of(step)), step.time_s)


def _until_interrupted(looks: Iterable[Look]) -> Iterator[Look]:
    """End at Ctrl-C as a video ends: what is open is still told."""
    stopped: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: stopped.append(number))
    try:
        for look in looks:
            yield look
            if stopped:
                return
    finally:
        signal.signal(signal.SIGINT, before)


def _annotate(path: Path, tracks: list[TextTrack], out: Path) -> None:
    """Write the video again with what was read drawn over it."""
    from onlooker.media.recording import VideoWriter
    from onlooker.media.video import Video

    with Video.open(path) as video, VideoWriter(out, rate_hz=video.rate_hz) as writer:
        for picture in video.pictures():
            lines = tuple(
                TextLine(
                    tuple(
                        replace(word, polygon=polygon)
                        for word, polygon in zip(
                            track.words, track.places_at(picture.time_s), strict=True
                        )
                    )
                )
                for track in tracks
                if track.shown(picture.time_s)
            )
            writer.add(_drawn(picture.pixels(), lines), picture.time_s)
    click.echo(f"written: {plain(str(out))}", err=True)


def _lines_of(step: Step) -> tuple[TextLine, ...]:
    return tuple(
        TextLine(
            tuple(
                TextWord(text, polygon, line.confidence)
                for text, polygon in zip(line.words, line.polygons, strict=True)
            )
        )
        for line in step.lines
    )


def _drawn(pixels: npt.NDArray[np.uint8], lines: tuple[TextLine, ...]) -> npt.NDArray[np.uint8]:
    from onlooker.text.formats import draw_overlay

    return draw_overlay(pixels, Page(pixels.shape[1], pixels.shape[0], lines))


def _print(track: TextTrack, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(track_to_json(track), ensure_ascii=False))
    else:
        click.echo(f"{_clock(track.start_s)}–{_clock(track.end_s)}  {plain(track.text)}")


def track_to_json(track: TextTrack) -> dict[str, Any]:
    """Return the object that ``onlooker read --video --json`` prints for a line."""

    def corners(polygon: Any) -> list[list[float]]:
        return [[round(x, 1), round(y, 1)] for x, y in polygon]

    return {
        "id": track.id,
        "text": track.text,
        "confidence": round(track.confidence, 4),
        "start_s": round(track.start_s, 3),
        "end_s": round(track.end_s, 3),
        "best_s": round(track.best_s, 3),
        "words": [
            {
                "text": word.text,
                "confidence": round(word.confidence, 4),
                "polygon": corners(word.polygon),
            }
            for word in track.words
        ],
        "places": [
            {"time_s": round(time_s, 3), "polygons": [corners(p) for p in polygons]}
            for time_s, polygons in zip(track.times_s, track.places, strict=True)
        ],
    }


def _told(
    steps: Iterator[Step], show: Callable[[Step, float, float | None], None], length_s: float | None
) -> Iterator[Step]:
    """Tell the display of each step, with the frames a second of the last two seconds."""
    begun: list[float] = []
    for step in steps:
        now = time.perf_counter()
        begun.append(now)
        while begun[0] < now - 2:
            begun.pop(0)
        speed = (len(begun) - 1) / (now - begun[0]) if len(begun) > 1 else 0.0
        show(step, speed, length_s)
        yield step


@contextmanager
def _display(as_json: bool) -> Iterator[Callable[[Step, float, float | None], None]]:
    """Give a function that shows a step: a live table on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda step, speed, length_s: None
        return
    with Live(console=console, refresh_per_second=_REFRESH_HZ, transient=True) as live:

        def show(step: Step, speed: float, length_s: float | None) -> None:
            if time.monotonic() - show_at[0] >= 1 / _REFRESH_HZ:
                show_at[0] = time.monotonic()
                live.update(_table(step, speed, length_s))

        show_at = [0.0]
        yield show


def _table(step: Step, speed: float, length_s: float | None) -> Any:
    from rich.table import Table
    from rich.text import Text

    at = _clock(step.time_s) + (f" of {_clock(length_s)}" if length_s else "")
    table = Table(title=f"{at}   {speed:.0f} frames a second", expand=False, title_justify="left")
    table.add_column("place", style="dim", no_wrap=True)
    table.add_column("text")
    for line in step.lines[:_SHOWN_LINES]:
        x, y = line.polygons[0][0]
        table.add_row(f"{x:.0f}, {y:.0f}", Text(plain(line.text)))
    if len(step.lines) > _SHOWN_LINES:
        table.add_row("", f"and {len(step.lines) - _SHOWN_LINES} more")
    return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(seconds, 0.0), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"
