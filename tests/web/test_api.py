"""The API."""

from __future__ import annotations

from typing import Any

import pytest


def test_search(client: Any, filled: Any) -> None:
    reply = client.get("/api/search", params={"q": "stochastic gradient", "medium": "video"}).json()
    hit = reply["hits"][0]
    assert reply["total"] >= 1 and reply["query"] == "stochastic gradient"
    assert hit["kind"] == "screen" and hit["start_s"] == 8.0 and hit["view"] == 2
    assert len(hit["polygons"]) == len(hit["marked"]) == 2
    text, marks = hit["snippet"]["text"], hit["snippet"]["marks"]
    assert [text[a:b] for a, b in marks] in (["Stochastic", "gradient"], ["Stochastic gradient"])
    assert hit["picture"]["width"] == 640
    assert any("not heard" in words for words in reply["not_looked_at"])


def test_search_marks_only_the_words_that_match(client: Any) -> None:
    reply = client.get("/api/search", params={"q": "slope", "kind": "screen"}).json()
    hit = next(hit for hit in reply["hits"] if hit["media_kind"] == "video")
    assert hit["text"] == "Follow the slope downhill"
    assert hit["marked"] == [hit["polygons"][2]]


def test_search_within(client: Any, filled: Any) -> None:
    params = {"q": "gradient", "media": filled.ids["notes.pdf"]}
    reply = client.get("/api/search", params=params).json()
    assert {hit["media_id"] for hit in reply["hits"]} == {filled.ids["notes.pdf"]}
    assert sorted(hit["page"] for hit in reply["hits"]) == [1, 2, 3, 4, 5]


def test_media_views_moments(client: Any, filled: Any) -> None:
    listed = client.get("/api/media", params={"medium": "video", "order": "title"}).json()
    assert len(listed["media"]) == 3 and not listed["more"]
    one = client.get(f"/api/media/{filled.ids['lecture.mp4']}").json()
    assert one["title"] == "Optimisation & <b>more</b>" and one["file_state"] == "present"
    assert one["paths"] and one["creators"] == ["Ada Example"]
    views = client.get(f"/api/media/{filled.ids['lecture.mp4']}/views").json()["views"]
    assert [view["start_s"] for view in views] == [0.0, 4.0, 8.0]
    params = {"kind": "screen", "view": 1}
    moments = client.get(f"/api/media/{filled.ids['lecture.mp4']}/moments", params=params).json()
    assert [m["text"] for m in moments["moments"]] == ["Step size", "Too small is slow"]


def test_status_and_problems(client: Any) -> None:
    status = client.get("/api/status").json()
    assert status["media"]["video"] == 3 and status["failed_files"] == 1
    problems = client.get("/api/problems").json()
    assert problems["total"] == 3
    assert any("text file" in problem["reason"] for problem in problems["problems"])


@pytest.mark.parametrize(
    "address",
    [
        "/api/search",
        "/api/search?q=",
        "/api/search?q=x&limit=0",
        "/api/search?q=x&limit=9999",
        "/api/media?until=12345",
        "/api/search?q=x&kind=smell",
        "/api/search?q=x&since=yesterday",
        "/api/search?q=x&in=rel",
        "/api/media?order=size",
        "/api/search?q=" + "x" * 1001,
    ],
)
def test_wrong_parameters(client: Any, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 422
    assert answer.json()["status"] == 422 and answer.json()["error"]


def test_unknown_medium(client: Any) -> None:
    for part in ("", "/views", "/moments", "/file", "/frame", "/thumb/0", "/playback", "/piece"):
        answer = client.get(f"/api/media/nope{part}")
        assert answer.status_code == 404
        assert answer.json()["error"]
    assert client.get("/api/nope").json()["status"] == 404


def test_infinite_times_are_refused(client: Any, filled: Any) -> None:
    for time in ("nan", "inf", "-1", "1e99", "x"):
        answer = client.get(f"/api/media/{filled.ids['lecture.mp4']}/frame?t={time}")
        assert answer.status_code == 422


def test_description(client: Any) -> None:
    schema = client.get("/api/openapi.json").json()
    assert schema["openapi"].startswith("3.")
    assert "/api/media/{public_id}/file" in schema["paths"]
    assert not any(path.startswith("/m/") for path in schema["paths"])
    page = client.get("/api").text
    assert "/api/search" in page and "http" not in page.split("<main")[1].split("</main")[0]


def test_retry(own: Any) -> None:
    client, _ = own
    origin = {"Origin": "http://127.0.0.1"}
    assert client.post("/api/retry?stage=hear", headers=origin).json() == {"retried": 2}
    assert client.post("/api/retry?stage=hear", headers=origin).json() == {"retried": 0}
    assert client.post("/api/retry?media=nope", headers=origin).status_code == 404
    assert client.post("/api/retry?stage=smell", headers=origin).status_code == 422


def test_retry_while_another_process_writes(own: Any) -> None:
    from onlooker.library.store_sqlite import SqliteStore

    client, filled = own
    other = SqliteStore.open(filled.folder)
    try:
        with other.writer():
            answer = client.post("/api/retry", headers={"Origin": "http://127.0.0.1"})
    finally:
        other.close()
    assert answer.status_code == 409
    assert "another process" in answer.json()["error"]
