"""The API: the same library as JSON, described by OpenAPI at ``/api/openapi.json``."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator
from starlette.exceptions import HTTPException

import onlooker
from onlooker.errors import QueryError
from onlooker.library.store import Filters, Stage
from onlooker.records import EvidenceKind, MediaKind
from onlooker.web.asking import MAX_OFFSET, MAX_QUERY_CHARS
from onlooker.web.desk import Desk
from onlooker.web.parts import PublicId, Seconds
from onlooker.web.playback import BusyError
from onlooker.web.replies import (
    ErrorReply,
    MediaListReply,
    MediumDetailReply,
    MomentsReply,
    PieceReply,
    PlaybackReply,
    ProblemsReply,
    RetryReply,
    SearchReply,
    StatusReply,
    ViewsReply,
)
from onlooker.web.views.status import retry_failed
from onlooker.web.wording import not_looked_at, parse_day

_WRONG: dict[int | str, dict[str, Any]] = {
    422: {"model": ErrorReply, "description": "A parameter makes no sense."}
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorReply, "description": "There is no such medium."}
}

Kinds = Annotated[list[EvidenceKind], Query(description="Kinds of evidence; none: all.")]
Mediums = Annotated[list[MediaKind], Query(description="Kinds of medium; none: all.")]
Under = Annotated[
    str,
    Query(
        alias="in",
        max_length=4096,
        pattern=r"^(/[^\x00]*)?$",
        description="Only files at or below this folder (not on a read-only server).",
    ),
]


def _written_day(value: object) -> object:
    """Refuse what is no written day: Pydantic would take a number for seconds since 1970."""
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise ValueError("expected a day as YYYY-MM-DD")
    return value


Day = Annotated[date | None, BeforeValidator(_written_day)]
Field = Annotated[str, Query(max_length=200)]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET)]


def routes(desk: Desk) -> APIRouter:
    """Return the routes below ``/api``."""
    router = APIRouter()
    secret = desk.settings.read_only

    def filters(
        kind: list[EvidenceKind],
        medium: list[MediaKind],
        since: date | None,
        until: date | None,
        under: str,
        by: str,
        series: str,
        lang: str,
    ) -> Filters:
        if under and secret:
            raise HTTPException(422, "in: searching in a folder is switched off on this server.")
        return Filters(
            kinds=tuple(kind),
            media_kinds=tuple(medium),
            under=Path(under) if under else None,
            since=parse_day(since.isoformat()) if since else None,
            until=parse_day(until.isoformat(), end=True) if until else None,
            by=by.replace("\0", ""),
            series=series.replace("\0", ""),
            language=lang.replace("\0", ""),
        )

    @router.get(
        "/search",
        tags=["search"],
        responses={**_WRONG, **_UNKNOWN, 400: {"model": ErrorReply, "description": "No query."}},
    )
    def search(
        q: Annotated[str, Query(min_length=1, max_length=MAX_QUERY_CHARS)],
        kind: Kinds = [],  # noqa: B006  (FastAPI copies defaults)
        medium: Mediums = [],  # noqa: B006
        since: Day = None,
        until: Day = None,
        in_: Under = "",
        by: Field = "",
        series: Field = "",
        lang: Annotated[str, Query(max_length=35)] = "",
        media: Annotated[str, Query(max_length=64, description="Only in this medium.")] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 20,
        offset: Offset = 0,
    ) -> SearchReply:
        """Find moments: words, "quoted phrases", prefix*, AND, OR, NOT."""
        chosen = filters(kind, medium, since, until, in_, by, series, lang)
        if media:
            chosen = replace(chosen, media_id=desk.medium(media).id)
        try:
            result = desk.catalogue.library.search(
                q.replace("\0", ""), filters=chosen, limit=limit, offset=offset
            )
        except QueryError as error:
            raise HTTPException(400, desk.presenter.reason(str(error))) from error
        return SearchReply(
            query=q,
            total=result.total,
            total_exact=result.total_exact,
            took_ms=round(result.took_s * 1000, 1),
            suggestion=result.suggestion or None,
            not_looked_at=not_looked_at(desk.catalogue.counts()),
            hits=[desk.presenter.hit(hit, q) for hit in result.hits],
        )

    @router.get("/media", tags=["media"], responses=_WRONG)
    def list_media(
        medium: Mediums = [],  # noqa: B006
        since: Day = None,
        until: Day = None,
        in_: Under = "",
        by: Field = "",
        series: Field = "",
        lang: Annotated[str, Query(max_length=35)] = "",
        order: Annotated[str, Query(pattern="^(added|when|title)$")] = "added",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        offset: Offset = 0,
    ) -> MediaListReply:
        """List media, the newest first or by title."""
        rows = desk.catalogue.store.list_media(
            filters([], medium, since, until, in_, by, series, lang),
            order=order,  # type: ignore[arg-type]
            limit=limit + 1,
            offset=offset,
        )
        return MediaListReply(
            media=[desk.presenter.medium(row) for row in rows[:limit]],
            offset=offset,
            more=len(rows) > limit,
        )

    @router.get("/media/{public_id}", tags=["media"], responses={**_UNKNOWN, **_WRONG})
    def medium_detail(public_id: PublicId) -> MediumDetailReply:
        """Everything that is known about a medium."""
        return desk.presenter.medium_detail(desk.medium(public_id))

    @router.get("/media/{public_id}/views", tags=["media"], responses={**_UNKNOWN, **_WRONG})
    def views(public_id: PublicId) -> ViewsReply:
        """What can be looked at: photo, pages, slides, shots."""
        media = desk.medium(public_id)
        return ViewsReply(
            views=[desk.presenter.view(media, view) for view in desk.catalogue.views(media)]
        )

    @router.get("/media/{public_id}/moments", tags=["media"], responses={**_UNKNOWN, **_WRONG})
    def moments(
        public_id: PublicId,
        kind: Kinds = [],  # noqa: B006
        view: Annotated[int | None, Query(ge=0, le=10_000_000)] = None,
    ) -> MomentsReply:
        """Everything that was found in a medium, by time, page, then place."""
        media = desk.medium(public_id)
        rows = desk.catalogue.store.moments(media.id, tuple(kind), view=view)
        return MomentsReply(moments=[desk.presenter.moment(row) for row in rows])

    @router.get("/media/{public_id}/playback", tags=["media"], responses={**_UNKNOWN, **_WRONG})
    def playback(public_id: PublicId) -> PlaybackReply:
        """How a browser can play it."""
        return desk.playback.plan(desk.medium(public_id))

    @router.get(
        "/media/{public_id}/piece",
        tags=["media"],
        responses={**_UNKNOWN, **_WRONG, 503: {"model": ErrorReply}},
    )
    def piece(public_id: PublicId, start: Seconds = 0.0) -> PieceReply:
        """The piece of ``/stream`` in which a time lies; begins to make it."""
        media = desk.medium(public_id)
        found = desk.playback.piece(media, start)
        if found is None:
            raise HTTPException(404, "Nothing of this has to be converted.")
        ready = desk.playback.find(found) is not None
        if not ready:
            try:
                desk.playback.begin(found)
            except BusyError as error:
                raise HTTPException(503, str(error)) from error
        return PieceReply(
            url=desk.links.part(public_id, "stream", start=f"{found.start_s:g}"),
            start_s=found.start_s,
            end_s=found.end_s if found.end_s is not None else media.facts.duration_s or 0.0,
            ready=ready,
        )

    @router.get("/status", tags=["status"])
    def status() -> StatusReply:
        """The library at a glance, and what has not been looked at yet."""
        counts = desk.catalogue.counts()
        return StatusReply(
            version=onlooker.__version__,
            read_only=secret,
            media=counts.media,
            moments=counts.moments,
            tasks=counts.tasks,
            failed_files=counts.failed_paths,
            offline_files=counts.offline_paths,
            duration_s=counts.duration_s,
            not_looked_at=not_looked_at(counts),
        )

    @router.get("/problems", tags=["status"], responses=_WRONG)
    def problems(
        limit: Annotated[int, Query(ge=1, le=1000)] = 200, offset: Offset = 0
    ) -> ProblemsReply:
        """Every file or stage that failed or was skipped, and why."""
        failures = desk.catalogue.store.failures()
        return ProblemsReply(
            problems=[desk.presenter.problem(*row) for row in failures[offset : offset + limit]],
            total=len(failures),
        )

    if not secret:

        @router.post(
            "/retry",
            tags=["status"],
            responses={
                **_WRONG, **_UNKNOWN,
                403: {"model": ErrorReply, "description": "Not from a page of this server."},
                409: {"model": ErrorReply, "description": "Another process is writing."},
            },
        )  # fmt: skip
        def retry(
            stage: Annotated[Stage | None, Query()] = None,
            media: Annotated[str, Query(max_length=64)] = "",
        ) -> RetryReply:
            """Let failed and skipped stages be tried again by the next ``onlooker update``."""
            return RetryReply(retried=retry_failed(desk, stage or "", media))

    @router.get("", include_in_schema=False)
    def described(request: Request) -> Response:
        """A page on the API, drawn from its description."""
        schema = request.app.openapi()
        return desk.pages.draw(request, "api.html", schema=schema)

    return router
