"""The page on what has been looked at, what has not, and why."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from onlooker.errors import OnlookerError
from onlooker.library.store import STAGES, Stage
from onlooker.web.desk import Desk
from onlooker.web.wording import not_looked_at

PROBLEMS_SHOWN = 200


def routes(desk: Desk) -> APIRouter:
    """Return the routes of the status page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/status")
    def status_page(request: Request) -> Response:
        counts = desk.catalogue.counts()
        failures = desk.catalogue.store.failures()
        problems = [desk.presenter.problem(*failure) for failure in failures[:PROBLEMS_SHOWN]]
        stages = []
        for stage in STAGES:
            states = counts.tasks.get(stage, {})
            total = sum(states.values())
            if total:
                stages.append((stage, states, total))
        return desk.pages.draw(
            request,
            "status.html",
            counts=counts,
            total_media=sum(counts.media.values()),
            stages=stages,
            waiting=not_looked_at(counts),
            problems=problems,
            total_problems=len(failures),
            roots=[] if desk.settings.read_only else desk.catalogue.roots(),
            retried=request.query_params.get("retried", "")[:9],
        )

    if not desk.settings.read_only:

        @router.post("/status/retry")
        async def retry(request: Request) -> Response:
            fields = parse_qs((await request.body()).decode("utf-8", "replace"))
            count = await run_in_threadpool(
                retry_failed, desk, fields.get("stage", [""])[0], fields.get("media", [""])[0]
            )
            return RedirectResponse(f"{desk.links.status()}?retried={count}", status_code=303)

    return router


def retry_failed(desk: Desk, stage: str, public_id: str) -> int:
    """Make failed and skipped stages pending again; return how many.

    Raises:
        HTTPException: 404 unknown medium; 400 unknown stage; 409 another process is writing.
    """
    chosen: Stage | None = next((known for known in STAGES if known == stage), None)
    if stage and chosen is None:
        raise HTTPException(400, f"There is no stage “{stage[:40]}”.")
    media = desk.medium(public_id) if public_id else None
    store = desk.catalogue.store
    try:
        with store.writer():
            return store.retry(chosen, media.id if media else None)
    except OnlookerError as error:
        raise HTTPException(409, desk.presenter.reason(str(error))) from error
