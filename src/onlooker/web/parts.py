"""What belongs to one medium and is no page: file, stream, frames, page pictures, thumbnails."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathPart
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, StreamingResponse

from onlooker.errors import MediaError
from onlooker.library.export import vtt_text, vtt_time
from onlooker.library.store import MediaRow
from onlooker.web.catalogue import MediaFile
from onlooker.web.desk import Desk
from onlooker.web.guard import HEAD
from onlooker.web.pictures import rounded_side
from onlooker.web.playback import BusyError
from onlooker.web.replies import ErrorReply
from onlooker.web.serving import OpenFile, serve
from onlooker.web.wording import plain_name, printable

PublicId = Annotated[str, PathPart(description="Opaque id of a medium.", max_length=64)]
Seconds = Annotated[
    float, Query(ge=0, le=1e7, allow_inf_nan=False, description="Seconds from the start.")
]

# What a browser shows by itself beside recordings; anything else is only ever saved.
_FILE_TYPES = {
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp",
    ".gif": "image/gif", ".pdf": "application/pdf",
}  # fmt: skip


def _content(*kinds: str) -> dict[str, Any]:
    binary = {"type": "string", "format": "binary"}
    return {"content": {kind: {"schema": binary} for kind in kinds}}


_BYTES = _content("*/*")
_JPEG = _content("image/jpeg")
_WEBP = _content("image/webp", "image/jpeg", "image/png")
_GONE: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorReply, "description": "No such medium, or its file is not there."},
    422: {"model": ErrorReply, "description": "The file is damaged, or a value makes no sense."},
}


def routes(desk: Desk) -> APIRouter:
    """Return the routes below ``/m/{id}`` and, described, below ``/api/media/{id}``."""
    router = APIRouter(tags=["media"])

    def there(media: MediaRow) -> MediaFile:
        file = desk.catalogue.file(media)
        if file.path is None:
            raise HTTPException(404, file.note)
        return file

    def picture(body: bytes, request: Request, stamp: str) -> Response:
        headers = {"etag": f'"{stamp}"', "cache-control": "private, max-age=86400"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="image/jpeg", headers=headers)

    @router.get(
        "/{public_id}/file",
        response_class=Response,
        responses={200: _BYTES, 206: _BYTES, 304: {"description": "Not modified."},
                   416: {"description": "The range lies outside of the file."}, **_GONE},
    )  # fmt: skip
    def original(request: Request, public_id: PublicId) -> Response:
        """The file as it is, or a part of it (``Range``)."""
        media = desk.medium(public_id)
        file = there(media)
        assert file.path is not None
        try:
            opened = OpenFile(file.path)
        except MediaError as error:
            raise HTTPException(404, "The file cannot be read.") from error
        name = plain_name(printable(file.path.name))
        kind = desk.playback.content_type(media, file.path) or _FILE_TYPES.get(
            file.path.suffix.lower(), "application/octet-stream"
        )
        return serve(request, opened, kind, file_name=name)

    @router.get(
        "/{public_id}/stream",
        response_class=Response,
        responses={
            200: {"content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}},
            206: _BYTES,
            307: {"description": "It plays as it is: the file."},
            416: {"description": "The range lies outside of the file."},
            503: {"model": ErrorReply, "description": "Too much is being converted just now."},
            **_GONE,
        },
    )
    async def stream(request: Request, public_id: PublicId, start: Seconds = 0.0) -> Response:
        """The piece of a recording in which a time lies, converted for browsers (MP4)."""
        media = await run_in_threadpool(desk.medium, public_id)
        await run_in_threadpool(there, media)
        piece = await run_in_threadpool(desk.playback.piece, media, start)
        if piece is None:
            if (await run_in_threadpool(desk.playback.plan, media)).method == "direct":
                return RedirectResponse(desk.links.part(public_id, "file"), status_code=307)
            raise HTTPException(404, "This file cannot be played.")
        kind = piece.content_type or "video/mp4"
        made = desk.playback.find(piece)
        if made is not None:
            return serve(request, OpenFile(made, follow=False), kind)
        if request.scope.get(HEAD):
            return Response(media_type=kind, headers={"accept-ranges": "none"})
        try:
            job = desk.playback.begin(piece)
        except BusyError as error:
            raise HTTPException(503, str(error)) from error
        chunks = desk.playback.follow(job)
        first = await anext(chunks, b"")
        if job.failed or not first:
            raise HTTPException(422, f"This part cannot be converted: {job.error or 'no data'}.")

        async def whole() -> AsyncIterator[bytes]:
            # Closed at once when the browser goes away, so that the work can be given up.
            async with aclosing(chunks):
                yield first
                async for chunk in chunks:
                    yield chunk

        headers = {"accept-ranges": "none", "cache-control": "no-store", "x-onlooker-file": "1"}
        return StreamingResponse(whole(), media_type=kind, headers=headers)

    @router.get(
        "/{public_id}/frame", response_class=Response,
        responses={200: _JPEG, 304: {"description": "Not modified."}, **_GONE},
    )  # fmt: skip
    def frame(request: Request, public_id: PublicId, t: Seconds = 0.0) -> Response:
        """The frame of a video that is shown at a time."""
        media = desk.medium(public_id)
        if media.kind != "video":
            raise HTTPException(404, f"A {media.kind} has no frames.")
        file = there(media)
        assert file.path is not None
        stamp = f"{media.public_id}-{media.size_bytes}"
        return picture(desk.pictures.frame(file.path, stamp, t), request, f"{t:.2f}-{stamp}")

    @router.get(
        "/{public_id}/page/{number}", response_class=Response,
        responses={200: _JPEG, 304: {"description": "Not modified."}, **_GONE},
    )  # fmt: skip
    def page(
        request: Request,
        public_id: PublicId,
        number: Annotated[int, PathPart(ge=1, le=1_000_000)],
        side: Annotated[int, Query(ge=1, le=4096, description="Longest side in pixels.")] = 1600,
    ) -> Response:
        """A page of a document."""
        media = desk.medium(public_id)
        if media.kind != "document" or number > (media.facts.pages or number):
            raise HTTPException(404, "There is no such page.")
        file = there(media)
        assert file.path is not None
        side = rounded_side(side)
        stamp = f"{media.public_id}-{media.size_bytes}"
        body = desk.pictures.page(file.path, stamp, number, side)
        return picture(body, request, f"{number}-{side}-{stamp}")

    @router.get(
        "/{public_id}/photo", response_class=Response,
        responses={200: _JPEG, 304: {"description": "Not modified."}, **_GONE},
    )  # fmt: skip
    def photo(
        request: Request,
        public_id: PublicId,
        side: Annotated[int, Query(ge=1, le=4096, description="Longest side in pixels.")] = 1600,
    ) -> Response:
        """A photo, upright, without its metadata."""
        media = desk.medium(public_id)
        if media.kind != "photo":
            raise HTTPException(404, f"A {media.kind} is no photo.")
        file = there(media)
        assert file.path is not None
        side = rounded_side(side)
        stamp = f"{media.public_id}-{media.size_bytes}"
        return picture(desk.pictures.photo(file.path, stamp, side), request, f"{side}-{stamp}")

    @router.get(
        "/{public_id}/thumb/{view}", response_class=Response,
        responses={200: _WEBP, 304: {"description": "Not modified."}, 206: _WEBP,
                   416: {"description": "The range lies outside of the file."}, **_GONE},
    )  # fmt: skip
    def thumb(
        request: Request,
        public_id: PublicId,
        view: Annotated[int, PathPart(ge=0, le=10_000_000)],
    ) -> Response:
        """The thumbnail of a view."""
        media = desk.medium(public_id)
        file = desk.catalogue.thumbnail(media, view)
        if file is None:
            raise HTTPException(404, "There is no thumbnail.")
        return serve(request, file, file_type(file), cache="private, max-age=86400")

    @router.get(
        "/{public_id}/captions.vtt", response_class=Response,
        responses={200: {"content": {"text/vtt": {"schema": {"type": "string"}}}}, **_GONE},
    )  # fmt: skip
    def captions(public_id: PublicId) -> Response:
        """What is said, as WebVTT."""
        media = desk.medium(public_id)
        cues = ["WEBVTT\n"]
        for row in desk.catalogue.store.moments(media.id, ("speech",)):
            moment = row.moment
            if moment.start_s is None:
                continue
            end_s = moment.end_s if moment.end_s is not None else moment.start_s + 2.0
            text = vtt_text(printable(moment.text))
            cues.append(f"{vtt_time(moment.start_s)} --> {vtt_time(end_s)}\n{text}\n")
        return Response("\n".join(cues), media_type="text/vtt")

    return router


def file_type(file: OpenFile) -> str:
    """Return the type of a thumbnail by its first bytes."""
    head = os.pread(file.descriptor, 12, 0)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return "image/png" if head[:4] == b"\x89PNG" else "image/jpeg"
