from __future__ import annotations

import io
import os
import struct
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from onlooker.errors import MediaError
from onlooker.media import video as video_module
from onlooker.media.video import Video

FPS = 10
COUNT = 60


def number_frame(number: int, size: tuple[int, int] = (160, 96)) -> Image.Image:
    """A picture that tells its number by eight squares, white for one."""
    pixels = np.full((size[1], size[0], 3), 60, np.uint8)
    for bit in range(8):
        left = 10 + 18 * bit
        pixels[30:60, left : left + 14] = 235 if number >> bit & 1 else 16
    return Image.fromarray(pixels)


def number_of(pixels: np.ndarray) -> int:
    """Read the number of a picture."""
    return sum((pixels[45, 17 + 18 * bit].mean() > 128) << bit for bit in range(8))


def write_numbers(
    path: Path,
    times_s: list[float] | None = None,
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    gop: int = 20,
    cover: bool = False,
) -> list[float]:
    """Write numbered frames; returns their times."""
    times_s = times_s or [index / FPS for index in range(COUNT)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = 1
        stream.options = options or {}
        for number, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_image(number_frame(number))
            frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return times_s


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "numbers.mp4"
    write_numbers(path)
    return path


def test_facts(numbers: Path) -> None:
    with Video.open(numbers) as video:
        facts = video.facts
        assert (facts.kind, facts.width, facts.height) == ("video", 160, 96)
        assert facts.duration_s == pytest.approx(COUNT / FPS, abs=0.15)
        assert facts.video_codec == "h264"
        assert "mp4" in facts.container
        assert facts.audio_codec == ""


def test_frames_are_all_there_with_their_times(numbers: Path) -> None:
    with Video.open(numbers) as video:
        frames = list(video.frames())
    assert [number_of(frame.pixels) for frame in frames] == list(range(COUNT))
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert [frame.time_s for frame in frames] == pytest.approx([i / FPS for i in range(COUNT)])


def test_frames_of_a_span_begin_with_the_one_shown(numbers: Path) -> None:
    with Video.open(numbers) as video:
        shown = [number_of(frame.pixels) for frame in video.frames(1.25, 1.6)]
        again = [number_of(frame.pixels) for frame in video.frames(1.25, 1.6)]
    assert shown == again == [12, 13, 14, 15]


def test_frame_at_is_exact_everywhere_and_in_any_order(numbers: Path) -> None:
    with Video.open(numbers) as video:
        for number in (0, 59, 1, 19, 20, 21, 40, 33, 58, 2):
            assert number_of(video.frame_at(number / FPS + 0.04).pixels) == number
        assert number_of(video.frame_at(-5).pixels) == 0
        assert number_of(video.frame_at(1e6).pixels) == COUNT - 1


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.ts", "libx264"), ("a.webm", "libvpx-vp9")],
)
def test_containers_and_codecs(tmp_path: Path, name: str, codec: str) -> None:
    if codec not in av.codec.codecs_available:
        pytest.skip(f"FFmpeg has no {codec} here")
    path = tmp_path / name
    write_numbers(path, [index / 25 for index in range(40)], codec=codec)
    with Video.open(path) as video:
        times_s = [frame.time_s for frame in video.frames()]
        assert len(times_s) == 40
        # The start of a transport stream is not 0; times count from it all the same.
        assert times_s[0] == pytest.approx(0, abs=0.05)
        for number in (30, 5, 39):
            assert number_of(video.frame_at(times_s[number] + 0.01).pixels) == number


