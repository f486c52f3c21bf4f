"""The page of one medium: player, photo or pages, with everything found in it beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from onlooker.errors import QueryError
from onlooker.library.store import Filters, MediaRow
from onlooker.records import View
from onlooker.web.asking import MAX_QUERY_CHARS
from onlooker.web.catalogue import view_at
from onlooker.web.desk import Desk
from onlooker.web.replies import HitReply, MomentReply, ViewReply
from onlooker.web.wording import day, parse_time

if TYPE_CHECKING:
    from onlooker.library.search import Hit

_HITS_WITHIN = 500
_FILES_AROUND = 200


@dataclass(frozen=True, slots=True)
class OnView:
    """What can be read on one view."""

    view: ViewReply
    lines: list[MomentReply]


def routes(desk: Desk) -> APIRouter:
    """Return the route of the media page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/m/{public_id}")
    def media_page(request: Request, public_id: str) -> Response:
        media = desk.medium(public_id)
        return _draw(desk, request, media)

    return router


def _draw(desk: Desk, request: Request, media: MediaRow) -> Response:
    params = request.query_params
    q = params.get("q", "").replace("\0", "").strip()[:MAX_QUERY_CHARS]
    problems: list[str] = []
    views = desk.catalogue.views(media)
    hits: list[HitReply] = []
    before = after = None
    if q:
        try:
            hits = _hits_within(desk, media, q)
            before, after = _neighbours(desk, media, q)
        except QueryError as error:
            problems.append(desk.presenter.reason(str(error)))
    start = _start(params.get("t", ""), media)
    view = _view_asked(params.get("page", ""), views, start, hits)
    speech: list[MomentReply] = []
    said: list[MomentReply] = []
    on_view: dict[int, list[MomentReply]] = {}
    for row in desk.catalogue.store.moments(media.id):
        moment = desk.presenter.moment(row)
        if moment.kind == "speech":
            speech.append(moment)
        elif moment.kind == "screen":
            on_view.setdefault(moment.view if moment.view is not None else -1, []).append(moment)
        elif moment.kind == "person":
            said.append(moment)
    shown = [desk.presenter.view(media, item) for item in views]
    detail = desk.presenter.medium_detail(media)
    return desk.pages.draw(
        request,
        "media.html",
        media=detail,
        day=day(media.when),
        q=q,
        problems=problems,
        hits=hits,
        before=before,
        after=after,
        start=start,
        view=view,
        views=shown,
        screen=[OnView(item, on_view[item.index]) for item in shown if item.index in on_view],
        speech=speech,
        said=said,
        playback=desk.playback.plan(media),
        duration=media.facts.duration_s or _last_end(views),
    )


def _last_end(views: list[View]) -> float:
    return max((view.end_s or 0.0 for view in views), default=0.0)


def _start(text: str, media: MediaRow) -> float | None:
    start = parse_time(text) if text else None
    if start is None or media.kind not in {"video", "audio"}:
        return None
    return min(start, media.facts.duration_s or start)


def _view_asked(
    page: str, views: list[View], start: float | None, hits: list[HitReply]
) -> View | None:
    """The view that the page opens with: the asked page or time, else that of the first hit."""
    if not views:
        return None
    if page.isascii() and page.isdigit():
        number = int(page[:7])
        return next((view for view in views if view.page == number), views[0])
    if start is not None:
        return view_at(views, start)
    first = next((hit.view for hit in hits if hit.view is not None), None)
    if first is not None and views[0].start_s is None:
        return next((view for view in views if view.index == first), views[0])
    return views[0]


def _hits_within(desk: Desk, media: MediaRow, q: str) -> list[HitReply]:
    result = desk.catalogue.library.search(
        q, filters=Filters(media_id=media.id), limit=_HITS_WITHIN
    )
    hits = [desk.presenter.hit(hit, q) for hit in result.hits]
    return sorted(
        hits,
        key=lambda hit: (
            hit.start_s if hit.start_s is not None else -1.0,
            hit.page or 0,
            hit.view or 0,
        ),
    )


def _neighbours(desk: Desk, media: MediaRow, q: str) -> tuple[str | None, str | None]:
    """Links to the file before and after this one among all that the words are found in."""
    result = desk.catalogue.library.search(q, limit=_FILES_AROUND)
    best: dict[int, Hit] = {}
    for hit in result.hits:
        best.setdefault(hit.media.id, hit)
    order = list(best)
    if media.id not in order:
        return None, None
    place = order.index(media.id)

    def link(index: int) -> str | None:
        if not 0 <= index < len(order):
            return None
        hit = best[order[index]]
        moment = hit.moment.moment
        return desk.links.media(hit.media.public_id, t=moment.start_s, page=moment.page, q=q)

    return link(place - 1), link(place + 1)
