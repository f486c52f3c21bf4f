"""``onlooker synth``: generate pictures and clips of text, with their labels.

Loads the synthesis by name from a literal table: with ``train.py``, the only place where the
command line reaches over the wall between using and training.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from onlooker.cli.options import PathType, json_option
from onlooker.cli.show import plain

_SPECIFICATION = "onlooker.text.synthesis.specification"
# what is asked for: the module that makes it
MAKERS = {
    "words": "onlooker.text.synthesis.files",
    "lines": "onlooker.text.synthesis.files",
    "scenes": "onlooker.text.synthesis.files",
    "video": "onlooker.text.synthesis.video",
    "gallery": "onlooker.text.synthesis.gallery",
    "effects": _SPECIFICATION,
}
# Without a bar, a line now and then: often enough to see that it goes on.
_TELL_EVERY_S = 30.0
# A minute of generated video takes about half a minute to draw; evaluation needs 60 clips.
_COUNT = {"video": 60}
_COUNT_ELSE = 1000
# More refusals than this are counted, not listed; --json lists all.
_MOST_LISTED = 8


@click.command("synth", short_help="Generate pictures of text to train on.")
@click.argument("product", type=click.Choice(list(MAKERS)))
@click.argument("out", type=PathType(), required=False)
@click.option("--fonts", type=PathType(), help="Folder of fonts (recipes/text.synthesis).")
@click.option("--backgrounds", type=PathType(), help="Folder of photos without text.")
@click.option("--words", "text", type=PathType(), help="Own words, one a line of a text file.")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    help=f"How many.  [default: {_COUNT_ELSE}; {_COUNT['video']} clips]",
)
@click.option("--seed", type=click.IntRange(min=0), help="Of all chance.  [default: 0]")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--spec", "path", type=PathType(), help="A specification (TOML).")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="As: words.lines=0.3")
@click.option("--without", multiple=True, metavar="EFFECT", help="Leave out an effect or a group.")
@click.option("--masks", is_flag=True, help="Write the ink of each picture, too.")
@click.option("--shards", is_flag=True, help="Write shards for training the recogniser.")
@json_option
def command(
    product: str,
    out: Path | None,
    fonts: Path | None,
    backgrounds: Path | None,
    text: Path | None,
    count: int | None,
    seed: int | None,
    workers: int,
    path: Path | None,
    overrides: tuple[str, ...],
    without: tuple[str, ...],
    masks: bool,
    shards: bool,
    as_json: bool,
) -> None:
    """Generate PRODUCT into the folder OUT.

    PRODUCT is one of: words, lines (crops); scenes (pictures with many texts); video (clips);
    gallery (a page that shows all of it); effects (list what can be left out).

    The same seed gives the same pictures, however many workers draw them. A run that was stopped
    goes on when the same command is given again; of clips, it begins anew.
    """
    specifications = importlib.import_module(_SPECIFICATION)
    if product == "effects":
        _list_effects(specifications, as_json=as_json)
        return
    if out is None:
        raise click.UsageError(f"say where to: onlooker synth {product} OUT")
    named: dict[str, Any] = {"fonts": fonts, "backgrounds": backgrounds, "text": text}
    given = [f"{key}={json.dumps(str(value))}" for key, value in named.items() if value]
    given += [f"seed={seed}"] if seed is not None else []
    names = [name.strip() for names in without for name in names.split(",") if name.strip()]
    specification = specifications.load_specification(path, [*overrides, *given], names)
    maker = importlib.import_module(MAKERS[product])
    if product == "gallery":
        page = maker.write_gallery(specification, out)
        click.echo(json.dumps({"page": str(page)}) if as_json else f"{page}")
        return
    if product == "video" and (masks or shards or text or workers > 1 or names):
        raise click.UsageError(
            "video knows neither --masks, --shards, --words, --workers nor --without"
        )
    count = count or _COUNT.get(product, _COUNT_ELSE)
    with _Progress(f"drawing {product}", quiet=as_json) as progress:
        if product == "video":
            values = maker.write_video(specification, out, count, progress.tell)
        else:
            config = maker.WriteConfig(
                product=product, out=out, count=count, workers=workers, masks=masks, shards=shards
            )
            values = maker.write(specification, config, progress.tell).to_dict()
    if as_json:
        values = {"product": product, "out": str(out), "seed": specification.seed, **values}
        click.echo(json.dumps(values, ensure_ascii=False))
    else:
        _print_summary(product, out, values)


class _Progress:
    """A bar for people, a line now and then where there is no terminal."""

    def __init__(self, title: str, *, quiet: bool) -> None:
        self._title = title
        self._quiet = quiet
        self._bar: Any = None
        self._task: Any = None
        self._told = time.monotonic()

    def __enter__(self) -> _Progress:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

            self._bar = Progress(
                "{task.description}",
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeRemainingColumn(compact=True),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(self._title, total=None)
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, done: int, total: int) -> None:
        """Show how many pictures are done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif not self._quiet and time.monotonic() - self._told > _TELL_EVERY_S:
            self._told = time.monotonic()
            click.echo(f"{self._title}: {done}/{total}", err=True)


def _print_summary(product: str, out: Path, values: dict[str, Any]) -> None:
    listed = [("font", *pair) for pair in values.get("broken_fonts", [])]
    listed += [("word", *pair) for pair in values.get("refused_words", [])]
    for what, name, reason in listed[:_MOST_LISTED]:
        click.echo(f"left out: {what} {plain(name)}: {plain(reason)}", err=True)
    if len(listed) > _MOST_LISTED:
        click.echo(f"left out: {len(listed) - _MOST_LISTED} more (--json lists all)", err=True)
    seconds = values["seconds"]
    speed = f", {values['drawn'] / seconds:.3g} a second" if seconds and values["drawn"] else ""
    before = values["pictures"] - values["drawn"]
    again = f" ({before} were there)" if before else ""
    what = "clips" if product == "video" else product
    click.echo(
        f"{values['pictures']} {what} in {out}{again}; {seconds:.1f} s{speed}; "
        f"{values['faces']} font faces of {values['families']} families"
    )


def _list_effects(specifications: Any, *, as_json: bool) -> None:
    effects = specifications.EFFECTS
    if as_json:
        rows = {
            name: {"group": k.group, "words": k.words, "scenes": k.scenes, "text": k.text}
            for name, k in effects.items()
        }
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    click.echo(f"{'effect':15} {'group':12} {'words':>6} {'scenes':>6}  what it does")
    for name, kind in effects.items():
        shares = ["–" if s is None else f"{s:.3g}" for s in (kind.words, kind.scenes)]
        click.echo(f"{name:15} {kind.group:12} {shares[0]:>6} {shares[1]:>6}  {kind.text}")
