"""Rows of the store → what pages and API show. The one place that decides what may be shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onlooker.library.store import MediaRow, MomentRow, PathRow, TaskRow
from onlooker.records import Moment, Polygon, View
from onlooker.web.catalogue import Catalogue, path_words, view_of
from onlooker.web.links import Links
from onlooker.web.replies import (
    HitReply,
    MediumDetailReply,
    MediumReply,
    MomentReply,
    PictureReply,
    ProblemReply,
    SnippetReply,
    StageReply,
    ViewReply,
)
from onlooker.web.settings import WebSettings
from onlooker.web.wording import iso, plain_name, printable, without_paths

if TYPE_CHECKING:
    from onlooker.library.search import Hit


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a snippet, marked or not."""

    text: str
    marked: bool


class Presenter:
    """Turns rows into replies, under one base path and one rule on what is secret."""

    def __init__(self, catalogue: Catalogue, links: Links, settings: WebSettings) -> None:
        self._catalogue = catalogue
        self._links = links
        self._settings = settings

    # -- names -------------------------------------------------------------------------------------

    def title(self, media: MediaRow) -> str:
        """What to call a medium: the title given by people, else the file's name, no folders."""
        given = printable(media.facts.description.title).strip()
        # "TCP/IP" is a title; "/home/ann/x" is a path that some program took for one.
        if given and not re.match(r"[/\\~]|[A-Za-z]:[/\\]|file:", given):
            return given
        return plain_name(given or media.title) or "untitled"

    def reason(self, text: str, paths: Sequence[PathRow] = ()) -> str:
        """A reason of the machine's, without paths where they are secret."""
        if not self._settings.read_only or not re.search(r"[/\\]", text):
            return printable(text)
        known = tuple(row.path for row in paths)
        roots = tuple(root.path for root in self._catalogue.roots())
        return printable(without_paths(text, (*known, *roots, self._catalogue.library.folder)))

    def _moment_text(self, moment: Moment) -> tuple[str, int]:
        """The text to show, and how many characters were taken off its front."""
        if moment.kind == "name" and self._settings.read_only:
            cut = max(moment.text.rfind("/"), moment.text.rfind("\\")) + 1
            return printable(moment.text[cut:]), cut
        return printable(moment.text), 0

    # -- moments -----------------------------------------------------------------------------------

    def moment(self, row: MomentRow) -> MomentReply:
        """A moment."""
        return MomentReply.model_validate(self._moment_fields(row))

    def _moment_fields(self, row: MomentRow) -> dict[str, object]:
        moment = row.moment
        by = (
            "person"
            if row.producer.startswith("person")
            else ("file" if row.producer.startswith("media.") else "machine")
        )
        return {
            "kind": moment.kind,
            "text": self._moment_text(moment)[0],
            "start_s": moment.start_s,
            "end_s": moment.end_s,
            "page": moment.page,
            "view": moment.view,
            "polygons": rounded(moment.polygons),
            "confidence": moment.confidence,
            "field": moment.field,
            "by": by,
        }

    def hit(self, hit: Hit, q: str) -> HitReply:
        """A hit, with its picture and the polygons of the matching words."""
        media, moment = hit.media, hit.moment.moment
        view = view_of(self._catalogue.views(media), moment)
        picture = None
        if view is not None and self._catalogue.has_thumbnail(media, view.index):
            picture = self._picture(media, view)
        text, marks = printable(hit.snippet.text), list(hit.snippet.marks)
        if moment.kind == "name" and self._settings.read_only:
            cut = max(text.rfind("/"), text.rfind("\\")) + 1
            text = text[cut:]
            marks = [(max(0, a - cut), b - cut) for a, b in marks if b > cut]
        fields = self._moment_fields(hit.moment)
        if fields["view"] is None and view is not None:
            fields["view"] = view.index
        marked = [text[a:b] for a, b in marks]
        return HitReply.model_validate(
            {
                **fields,
                "media_id": media.public_id,
                "title": self.title(media),
                "media_kind": media.kind,
                "url": self._links.media(media.public_id, t=moment.start_s, page=moment.page, q=q),
                "picture": picture,
                "marked": rounded(marked_polygons(moment, marked)),
                "snippet": SnippetReply(text=text, marks=marks),
                "score": hit.score,
                "match": str(hit.match),
                "why": self.reason(hit.why, media.paths),
            }
        )

    def _picture(self, media: MediaRow, view: View) -> PictureReply:
        return PictureReply(
            url=self.thumbnail_url(media, view.index), width=view.width, height=view.height
        )

    def thumbnail_url(self, media: MediaRow, index: int) -> str:
        """Address of a thumbnail."""
        return self._links.part(media.public_id, f"thumb/{index}")

    # -- media -------------------------------------------------------------------------------------

    def _medium_fields(self, media: MediaRow) -> dict[str, object]:
        said = media.facts.description
        first = 0 if media.views and self._catalogue.has_thumbnail(media, 0) else None
        return {
            "id": media.public_id,
            "kind": media.kind,
            "title": self.title(media),
            "url": self._links.media(media.public_id),
            "thumbnail": None if first is None else self.thumbnail_url(media, first),
            "when": iso(media.when),
            "duration_s": media.facts.duration_s,
            "pages": media.facts.pages,
            "width": media.facts.width,
            "height": media.facts.height,
            "size_bytes": media.size_bytes,
            "views": media.views,
            "creators": [printable(name) for name in said.creators],
            "series": printable(said.series),
            "language": printable(said.language),
            "stages": [
                StageReply(
                    stage=task.stage,
                    state=task.state,
                    reason=self.reason(task.reason, media.paths),
                )
                for task in media.tasks
            ],
        }

    def medium(self, media: MediaRow) -> MediumReply:
        """A medium, as listed."""
        return MediumReply.model_validate(self._medium_fields(media))

    def medium_detail(self, media: MediaRow) -> MediumDetailReply:
        """A medium with everything that is known about it."""
        facts, said = media.facts, media.facts.description
        file = self._catalogue.file(media)
        secret = self._settings.read_only
        return MediumDetailReply.model_validate(
            {
                **self._medium_fields(media),
                "description": printable_lines(said.description),
                "keywords": [printable(word) for word in said.keywords],
                "rights": printable(said.rights),
                "date": printable(said.date),
                "container": facts.container,
                "video_codec": facts.video_codec,
                "audio_codec": facts.audio_codec,
                "latitude": facts.latitude,
                "longitude": facts.longitude,
                "file_state": file.state,
                "file_note": file.note,
                "file_url": None
                if file.path is None
                else self._links.part(media.public_id, "file"),
                "paths": None if secret else [path_words(row) for row in media.paths],
            }
        )

    def view(self, media: MediaRow, view: View) -> ViewReply:
        """A view."""
        has = self._catalogue.has_thumbnail(media, view.index)
        return ViewReply(
            index=view.index,
            kind=view.kind,
            width=view.width,
            height=view.height,
            start_s=view.start_s,
            end_s=view.end_s,
            page=view.page,
            thumbnail=self.thumbnail_url(media, view.index) if has else None,
        )

    # -- problems ----------------------------------------------------------------------------------

    def problem(self, row: PathRow | MediaRow, task: TaskRow | None) -> ProblemReply:
        """Something that failed or was skipped."""
        secret = self._settings.read_only
        if isinstance(row, PathRow):
            return ProblemReply(
                title=printable(row.path.name),
                state=row.state,
                reason=self.reason(row.reason, (row,)),
                path=None if secret else path_words(row),
            )
        path = path_words(row.paths[0]) if row.paths else None
        return ProblemReply(
            title=self.title(row),
            media_id=row.public_id,
            url=self._links.media(row.public_id),
            kind=row.kind,
            stage=task.stage if task else None,
            state=task.state if task else "failed",
            reason=self.reason(task.reason if task else "", row.paths),
            path=None if secret else path,
        )


