"""The search page: one box, hits as cards grouped by file; without words, the library itself."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request, Response

from onlooker.errors import QueryError
from onlooker.records import EVIDENCE_KINDS, MEDIA_KINDS
from onlooker.web.asking import Asked, read_asked
from onlooker.web.desk import Desk
from onlooker.web.replies import HitReply, MediumReply
from onlooker.web.wording import day, not_looked_at

if TYPE_CHECKING:
    from onlooker.library.search import Hit

HITS_A_PAGE = 60
# A lecture with the word on every slide must not push all others off the page.
_HITS_A_FILE = 6
_MEDIA_A_PAGE = 48


@dataclass(frozen=True, slots=True)
class FileHits:
    """The hits in one file, best first; ``more`` of them are not shown here."""

    medium: MediumReply
    day: str
    hits: list[HitReply]
    more: int


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring cards of one shape: ``panel`` one file with its hits, ``tiles`` single hits."""

    shape: Literal["panel", "tiles"]
    files: list[FileHits]


def routes(desk: Desk) -> APIRouter:
    """Return the routes of the search page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def search_page(request: Request) -> Response:
        asked = read_asked(request.query_params, read_only=desk.settings.read_only)
        if asked.q:
            return _hits_page(desk, request, asked)
        return _browse_page(desk, request, asked)

    return router


def _context(desk: Desk, asked: Asked) -> dict[str, object]:
    counts = desk.catalogue.counts()
    roots = [] if desk.settings.read_only else [str(root.path) for root in desk.catalogue.roots()]
    return {
        "asked": asked,
        "counts": counts,
        "total_media": sum(counts.media.values()),
        "waiting": not_looked_at(counts),
        "roots": roots,
        "evidence_kinds": EVIDENCE_KINDS,
        "media_kinds": MEDIA_KINDS,
    }


def _hits_page(desk: Desk, request: Request, asked: Asked) -> Response:
    problems = list(asked.problems)
    blocks: list[Block] = []
    result = None
    shown = files = 0
    try:
        result = desk.catalogue.library.search(
            asked.q, filters=asked.filters, limit=HITS_A_PAGE, offset=asked.offset
        )
    except QueryError as error:
        problems.append(desk.presenter.reason(str(error)))
    if result is not None:
        found = _by_file(desk, asked, result.hits)
        blocks = list(_blocks(found))
        shown, files = len(result.hits), len(found)
    context = _context(desk, asked)
    return desk.pages.draw(
        request,
        "search.html",
        status=400 if problems else 200,
        **context,
        problems=problems,
        result=result,
        blocks=blocks,
        shown=shown,
        files=files,
        earlier=max(0, asked.offset - HITS_A_PAGE) if asked.offset else None,
        later=asked.offset + HITS_A_PAGE if shown == HITS_A_PAGE else None,
        command=None if desk.settings.read_only else _command(asked),
    )


def _by_file(desk: Desk, asked: Asked, hits: Sequence[Hit]) -> list[FileHits]:
    grouped: dict[int, list[Hit]] = {}
    for hit in hits:
        grouped.setdefault(hit.media.id, []).append(hit)
    found: list[FileHits] = []
    for group in grouped.values():
        media = group[0].media
        found.append(
            FileHits(
                medium=desk.presenter.medium(media),
                day=day(media.when),
                hits=[desk.presenter.hit(hit, asked.q) for hit in group[:_HITS_A_FILE]],
                more=max(0, len(group) - _HITS_A_FILE),
            )
        )
    return found


def _blocks(found: list[FileHits]) -> list[Block]:
    """Put neighbouring files with a single hit side by side, as tiles."""
    blocks: list[Block] = []
    for single, run in groupby(found, key=lambda file: len(file.hits) == 1):
        files = list(run)
        if single and len(files) > 1:
            blocks.append(Block("tiles", files))
        else:
            blocks += [Block("panel", [file]) for file in files]
    return blocks


def _command(asked: Asked) -> str:
    words = ["onlooker", "search", asked.q]
    for kind in asked.kinds:
        words += ["--kind", kind]
    for option, value in (
        ("--in", asked.under),
        ("--since", asked.since),
        ("--by", asked.by),
        ("--series", asked.series),
        ("--lang", asked.lang),
    ):
        if value:
            words += [option, value]
    return shlex.join(words)


def _browse_page(desk: Desk, request: Request, asked: Asked) -> Response:
    rows = desk.catalogue.store.list_media(
        asked.filters, order="added", limit=_MEDIA_A_PAGE + 1, offset=asked.offset
    )
    media = [(desk.presenter.medium(row), day(row.when)) for row in rows[:_MEDIA_A_PAGE]]
    return desk.pages.draw(
        request,
        "start.html",
        status=400 if asked.problems else 200,
        **_context(desk, asked),
        problems=asked.problems,
        media=media,
        earlier=max(0, asked.offset - _MEDIA_A_PAGE) if asked.offset else None,
        later=asked.offset + _MEDIA_A_PAGE if len(rows) > _MEDIA_A_PAGE else None,
    )
