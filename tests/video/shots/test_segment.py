"""The segmenter on drawn videos: what changes in them, and when, is known."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from onlooker.media.video import Video
from onlooker.video.shots import StableGroup, coarse_groups, keyframes, segment
from onlooker.video.shots.grouping import Grouper
from onlooker.video.shots.sampling import Sampler

FPS = 25
SIZE = (640, 360)
Draw = Callable[[float], np.ndarray]

TITLES = (
    ("Gradient Descent", "Follow the slope of the loss", "Take small steps", "Until it is flat"),
    ("Binary Networks", "Weights of one bit", "Counting instead of adding", "XNOR and popcount"),
    ("Text in the Wild", "Find where it stands", "Read what it says", "Letters of all shapes"),
    ("Thank you", "Questions are welcome", "The code is on the last page", "See you in spring"),
)


def slide(number: int, lines: int = 4) -> np.ndarray:
    """A slide with a title, a rule and some lines of text."""
    picture = Image.new("RGB", SIZE, (250, 250, 246))
    draw = ImageDraw.Draw(picture)
    for row, line in enumerate(TITLES[number % len(TITLES)][:lines]):
        font = ImageFont.load_default(30 if row == 0 else 20)
        draw.text((40, 24 + 60 * row), line, font=font, fill=(20, 24, 32))
    draw.rectangle((40, 64, 600, 66), fill=(120, 30, 30))
    return np.array(picture)


def still(picture: np.ndarray) -> Draw:
    return lambda _time_s: picture


def camera(seed: int) -> Draw:
    """A panned picture with a texture of blobs: it moves as a whole."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 235, (60, 100, 3), np.uint8)
    world = cv2.resize(coarse, (1600, 960), interpolation=cv2.INTER_CUBIC)

    def draw(time_s: float) -> np.ndarray:
        x = int(480 + 470 * np.sin(time_s / 3 + seed))
        y = int(300 + 290 * np.cos(time_s / 4 + seed))
        return world[y : y + SIZE[1], x : x + SIZE[0]].copy()

    return draw


def with_inset(draw: Draw) -> Draw:
    """A moving speaker's picture over a corner."""
    speaker = camera(9)

    def drawn(time_s: float) -> np.ndarray:
        picture = draw(time_s).copy()
        picture[250:350, 450:630] = speaker(time_s * 3)[:100, :180]
        return picture

    return drawn


def with_pointer(draw: Draw) -> Draw:
    """A mouse pointer that wanders over the picture."""

    def drawn(time_s: float) -> np.ndarray:
        picture = draw(time_s).copy()
        x, y = int(300 + 250 * np.sin(time_s)), int(180 + 140 * np.cos(time_s * 1.3))
        corners = np.array([(x, y), (x, y + 11), (x + 8, y + 8)])
        cv2.fillPoly(picture, [corners], (0, 0, 0))
        return picture

    return drawn


@dataclass
class Written:
    path: Path
    frames: int


def write(
    path: Path,
    parts: list[tuple[float, Draw]],
    *,
    fps: int = FPS,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    gop: int = 250,
    pix_fmt: str = "yuv420p",
) -> Written:
    """Write parts of (seconds, drawing) one after the other."""
    number = 0
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = *SIZE, pix_fmt
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = 1
        stream.options = {"preset": "superfast"} if options is None else options
        for duration_s, draw in parts:
            for _ in range(round(duration_s * fps)):
                frame = av.VideoFrame.from_ndarray(draw(number / fps), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, fps)
                out.mux(stream.encode(frame))
                number += 1
        out.mux(stream.encode())
    return Written(path, number)


