"""Puts the server together and runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse

import onlooker
from onlooker.errors import ConfigError, MediaError, OnlookerError, StoreError
from onlooker.web import api, parts
from onlooker.web.cache import CacheFolder
from onlooker.web.catalogue import Catalogue
from onlooker.web.desk import Desk
from onlooker.web.guard import Guard
from onlooker.web.links import Links
from onlooker.web.pages import Pages, StaticFile, accepts_gzip, load_static
from onlooker.web.pictures import Pictures
from onlooker.web.playback import Playback
from onlooker.web.present import Presenter
from onlooker.web.replies import ErrorReply
from onlooker.web.settings import WebSettings
from onlooker.web.views import media, search, status

if TYPE_CHECKING:
    from onlooker.web.catalogue import LibraryFace

__all__ = ["WebSettings", "create_app", "serve"]

_HEADINGS = {
    400: "That can’t be understood",
    404: "Not here",
    405: "Not possible",
    409: "Not now",
    422: "That can’t be understood",
    503: "Not now",
}


def create_app(
    library_folder: Path,
    settings: WebSettings | None = None,
    *,
    library: LibraryFace | None = None,
) -> FastAPI:
    """Make the server of a library.

    Args:
        library_folder: The library's folder.
        settings: What can be set.
        library: An open library; None: the one in the folder is opened, and closed with the
            server.

    Raises:
        StoreError: There is no library, or it is corrupt, or made by a newer version.
    """
    settings = settings or WebSettings()
    if library is None:
        from onlooker.library.library import Library

        library = Library.open(library_folder, create=False, read_only=settings.read_only)
    static = load_static()
    links = Links(settings.base_path, {name: file.version for name, file in static.items()})
    catalogue = Catalogue(library)
    desk = Desk(
        catalogue=catalogue,
        presenter=Presenter(catalogue, links, settings),
        links=links,
        pages=Pages(links, settings),
        pictures=Pictures(),
        playback=Playback(
            catalogue, settings, CacheFolder(library_folder, settings.cache_mb * 1_000_000)
        ),
        settings=settings,
    )

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        yield
        desk.playback.close()
        library.close()

    app = FastAPI(
        title="Onlooker",
        version=onlooker.__version__,
        summary="Every moment of a library of media, searchable.",
        openapi_url="/api/openapi.json",
        # FastAPI's own pages load scripts from elsewhere; /api is drawn here instead.
        docs_url=None,
        redoc_url=None,
        servers=[{"url": settings.base_path or "/"}],
        lifespan=life,
        redirect_slashes=False,
        default_response_class=JSONResponse,
        responses={
            400: {"model": ErrorReply, "description": "No proper Host header, or no query."},
            414: {"model": ErrorReply, "description": "The address is too long."},
            421: {"model": ErrorReply, "description": "Not a name of this server."},
            431: {"model": ErrorReply, "description": "The headers are too large."},
        },
    )
    app.state.desk = desk
    app.include_router(search.routes(desk))
    app.include_router(media.routes(desk))
    app.include_router(status.routes(desk))
    shared = parts.routes(desk)
    app.include_router(shared, prefix="/m", include_in_schema=False)
    app.include_router(shared, prefix="/api/media")
    app.include_router(api.routes(desk), prefix="/api")
    _serve_static(app, static)
    on_defect = _answer_errors(app, desk)
    app.add_middleware(Guard, settings=settings, on_defect=on_defect)
    return app


def _serve_static(app: FastAPI, static: dict[str, StaticFile]) -> None:
    @app.get("/static/{name}", include_in_schema=False)
    def static_file(request: Request, name: str) -> Response:
        file = static.get(name)
        if file is None:
            raise HTTPException(404, "There is no such file.")
        headers = {"vary": "Accept-Encoding", "etag": f'"{file.version}"'}
        current = request.query_params.get("v") == file.version
        headers["cache-control"] = "public, max-age=31536000, immutable" if current else "no-cache"
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        body = file.plain
        if accepts_gzip(request):
            headers["content-encoding"] = "gzip"
            body = file.packed
        return Response(body, media_type=file.media_type, headers=headers)

    @app.get("/favicon.ico", include_in_schema=False)
    def favicon(request: Request) -> Response:
        return RedirectResponse(request.app.state.desk.links.static("icon.svg"), status_code=308)

    @app.get("/robots.txt", include_in_schema=False)
    def robots() -> Response:
        return Response("User-agent: *\nDisallow: /\n", media_type="text/plain")


def _answer_errors(app: FastAPI, desk: Desk) -> Callable[[Request], Response]:
    """Give every error a page or JSON; return what answers a defect."""

    def answer(
        request: Request, status_code: int, message: str, headers: dict[str, str] | None = None
    ) -> Response:
        path = request.scope["path"]
        # Only pages get a page; a picture or a piece of video that fails gets a line.
        is_page = not path.startswith("/api") and "text/html" in request.headers.get("accept", "")
        if is_page:
            return desk.pages.draw(
                request,
                "error.html",
                status=status_code,
                heading=_HEADINGS.get(status_code, "Something went wrong"),
                message=message,
                status_code=status_code,
            )
        return JSONResponse(
            {"error": message, "status": status_code}, status_code=status_code, headers=headers
        )

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        message = str(error.detail)
        if error.status_code == 404 and message == "Not Found":
            message = "There is nothing under this address."
        headers = dict(error.headers) if error.headers else None
        return answer(request, error.status_code, message, headers)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        said = []
        for fault in error.errors():
            place = ".".join(str(part) for part in fault["loc"][1:]) or "request"
            said.append(f"{place}: {fault['msg']}")
        return answer(request, 422, "; ".join(said))

    @app.exception_handler(OnlookerError)
    async def on_known(request: Request, error: OnlookerError) -> Response:
        kinds = {MediaError: 422, StoreError: 503}
        status_code = next((code for kind, code in kinds.items() if isinstance(error, kind)), 400)
        return answer(request, status_code, desk.presenter.reason(str(error)))

    def on_defect(request: Request) -> Response:
        return answer(request, 500, "This is a defect of Onlooker; the server’s log tells more.")

    return on_defect


def serve(
    library_folder: Path,
    settings: WebSettings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8420,
    open_browser: bool = False,
) -> None:
    """Serve a library until the process is stopped.

    Args:
        library_folder: The library's folder.
        settings: What can be set.
        host: Address to listen on. Other names than those of the own machine have to be in
            ``settings.allowed_hosts``.
        port: Port to listen on; 0: any that is free.
        open_browser: Show the page in the user's browser.

    Raises:
        ConfigError: The address is not usable.
        StoreError: There is no library, or it can't be opened.
    """
    import socket

    import uvicorn

    settings = settings or WebSettings()
    app = create_app(library_folder, settings)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(
            f"cannot listen on {host} port {port}: {reason}; choose another with --port"
        ) from error
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}{settings.base_path}/"
    print(f"Onlooker is at {address}  (Ctrl-C stops it)", flush=True)
    if open_browser:
        import threading
        import webbrowser

        threading.Timer(0.5, webbrowser.open, (address,)).start()
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
        limit_concurrency=256,  # beyond it 503 at once, before memory is short
        # Beyond this, uvicorn itself closes the connection; the guard answers before.
        h11_max_incomplete_event_size=65_536,
    )
    with listener:
        uvicorn.Server(config).run(sockets=[listener])
