"""The gate in front of every request: sizes, host names, methods, origin, security headers."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onlooker.web.settings import WebSettings

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# The bytes of somebody's file are never allowed to act as a page of ours.
_FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"

HEAD = "onlooker.head"
"""Key in the scope of a request that was HEAD: it is routed as GET, and its body is dropped."""

_MAX_HEADERS = 100  # as uvicorn's and nginx's own orders of magnitude


class _BodyTooLargeError(Exception):
    pass


class Guard:
    """ASGI middleware that refuses what must not reach the pages.

    * Targets, headers and bodies over the limits: 414, 431, 413.
    * No or a malformed ``Host``: 400; a foreign one: 421 (DNS rebinding).
    * Anything but GET and HEAD in read-only mode: 405.
    * A POST that does not come from a page of this server: 403.

    It also takes the base path off, and adds the security headers.
    """

    def __init__(
        self, app: ASGIApp, settings: WebSettings, on_defect: Callable[[Request], Response]
    ) -> None:
        self._app = app
        self._settings = settings
        self._on_defect = on_defect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request and pass it on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        settings = self._settings
        scope = self._without_base(scope)
        is_head = scope["method"] == "HEAD"

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_security(message.get("headers", []))
            elif message["type"] == "http.response.body" and is_head:
                if message.get("more_body"):
                    return
                message = {**message, "body": b""}
            await send(message)

        refused = self._judge(scope)
        if refused is not None:
            await _refuse(scope, send_guarded, *refused)
            return

        read = 0
        started = False

        async def receive_counted() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > settings.max_body_bytes:
                    raise _BodyTooLargeError
            return message

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send_guarded(message)

        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", HEAD: True}
        try:
            await self._app(scope, receive_counted, send_noted)
        except _BodyTooLargeError:
            if not started:
                await _refuse(scope, send_guarded, 413, _TOO_LARGE)
        except Exception as error:
            # The log keeps the traceback; the browser gets a sentence.
            logging.getLogger(__name__).exception("a request failed: %s", error)
            if not started:
                await self._on_defect(Request(scope))(scope, receive, send_guarded)

    def _without_base(self, scope: Scope) -> Scope:
        base = self._settings.base_path
        path: str = scope["path"]
        if not base:
            return scope
        if path == base or path.startswith(base + "/"):
            path = path[len(base) :] or "/"
        # Starlette routes by the path with root_path taken off, so both are set together.
        return {**scope, "root_path": "", "path": path, "raw_path": path.encode()}

    def _judge(self, scope: Scope) -> tuple[int, str] | None:
        settings = self._settings
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        target = len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"])
        if target > settings.max_url_bytes:
            return 414, f"The address is longer than {settings.max_url_bytes} bytes."
        size = sum(len(name) + len(value) + 4 for name, value in headers)
        if size > settings.max_header_bytes or len(headers) > _MAX_HEADERS:
            return 431, f"The request's headers are larger than {settings.max_header_bytes} bytes."
        hosts = [value for name, value in headers if name == b"host"]
        host = _host_name(hosts[0]) if len(hosts) == 1 else None
        if host is None:
            return 400, "The request has no proper Host header."
        if host not in settings.hosts:
            return 421, (
                "This server does not answer under that name. If it should, it is started with "
                "--allow-host NAME."
            )
        method = scope["method"]
        if method not in {"GET", "HEAD", "POST"} or (method == "POST" and settings.read_only):
            return 405, "This server only answers GET and HEAD." if settings.read_only else (
                "This server only answers GET, HEAD and POST."
            )
        for name, value in headers:
            if name == b"content-length" and (
                not value.isdigit() or int(value) > settings.max_body_bytes
            ):
                return 413, _TOO_LARGE
        if method == "POST" and not _same_origin(headers, hosts[0]):
            return 403, (
                "A change is only taken from a page of this server (the Origin header names "
                "another place, or is absent)."
            )
        return None


_TOO_LARGE = "The request's body is too large."


def _host_name(value: bytes) -> str | None:
    """Return the name in a Host header, lower case, without port and brackets."""
    if not re.fullmatch(rb"[A-Za-z0-9._:\[\]-]+", value):
        return None
    try:
        text = value.decode("ascii")
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    del port  # only read to have it checked
    return parts.hostname.rstrip(".").lower()


def _same_origin(headers: list[tuple[bytes, bytes]], host: bytes) -> bool:
    values = dict(headers)
    if values.get(b"sec-fetch-site", b"same-origin") != b"same-origin":
        return False
    origin = values.get(b"origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin.decode("ascii")).netloc.lower() == host.decode("ascii").lower()
    except ValueError:
        return False


def _with_security(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    present = {name.lower() for name, _ in headers}
    is_file = b"x-onlooker-file" in present
    added = [
        (b"content-security-policy", (_FILE_POLICY if is_file else _PAGE_POLICY).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"x-frame-options", b"DENY"),
        (
            b"permissions-policy",
            b"camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()",
        ),
    ]
    kept = [(name, value) for name, value in headers if name.lower() != b"x-onlooker-file"]
    return kept + [(name, value) for name, value in added if name not in present]


async def _refuse(scope: Scope, send: Send, status: int, message: str) -> None:
    if scope["path"].startswith("/api"):
        body = json.dumps({"error": message, "status": status}).encode()
        kind = b"application/json"
    else:
        body, kind = (message + "\n").encode(), b"text/plain; charset=utf-8"
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        # What is left of an oversized request is not read.
        (b"connection", b"close"),
    ]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