def groups_of(path: Path) -> list[StableGroup]:
    """Segment, and check what holds for every video."""
    with Video.open(path) as video:
        groups = list(segment(video))
        duration_s = video.duration_s
    assert groups
    assert [group.index for group in groups] == list(range(len(groups)))
    assert groups[0].start_s == pytest.approx(0, abs=0.1)
    assert groups[-1].end_s == pytest.approx(duration_s, abs=0.2)
    for before, after in pairwise(groups):
        assert before.end_s == after.start_s
        assert after.shot in (before.shot, before.shot + 1)
    for group in groups:
        assert group.start_s - 0.5 <= group.best_s <= group.end_s
        assert all(group.start_s <= step.time_s <= group.end_s for step in group.steps)
        assert group.pixels.dtype == np.uint8
    return groups


def changes(groups: list[StableGroup]) -> list[float]:
    """When another shot or slide begins."""
    return [after.start_s for before, after in pairwise(groups) if after.shot != before.shot]


def looks_like(pixels: np.ndarray, picture: np.ndarray) -> bool:
    height, width = picture.shape[:2]
    same_size = cv2.resize(pixels, (width, height)) if pixels.shape != picture.shape else pixels
    return float(np.abs(same_size.astype(int) - picture).mean()) < 6


ENCODERS = {
    "x264 defaults": {"options": {"preset": "superfast"}},
    "no key frames at cuts": {"options": {"preset": "superfast", "x264-params": "scenecut=0"}},
    "one key frame in all": {
        "options": {"preset": "superfast", "x264-params": "scenecut=0:keyint=infinite"}
    },
    "short fixed groups": {
        "options": {"preset": "superfast", "x264-params": "scenecut=0"},
        "gop": 25,
    },
    "poor": {"options": {"preset": "ultrafast", "crf": "34"}},
    "constant bit rate": {
        "options": {
            "preset": "superfast",
            "x264-params": "nal-hrd=cbr:vbv-maxrate=600:vbv-bufsize=600:bitrate=600:scenecut=0",
        }
    },
    "mpeg4": {"codec": "mpeg4", "options": {}, "gop": 12},
    "every frame a key frame": {"codec": "mjpeg", "options": {}, "pix_fmt": "yuvj420p"},
}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_slides_are_found_whatever_the_encoder(tmp_path: Path, encoder: str) -> None:
    path = tmp_path / "talk.mkv"
    parts = [(5.0, still(slide(0))), (4.2, still(slide(1))), (7.0, with_pointer(still(slide(2))))]
    written = write(path, parts, **ENCODERS[encoder])
    groups = groups_of(path)
    assert changes(groups) == pytest.approx([5.0, 9.2], abs=0.3)
    assert [group.kind for group in groups] == ["slide"] * 3
    for number, group in enumerate(groups):
        assert looks_like(group.pixels, slide(number))
    assert written.frames == 405


@pytest.mark.parametrize("inset", [False, True])
def test_a_slide_that_builds_up_is_one_group_at_its_fullest(tmp_path: Path, inset: bool) -> None:
    path = tmp_path / "build.mp4"
    parts = [(4.0, still(slide(0, lines))) for lines in (1, 2, 3, 4)]
    parts.append((4.0, still(slide(1))))
    if inset:
        parts = [(duration_s, with_inset(draw)) for duration_s, draw in parts]
    write(path, parts)
    first, second = groups_of(path)
    assert [step.time_s for step in first.steps] == pytest.approx([4, 8, 12], abs=0.3)
    for row, step in enumerate(first.steps, 1):
        middle = (step.box[1] + step.box[3]) / 2
        assert middle == pytest.approx(36 + 60 * row, abs=20)
    assert 12 <= first.best_s < 16
    assert second.start_s == pytest.approx(16, abs=0.3)
    if not inset:
        assert looks_like(first.pixels, slide(0))
        assert first.moving == ()


def test_a_moving_inset_is_ignored_and_told(tmp_path: Path) -> None:
    path = tmp_path / "inset.mp4"
    write(path, [(6.0, with_inset(still(slide(number)))) for number in range(3)])
    groups = groups_of(path)
    assert changes(groups) == pytest.approx([6, 12], abs=0.3)
    assert all(group.steps == () for group in groups)
    (box,) = groups[1].moving
    assert box == pytest.approx((450, 250, 630, 350), abs=50)


