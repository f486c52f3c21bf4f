"""Measure the video reader, through the same `VideoTextReader` that users run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from onlooker.errors import ConfigError
from onlooker.media.video import Video
from onlooker.metrics import EvaluationConfig, Report
from onlooker.text.lines import group_lines
from onlooker.text.pipeline import TextReader, shipped_weights
from onlooker.text.video.datasets import (
    TRACKS_NAME,
    TRANSCRIPTS_NAME,
    Transcript,
    TrueClip,
    read_clips,
    read_transcripts,
)
from onlooker.text.video.metrics import TrackScore, lines_found
from onlooker.text.video.predict import VideoTextReader

if TYPE_CHECKING:
    from onlooker.records import TextTrack, TextWord

SINGLE_EVERY_S = 0.5
BLURRED = "pan"
"""The kind of generated clips whose camera moves so fast that text smears."""


def evaluate(config: EvaluationConfig) -> Report:
    """Read every clip of a folder with the shipped reader, and compare.

    Args:
        config: A folder with ``tracks.json`` (generated clips) or with ``transcripts.jsonl``
            (recordings, typed by hand); neither has splits.

    Raises:
        ConfigError: A split is asked for, or the folder or its labels are missing or malformed.
        MediaError: A clip cannot be read.
        WeightsError: The networks are missing or damaged.
    """
    config.refuse_split()
    if (config.data / TRACKS_NAME).is_file():
        clips = read_clips(config.data)[: config.limit]
        return _report(config, len(clips), *_on_clips(clips))
    if (config.data / TRANSCRIPTS_NAME).is_file():
        typed = read_transcripts(config.data)[: config.limit]
        return _report(config, len(typed), *_on_transcripts(typed))
    raise ConfigError(
        f"{config.data} holds neither {TRACKS_NAME} (clips of  onlooker synth video) nor "
        f"{TRANSCRIPTS_NAME}; docs/reference/data.md describes both"
    )


def _report(
    config: EvaluationConfig, n: int, metrics: dict[str, float | None], seconds: float
) -> Report:
    weights = shipped_weights()
    return Report(
        task="text.video",
        data=str(config.data),
        split=None,
        model_name="+".join(entry.name for entry in weights),
        model_sha256="+".join(entry.sha256 for entry in weights),
        n=n,
        seconds=seconds,
        metrics=metrics,
    )


def _on_clips(clips: list[TrueClip]) -> tuple[dict[str, float | None], float]:
    reader = VideoTextReader.load()
    single = TextReader.load()
    every, blurred = TrackScore(), TrackScore()
    frames, following_s = 0, 0.0
    begun = time.perf_counter()
    for clip in clips:
        before_s = time.perf_counter()
        tracks, count = _read(reader, clip.video)
        following_s += time.perf_counter() - before_s
        frames += count
        pages = list(_single(single, clip))
        size = (clip.width, clip.height)
        every.add(clip.tracks, tracks, pages, size)
        if clip.kind == BLURRED:
            blurred.add(clip.tracks, tracks, pages, size)
    metrics = every.metrics()
    of_blurred = blurred.metrics()
    metrics["word_accuracy_blurred"] = of_blurred["word_accuracy"]
    metrics["word_accuracy_single_blurred"] = of_blurred["word_accuracy_single"]
    metrics["frames_per_second"] = frames / following_s if following_s else None
    return metrics, time.perf_counter() - begun


def _read(reader: VideoTextReader, path: Path) -> tuple[list[TextTrack], int]:
    count = 0
    tracks: list[TextTrack] = []
    with Video.open(path) as video:
        for step in reader.steps(video.pictures()):
            count += 1
            tracks += step.ended
    return sorted(tracks, key=lambda track: (track.start_s, track.id)), count - 1


def _single(reader: TextReader, clip: TrueClip) -> Iterator[tuple[float, tuple[TextWord, ...]]]:
    """Read frames by themselves, half a second apart."""
    next_s = SINGLE_EVERY_S / 2
    with Video.open(clip.video) as video:
        for picture in video.pictures():
            if picture.time_s >= next_s - 1e-6:
                next_s += SINGLE_EVERY_S
                yield picture.time_s, reader(picture.pixels()).words


def _on_transcripts(typed: list[Transcript]) -> tuple[dict[str, float | None], float]:
    reader = VideoTextReader.load()
    single = TextReader.load()
    lines = found = found_single = frames = 0
    following_s = 0.0
    begun = time.perf_counter()
    for path in dict.fromkeys(one.video for one in typed):
        before_s = time.perf_counter()
        tracks, count = _read(reader, path)
        following_s += time.perf_counter() - before_s
        frames += count
        with Video.open(path) as video:
            for one in (o for o in typed if o.video == path):
                words = [
                    replace(word, polygon=polygon)
                    for track in tracks
                    if track.shown(one.time_s)
                    for word, polygon in zip(track.words, track.places_at(one.time_s), strict=True)
                ]
                frame = video.frame_at(one.time_s)
                lines += len(one.lines)
                found += lines_found(one.lines, _in_order(words))
                found_single += lines_found(one.lines, _in_order(single(frame.pixels).words))
    metrics: dict[str, float | None] = {
        "lines_found": found / lines if lines else None,
        "lines_found_single": found_single / lines if lines else None,
        "frames_per_second": frames / following_s if following_s else None,
    }
    return metrics, time.perf_counter() - begun


def _in_order(words: Sequence[TextWord]) -> list[str]:
    return [word.text for line in group_lines(words) for word in line.words]
