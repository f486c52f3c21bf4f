"""Write the library for other tools: JSON, CSV, WebVTT.

Everything is written in a stable order and without times of indexing, so that two libraries with
the same content export the same bytes.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any, TextIO

from onlooker.library.store import Filters, MediaRow, Store
from onlooker.records import EVIDENCE_KINDS, EvidenceKind, MediaFacts, Moment, View

FORMAT_VERSION = 1
CSV_COLUMNS = (
    "media", "kind", "title", "path", "evidence", "field", "start_s", "end_s", "page", "text",
    "confidence",
)  # fmt: skip
# A spreadsheet runs a cell that begins so as a formula; a leading apostrophe makes it text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def text_of_path(row: MediaRow) -> list[str]:
    """Return the paths of a medium, bytes that are no UTF-8 as escapes."""
    return sorted(
        str(path.path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        for path in row.paths
    )


def facts_json(facts: MediaFacts) -> dict[str, Any]:
    """Return measured facts and what people said as plain values, without what is empty."""
    said = facts.description
    values: dict[str, Any] = {
        "width": facts.width,
        "height": facts.height,
        "duration_s": facts.duration_s,
        "pages": facts.pages,
        "captured_at": facts.captured_at,
        "latitude": facts.latitude,
        "longitude": facts.longitude,
        "container": facts.container,
        "video_codec": facts.video_codec,
        "audio_codec": facts.audio_codec,
        "description": said.description,
        "creators": list(said.creators),
        "keywords": list(said.keywords),
        "series": said.series,
        "language": said.language,
        "rights": said.rights,
        "date": said.date,
    }
    return {key: value for key, value in values.items() if value not in (None, "", [], 0)}


def moment_json(moment: Moment) -> dict[str, Any]:
    """Return a moment as plain values."""
    values: dict[str, Any] = {"kind": moment.kind, "text": moment.text}
    if moment.field:
        values["field"] = moment.field
    if moment.start_s is not None:
        values["start_s"] = round(moment.start_s, 3)
        values["end_s"] = round(moment.end_s if moment.end_s is not None else moment.start_s, 3)
    if moment.page is not None:
        values["page"] = moment.page
    if moment.view is not None:
        values["view"] = moment.view
    if moment.polygons:
        values["polygons"] = [
            [[round(x, 1), round(y, 1)] for x, y in polygon] for polygon in moment.polygons
        ]
    values["confidence"] = round(moment.confidence, 3)
    return values


def media_json(row: MediaRow) -> dict[str, Any]:
    """Return a medium as plain values."""
    return {
        "id": row.public_id,
        "kind": row.kind,
        "title": row.title,
        "paths": text_of_path(row),
        "size_bytes": row.size_bytes,
        **facts_json(row.facts),
        "stages": {
            task.stage: {"state": task.state, **({"reason": task.reason} if task.reason else {})}
            for task in row.tasks
        },
    }


def _view_json(view: View) -> dict[str, Any]:
    values: dict[str, Any] = {
        "index": view.index, "kind": view.kind, "width": view.width, "height": view.height,
        "start_s": view.start_s, "end_s": view.end_s, "best_s": view.best_s, "page": view.page,
    }  # fmt: skip
    return {
        key: round(value, 3) if isinstance(value, float) else value
        for key, value in values.items()
        if value is not None
    }


def _media(store: Store, filters: Filters) -> list[MediaRow]:
    return sorted(store.list_media(filters), key=lambda row: (text_of_path(row), row.content_hash))


def _moments(store: Store, row: MediaRow, kinds: tuple[EvidenceKind, ...]) -> list[Moment]:
    moments = [stored.moment for stored in store.moments(row.id, kinds)]
    return sorted(
        moments,
        key=lambda m: (
            m.start_s if m.start_s is not None else -1.0,
            m.page or 0,
            EVIDENCE_KINDS.index(m.kind),
            m.view or 0,
            min((y for polygon in m.polygons for _, y in polygon), default=0.0),
            m.field,
            m.text,
        ),
    )


def write_json(store: Store, out: TextIO, filters: Filters) -> int:
    """Write all media with views and moments as one JSON object; return how many media."""
    rows = _media(store, filters)
    out.write(f'{{"format": "onlooker-library", "version": {FORMAT_VERSION}, "media": [')
    for number, row in enumerate(rows):
        values = {
            **media_json(row),
            "content_hash": row.content_hash,
            "views": [_view_json(view) for view in store.views(row.id)],
            "moments": [moment_json(m) for m in _moments(store, row, filters.kinds)],
        }
        out.write(("," if number else "") + "\n" + json.dumps(values, ensure_ascii=False))
    out.write("\n]}\n")
    return len(rows)


def write_csv(store: Store, out: TextIO, filters: Filters) -> int:
    """Write a row a moment (`CSV_COLUMNS`); return how many rows."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    count = 0
    for row in _media(store, filters):
        path = next(iter(text_of_path(row)), "")
        for moment in _moments(store, row, filters.kinds):
            cells: tuple[Any, ...] = (
                row.public_id, row.kind, row.title, path, moment.kind, moment.field,
                "" if moment.start_s is None else f"{moment.start_s:.3f}",
                "" if moment.end_s is None else f"{moment.end_s:.3f}",
                moment.page or "", moment.text, f"{moment.confidence:.3f}",
            )  # fmt: skip
            writer.writerow([_cell(cell) for cell in cells])
            count += 1
    return count


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def write_vtt(store: Store, out: TextIO, row: MediaRow, kinds: tuple[EvidenceKind, ...]) -> int:
    """Write on-screen text and transcript of a recording as WebVTT; return how many cues.

    What is said is in the voice ``speech``, what is seen in the voice ``screen``, so that a player
    can tell them apart. Lines that appear together are one cue.

    References:
        WebVTT, W3C Candidate Recommendation, 4 April 2019.
    """
    out.write("WEBVTT\n")
    count = 0
    for kind, start_s, end_s, texts in _cues(_moments(store, row, kinds or ("screen", "speech"))):
        if end_s <= start_s:
            continue  # the format forbids empty cues
        out.write(f"\n{vtt_time(start_s)} --> {vtt_time(end_s)}\n")
        voice = f"<v {kind}>"
        out.write("\n".join(voice + vtt_text(text) for text in texts) + "\n")
        count += 1
    return count


def _cues(moments: list[Moment]) -> Iterator[tuple[str, float, float, list[str]]]:
    cues: dict[tuple[float, float, str], list[str]] = {}
    for moment in moments:
        if moment.start_s is not None and moment.end_s is not None:
            cues.setdefault((moment.start_s, moment.end_s, moment.kind), []).append(moment.text)
    for (start_s, end_s, kind), texts in sorted(cues.items(), key=lambda item: item[0]):
        yield kind, start_s, end_s, texts


def vtt_time(time_s: float) -> str:
    """Return a time as WebVTT writes it: ``00:01:02.500``."""
    whole, milliseconds = divmod(round(max(0.0, time_s) * 1000), 1000)
    minutes, secs = divmod(whole, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{secs:02}.{milliseconds:03}"


def vtt_text(text: str) -> str:
    """Return text as a line of a WebVTT cue."""
    one_line = " ".join(text.split())
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
