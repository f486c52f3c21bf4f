from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from onlooker.errors import MediaError
from onlooker.media.transcode import keyframe_before, playability, playable, remux, transcode

Recording = Callable[..., Path]


Numbers = Callable[[Path], list[tuple[float, int]]]


@pytest.fixture
def frame_numbers(read_number: Callable[[np.ndarray], int]) -> Numbers:
    """Return a reader of the time and the number of each frame of a recording."""

    def read(path: Path) -> list[tuple[float, int]]:
        with path.open("rb") as file, av.open(file) as container:
            start = (container.start_time or 0) / av.time_base
            return [
                (round(float(frame.time) - start, 3), read_number(frame.to_ndarray(format="gray")))
                for frame in container.decode(video=0)
            ]

    return read


def sound_length_s(path: Path) -> float:
    with av.open(str(path)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


@pytest.mark.parametrize(
    ("name", "options", "method", "content_type"),
    [
        ("a.mp4", {}, "direct", "video/mp4"),
        ("a.mp4", {"sound": None}, "direct", "video/mp4"),
        ("a.mp4", {"sound": "mp3"}, "direct", "video/mp4"),
        ("a.webm", {"video": "libvpx", "sound": "libopus"}, "direct", "video/webm"),
        ("a.webm", {"video": "libvpx-vp9", "sound": None}, "direct", "video/webm"),
        ("a.mp4", {"video": "libsvtav1", "sound": None}, "direct", "video/mp4"),
        ("a.mkv", {}, "remux", "video/mp4"),
        ("a.mov", {}, "remux", "video/mp4"),
        ("a.ts", {}, "remux", "video/mp4"),
        ("a.mp4", {"sound": "ac3"}, "remux", "video/mp4"),
        ("a.mkv", {"video": "libvpx", "sound": "libopus"}, "remux", "video/webm"),
        ("a.mp4", {"video": "mpeg4"}, "transcode", "video/mp4"),
        ("a.mp4", {"video": "libx265", "sound": None}, "transcode", "video/mp4"),
        ("a.mp4", {"pix_fmt": "yuv444p"}, "transcode", "video/mp4"),
        ("a.mkv", {"pix_fmt": "yuv420p10le"}, "transcode", "video/mp4"),
        ("a.avi", {"sound": "mp3"}, "transcode", "video/mp4"),
        ("a.mp3", {"video": None, "sound": "mp3"}, "direct", "audio/mpeg"),
        ("a.m4a", {"video": None}, "direct", "audio/mp4"),
        ("a.wav", {"video": None, "sound": "pcm_s16le"}, "direct", "audio/wav"),
        ("a.mka", {"video": None}, "remux", "audio/mp4"),
        ("a.mka", {"video": None, "sound": "ac3"}, "transcode", "audio/mp4"),
        ("a.m4a", {"video": None, "cover": True}, "direct", "audio/mp4"),
    ],
)
def test_playable(
    recording: Recording, name: str, options: dict[str, object], method: str, content_type: str
) -> None:
    found = playable(recording(name, seconds=0.3, **options))
    assert (found.method, found.content_type) == (method, content_type)
    assert found.direct == (method == "direct")
    assert found.reason


def test_without_an_encoder_there_are_frames(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recording("a.mp4", video="mpeg4", seconds=0.3)
    monkeypatch.setattr(playability, "VIDEO_ENCODERS", ("no_such_encoder",))
    found = playable(path)
    assert (found.direct, found.method) == (False, "frames")
    assert "no encoder" in found.reason
    with pytest.raises(MediaError, match=r"no encoder for H\.264"):
        transcode(path, io.BytesIO())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mkv", {}),
        ("a.mov", {}),
        ("a.ts", {}),
        ("a.mp4", {"sound": "ac3"}),
        ("a.mkv", {"video": "libvpx", "sound": "libopus"}),
        ("b.mkv", {"sound": None}),
        ("c.mkv", {"reorder": 2}),
        ("c.ts", {"reorder": 2}),
        ("c.mov", {"reorder": 2}),
    ],
)
@pytest.mark.parametrize("start_s", [0.0, 1.05])
def test_remuxing_copies_the_pictures(
    recording: Recording,
    name: str,
    options: dict[str, object],
    start_s: float,
    quiet: None,
    frame_numbers: Numbers,
) -> None:
    path = recording(name, **options)
    webm = options.get("video") == "libvpx"
    out = path.with_name("out.webm" if webm else "out.mp4")
    written = remux(path, out, start_s)
    assert written.start_s <= max(start_s, 0.03)  # in a.ts the pictures begin later than the sound
    begin_s = keyframe_before(path, start_s)
    assert keyframe_before(path, begin_s) == begin_s
    assert written.start_s == pytest.approx(begin_s)
    assert remux(path, out, begin_s).start_s == pytest.approx(begin_s)
    assert playable(out).method == "direct"
    source, copied = frame_numbers(path), frame_numbers(out)
    first = next(at for at, (time, _) in enumerate(source) if time >= written.start_s - 0.005)
    assert [number for _, number in copied] == [number for _, number in source[first:]]
    for (time, _), (copied_time, _) in zip(source[first:], copied, strict=True):
        assert copied_time == pytest.approx(time - written.start_s, abs=0.003)
    assert written.duration_s == pytest.approx(2.0 - written.start_s, abs=0.1)
    if options.get("sound", "aac"):
        assert sound_length_s(out) == pytest.approx(2.0 - written.start_s, abs=0.15)


