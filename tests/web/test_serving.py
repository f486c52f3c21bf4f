"""Whole files and parts of them, as browsers ask for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlooker.errors import MediaError
from onlooker.web.serving import OpenFile, parse_range


def url(filled: Any, name: str, what: str = "file") -> str:
    return f"/m/{filled.ids[name]}/{what}"


def content(filled: Any, name: str) -> bytes:
    return next(filled.media.rglob(name)).read_bytes()


def test_whole_file_says_that_parts_can_be_had(client: Any, filled: Any) -> None:
    answer = client.get(url(filled, "lecture.mp4"))
    whole = content(filled, "lecture.mp4")
    assert answer.status_code == 200
    assert answer.content == whole
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(whole))
    assert answer.headers["content-type"] == "video/mp4"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "x-onlooker-file" not in answer.headers


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=100-199", 100, 200), ("bytes=500-", 500, None),
     ("bytes=-10", -10, None), ("bytes=10-99999999999", 10, None), ("bytes=-99999999999", 0, None)],
)  # fmt: skip
def test_part(client: Any, filled: Any, asked: str, start: int, end: int | None) -> None:
    whole = content(filled, "lecture.mp4")
    answer = client.get(url(filled, "lecture.mp4"), headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == whole[start:end]
    first = start % len(whole)
    last = first + len(answer.content) - 1
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"
    assert answer.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0", f"bytes={10**30}-"])
def test_outside(client: Any, filled: Any, asked: str) -> None:
    answer = client.get(url(filled, "lecture.mp4"), headers={"Range": asked})
    assert answer.status_code == 416
    size = len(content(filled, "lecture.mp4"))
    assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,3-4", "bytes=5-2", "bytes=", "bytes=-", "lines=0-3", "bytes=a-b", "x"]
)
def test_odd_ranges_get_the_whole(client: Any, filled: Any, asked: str) -> None:
    answer = client.get(url(filled, "lecture.mp4"), headers={"Range": asked})
    assert answer.status_code == 200
    assert answer.content == content(filled, "lecture.mp4")


def test_if_range_and_if_none_match(client: Any, filled: Any) -> None:
    address = url(filled, "lecture.mp4")
    etag = client.head(address).headers["etag"]
    modified = client.head(address).headers["last-modified"]
    for valid in (etag, modified):
        answer = client.get(address, headers={"Range": "bytes=0-9", "If-Range": valid})
        assert answer.status_code == 206
    answer = client.get(address, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert answer.status_code == 200
    assert client.get(address, headers={"If-None-Match": f'"x", {etag}'}).status_code == 304
    assert client.get(address, headers={"If-None-Match": '"x"'}).status_code == 200


def test_head_has_no_body(client: Any, filled: Any) -> None:
    answer = client.head(url(filled, "lecture.mp4"), headers={"Range": "bytes=0-99"})
    assert answer.status_code == 206
    assert answer.content == b""
    assert answer.headers["content-length"] == "100"
    page = client.head("/?q=gradient")
    assert page.status_code == 200
    assert page.content == b""


def test_thumbnail_frame_page_and_photo(client: Any, filled: Any) -> None:
    for address, kind in (
        (url(filled, "lecture.mp4", "thumb/1"), "image/webp"),
        (url(filled, "lecture.mp4", "frame?t=5"), "image/jpeg"),
        (url(filled, "notes.pdf", "page/2?side=100"), "image/jpeg"),
        (url(filled, "sign.png", "photo"), "image/jpeg"),
    ):
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["content-type"] == kind
        again = client.get(address, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
    for address in (
        url(filled, "lecture.mp4", "thumb/99"),
        url(filled, "notes.pdf", "page/99"),
        url(filled, "sign.png", "frame"),
        url(filled, "lecture.mp4", "photo"),
        url(filled, "lost.png", "photo"),
    ):
        assert client.get(address).status_code == 404, address


def test_thumbnail_that_is_a_link_out_of_the_library(own: Any, tmp_path: Path) -> None:
    client, filled = own
    address = url(filled, "sign.png", "thumb/0")
    assert client.get(address).status_code == 200
    secret = tmp_path / "secret"
    secret.write_text("secret")
    thumbs = [path for path in filled.folder.rglob("*") if path.suffix in {".webp", ".jpg"}]
    for path in thumbs:
        path.unlink()
        path.symlink_to(secret)
    answer = client.get(address)
    assert answer.status_code == 404
    assert b"secret" not in answer.content


def test_other_content_under_the_old_name_is_not_shown(own: Any) -> None:
    client, filled = own
    path = next(filled.media.rglob("sign.png"))
    path.write_bytes(b"something else")
    assert client.get(url(filled, "sign.png")).status_code == 404
    page = client.get(f"/m/{filled.ids['sign.png']}")
    assert page.status_code == 200
    assert "was changed since it was indexed" in page.text


def test_pipe_in_place_of_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(MediaError, match="not a regular file"):
        OpenFile(pipe)
    with pytest.raises(MediaError, match="cannot open"):
        OpenFile(tmp_path / "absent")


@given(st.text(max_size=30), st.integers(0, 1000))
def test_any_range_is_inside_or_refused(header: str, size: int) -> None:
    try:
        part = parse_range(header, size)
    except ValueError:
        return
    if part is not None:
        assert 0 <= part[0] <= part[1] < size