def segments(text: str, marks: Sequence[tuple[int, int]]) -> list[Segment]:
    """Cut a text at its marks, which may touch or overlap."""
    pieces: list[Segment] = []
    at = 0
    for start, end in sorted(marks):
        start, end = max(at, start), min(end, len(text))
        if end <= start:
            continue
        if start > at:
            pieces.append(Segment(text[at:start], False))
        pieces.append(Segment(text[start:end], True))
        at = end
    if at < len(text):
        pieces.append(Segment(text[at:], False))
    return pieces


def rounded(polygons: Sequence[Polygon]) -> list[list[tuple[float, float]]]:
    """Round to a tenth of a pixel: enough to draw, half the bytes."""
    return [[(round(x, 1), round(y, 1)) for x, y in polygon] for polygon in polygons]


def _plain(text: str) -> str:
    spread = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in spread if c.isalnum())


def marked_polygons(moment: Moment, marked: Sequence[str]) -> tuple[Polygon, ...]:
    """Return the polygons of the words that a snippet marks.

    Args:
        moment: The moment; its polygons stand for its words, in order.
        marked: The marked stretches of its snippet.

    Returns:
        All polygons where words and polygons can't be matched.
    """
    words = moment.text.split()
    wanted = {_plain(part) for stretch in marked for part in re.split(r"\s+", stretch)} - {""}
    if not wanted or len(words) != len(moment.polygons):
        return moment.polygons
    found = tuple(
        polygon
        for word, polygon in zip(words, moment.polygons, strict=True)
        if any(part in _plain(word) for part in wanted)
    )
    return found or moment.polygons


def printable_lines(text: str) -> str:
    """Return text that can be sent, with its line breaks."""
    return "\n".join(printable(line) for line in text.splitlines())
