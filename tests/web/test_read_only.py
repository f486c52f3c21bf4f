"""A server for everybody: no path of the file system in any page or reply."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import pytest

from onlooker.web.wording import plain_name, without_paths


def crawl(client: Any, starts: list[str]) -> dict[str, Any]:
    """Follow every address in every page and reply."""
    waiting, seen = list(starts), {}
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        assert len(seen) < 1500
        answer = client.get(address, headers={"Accept": "text/html"})
        seen[address] = answer
        kind = answer.headers.get("content-type", "")
        if "html" in kind:
            found = re.findall(
                r'(?:href|src|action|poster|data-api|data-url)="([^"#]+)', answer.text
            )
        elif "json" in kind and "openapi" not in address:
            found = re.findall(r'"(/find/[^"]*)"', answer.text)
        else:
            found = []
        waiting += [unescape(link) for link in found]
    return seen


def test_no_path_anywhere(public: Any, filled: Any) -> None:
    starts = ["/find/", "/find/status", "/find/api/status", "/find/api/problems", "/find/nope"]
    starts += ["/find/api/media?limit=200", "/find/api/search?q=gradient&limit=200"]
    starts += ["/find/?q=gradient", "/find/?q=lecture", "/find/?q=secret", "/find/?q=nonsensical"]
    starts += ["/find/?q=x&in=/tmp", "/find/api/search?q=x&in=/tmp"]
    for public_id in filled.ids.values():
        starts += [f"/find/api/media/{public_id}{part}" for part in ("", "/views", "/moments")]
        starts += [
            f"/find/api/media/{public_id}/{part}" for part in ("playback", "piece", "stream")
        ]
    seen = crawl(public, starts)
    assert len(seen) > 60
    secrets = {part for path in (filled.media, filled.folder) for part in path.parts[1:]}
    secrets -= {"media", "library", "web"}
    secrets |= {"ann-private", "term 7", "term%207", str(filled.media)}
    for address, answer in seen.items():
        kind = answer.headers.get("content-type", "")
        if not re.match(r"text/(html|vtt)|application/json", kind):
            assert answer.status_code in {200, 304, 307, 404}, address
            continue
        assert answer.status_code < 500, address
        whole = unescape(answer.text) + json.dumps(dict(answer.headers))
        for secret in secrets:
            asked = "secret" in address or "tmp" in address
            assert secret not in whole or (asked and secret == "tmp"), (secret, address)


def test_every_link_has_the_base_path(public: Any, filled: Any) -> None:
    for address in ("/find/", "/find/?q=gradient", f"/find/m/{filled.ids['lecture.mp4']}?q=step"):
        page = public.get(address).text
        for link in re.findall(r'(?:href|src|action|poster)="([^"]+)"', page):
            assert link.startswith(("/find", "#")), link


def test_nothing_can_be_changed(public: Any) -> None:
    page = public.get("/find/status").text
    assert "<form" not in page
    assert "retry" not in public.get("/find/api/openapi.json").text
    assert public.get("/find/status/retry").status_code == 404


def test_stable_link(public: Any, client: Any, filled: Any) -> None:
    hit = public.get("/find/api/search?q=stochastic").json()["hits"][0]
    assert hit["url"].startswith(f"/find/m/{filled.ids[hit['title']]}" if hit["title"] in filled.ids
                                 else f"/find/m/{hit['media_id']}")  # fmt: skip
    assert public.get(hit["url"]).status_code == 200
    # The same id at home.
    assert client.get(f"/m/{hit['media_id']}?t=8").status_code == 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot open /home/ann/My Films/a b.mp4: damaged", "cannot open a b.mp4: damaged"),
        ("see /srv/x/y.log and C:\\Users\\ann\\z.txt", "see y.log and z.txt"),
        ("half and/or whole, 3/4 of it, https://example.org/x", None),
        ("'/home/ann/My Films' is not there", "'My Films' is not there"),
        ("~/films/x.mkv", "x.mkv"),
        ("in C:\\Users\\ann\\a b\\c d.txt: bad", "in c d.txt: bad"),
    ],
)
def test_paths_are_cut_from_messages(text: str, expected: str | None) -> None:
    known = (PurePosixPath("/home/ann/My Films/a b.mp4"), PureWindowsPath("C:\\Users\\ann"))
    assert without_paths(text, known) == (text if expected is None else expected)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a/b/c.mp4", "c.mp4"), ("c.mp4", "c.mp4"), ("a\\b.mp4", "b.mp4"), ("new\nline", "new line"),
     ("\udce9t\udce9", "\ufffdt\ufffd"), ("Input/Output", "Output")],
)  # fmt: skip
def test_names_without_folders(name: str, shown: str) -> None:
    assert plain_name(name) == shown
