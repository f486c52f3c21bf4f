"""Recordings that browsers can't play as they are."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import Any

import av
import pytest

from onlooker.errors import MediaError
from onlooker.web.cache import CacheFolder


def decoded(data: bytes) -> tuple[str, float]:
    """Return codec and length of a video."""
    with av.open(io.BytesIO(data)) as container:
        frames = [frame.time for frame in container.decode(video=0)]
        return container.streams.video[0].codec_context.name, max(frames) - min(frames)


def test_repacked(client: Any, filled: Any) -> None:
    base = f"/api/media/{filled.ids['repack.mkv']}"
    assert client.get(f"{base}/playback").json()["method"] == "pieces"
    piece = client.get(f"{base}/piece?start=5").json()
    assert piece["start_s"] == 0 and piece["end_s"] == 12.0
    first = client.get(piece["url"])
    assert first.status_code == 200
    assert first.headers["content-type"] == "video/mp4"
    codec, length = decoded(first.content)
    assert codec == "h264" and length == pytest.approx(11.9, abs=0.2)
    # Once it is made, parts of it can be had.
    part = client.get(piece["url"], headers={"Range": "bytes=0-99"})
    assert part.status_code == 206 and part.content == first.content[:100]
    assert client.get(f"{base}/piece?start=5").json()["ready"]


def test_transcoded_from_a_time(client: Any, filled: Any) -> None:
    base = f"/api/media/{filled.ids['old.avi']}"
    piece = client.get(f"{base}/piece?start=8").json()
    assert piece["start_s"] == 8.0 and piece["end_s"] == 12.0
    codec, length = decoded(client.get(piece["url"]).content)
    assert codec == "h264" and length == pytest.approx(3.9, abs=0.3)
    page = client.get(f"/m/{filled.ids['old.avi']}").text
    assert 'data-method="pieces"' in page and "converted for the browser" in page


def test_what_plays_as_it_is_is_not_converted(client: Any, filled: Any) -> None:
    base = f"/m/{filled.ids['lecture.mp4']}"
    assert client.get(f"{base}/stream?start=3").headers["location"] == f"{base}/file"
    assert client.get(f"/api{base.replace('/m/', '/media/')}/piece").status_code == 404
    assert client.get(f"/m/{filled.ids['sign.png']}/stream").status_code == 404


def test_damaged_video_says_why(own: Any) -> None:
    client, filled = own
    path = next(filled.media.rglob("old.avi"))
    path.write_bytes(b"RIFF" + bytes(path.stat().st_size - 4))
    page = client.get(f"/m/{filled.ids['old.avi']}")
    assert page.status_code == 200 and "cannot be played" in page.text
    frame = client.get(f"/m/{filled.ids['old.avi']}/frame?t=1")
    assert frame.status_code == 422
    assert client.get(f"/m/{filled.ids['old.avi']}/stream").status_code in {404, 422}


def test_requests_for_the_same_share_one_job(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from onlooker.media import transcode

    client, filled = own
    calls: list[float] = []
    running = threading.Semaphore(1)
    real = transcode.transcode

    def counted(path: Path, out: Any, start_s: float, *rest: Any) -> Any:
        assert running.acquire(blocking=False), "two conversions at once"
        calls.append(start_s)
        time.sleep(0.2)
        try:
            return real(path, out, start_s, *rest)
        finally:
            running.release()

    monkeypatch.setattr(transcode, "transcode", counted)
    address = f"/m/{filled.ids['old.avi']}/stream"
    bodies: dict[int, bytes] = {}

    def ask(number: int) -> None:
        bodies[number] = client.get(f"{address}?start={4 * (number % 2)}").content

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls) == [0.0, 4.0]
    assert len({bodies[0], bodies[2], bodies[4]}) == 1 and bodies[0] != bodies[1]


def test_conversion_that_fails(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from onlooker.media import transcode

    client, filled = own

    def fail(path: Path, out: Any, *_rest: Any) -> None:
        raise MediaError(f"cannot play {path}: the disk is full of sand")

    monkeypatch.setattr(transcode, "transcode", fail)
    answer = client.get(f"/m/{filled.ids['old.avi']}/stream")
    assert answer.status_code == 422
    assert "full of sand" in answer.json()["error"]
    assert str(filled.media) not in answer.text
    monkeypatch.undo()
    assert client.get(f"/m/{filled.ids['old.avi']}/stream").status_code == 200


def test_cache_keeps_its_bound_and_the_latest(tmp_path: Path) -> None:
    cache = CacheFolder(tmp_path, 250)
    for number in range(5):
        cache.part(f"k{number}").write_bytes(bytes(100))
        cache.keep(f"k{number}")
        time.sleep(0.02)
        cache.find("k0")  # is watched all the time
        time.sleep(0.02)
    left = sorted(path.name for path in cache.folder.iterdir())
    assert left == ["k0", "k4"]
    assert cache.find("k3") is None
    cache.part("huge").write_bytes(bytes(1000))
    assert cache.keep("huge").stat().st_size == 1000
    assert [path.name for path in cache.folder.iterdir()] == ["huge"]


def test_cache_that_leads_out_of_the_library(tmp_path: Path) -> None:
    library, elsewhere = tmp_path / "library", tmp_path / "elsewhere"
    library.mkdir()
    elsewhere.mkdir()
    (library / "cache").symlink_to(elsewhere)
    cache = CacheFolder(library, 1000)
    cache.part("x").write_bytes(b"x")
    cache.keep("x")
    assert not (elsewhere / "web" / "x").exists()
    folder = cache.folder
    cache.close()
    assert not folder.exists()


def test_pieces_left_by_a_killed_process_are_removed(tmp_path: Path) -> None:
    cache = CacheFolder(tmp_path, 1000)
    cache.part("x").write_bytes(b"half")
    again = CacheFolder(tmp_path, 1000)
    assert list(again.folder.iterdir()) == []