def test_remuxing_a_span(recording: Recording) -> None:
    path = recording("a.mkv")
    written = remux(path, path.with_name("out.mp4"), 0.5, 0.5)
    assert written.start_s == pytest.approx(0.4, abs=0.03)
    assert written.duration_s == pytest.approx(0.5, abs=0.1)


def test_remuxing_streams_forwards_in_pieces(recording: Recording) -> None:
    """The header comes first and whole fragments follow: a browser can begin at once."""

    class Reply:
        def __init__(self) -> None:
            self.blocks: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.blocks.append(data)

    reply = Reply()
    path = recording("a.mkv")
    remux(path, reply)
    data = b"".join(reply.blocks)
    assert data[4:8] == b"ftyp"
    assert data.count(b"moof") >= 2
    assert data.index(b"moov") < data.index(b"moof")
    with av.open(io.BytesIO(data)) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_a_listener_that_leaves_stops_the_work(recording: Recording) -> None:
    class Gone:
        calls = 0

        def write(self, data: bytes) -> None:
            self.calls += 1
            if self.calls > 2:
                raise BrokenPipeError("gone")

    for work in (remux, transcode):
        gone = Gone()
        with pytest.raises(BrokenPipeError):
            work(recording("a.mkv"), gone)
        assert gone.calls <= 5


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.avi", {"video": "mpeg4", "sound": "mp3"}),
        ("a.mkv", {"pix_fmt": "yuv444p"}),
        ("a.ts", {"video": "mpeg2video", "sound": "mp2"}),
        ("b.mkv", {"sound": None, "video": "mpeg4"}),
    ],
)
def test_transcoding_begins_at_the_frame(
    recording: Recording, name: str, options: dict[str, object], quiet: None, frame_numbers: Numbers
) -> None:
    path = recording(name, **options)
    out = path.with_name("out.mp4")
    written = transcode(path, out, 0.945, 0.5)
    assert (written.start_s, written.content_type) == (0.945, "video/mp4")
    assert written.duration_s == pytest.approx(0.5, abs=0.06)
    assert playable(out).method == "direct"
    frames = frame_numbers(out)
    source = frame_numbers(path)
    shown_first = max(number for time, number in source if time <= 0.945 + 0.001)
    assert [number for _, number in frames] == list(range(shown_first, shown_first + len(frames)))
    assert frames[0][0] == pytest.approx(0, abs=0.03)
    second = next(time for time, number in source if number == shown_first + 1)
    assert frames[1][0] == pytest.approx(second - 0.945, abs=0.03)
    if options.get("sound", "aac"):
        assert sound_length_s(out) == pytest.approx(0.5, abs=0.05)


def test_transcoding_all_of_it(recording: Recording) -> None:
    path = recording("a.avi", video="mpeg4", sound="mp3", seconds=1)
    out = io.BytesIO()
    written = transcode(path, out)
    assert written.duration_s == pytest.approx(1, abs=0.1)
    with av.open(io.BytesIO(out.getvalue())) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25


def test_height_is_bounded_and_even(recording: Recording) -> None:
    path = recording("a.mp4", video="mpeg4", size=(322, 242), seconds=0.3)
    out = path.with_name("out.mp4")
    transcode(path, out, max_height=100)
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height) == (134, 100)
    transcode(path, out)
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height) == (322, 242)


