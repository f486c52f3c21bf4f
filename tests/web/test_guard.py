"""What is refused before it reaches a page."""

from __future__ import annotations

from typing import Any

import pytest

from onlooker.errors import ConfigError
from onlooker.web.settings import WebSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8420", "LOCALHOST", "[::1]:99"])
def test_own_hosts(client: Any, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.7"]
)
def test_foreign_hosts(client: Any, host: str) -> None:
    answer = client.get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["", "a b", "user@localhost", "localhost/x", "localhost:x", "[::1"]
)
def test_malformed_hosts(client: Any, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 400


def test_allowed_host(public: Any) -> None:
    assert public.get("/find/", headers={"Host": "media.example.org"}).status_code == 200
    assert public.get("/", headers={"Host": "media.example.org"}).status_code == 200
    assert public.get("/find", headers={"Host": "other.example.org"}).status_code == 421


def test_sizes(client: Any) -> None:
    assert client.get("/?q=" + "x" * 60_000).status_code == 414
    assert client.get("/" + "x" * 10_000).status_code == 414
    assert client.get("/", headers={"X-Long": "x" * 20_000}).status_code == 431
    many = {f"X-{i}": "1" for i in range(150)}
    assert client.get("/", headers=many).status_code == 431
    origin = {"Origin": "http://127.0.0.1"}
    assert client.post("/status/retry", content=b"x" * 70_000, headers=origin).status_code == 413
    chunks = (b"x" * 10_000 for _ in range(10))
    assert client.post("/status/retry", content=chunks, headers=origin).status_code == 413


def test_methods(client: Any, public: Any) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert client.request(method, "/").status_code == 405
        assert public.request(method, "/find/").status_code == 405
    for path in ("/find/", "/find/status/retry", "/find/api/retry", "/find/api/search"):
        answer = public.post(path, headers={"Origin": "http://127.0.0.1"})
        assert answer.status_code == 405


def test_changes_only_from_own_pages(own: Any) -> None:
    client, _ = own
    for headers in (
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1"},
    ):
        assert client.post("/status/retry", headers=headers).status_code == 403
        assert client.post("/api/retry", headers=headers).status_code == 403
    answer = client.post("/status/retry", headers={"Origin": "http://127.0.0.1"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/status?retried=2"


def test_every_answer_has_the_security_headers(client: Any, filled: Any) -> None:
    addresses = ["/", "/status", "/nothing", "/api/status", "/api/media/x", "/static/onlooker.css"]
    addresses += [f"/m/{public_id}" for public_id in filled.ids.values()]
    for address in addresses:
        headers = client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "wrong",
    [{"base_path": "find"}, {"base_path": "/a/../b"}, {"base_path": "/a b"},
     {"allowed_hosts": ("http://x",)}, {"allowed_hosts": ("",)}, {"cache_mb": 0}],
)  # fmt: skip
def test_settings_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        WebSettings(**wrong)