def test_camera_gives_shots_and_a_bounded_number_of_pictures(tmp_path: Path) -> None:
    path = tmp_path / "camera.mp4"
    parts = [
        (6.0, still(slide(0))),
        (20.0, camera(1)),
        (5.0, still(slide(1))),
        (8.0, camera(2)),
        (8.0, camera(3)),
    ]
    write(path, parts)
    groups = groups_of(path)
    assert changes(groups) == pytest.approx([6, 26, 31, 39], abs=0.3)
    kinds = {group.shot: group.kind for group in groups}
    assert [kinds[shot] for shot in range(5)] == ["slide", "shot", "slide", "shot", "shot"]
    assert sum(group.shot == 1 for group in groups) <= 14  # one in 1.5 s


def test_a_dissolve_is_one_change(tmp_path: Path) -> None:
    def dissolve(time_s: float) -> np.ndarray:
        share = (time_s - 5.0) / 0.6
        return cv2.addWeighted(slide(1), share, slide(0), 1 - share, 0)

    path = tmp_path / "dissolve.mp4"
    write(path, [(5.0, still(slide(0))), (0.6, dissolve), (5.0, still(slide(1)))])
    groups = groups_of(path)
    assert changes(groups) == pytest.approx([5.3], abs=0.4)
    assert looks_like(groups[0].pixels, slide(0))
    assert looks_like(groups[1].pixels, slide(1))


def test_black_between_slides_is_part_of_their_change(tmp_path: Path) -> None:
    black = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    path = tmp_path / "black.mp4"
    write(path, [(5.0, still(slide(0))), (0.8, still(black)), (5.0, still(slide(1)))])
    assert changes(groups_of(path)) == pytest.approx([5.4], abs=0.7)


def test_something_passing_by_is_no_change(tmp_path: Path) -> None:
    def passing(time_s: float) -> np.ndarray:
        picture = slide(0)
        left = int((time_s - 4.0) * 500)
        picture[:, max(0, left - 150) : left] = (90, 70, 60)
        return picture

    path = tmp_path / "passing.mp4"
    write(path, [(4.0, still(slide(0))), (1.2, passing), (4.0, still(slide(0)))])
    (group,) = groups_of(path)
    assert looks_like(group.pixels, slide(0))


def test_typed_text_is_read_at_its_end(tmp_path: Path) -> None:
    text = "The quick brown fox jumps over the lazy dog, again and again and again."

    def typing(time_s: float) -> np.ndarray:
        picture = Image.new("RGB", SIZE, (24, 24, 24))
        shown = text[: int(time_s * 10)]
        font = ImageFont.load_default(18)
        ImageDraw.Draw(picture).text((20, 40), shown, font=font, fill=(230, 230, 220))
        return np.array(picture)

    path = tmp_path / "typing.mp4"
    write(path, [(10.0, typing)])
    groups = groups_of(path)
    assert len(groups) == 1
    assert looks_like(groups[0].pixels, typing(10.0))
    assert groups[0].best_s > 7


def test_scrolling_text_is_read_often_enough(tmp_path: Path) -> None:
    page = Image.new("RGB", (SIZE[0], 360 * 6), (255, 255, 255))
    draw = ImageDraw.Draw(page)
    rng = np.random.default_rng(4)
    for row in range(90):
        words = " ".join("".join(chr(97 + c) for c in rng.integers(0, 26, 6)) for _ in range(7))
        draw.text((30, 6 + 24 * row), words, font=ImageFont.load_default(16), fill=(0, 0, 0))
    tall = np.array(page)

    def scrolling(time_s: float) -> np.ndarray:
        top = min(len(tall) - 360, int(time_s * 60))
        return tall[top : top + 360]

    path = tmp_path / "scroll.mp4"
    write(path, [(30.0, scrolling)])
    groups = groups_of(path)
    tops = [min(1800.0, group.best_s * 60) for group in groups]
    # Every line stands on some picture that is read: none is further than a page from the next.
    # What leaves in the first second or enters in the last two may be missed.
    assert tops[0] <= 60
    assert max(np.diff([*tops, 2160.0 - 120])) <= 380
    assert len(groups) <= 16


