"""``onlooker info``: versions, networks and where things are."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import sqlite3
import textwrap
from pathlib import Path
from typing import Any

import click

from onlooker import __version__
from onlooker.cli.options import json_option, library_option
from onlooker.cli.show import path_text, size

_PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless", "av", "pillow", "pypdfium2")
_EXTRAS = {"heic": "pillow_heif", "speech": "faster_whisper", "train": "torch"}


@click.command("info", short_help="Show versions, networks and where things are.")
@library_option
@json_option
def command(folder: Path | None, as_json: bool) -> None:
    """Show versions, kernels, networks with their hashes, extras, and the library."""
    values = _collect(folder)
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False, indent=2))
        return
    for title, block in values.items():
        if isinstance(block, dict):
            click.echo(click.style(title, bold=True))
            for key, value in block.items():
                shown = (
                    ", ".join(f"{k} {v}" for k, v in value.items())
                    if isinstance(value, dict)
                    else value
                )
                for line in textwrap.wrap(
                    f"  {key:<26} {shown}",
                    80,
                    subsequent_indent=" " * 29,
                    break_long_words=False,
                    break_on_hyphens=False,
                ):
                    click.echo(line)
        else:
            click.echo(f"{click.style(title, bold=True)} {block}")


def _collect(folder: Path | None) -> dict[str, Any]:
    from onlooker import hub
    from onlooker.classification.weights import WEIGHTS as CLASSIFICATION
    from onlooker.library.library import Library, default_folder
    from onlooker.runtime import threads
    from onlooker.speech import Transcriber
    from onlooker.text.detection.weights import WEIGHTS as DETECTION
    from onlooker.text.recognition.weights import WEIGHTS as RECOGNITION

    networks = {}
    for weights in [*DETECTION.values(), *RECOGNITION.values(), *CLASSIFICATION.values()]:
        path = hub.PACKAGE_WEIGHTS / weights.file
        state = "missing"
        if path.is_file():
            state = "sound" if hub.sha256_of(path) == weights.sha256 else "DAMAGED"
            state += f", {size(path.stat().st_size)}"
        networks[weights.name] = f"{weights.sha256[:16]}… {state}"
    deaf = Transcriber.available()
    where = (folder or default_folder()).expanduser()
    library: dict[str, Any] = {"folder": path_text(where)}
    if (where / "library.sqlite3").exists():
        with Library.open(where, create=False, read_only=True) as opened:
            counts = opened.store.counts()
            library |= {
                "media": counts.media,
                "moments": counts.moments,
                "size on disk": size(counts.disk_bytes),
            }
    else:
        library["state"] = "none yet; make one with  onlooker add PATH"
    return {
        "onlooker": __version__,
        "system": {
            "python": platform.python_version(),
            "platform": platform.platform(terse=True),
            "threads": threads(),
            "sqlite": sqlite3.sqlite_version,
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        "networks": networks,
        "kernels": {
            "float and 8-bit networks": "ONNX Runtime, CPU",
            "one-bit networks": _one_bit_kernels(),
        },
        "extras": {
            name: "installed" if importlib.util.find_spec(module) else
            f"not installed (pip install 'onlooker[{name}]')"
            for name, module in _EXTRAS.items()
        } | {"speech engine": deaf or "ready"},
        "library": library,
    }  # fmt: skip


def _one_bit_kernels() -> str:
    from onlooker.binary import native
    from onlooker.errors import ConfigError

    try:
        name = native.kernels_chosen()
    except ConfigError as error:
        return str(error)
    why = native.why_absent()
    return f"{name}, slowly: {why}" if why else name
