"""Lines followed over generated frames."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from onlooker.errors import ConfigError
from onlooker.records import TextTrack
from onlooker.runtime import set_threads
from onlooker.text.synthesis.video.motion import gliding
from onlooker.text.synthesis.video.stage import Clip, Layer
from onlooker.text.video import VideoReaderConfig, VideoTextReader

if TYPE_CHECKING:
    from conftest import WidthReader

Reading = Callable[[Clip], list[TextTrack]]

SPAN_S = 0.1 + 1e-6
"""Two frames."""


@pytest.fixture
def read(kit: SimpleNamespace, reader: WidthReader) -> Callable[[Clip], list[TextTrack]]:
    return lambda clip: VideoTextReader(reader)(kit.looks(clip))


def test_spans_of_lines_that_appear_and_go(
    kit: SimpleNamespace, read: Reading, layer: Callable[..., Layer], reader: WidthReader
) -> None:
    clip = kit.make_clip(
        [
            layer("Opening"),
            layer("Stream ciphers", y=120, start_s=0.7),
            layer("A much longer line of text", y=180, start_s=0.3, end_s=1.6, fade_s=0.4),
        ],
        2.5,
    )
    tracks = {track.text: track for track in read(clip)}
    assert set(tracks) == {"Opening", "Stream ciphers", "A much longer line of text"}
    for truth in clip.tracks:
        track = tracks[truth.text]
        assert track.start_s == pytest.approx(truth.start_s, abs=SPAN_S)
        assert track.end_s == pytest.approx(truth.end_s, abs=SPAN_S)
    # A picture that stands still is not read again and again.
    assert reader.calls <= 10


def test_a_line_that_moves_is_one_track_in_its_place(
    kit: SimpleNamespace, read: Reading, layer: Callable[..., Layer], reader: WidthReader
) -> None:
    moving = layer("Stream ciphers")
    moving.place = lambda t: (60.0, 280 - 120 * t)
    clip = kit.make_clip([moving], 3.0)
    (track,) = read(clip)
    (truth,) = clip.tracks
    assert track.text == "Stream ciphers"
    assert track.start_s == pytest.approx(truth.start_s, abs=SPAN_S)
    assert track.end_s == pytest.approx(truth.end_s, abs=SPAN_S)
    for time_s in np.arange(truth.start_s + 0.1, truth.end_s - 0.1, 0.1):
        got = np.array(track.places_at(time_s))
        assert np.abs(got - truth.polygons_at(time_s)).max() < 4


def test_a_line_that_flies_in_is_followed_back(
    kit: SimpleNamespace, read: Reading, layer: Callable[..., Layer], reader: WidthReader
) -> None:
    flying = layer("A much longer line of text")
    flying.place = gliding(60, 100, -500, 100, 0.5, 0.5)
    clip = kit.make_clip([layer("Opening", y=20), flying], 2.0)
    track = next(t for t in read(clip) if t.text.startswith("A much"))
    truth = next(t for t in clip.tracks if t.text.startswith("A much"))
    assert track.start_s == pytest.approx(truth.start_s, abs=0.2)


def test_another_line_in_the_same_place_is_another_track(
    kit: SimpleNamespace, read: Reading, layer: Callable[..., Layer], reader: WidthReader
) -> None:
    clip = kit.make_clip([layer("Opening", end_s=1.0), layer("Stream ciphers", start_s=1.0)], 2.0)
    first, second = read(clip)
    assert (first.text, second.text) == ("Opening", "Stream ciphers")
    assert first.end_s == pytest.approx(1.0, abs=SPAN_S)
    assert second.start_s == pytest.approx(1.0, abs=SPAN_S)


def test_frames_outvote_a_slip(
    kit: SimpleNamespace, read: Reading, layer: Callable[..., Layer], reader: WidthReader
) -> None:
    reader.slips = {2: ("ciphers", "cipners")}
    moving = layer("Stream ciphers", y=120)
    moving.place = lambda t: (40.0 + 30 * t, 120.0)
    (track,) = read(kit.make_clip([moving], 2.5))
    assert track.text == "Stream ciphers"
    assert ("cipners", 0.95) in track.readings[1]


def test_the_outcome_does_not_depend_on_threads(
    kit: SimpleNamespace, read: Reading, layer: Callable[..., Layer], reader: WidthReader
) -> None:
    clip = kit.make_clip(
        [layer("Opening", end_s=1.2), layer("End", y=150, start_s=0.5)], 2.0, noise=3
    )
    try:
        set_threads(1)
        alone = read(clip)
        set_threads(2)
        assert read(clip) == alone
    finally:
        set_threads(1)
    assert [track.text for track in alone] == ["Opening", "End"]


def test_no_frames_and_no_text(kit: SimpleNamespace, read: Reading, reader: WidthReader) -> None:
    assert VideoTextReader(reader)([]) == []
    black = [kit.Shown(i / 20, np.zeros((90, 160, 3), np.uint8)) for i in range(10)]
    assert VideoTextReader(reader)(black) == []


def test_wrong_settings_are_refused(
    kit: SimpleNamespace, read: Reading, reader: WidthReader
) -> None:
    with pytest.raises(ConfigError, match="key_s must be above 0"):
        VideoReaderConfig(key_s=0)
    frames = [
        kit.Shown(0.0, np.zeros((90, 160, 3), np.uint8)),
        kit.Shown(0.1, np.zeros((80, 160, 3), np.uint8)),
    ]
    with pytest.raises(ConfigError, match="size of the frames changes"):
        VideoTextReader(reader)(frames)
