"""Generated clips: seeds, exact truth, files."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("wordfreq")

from onlooker.cli.main import main
from onlooker.errors import ConfigError
from onlooker.media.video import Video
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.video import (
    KINDS,
    ClipsConfig,
    ClipSynthesizer,
    files,
    write_clips,
    write_video,
)
from onlooker.text.synthesis.video.motion import fading, gliding
from onlooker.text.synthesis.video.stage import Clip, Layer, Layered, Line
from onlooker.text.video.datasets import read_clips

SIZE = {"width": 480, "height": 270, "rate_hz": 10.0, "seconds": 2.5}


@pytest.fixture(scope="module")
def synthesizer(bank: FontBank) -> ClipSynthesizer:
    return ClipSynthesizer(bank, Corpus({"en": 1.0}), BackgroundBank([]).patch, **SIZE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_clip(synthesizer: ClipSynthesizer, kind: str) -> None:
    one, other = (synthesizer.draw(np.random.default_rng((3, 1)), kind) for _ in range(2))
    assert [(t.text, t.start_s, t.end_s) for t in one.tracks] == [
        (t.text, t.start_s, t.end_s) for t in other.tracks
    ]
    for a, b in zip(one.frames(), other.frames(), strict=True):
        assert a.picture.shape == (270, 480, 3)
        np.testing.assert_array_equal(a.picture, b.picture)
    assert one.tracks
    for track in one.tracks:
        assert 0 <= track.start_s < track.end_s <= one.duration_s + 1e-9
        assert track.polygons.shape == (len(track.times_s), len(track.words), 4, 2)


def bar_clip(opacity: object, place: object, *, rate_hz: float = 10.0) -> Clip:
    """Play a white bar that stands for a line over black."""
    alpha = np.full((20, 100), 255, np.uint8)
    box = np.array([[[0, 0], [100, 0], [100, 20], [0, 20]]], np.float64)
    layer = Layer(
        np.full((20, 100, 3), 255, np.uint8),
        alpha,
        [Line("a", ("word",), box)],
        place,  # type: ignore[arg-type]
        opacity,  # type: ignore[arg-type]
    )
    ground = np.zeros((180, 320, 3), np.uint8)
    shot = Layered(2.0, lambda _t: (0, ground), [layer])
    return Clip("test", 320, 180, rate_hz, [shot], [])


def test_a_fade_counts_from_half_opacity() -> None:
    clip = bar_clip(fading(0.5, 1.5, 0.4, 0.4), lambda _t: (10.0, 10.0))
    (track,) = clip.tracks
    assert (track.start_s, track.end_s) == pytest.approx((0.5, 1.6))
    brightest = [int(frame.picture.max()) for frame in clip.frames()]
    assert brightest[2] == 0
    assert brightest[5] in (127, 128)
    assert brightest[10] == 255


def test_a_line_counts_while_half_of_it_is_inside() -> None:
    clip = bar_clip(lambda _t: 1.0, lambda t: (-100 + 100 * t, 10.0))
    (track,) = clip.tracks
    assert track.start_s == pytest.approx(0.5)
    assert track.end_s == pytest.approx(2.0)
    # Two moments tell an even motion, and between them places are exact.
    assert len(track.times_s) == 2
    np.testing.assert_allclose(track.polygons_at(1.0)[0, 0], (0, 10), atol=1e-9)
    shown = next(f for f in clip.frames() if f.index == 10).picture[15, :, 0]
    assert np.flatnonzero(shown).tolist() == list(range(100))


def test_a_glide_keeps_enough_moments() -> None:
    place = gliding(100, 10, 0, 10, 0.3, 1.0)
    (track,) = bar_clip(lambda _t: 1.0, place).tracks
    assert len(track.times_s) > 3
    for index in range(20):
        wanted = round(place(index / 10)[0])
        assert abs(track.polygons_at(index / 10)[0, 0, 0] - wanted) <= 0.5


def test_a_line_that_goes_on_over_a_cut_is_one_track() -> None:
    first = bar_clip(lambda _t: 1.0, lambda _t: (10.0, 10.0)).shots[0]
    clip = Clip("test", 320, 180, 10.0, [first, first], [0.4])
    (track,) = clip.tracks
    assert (track.start_s, track.end_s) == pytest.approx((0.0, 4.0))


def test_files_are_read_back(font_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = ClipsConfig(
        out=out,
        fonts=font_file.parent,
        clips=2,
        kinds=("slides", "credits"),
        languages=(("en", 1.0),),
        **SIZE,  # type: ignore[arg-type]
    )
    seen: list[int] = []
    path = write_clips(config, lambda number, _truth: seen.append(number))
    assert seen == [0, 1]
    assert json.loads(path.read_text())["seed"] == 7
    clips = read_clips(out)
    assert [clip.kind for clip in clips] == ["slides", "credits"]
    with Video.open(clips[0].video) as video:
        frames = sum(1 for _ in video.pictures())
    assert frames == round(clips[0].duration_s * 10)
    assert clips[0].tracks[0].text
    with pytest.raises(ConfigError, match="holds clips already"):
        write_clips(config)


def test_wrong_wishes_are_refused(tmp_path: Path, synthesizer: ClipSynthesizer) -> None:
    with pytest.raises(ConfigError, match="unknown kinds of clips films"):
        ClipsConfig(out=tmp_path, fonts=tmp_path, kinds=("films",))
    with pytest.raises(ConfigError, match="unknown kind of clip 'films'"):
        synthesizer.draw(np.random.default_rng(0), "films")
    (tmp_path / "tracks.json").write_text('{"version": 9}')
    with pytest.raises(ConfigError, match="version 1"):
        read_clips(tmp_path)
    (tmp_path / "tracks.json").write_text('{"version": 1, "clips": [{"video": "a.mp4"}]}')
    with pytest.raises(ConfigError, match="clip 0 is malformed"):
        read_clips(tmp_path)


def test_clips_of_a_specification(
    font_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"kinds": ("cuts",), "languages": (("en", 1.0),), **SIZE}

    def make(**values: object) -> ClipsConfig:
        return ClipsConfig(**{**values, **small})  # type: ignore[arg-type]

    monkeypatch.setattr(files, "ClipsConfig", make)
    wishes = SimpleNamespace(fonts=str(font_file.parent), backgrounds="", seed=5)
    told: list[tuple[int, int]] = []
    values = write_video(wishes, tmp_path / "out", 1, lambda done, all_: told.append((done, all_)))
    assert told == [(1, 1)]
    assert values["pictures"] == values["faces"] == 1
    assert values["tracks"] == len(read_clips(tmp_path / "out")[0].tracks)
    wishes.fonts = ""
    with pytest.raises(ConfigError, match="--fonts"):
        write_video(wishes, tmp_path / "none", 1, lambda done, all_: None)


def test_frames_can_be_drawn_in_any_order(synthesizer: ClipSynthesizer) -> None:
    clip = synthesizer.draw(np.random.default_rng(2), "cuts")
    clip.noise = 3.0  # of the sensor: its grain is moved about from frame to frame
    again = clip.frame(5).picture.copy()
    frames = list(clip.frames())
    np.testing.assert_array_equal(frames[5].picture, again)
    assert [frame.index for frame in frames] == list(range(clip.count))


@pytest.mark.parametrize(
    ("more", "says", "code"),
    [
        (("--without", "blur"), "video knows neither", 2),
        (("--backgrounds", "nowhere"), "nowhere is not there", 1),
    ],
)
def test_what_clips_cannot_do_is_said(
    font_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, str],
    says: str,
    code: int,
) -> None:
    asked = ["synth", "video", str(tmp_path / "out"), "--fonts", str(font_file.parent), *more]
    monkeypatch.setattr("sys.argv", ["onlooker", *asked])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == code
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
