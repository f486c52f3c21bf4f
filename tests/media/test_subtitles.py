from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlooker.errors import MediaError
from onlooker.media.language import language_tag
from onlooker.media.subtitles import (
    Cue,
    decode_text,
    join_words,
    merge_rolling,
    plain_text,
    read_subtitles,
    streams,
)

SRT = """1
00:00:01,000 --> 00:00:03,500
<i>Grüße</i> an
alle

2
00:01:02,250 --> 01:00:00,000 X1:0 X2:9
- „Ja“
- Nein &amp; doch
"""


def texts(path: Path) -> list[tuple[float, float, str]]:
    return [(cue.start_s, cue.end_s, cue.text) for cue in read_subtitles(path)]


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, ending: str) -> None:
    path = tmp_path / "talk.srt"
    path.write_bytes(SRT.replace("\n", ending).encode(encoding))
    assert texts(path) == [
        (1.0, 3.5, "Grüße an alle"),
        (62.25, 3600.0, "- „Ja“ - Nein & doch"),
    ]


def test_latin_1(tmp_path: Path) -> None:
    path = tmp_path / "talk.srt"
    path.write_bytes("1\n00:00:01,0 --> 00:00:02,0\nüber ß é\n".encode("latin-1"))
    assert texts(path) == [(1.0, 2.0, "über ß é")]


def test_webvtt(tmp_path: Path) -> None:
    path = tmp_path / "talk.vtt"
    path.write_text(
        "WEBVTT - a title\nKind: captions\nLanguage: de\n\n"
        "NOTE a remark --> not a time\nstill it\n\n"
        "STYLE\n::cue { color: red }\n\n"
        "intro\n00:01.000 --> 00:02.000 align:start position:0%\n"
        "<v Anna Meier>Hallo <c.loud>Welt</c></v>\n\n"
        "00:00:03.000 --> 00:00:04.000\n1 < 2 &lt; 3 &nbsp;ok<00:00:03.500><c> so</c>\n"
    )
    cues = read_subtitles(path)
    assert cues == [Cue(1.0, 2.0, "Hallo Welt", "de"), Cue(3.0, 4.0, "1 < 2 < 3 ok so", "de")]


def test_the_name_tells_the_language(tmp_path: Path) -> None:
    for name, language in (("a.en.srt", "en"), ("a.pt-br.srt", "pt-BR"), ("a.srt", "")):
        path = tmp_path / name
        path.write_text(SRT)
        assert {cue.language for cue in read_subtitles(path)} == {language}


def test_malformed_cues_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text(
        "garbage\n\n1\n00:00:aa,000 --> 00:00:02,000\nbad\n\n"
        "2\n00:00:05,000 --> 00:00:04,000\nbackwards\n\n"
        "3\n00:00:06,000 --> 00:00:07,000\n\n"
        "4\n00:00:08.5 -> 0:00:09,000\nloose times\n"
        "5\n00:00:10,000 --> 00:00:11,000\nno empty line before\n\n"
        "6\n00:00:01,000 --> 00:00:02,000\nout of order\n\n7\n00:00:12,000 --> "
    )
    assert texts(path) == [
        (1.0, 2.0, "out of order"),
        (8.5, 9.0, "loose times"),
        (10.0, 11.0, "no empty line before"),
    ]


def test_whisper_prints(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text(
        "[00:15.850 --> 00:00:16.330]  So last time\n[00:00:16.330 --> 00:00:17.0] we\n"
    )
    assert texts(path) == [(15.85, 16.33, "So last time"), (16.33, 17.0, "we")]


def test_words_are_joined_to_phrases() -> None:
    said = "So last time, we talked about what medicine does. And today we look at the data"
    words = said.split()
    cues = [Cue(i * 0.5, i * 0.5 + 0.4, word, "en") for i, word in enumerate(words)]
    joined = join_words(cues)
    assert [cue.text for cue in joined] == [
        "So last time, we talked about what medicine does.",
        "And today we look at the data",
    ]
    assert (joined[0].start_s, joined[0].end_s, joined[0].language) == (0.0, 4.4, "en")
    assert join_words(cues[:5]) == cues[:5]


YOUTUBE = """WEBVTT
Kind: captions
Language: en

00:00:00.080 --> 00:00:02.270 align:start position:0%
_
so<00:00:00.320><c> today</c><00:00:00.640><c> we</c>

00:00:02.270 --> 00:00:02.280 align:start position:0%
so today we
_

00:00:02.280 --> 00:00:04.000 align:start position:0%
so today we
talk<00:00:02.400><c> about</c><00:00:03.000><c> gradients</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
talk about gradients
_

00:00:04.010 --> 00:00:06.000 align:start position:0%
talk about gradients
and<00:00:04.500><c> descent</c>
""".replace("_\n", " \n")


def test_rolling_captions_are_said_once(tmp_path: Path) -> None:
    path = tmp_path / "a.en.vtt"
    path.write_text(YOUTUBE)
    cues = read_subtitles(path)
    assert [cue.text for cue in cues] == ["so today we", "talk about gradients", "and descent"]
    assert [cue.start_s for cue in cues] == pytest.approx([0.08, 2.28, 4.01])
    assert cues[0].end_s == pytest.approx(2.28)
    assert cues[-1].end_s == 6.0


def test_captions_that_grow_word_by_word() -> None:
    cues = merge_rolling(
        [(0.0, 1.0, "one"), (1.0, 2.0, "one two"), (2.0, 3.0, "one two three"), (9.0, 9.5, "one")]
    )
    assert cues == [Cue(0.0, 3.0, "one two three"), Cue(9.0, 9.5, "one")]


def test_what_is_said_again_later_stays() -> None:
    cues = merge_rolling([(0.0, 1.0, "No."), (5.0, 6.0, "No."), (6.0, 7.0, "Yes.")])
    assert [cue.text for cue in cues] == ["No.", "No.", "Yes."]


@given(
    st.lists(
        st.tuples(
            st.floats(0, 100), st.floats(0, 5), st.text("ab \n", min_size=1).filter(str.strip)
        ),
        max_size=20,
    )
)
@settings(max_examples=100, deadline=None)
def test_merging_loses_no_word_and_keeps_order(raw: list[tuple[float, float, str]]) -> None:
    cues = [(start, start + length, plain_text(text)) for start, length, text in raw]
    merged = merge_rolling(cues)
    said = {word for cue in merged for word in cue.text.split()}
    assert said == {word for _, _, text in cues for word in text.split()}
    assert all(cue.end_s >= cue.start_s for cue in merged)
    assert [cue.start_s for cue in merged] == sorted(cue.start_s for cue in merged)


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        (r"{\an8}{\i1}a{\i0} b\Nc", "a b\nc"),
        (r"{\p1}m 0 0 l 100 0 100 100{\p0}text", "text"),
        ("a <b>b</b> <font color='#fff'>c</font>", "a b c"),
        ("a < b and c > d", "a < b and c > d"),
        ("{y:i}old style", "old style"),
        ("curly {stays}", "curly {stays}"),
        ("\u200fשלום\u200e", "שלום"),
        ("", ""),
    ],
)
def test_plain_text(markup: str, plain: str) -> None:
    assert plain_text(markup) == plain


