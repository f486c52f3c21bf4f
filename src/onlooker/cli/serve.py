"""``onlooker serve``: the web page."""

from __future__ import annotations

from pathlib import Path

import click

from onlooker.cli.options import library_option
from onlooker.errors import StoreError


@click.command("serve", short_help="Open the web page on this machine.")
@library_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8420, show_default=True, type=click.IntRange(0, 65535))
@click.option("--read-only", is_flag=True, help="Nothing can be changed, no path is shown.")
@click.option(
    "--allow-host", multiple=True, metavar="NAME", help="Answer to this name, too; repeatable."
)
@click.option("--base-path", default="", metavar="/PATH", help="Prefix behind a reverse proxy.")
@click.option(
    "--cache-mb", default=2000, show_default=True, type=click.IntRange(min=10),
    help="Room for converted videos.",
)  # fmt: skip
@click.option("--open", "open_browser", is_flag=True, help="Open the browser, too.")
def command(
    folder: Path | None,
    host: str,
    port: int,
    read_only: bool,
    allow_host: tuple[str, ...],
    base_path: str,
    cache_mb: int,
    open_browser: bool,
) -> None:
    """Open the library as a web page, on this machine only unless --host says otherwise.

    Behind a reverse proxy: --read-only --allow-host find.example.org --base-path /find
    """
    from onlooker.library.library import Library
    from onlooker.web.app import WebSettings, serve

    with Library.open(folder, create=False, read_only=True) as library:
        library_folder = library.folder
    settings = WebSettings(
        read_only=read_only,
        allowed_hosts=allow_host,
        base_path=base_path,
        cache_mb=cache_mb,
    )
    try:
        serve(library_folder, settings, host=host, port=port, open_browser=open_browser)
    except OSError as error:
        raise StoreError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port"
        ) from error