def test_variable_frame_rate_keeps_true_times(tmp_path: Path) -> None:
    times_s = [0.0, 0.04, 0.5, 3.0, 3.04, 9.0, 9.5]
    write_numbers(tmp_path / "vfr.mkv", times_s)
    with Video.open(tmp_path / "vfr.mkv") as video:
        assert [frame.time_s for frame in video.frames()] == pytest.approx(times_s, abs=0.002)
        assert number_of(video.frame_at(2.9).pixels) == 2
        assert number_of(video.frame_at(8.99).pixels) == 4


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_in_the_metadata_is_applied(numbers: Path, tmp_path: Path, degrees: int) -> None:
    data = bytearray(numbers.read_bytes())
    at = data.index(b"tkhd") + 4
    one, minus = 1 << 16, -(1 << 16)
    turn = {90: (0, one, minus, 0), 180: (minus, 0, 0, minus), 270: (0, minus, one, 0)}[degrees]
    a, b, c, d = turn
    # ISO 14496-12, 8.3.2: the matrix of the track header; clockwise when shown.
    data[at + 40 : at + 76] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = tmp_path / "turned.mp4"
    path.write_bytes(bytes(data))
    with Video.open(path) as video:
        frame = video.frame_at(3.75)
        assert frame.pixels.shape == ((160, 96, 3) if degrees % 180 else (96, 160, 3))
        assert (video.facts.height, video.facts.width) == frame.pixels.shape[:2]
        assert number_of(np.rot90(frame.pixels, degrees // 90)) == 37


def test_max_side_reduces(numbers: Path) -> None:
    with Video.open(numbers) as video:
        assert video.frame_at(1.0, max_side=80).pixels.shape == (48, 80, 3)
        assert video.frame_at(1.0, max_side=8000).pixels.shape == (96, 160, 3)


def test_luma_equals_the_conversion(numbers: Path) -> None:
    with Video.open(numbers) as video:
        picture = next(p for p in video.pictures(2.0) if p.time_s >= 2.0)
        luma = picture.luma()
        assert luma.shape == (96, 160)
        assert luma[45, 17 + 18 * 2] > 200  # frame 20 is 0b10100
        assert picture.luma(80).shape == (48, 80)


def test_packets_tell_keys_and_sizes(numbers: Path) -> None:
    with Video.open(numbers) as video:
        packets = list(video.read_packets())
        assert len(packets) == COUNT
        keys = [packet for packet in packets if packet.is_key]
        assert keys[0].time_s == pytest.approx(0)
        assert len(keys) >= 3
        picture = video.decode_alone(keys[1])
        assert picture is not None
        number = round(keys[1].time_s * FPS)
        assert number_of(picture.pixels()) == number


def test_corrupt_packets_are_skipped(numbers: Path, tmp_path: Path) -> None:
    data = bytearray(numbers.read_bytes())
    with Video.open(numbers) as video:
        keys = [packet for packet in video.read_packets() if packet.is_key]
        position, size = keys[1].data.pos, keys[1].size
        first, after = (round(keys[index].time_s * FPS) for index in (1, 2))
    data[position : position + size] = bytes(size)
    path = tmp_path / "scratched.mp4"
    path.write_bytes(bytes(data))
    with Video.open(path) as video:
        seen = [number_of(frame.pixels) for frame in video.frames()]
        assert video.broken_packets > 0
    assert seen[:first] == list(range(first))
    assert seen[after - COUNT :] == list(range(after, COUNT))


def test_truncated_with_its_index_in_front_plays_what_is_there(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    with av.open(str(whole), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(COUNT):
            out.mux(stream.encode(av.VideoFrame.from_image(number_frame(number))))
        out.mux(stream.encode())
    data = whole.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) * 2 // 3])
    with Video.open(path) as video:
        seen = [number_of(frame.pixels) for frame in video.frames()]
        assert 10 < len(seen) < COUNT
        assert seen[:10] == list(range(10))
        # What is asked for beyond the cut is the last frame there is.
        assert number_of(video.frame_at(5.5).pixels) == seen[-1]


def expect_error(path: Path, *words: str) -> None:
    with pytest.raises(MediaError) as caught:
        Video.open(path)
    message = str(caught.value)
    assert message.isprintable()
    for word in words:
        assert word in message


def test_bad_files(numbers: Path, tmp_path: Path) -> None:
    data = numbers.read_bytes()
    for name, content, words in [
        ("empty.mp4", b"", ["empty"]),
        ("text.mp4", b"Only the name says video.\n" * 50, ["no recording"]),
        ("moov missing.mp4", data[: len(data) // 2], ["cut short"]),
        ("noise.mkv", bytes(range(256)) * 64, ["no recording"]),
        ("playlist.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n", []),
        ("script.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n", []),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        expect_error(path, name, *words)
    expect_error(tmp_path / "absent.mp4", "no such file")
    expect_error(tmp_path, "folder")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser reads everything"
)
def test_no_permission(numbers: Path, tmp_path: Path) -> None:
    path = tmp_path / "locked.mp4"
    path.write_bytes(numbers.read_bytes())
    path.chmod(0)
    expect_error(path, "permission")


def write_sound(path: Path, cover: bool) -> None:
    buffer = io.BytesIO()
    number_frame(1).save(buffer, "PNG")
    with av.open(str(path), "w") as out:
        sound = out.add_stream("aac", rate=16000, layout="mono")
        picture = None
        if cover:
            picture = out.add_stream("png", rate=1)
            picture.width, picture.height, picture.pix_fmt = 160, 96, "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
        out.start_encoding()
        if picture is not None:
            packet = av.Packet(buffer.getvalue())
            packet.stream, packet.pts, packet.dts = picture, 0, 0
            out.mux(packet)
        for at in range(0, 16000, 1024):
            block = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, at
            out.mux(sound.encode(frame))
        out.mux(sound.encode())


def test_sound_only_is_no_video(tmp_path: Path) -> None:
    write_sound(tmp_path / "sound.mp4", cover=False)
    expect_error(tmp_path / "sound.mp4", "no video stream")


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    write_sound(tmp_path / "song.mp4", cover=True)
    with av.open(str(tmp_path / "song.mp4")) as container:
        assert len(container.streams.video) == 1
    expect_error(tmp_path / "song.mp4", "cover art")


def test_absurd_dimensions_are_refused(numbers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_module, "MAX_PIXELS", 160 * 96 - 1)
    expect_error(numbers, "160 × 96", "megapixels")


@pytest.mark.parametrize("name", ['new\nline "quoted".mp4', "🙂 ä.mp4", "http:§a.mp4", "%03d.mp4"])
def test_odd_names(
    numbers: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(numbers.read_bytes())
    monkeypatch.chdir(tmp_path)
    with Video.open(Path(name)) as video:
        assert number_of(video.frame_at(0.0).pixels) == 0


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses names that are not UTF-8")
def test_names_that_are_not_utf8(numbers: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"latin-1 \xe9t\xe9.mp4")
    path.write_bytes(numbers.read_bytes())
    with Video.open(path) as video:
        assert number_of(video.frame_at(2.0).pixels) == 20
    bad = tmp_path / os.fsdecode(b"bad \xff.mp4")
    bad.write_bytes(b"text")
    expect_error(bad, "\\xff")


def test_the_larger_of_two_streams_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as out:
        streams = []
        for size in ((64, 48), (160, 96)):
            stream = out.add_stream("mpeg4", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.disposition = av.stream.Disposition(0)
            streams.append(stream)
        for number in range(10):
            small = Image.new("RGB", (64, 48))
            for stream, image in zip(streams, (small, number_frame(number)), strict=True):
                out.mux(stream.encode(av.VideoFrame.from_image(image)))
        for stream in streams:
            out.mux(stream.encode())
    with Video.open(path) as video:
        assert video.facts.width == 160
        assert [number_of(f.pixels) for f in video.frames()] == list(range(10))