def test_few_and_irregular_frames(tmp_path: Path) -> None:
    path = tmp_path / "irregular.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time_s, number in ((0, 0), (5.5, 1), (9, 2), (9.04, 2), (20, 3), (26, 3)):
            frame = av.VideoFrame.from_ndarray(slide(number), format="rgb24")
            frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    groups = groups_of(path)
    assert changes(groups) == pytest.approx([5.5, 9, 20], abs=0.05)
    assert [looks_like(g.pixels, slide(n)) for n, g in enumerate(groups)] == [True] * 4


def test_a_single_frame(tmp_path: Path) -> None:
    path = tmp_path / "one.mp4"
    write(path, [(0.04, still(slide(0)))])
    (group,) = groups_of(path)
    assert looks_like(group.pixels, slide(0))


def test_still_slides_are_hardly_decoded(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    written = write(path, [(12.0, still(slide(number))) for number in range(4)])
    with Video.open(path) as video:
        grouper = Grouper()
        sampler = Sampler(video, grouper)
        assert list(sampler.run())
        assert sampler.decoded < written.frames / 3


def test_progress_and_size(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    write(path, [(4.0, still(slide(0))), (4.0, still(slide(1)))])
    told: list[float] = []
    with Video.open(path) as video:
        groups = list(segment(video, max_side=320, on_progress=told.append))
    assert [group.pixels.shape for group in groups] == [(180, 320, 3)] * 2
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1, abs=0.02)
    assert groups[0].span.best_s == groups[0].best_s


def test_keyframes_and_coarse_groups(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    parts = [(5.0, still(slide(0))), (5.0, still(slide(1))), (5.0, still(slide(2)))]
    write(path, parts, gop=50)
    with Video.open(path) as video:
        times_s = [frame.time_s for frame in keyframes(video, max_side=64)]
        assert {0.0, 5.0, 10.0} <= {round(time_s, 2) for time_s in times_s}
        assert [f.time_s for f in keyframes(video, every_s=5.0)] == pytest.approx([0, 5, 10])
        groups = list(coarse_groups(video))
    assert [looks_like(g.pixels, slide(n)) for n, g in enumerate(groups)] == [True] * 3
    assert [group.start_s for group in groups] == pytest.approx([0, 5, 10], abs=2.1)
    assert groups[-1].end_s == pytest.approx(15, abs=0.1)


DATA = Path(os.environ.get("ONLOOKER_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.mark.data
def test_real_clips() -> None:
    clips = DATA / "video" / "clips"
    if not clips.is_dir():
        pytest.skip(f"{clips} is not there; set ONLOOKER_DATA")
    found = {path.name: groups_of(path) for path in _clips(clips)}
    assert changes(found["opencast_slidechanges.mov"]) == pytest.approx([7.3, 14.4, 21.4], abs=0.3)
    assert changes(found["lecture_ast101_stars.mp4"]) == pytest.approx([3.75], abs=0.6)
    assert changes(found["lecture_crypto_stream_ciphers.mp4"]) == pytest.approx([114.35], abs=0.3)
    # Handwriting on a slide builds it up.
    assert len(found["lecture_crypto_stream_ciphers.mp4"][0].steps) >= 5
    assert found["scene_street_signs.mp4"][0].kind == "shot"
    assert 3 <= len(found["vhs_gumpager.mp4"]) <= 6


def _clips(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.suffix in (".mp4", ".mov"):
            yield path
