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


def test_frame_viewer_where_nothing_else_is_possible(
    own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onlooker.media import transcode

    client, filled = own
    known = transcode.Playability(
        direct=False, method="frames", reason="its video codec is not known here", content_type=""
    )
    monkeypatch.setattr(transcode, "playable", lambda _path: known)
    public_id = filled.ids["old.avi"]
    page = client.get(f"/m/{public_id}?t=8").text
    assert "Only single frames can be shown: its video codec is not known here." in page
    assert f'src="/m/{public_id}/frame?t=8.0"' in page and "<video" not in page
    assert client.get(f"/m/{public_id}/frame?t=8.0").status_code == 200
    assert client.get(f"/api/media/{public_id}/playback").json()["method"] == "frames"
    assert client.get(f"/m/{public_id}/stream").status_code == 404


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


def test_work_that_nobody_watches_is_given_up(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from onlooker.media import transcode
    from onlooker.web import playback

    client, filled = own
    monkeypatch.setattr(playback, "_UNWATCHED_S", 0.2)

    def endless(path: Path, out: Any, *_rest: Any) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            out.write(b"x" * 100)
            time.sleep(0.01)

    monkeypatch.setattr(transcode, "transcode", endless)
    desk = client.app.state.desk
    piece = desk.playback.piece(desk.medium(filled.ids["old.avi"]), 0.0)
    job = desk.playback.begin(piece)
    assert desk.playback.begin(piece) is job

    async def watch() -> None:
        chunks = desk.playback.follow(job)
        assert (await anext(chunks)).startswith(b"x")
        assert job.watchers == 1
        await chunks.aclose()

    asyncio.run(watch())
    assert job.done.wait(30)
    assert job.failed and "nobody" in job.error
    assert desk.playback.find(piece) is None
    assert list((filled.folder / "cache" / "web").iterdir()) == []


def test_too_many_conversions_are_refused(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from onlooker.media import transcode
    from onlooker.web.playback import BusyError

    client, filled = own
    go_on = threading.Event()
    monkeypatch.setattr(transcode, "transcode", lambda *_rest: go_on.wait(60))
    desk = client.app.state.desk
    media = desk.medium(filled.ids["old.avi"])
    try:
        jobs = []
        for number in range(4):
            job = desk.playback.begin(desk.playback.piece(media, float(number)))
            job.watchers = 1
            jobs.append(job)
        with pytest.raises(BusyError):
            desk.playback.begin(desk.playback.piece(media, 9.0))
        answer = client.get(f"/m/{filled.ids['old.avi']}/stream?start=9")
        assert answer.status_code == 503
        jobs[2].watchers = 0  # somebody went away: the next one takes the place
        desk.playback.begin(desk.playback.piece(media, 9.0))
        assert jobs[2].failed
    finally:
        go_on.set()