def test_decode_text_never_fails() -> None:
    for data in (b"", b"\xff\xfe", b"\xff\xfea", bytes(range(256)), b"\0\0\xfe\xff\0"):
        assert isinstance(decode_text(data), str)


@pytest.mark.parametrize("content", [b"no subtitle here\n", b"\0" * 100, bytes(range(256)) * 4])
def test_files_without_any_cue(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"a\.srt: there is no subtitle in it"):
        read_subtitles(path)


def test_empty_missing_and_header_only(tmp_path: Path) -> None:
    path = tmp_path / "a.vtt"
    with pytest.raises(MediaError, match="no such file"):
        read_subtitles(path)
    path.write_bytes(b"")
    with pytest.raises(MediaError, match="empty"):
        read_subtitles(path)
    path.write_text("WEBVTT\n\n")
    assert read_subtitles(path) == []


def test_odd_names(tmp_path: Path, odd_name: str) -> None:
    path = tmp_path / f"{odd_name}.srt"
    path.write_text(SRT)
    assert len(read_subtitles(path)) == 2


def with_subtitles(path: Path, codec: str, form: str) -> Path:
    header = (
        b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name\nStyle: Default\n\n"
        b"[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect,"
        b" Text\n"
    )
    with av.open(str(path), "w", format=form) as out:
        video = out.add_stream("mpeg4" if form != "webm" else "libvpx", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        text = out.add_stream(codec)
        text.metadata["language"] = "ger"
        context = text.codec_context
        if hasattr(context, "subtitle_header"):
            context.subtitle_header = header
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for start, length, line in ((500, 1000, "Hallo Welt"), (2000, 500, "Grüße")):
            data = line.encode()
            if codec == "ass":
                data = b"0,0,Default,,0,0,0,,{\\i1}" + data + b"{\\i0}"
            if codec == "mov_text":
                data = len(data).to_bytes(2, "big") + data
            packet = av.Packet(data)
            packet.stream = text
            packet.time_base = Fraction(1, 1000)
            packet.pts = packet.dts = start
            packet.duration = length
            out.mux(packet)
    return path


@pytest.mark.parametrize(
    ("codec", "form", "name"),
    [("subrip", "matroska", "a.mkv"), ("mov_text", "mp4", "a.mp4"), ("ass", "matroska", "b.mkv")],
)
def test_streams_inside(tmp_path: Path, codec: str, form: str, name: str, quiet: None) -> None:
    path = with_subtitles(tmp_path / name, codec, form)
    (found,) = streams(path)
    assert found.language == "de"
    assert [(cue.start_s, cue.end_s, cue.text) for cue in found.cues] == [
        (0.5, 1.5, "Hallo Welt"),
        (2.0, 2.5, "Grüße"),
    ]


def test_no_streams_inside(recording: Callable[..., Path]) -> None:
    assert streams(recording("a.mp4", seconds=0.2)) == []


def test_streams_of_no_recording(tmp_path: Path, quiet: None) -> None:
    path = tmp_path / "a.mkv"
    path.write_text("text")
    with pytest.raises(MediaError, match=r"a\.mkv"):
        streams(path)


def test_language_tags() -> None:
    assert language_tag("eng") == "en"
    assert language_tag("zh_hant_TW") == "zh-Hant-TW"
    assert language_tag("DE") == "de"
    for nothing in ("", "und", "english", "1234", "e", "mul"):
        assert language_tag(nothing) == ""