def test_varying_frame_rate_keeps_its_times(tmp_path: Path, frame_numbers: Numbers) -> None:
    path = tmp_path / "a.mkv"
    stamps = [0, 40, 80, 500, 540, 1300, 1340]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, stamp in enumerate(stamps):
            pixels = np.full((32, 32, 3), 30 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    result = tmp_path / "out.mp4"
    transcode(path, result)
    assert [time for time, _ in frame_numbers(result)] == pytest.approx(
        [stamp / 1000 for stamp in stamps], abs=0.002
    )


def test_rotated_video_is_transcoded_upright(tmp_path: Path, recording: Recording) -> None:
    source = recording("a.mp4", size=(64, 32), seconds=0.3, sound=None)
    path = tmp_path / "turned.mp4"
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        if not hasattr(stream, "set_display_rotation"):
            pytest.skip("this PyAV cannot write a rotation")
        stream.set_display_rotation(90)
        for packet in container.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    out_path = tmp_path / "out.mp4"
    transcode(path, out_path)
    with av.open(str(out_path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height) == (32, 64)
    remux(path, out_path)
    with av.open(str(out_path)) as container:
        frame = next(container.decode(video=0))
        assert abs(frame.rotation) == 90


def test_sound_alone(recording: Recording) -> None:
    path = recording("a.mka", video=None, sound="ac3", seconds=1.5)
    out = path.with_name("out.m4a")
    written = transcode(path, out, 0.5, 0.75)
    assert written.content_type == "audio/mp4"
    assert sound_length_s(out) == pytest.approx(0.75, abs=0.05)
    path = recording("b.mka", video=None, seconds=1)
    assert remux(path, out).content_type == "audio/mp4"
    assert sound_length_s(out) == pytest.approx(1, abs=0.06)


def test_after_the_end_there_is_nothing(recording: Recording, frame_numbers: Numbers) -> None:
    path = recording("a.mp4", video="mpeg4", sound=None, seconds=0.4)
    out = path.with_name("out.mp4")
    written = transcode(path, out, 0.39, 5)
    assert [number for _, number in frame_numbers(out)] == [9]
    assert written.duration_s < 0.1


def test_an_unfinished_file_never_appears(recording: Recording, tmp_path: Path) -> None:
    path = recording("a.mp4", sound=None, seconds=0.3)
    with pytest.raises(MediaError, match=r"cannot write .*no-folder"):
        transcode(path, tmp_path / "no-folder" / "out.mp4")
    path.write_bytes(path.read_bytes()[:300])
    for work in (remux, transcode, playable):
        with pytest.raises(MediaError, match=r"a\.mp4"):
            work(path, tmp_path / "out.mp4") if work is not playable else work(path)
    assert [item.name for item in tmp_path.iterdir()] == ["a.mp4"]


def test_wrong_spans(recording: Recording) -> None:
    path = recording("a.mp4", sound=None, seconds=0.2)
    for start_s, duration_s in ((-1.0, None), (0.0, 0.0), (float("nan"), None)):
        for work in (remux, transcode):
            with pytest.raises(ValueError, match="expected"):
                work(path, io.BytesIO(), start_s, duration_s)
    with pytest.raises(ValueError, match="max_height"):
        transcode(path, io.BytesIO(), max_height=1)


def test_damaged_packets_cost_only_themselves(
    recording: Recording, quiet: None, frame_numbers: Numbers
) -> None:
    path = recording("a.mkv", video="mpeg4", gop=5)
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(11)
    for at in random.integers(len(data) // 4, len(data) * 3 // 4, 40):
        data[at] = random.integers(0, 256)
    path.write_bytes(bytes(data))
    out = path.with_name("out.mp4")
    transcode(path, out)
    assert len(frame_numbers(out)) >= 10


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.mov", "a.avi"])
def test_cut_short_and_overwritten(recording: Recording, name: str, quiet: None) -> None:
    options: dict[str, object] = {"video": "mpeg4", "sound": "mp3"} if name == "a.avi" else {}
    path = recording(name, seconds=0.6, **options)
    data = path.read_bytes()
    random = np.random.default_rng(5)
    attempts = [data[: len(data) * part // 4] for part in range(1, 4)]
    for _ in range(4):
        damaged = bytearray(data)
        for at in random.integers(0, len(damaged), 12):
            damaged[at] = random.integers(0, 256)
        attempts.append(bytes(damaged))
    for attempt in attempts:
        path.write_bytes(attempt)
        for work in (remux, transcode):
            try:
                work(path, io.BytesIO(), 0.2, 10)
            except MediaError as error:
                assert name in str(error)


def test_odd_names(recording: Recording, odd_name: str, frame_numbers: Numbers) -> None:
    path = recording(f"{odd_name}.mkv", seconds=0.2)
    out = path.with_name(f"{odd_name}.mp4")
    assert playable(path).method == "remux"
    remux(path, out)
    assert playable(out).method == "direct"
    transcode(path, out)
    assert len(frame_numbers(out)) == 5
