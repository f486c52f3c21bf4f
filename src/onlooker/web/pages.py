"""Templates and static files, loaded once."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

import onlooker
from onlooker.web import wording
from onlooker.web.present import segments

if TYPE_CHECKING:
    from onlooker.web.links import Links
    from onlooker.web.settings import WebSettings

_TYPES = {
    "onlooker.css": "text/css; charset=utf-8",
    "onlooker.js": "text/javascript; charset=utf-8",
    "viewer.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
# Below one packet, packing only costs time.
_PACK_FROM_BYTES = 1400


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file that comes with the package."""

    media_type: str
    plain: bytes
    packed: bytes
    version: str


def load_static() -> dict[str, StaticFile]:
    """Read the static files of the package, by name; no other name can be asked for."""
    loaded: dict[str, StaticFile] = {}
    for name, media_type in _TYPES.items():
        plain = files("onlooker.web").joinpath("static", name).read_bytes()
        loaded[name] = StaticFile(
            media_type=media_type,
            plain=plain,
            packed=gzip.compress(plain, mtime=0),
            version=hashlib.sha256(plain).hexdigest()[:12],
        )
    return loaded


def accepts_gzip(request: Request) -> bool:
    """Tell whether an answer may be packed."""
    accepted = request.headers.get("accept-encoding", "").lower()
    return any(
        part.split(";")[0].strip() == "gzip" and "q=0" not in part.replace(" ", "").split(";")[1:]
        for part in accepted.split(",")
    )


class Pages:
    """Draws pages from templates; everything is escaped unless a template is ours."""

    def __init__(self, links: Links, settings: WebSettings) -> None:
        self._environment = Environment(
            loader=PackageLoader("onlooker.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            clock=wording.clock,
            clock_words=wording.clock_words,
            size=wording.size_words,
            length=wording.length_words,
            number=wording.number,
            points=_points,
        )
        self._environment.globals.update(
            links=links,
            settings=settings,
            version=onlooker.__version__,
            kind_words=wording.KIND_WORDS,
            media_words=wording.MEDIA_WORDS,
            segments=segments,
        )

    def draw(
        self, request: Request, template: str, *, status: int = 200, **values: Any
    ) -> Response:
        """Return a page."""
        body = self._environment.get_template(template).render(**values).encode("utf-8")
        headers = {"cache-control": "private, no-cache", "vary": "Accept-Encoding"}
        if len(body) >= _PACK_FROM_BYTES and accepts_gzip(request):
            body = gzip.compress(body, compresslevel=5, mtime=0)
            headers["content-encoding"] = "gzip"
        return HTMLResponse(body, status_code=status, headers=headers)


def _points(polygon: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in polygon)
