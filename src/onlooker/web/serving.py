"""Bytes to the browser: whole files and parts of them (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import AsyncIterator, Mapping
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from onlooker.errors import MediaError
from onlooker.web.guard import HEAD

_CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)", re.IGNORECASE)


class OpenFile:
    """A regular file held open, so that what was checked is what is sent.

    Raises:
        MediaError: It isn't there, isn't a regular file, or can't be read.
    """

    def __init__(self, path: Path, *, follow: bool = True) -> None:
        # O_NONBLOCK: a named pipe in place of a file must not hang the server.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
        try:
            self.descriptor = os.open(path, flags)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise MediaError(f"cannot open {path}: {reason}") from error
        self.facts = os.fstat(self.descriptor)
        if not stat.S_ISREG(self.facts.st_mode):
            self.close()
            raise MediaError(f"cannot serve {path}: it is not a regular file")

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.facts.st_size

    @property
    def etag(self) -> str:
        """A strong validator: changes whenever the file is written."""
        return f'"{self.facts.st_mtime_ns:x}-{self.facts.st_size:x}"'

    def close(self) -> None:
        """Release the descriptor; a second time does nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Read a ``Range`` header.

    Args:
        header: Its value.
        size: Length of the file.

    Returns:
        First and last byte, or None where the header is to be ignored (not bytes, malformed, or
        several ranges: a server may always send the whole).

    Raises:
        ValueError: The range lies outside of the file (416).
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match[0].endswith("=-"):
        return None
    first, last = match[1], match[2]
    if len(first) > 19 or len(last) > 19:
        raise ValueError(header)
    if not first:
        if not last:
            return None
        if int(last) == 0 or size == 0:
            raise ValueError(header)
        return max(0, size - int(last)), size - 1
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    if start >= size:
        raise ValueError(header)
    return start, end


def serve(
    request: Request,
    file: OpenFile,
    media_type: str,
    *,
    file_name: str = "",
    cache: str = "private, no-cache",
) -> Response:
    """Answer a request with an open file; takes over the closing of it.

    Handles HEAD, ``If-None-Match``, ``Range`` and ``If-Range``.

    Args:
        request: The request.
        file: What to send.
        media_type: Its type.
        file_name: Name under which the browser would save it.
        cache: ``Cache-Control``.
    """
    modified = formatdate(file.facts.st_mtime, usegmt=True)
    headers = {
        "accept-ranges": "bytes",
        "etag": file.etag,
        "last-modified": modified,
        "cache-control": cache,
        "x-onlooker-file": "1",
    }
    if file_name:
        headers["content-disposition"] = f"inline; filename*=UTF-8''{_header_name(file_name)}"
    if _matches(request.headers.get("if-none-match"), file.etag):
        file.close()
        return Response(status_code=304, headers=headers)
    start, end, status = 0, file.size - 1, 200
    wanted = request.headers.get("range")
    if wanted and request.headers.get("if-range", file.etag).strip() in {file.etag, modified}:
        try:
            part = parse_range(wanted, file.size)
        except ValueError:
            file.close()
            return Response(
                status_code=416, headers={**headers, "content-range": f"bytes */{file.size}"}
            )
        if part is not None:
            start, end = part
            status = 206
            headers["content-range"] = f"bytes {start}-{end}/{file.size}"
    headers["content-length"] = str(end - start + 1)
    if request.scope.get(HEAD):
        file.close()
        return Response(status_code=status, headers=headers, media_type=media_type)
    return _FileResponse(
        file, start, end - start + 1, status_code=status, headers=headers, media_type=media_type
    )


def _matches(header: str | None, etag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or etag in {
        part.strip().removeprefix("W/") for part in header.split(",")
    }


def _header_name(name: str) -> str:
    clean = name.encode("utf-8", "replace").decode("utf-8")
    return quote(clean, safe="")


class _FileResponse(StreamingResponse):
    """Streams a stretch of an open file and closes it, whatever happens."""

    def __init__(
        self,
        file: OpenFile,
        start: int,
        length: int,
        *,
        status_code: int,
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        super().__init__(
            self._chunks(file, start, length),
            status_code=status_code,
            headers=headers,
            media_type=media_type,
        )
        self._file = file

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        """Send, then close."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()

    @staticmethod
    async def _chunks(file: OpenFile, start: int, length: int) -> AsyncIterator[bytes]:
        position, left = start, length
        while left > 0:
            chunk = await anyio.to_thread.run_sync(
                os.pread, file.descriptor, min(_CHUNK_BYTES, left), position
            )
            if not chunk:  # the file was cut while it was sent
                return
            position += len(chunk)
            left -= len(chunk)
            yield chunk
