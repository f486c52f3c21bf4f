"""The pages without JavaScript: what a reader of the HTML gets."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


def test_start_page_shows_the_library(client: Any) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "Find the moment." in page.text
    assert "3 videos" in page.text and "1 recording" in page.text
    assert "recordings were not heard" in page.text
    assert "Optimisation &amp; &lt;b&gt;more&lt;/b&gt;" in page.text
    assert "<b>more" not in page.text


def test_empty_library_helps(empty: Any) -> None:
    page = empty.get("/")
    assert page.status_code == 200
    assert "onlooker add" in page.text
    assert empty.get("/?q=anything").status_code == 200
    assert "library is empty" in empty.get("/status").text


def test_hits_are_grouped_marked_and_explained(client: Any, filled: Any) -> None:
    page = client.get("/?q=gradient")
    assert page.status_code == 200
    assert re.search(r"<mark>[Gg]radient</mark>", page.text)
    assert f"/m/{filled.ids['lecture.mp4']}?t=8&amp;q=gradient" in page.text
    assert f"/m/{filled.ids['notes.pdf']}?page=2&amp;q=gradient" in page.text
    assert page.text.count(f'id="f-{filled.ids["lecture.mp4"]}"') == 1
    assert "<polygon" in page.text
    assert 'class="at">0:08<' in page.text
    assert "There may be more" in page.text
    assert "onlooker search gradient" in page.text


def test_nothing_found_says_so_with_the_nearest_spelling(client: Any) -> None:
    page = client.get("/?q=zzzyyyxxx")
    assert page.status_code == 200
    assert "Nothing found for" in page.text
    near = client.get("/?q=stochastik")
    assert "Did you mean" in near.text and ">stochastic</a>" in near.text
    hidden = client.get("/?q=stochastik&kind=speech")
    assert "Nothing found" in hidden.text and "without filters" in hidden.text
    assert ">stochastic</a>" not in hidden.text  # it would not be found there either
    some = client.get("/?q=stochastic+zzzyyyxxx")
    assert "Nothing found" in some.text and ">stochastic</a>" in some.text


def test_filters_stay_in_the_address(client: Any) -> None:
    page = client.get("/?q=gradient&kind=screen&medium=photo&by=&since=2001-01-01")
    assert re.search(r'value="screen" checked', page.text)
    assert re.search(r'value="photo" checked', page.text)
    assert 'value="2001-01-01"' in page.text
    assert "sign.png" in page.text
    assert "notes.pdf" not in page.text
    nobody = client.get("/?q=gradient&by=nobody")
    assert "Nothing found" in nobody.text


@pytest.mark.parametrize(
    ("query", "said"),
    [("kind=smell", "unknown"), ("since=yesterday", "is no day"), ("offset=-1", "must be a number"),
     ("offset=99999999999999", "must be a number"), ("in=relative", "whole path"),
     ("until=2024-13-45", "is no day")],
)  # fmt: skip
def test_what_makes_no_sense_is_named(client: Any, query: str, said: str) -> None:
    page = client.get(f"/?q=gradient&{query}")
    assert page.status_code == 400
    assert said in page.text
    assert "moments for" in page.text


@pytest.mark.parametrize(
    "q",
    ['"', "(", "a AND", "NOT", "' OR 1=1 --", "a\0b", "*", "NEAR(a b)", "text:x", "\ud83d\ude00",
     "<script>alert(1)</script>", "{{7*7}}", "%", "x" * 999, "ä" * 300],
)  # fmt: skip
def test_hostile_words(client: Any, q: str) -> None:
    q = q.encode("utf-16", "surrogatepass").decode("utf-16")
    page = client.get("/", params={"q": q})
    assert page.status_code in {200, 400}
    assert "<script>alert" not in page.text
    assert "Traceback" not in page.text
    assert client.get("/api/search", params={"q": q}).status_code in {200, 400, 422}


def test_media_page_of_a_video(client: Any, filled: Any) -> None:
    page = client.get(f"/m/{filled.ids['lecture.mp4']}?t=0:08&q=gradient")
    assert page.status_code == 200
    assert 'data-start="8.0"' in page.text
    assert f'src="/m/{filled.ids["lecture.mp4"]}/file#t=8.0"' in page.text
    assert page.text.count('class="hit-mark') >= 3
    assert "Take one sample at a time." in page.text
    assert "captions.vtt" in page.text
    assert "How to walk downhill." in page.text
    assert "lecture.mp4" in page.text  # its path is shown at home
    assert "Next file" in page.text or "Previous file" in page.text


def test_media_page_of_photo_document_and_sound(client: Any, filled: Any) -> None:
    photo = client.get(f"/m/{filled.ids['sign.png']}?q=gradient").text
    assert "/photo?side=1600" in photo and '<polygon class="marked"' in photo
    notes = client.get(f"/m/{filled.ids['notes.pdf']}?page=3").text
    assert "/page/3?side=1600" in notes and 'id="page-now">3<' in notes
    sound = client.get(f"/m/{filled.ids['radio.m4a']}").text
    assert "<audio" in sound and "A gradient you can hear." in sound


def test_missing_file_still_has_its_page(client: Any, filled: Any) -> None:
    page = client.get(f"/m/{filled.ids['lost.png']}")
    assert page.status_code == 200
    assert "not where it was" in page.text
    assert "/thumb/0" in page.text
    assert "Gradient of the lost" in page.text


def test_unknown_and_odd_addresses(client: Any) -> None:
    for address in (
        "/m/nope", "/m/..%2f..%2fetc%2fpasswd", "/m/%2e%2e/file", "/m/a%00b", "/m/" + "a" * 200,
        "/static/..%2fapp.py", "/static/../app.py", "/nope", "/m/nope/file", "/m//file",
    ):  # fmt: skip
        answer = client.get(address, headers={"Accept": "text/html"})
        assert answer.status_code == 404, address
        assert "root:" not in answer.text
    page = client.get("/m/nope", headers={"Accept": "text/html"})
    assert "To the search page" in page.text


def test_status_page_names_each_failure(client: Any, filled: Any) -> None:
    page = client.get("/status")
    assert page.status_code == 200
    assert "broken.mp4" in page.text and "it is a text file" in page.text
    assert "no speech engine" in page.text
    assert str(filled.media) in page.text
    assert "Try all again" in page.text


def test_captions(client: Any, filled: Any) -> None:
    answer = client.get(f"/m/{filled.ids['lecture.mp4']}/captions.vtt")
    assert answer.headers["content-type"].startswith("text/vtt")
    assert answer.text.startswith("WEBVTT\n\n00:00:00.200 --> 00:00:02.000\nWelcome")


def test_static_files_are_kept_for_good(client: Any) -> None:
    page = client.get("/").text
    for name in ("onlooker.css", "onlooker.js", "icon.svg"):
        address = re.search(rf'"(/static/{name}\?v=\w+)"', page)
        assert address, name
        answer = client.get(address[1])
        assert "immutable" in answer.headers["cache-control"]
        assert client.get(f"/static/{name}").headers["cache-control"] == "no-cache"


def test_pages_are_small(client: Any, filled: Any) -> None:
    total = 0
    page = client.get("/?q=gradient")
    for address in {"/?q=gradient", *re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)}:
        with client.stream("GET", address) as answer:
            total += sum(len(chunk) for chunk in answer.iter_raw())
    # HTML, style, script and icon, as they are sent (packed): one fast round trip or two.
    assert total < 30_000


def test_no_inline_script_or_style(client: Any, filled: Any) -> None:
    addresses = ["/", "/?q=gradient", "/status", "/api", "/nope"]
    for address in [*addresses, *(f"/m/{i}?q=gradient" for i in filled.ids.values())]:
        page = client.get(address, headers={"Accept": "text/html"}).text
        assert not re.search(r"<script(?![^>]*src=)", page)
        assert not re.search(r"<[^>]+\sstyle=", page)
        assert not re.search(r"<[^>]+\son\w+=", page)
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page)
