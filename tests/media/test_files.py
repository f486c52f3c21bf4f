"""The errors that every kind of medium shares: the file cannot be had, or is another thing."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import onlooker.media.files as media_files
from onlooker.errors import MediaError
from onlooker.media.audio import Audio
from onlooker.media.description import describe
from onlooker.media.document import Document
from onlooker.media.files import read_bytes
from onlooker.media.image import image_facts, read_image
from onlooker.media.kind import sniff
from onlooker.media.subtitles import read_subtitles, streams
from onlooker.media.transcode import keyframe_before, playable, remux, transcode

OPENERS: dict[str, Callable[[Path], object]] = {
    "read_image": read_image,
    "image_facts": image_facts,
    "document": Document.open,
    "audio": Audio.open,
    "subtitles": read_subtitles,
    "streams": streams,
    "playable": playable,
    "keyframe_before": lambda path: keyframe_before(path, 0.0),
    "remux": lambda path: remux(path, path.with_name("out")),
    "transcode": lambda path: transcode(path, path.with_name("out")),
    "describe photo": lambda path: describe(path, "photo"),
    "describe document": lambda path: describe(path, "document"),
    "describe video": lambda path: describe(path, "video"),
}


@pytest.fixture(params=OPENERS, ids=str)
def opener(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    return OPENERS[request.param]


def test_missing(tmp_path: Path, opener: Callable[[Path], object]) -> None:
    with pytest.raises(MediaError, match=r"gone.*no such file"):
        opener(tmp_path / "gone")


def test_empty(tmp_path: Path, opener: Callable[[Path], object]) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(MediaError, match=r"empty\.mp4.*empty"):
        opener(path)


def test_folder(tmp_path: Path, opener: Callable[[Path], object]) -> None:
    with pytest.raises(MediaError, match="folder"):
        opener(tmp_path)


def test_forbidden(
    tmp_path: Path, opener: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    real = os.open

    def refuse(name: object, *arguments: int) -> int:
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied")
        return real(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(media_files.os, "open", refuse)
    with pytest.raises(MediaError, match=r"a\.mp4: permission denied"):
        opener(path)


def test_pipes_and_sockets_do_not_block(tmp_path: Path, opener: Callable[[Path], object]) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(MediaError, match="pipe, socket or device"):
        opener(path)


def test_a_dangling_link(tmp_path: Path, opener: Callable[[Path], object]) -> None:
    path = tmp_path / "link.mp4"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(MediaError, match="no such file"):
        opener(path)


@pytest.mark.parametrize("content", ["just text\n" * 200, "\0" * 5000, "<html></html>", "PK\3\4"])
def test_another_kind_of_file(
    tmp_path: Path, opener: Callable[[Path], object], content: str, quiet: None
) -> None:
    path = tmp_path / "a.mp4"
    path.write_text(content)
    with pytest.raises(MediaError, match=r"a\.mp4"):
        opener(path)


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:{port}/a.ts\n",
    "concat": "ffconcat version 1.0\nfile 'secret.mp4'\nfile 'http://127.0.0.1:{port}/a.mp4'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n",
    "dash": "<?xml version='1.0'?><MPD><BaseURL>http://127.0.0.1:{port}/</BaseURL></MPD>",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_playlists_reach_no_other_file_and_no_network(
    tmp_path: Path, kind: str, quiet: None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        path = tmp_path / "a.mp4"
        path.write_text(PLAYLISTS[kind].format(port=server.getsockname()[1]))
        (tmp_path / "secret.mp4").write_text("x")
        for work in (Audio.open, playable):
            with pytest.raises(MediaError, match=r"a\.mp4"):
                work(path)
        with pytest.raises(TimeoutError):
            server.accept()


def test_names_that_look_like_addresses(
    recording: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recording("http:x.wav", video=None, sound="pcm_s16le", seconds=0.1)
    monkeypatch.chdir(path.parent)
    for name in ("http:x.wav", b"http:x.wav", Path("http:x.wav")):
        assert sniff(name) == "audio"
        assert Audio.open(name).rate_hz == 48_000


def test_reading_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)
    assert read_bytes(path, 100) == b"x" * 100
    with pytest.raises(MediaError, match="larger than the 99 bytes"):
        read_bytes(path, 99)
