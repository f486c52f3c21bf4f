"""``onlooker read``: the text in pictures and PDF pages, in reading order."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onlooker.cli.options import json_option
from onlooker.cli.show import path_text, plain, safe_text
from onlooker.errors import ConfigError, MediaError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from onlooker.records import Page
    from onlooker.text import TextReader
    from onlooker.text.recognition.lexicon import Lexicon

PDF_SIDE_PX = 2000
"""Longer side at which PDF pages are rendered: 170 pixels an inch on A4, 10-point text 24 pixels
high, above what the detector needs."""
OVERLAY_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
POINTS_PER_INCH = 72


@dataclass(frozen=True, slots=True)
class _Reading:
    """One picture or page that was read."""

    path: Path
    number: int | None  # page from 1, None for a photo
    pixels: npt.NDArray[np.uint8]
    page: Page  # in pixels of the photo, or of `pixels` for a PDF page
    size_points: tuple[float, float] | None
    has_text_layer: bool

    @property
    def name(self) -> str:
        """How the picture is called in output for people."""
        name = path_text(self.path)
        return name if self.number is None else f"{name}, page {self.number}"


@click.command("read", short_help="Print the text in pictures and PDFs.")
@click.argument("photos", metavar="PHOTO...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--video",
    metavar="FILE|camera|N",
    help="Follow the text of a video, or of camera N (camera: the first one), live.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --video: write it as FILE.mp4 with boxes and text drawn over it.",
)
@json_option
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "hocr", "pdf")),
    default="text",
    show_default=True,
    help="Plain text, hOCR (XHTML with boxes), or a PDF of the pictures that can be searched.",
)
@click.option(
    "--overlay",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw what was read over the picture; of several, the second becomes NAME-2.png ….",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write here instead of to the terminal.",
)
@click.option(
    "--lexicon",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Words that are expected, one a line: doubtful readings are drawn towards them.",
)
@click.option(
    "--detector",
    help="How words are found: db, a trained map (the default), or mser, stable regions: slower, "
    "finds fewer.",
)
@click.option("--pages", default="", metavar="1-3,7", help="Only these pages of PDFs.")
def command(
    photos: tuple[Path, ...],
    video: str | None,
    out: Path | None,
    as_json: bool,
    form: str,
    overlay: Path | None,
    output: Path | None,
    lexicon: Path | None,
    detector: str | None,
    pages: str,
) -> None:
    """Print the text in photos and PDF pages, in reading order.

    A page of a PDF that carries its text is not read again. --json prints one object a picture and
    line: lines, words, their polygons in pixels, confidence. A file that cannot be read is reported
    and the others go on; the exit status is then 1.

    With --video, each line of text is followed while it is seen, and printed with its span when it
    is over; --json prints one object a line of text, with its places over time.
    """
    if video is not None:
        if photos or form != "text" or overlay or output or lexicon or detector or pages:
            raise click.UsageError("--video stands alone, or with --json and --out")
        from onlooker.cli.read_video import read_video

        read_video(video, as_json=as_json, out=out)
        return
    if out is not None:
        raise click.UsageError("--out needs --video")
    if not photos:
        raise click.UsageError("Missing argument 'PHOTO...'.")
    if as_json and form != "text":
        raise click.UsageError("--json and --format exclude each other")
    if form == "pdf" and output is None:
        raise click.UsageError("--format pdf needs --output FILE.pdf")
    wanted = _parse_pages(pages)
    _refuse_overwriting(photos, overlay, output)
    if overlay is not None and overlay.suffix.lower() not in OVERLAY_SUFFIXES:
        raise click.BadParameter(
            f"{overlay.name!r} must end in one of {', '.join(OVERLAY_SUFFIXES)}",
            param_hint="--overlay",
        )

    if detector is not None:
        from onlooker.text.detection.methods import weights_of

        weights_of(detector)  # an unknown one is refused before anything is read
    expected = None if lexicon is None else _read_lexicon(lexicon)
    failed: list[Path] = []

    def readings() -> Iterator[_Reading]:
        reader: TextReader | None = None

        def lazily() -> TextReader:
            nonlocal reader
            if reader is None:
                from onlooker.text import TextReader
                from onlooker.text.detection.methods import DEFAULT

                reader = TextReader.load(lexicon=expected, detection=detector or DEFAULT)
            return reader

        drawn = 0
        for path in photos:
            try:
                for reading in _read(path, wanted, lazily):
                    if overlay is not None:
                        drawn += 1
                        _save_overlay(overlay, drawn, reading)
                    _remark(reading)
                    yield reading
            except MediaError as error:
                failed.append(path)
                click.echo(f"error: {error}", err=True)
                if as_json:
                    failures.append({"path": safe_text(path), "error": str(error)})

    failures: list[dict[str, Any]] = []
    if form == "pdf" and output is not None:
        _write_pdf(output, readings())
    else:
        with _destination(output) as write:
            if as_json:
                for reading in readings():
                    write(json.dumps(_to_json(reading), ensure_ascii=False) + "\n")
                for failure in failures:
                    write(json.dumps(failure, ensure_ascii=False) + "\n")
            elif form == "hocr":
                _write_hocr(write, readings(), photos)
            else:
                _write_text(write, readings(), several=len(photos) > 1)
    if failed:
        raise click.exceptions.Exit(1)


def _read(
    path: Path, wanted: Sequence[tuple[int, int | None]], reader: Callable[[], TextReader]
) -> Iterator[_Reading]:
    """Read a photo, or the pages of a PDF one by one."""
    from onlooker.media.kind import sniff
    from onlooker.text.formats import scale_page

    kind = sniff(path)
    if kind == "document":
        yield from _read_document(path, wanted, reader)
        return
    if kind in ("video", "audio"):
        raise MediaError(
            f"cannot read {plain(str(path))}: it is {'a video' if kind == 'video' else 'a sound'}; "
            "onlooker read takes photos and PDFs. Index it with  onlooker add"
        )
    from onlooker.media.image import read_image

    pixels, scale = read_image(path)
    page = reader()(pixels)
    yield _Reading(path, None, pixels, scale_page(page, 1 / scale), None, False)


def _read_document(
    path: Path, wanted: Sequence[tuple[int, int | None]], reader: Callable[[], TextReader]
) -> Iterator[_Reading]:
    from onlooker.media.document import Document
    from onlooker.records import Page
    from onlooker.text.formats import scale_lines
    from onlooker.text.lines import with_text_layer

    with Document.open(path) as document:
        count = len(document)
        for first, last in wanted:
            if max(first, last or first) > count:
                raise MediaError(
                    f"cannot read page {max(first, last or first)} of {plain(str(path))}: "
                    f"it has {count}"
                )
        for index in range(count):
            number = index + 1
            if wanted and not any(a <= number <= (b or count) for a, b in wanted):
                continue
            pixels, scale = document.render(index, PDF_SIDE_PX)
            layer = scale_lines(document.page_lines(index), scale)
            if document.needs_reading(index):
                page = with_text_layer(reader()(pixels), layer)
            else:
                page = Page(pixels.shape[1], pixels.shape[0], layer)
            yield _Reading(path, number, pixels, page, document.page_size(index), bool(layer))


def _read_lexicon(path: Path) -> Lexicon:
    from onlooker.text.recognition.lexicon import Lexicon

    lexicon = Lexicon.read(path)
    if lexicon.unwritable:
        click.echo(
            f"{path_text(path)}: {len(lexicon.unwritable)} of its words cannot be written with the "
            f"reader's characters ({plain(lexicon.unwritable[0])})",
            err=True,
        )
    return lexicon


def _parse_pages(text: str) -> list[tuple[int, int | None]]:
    """Parse ``1-3,7,9-`` into ranges; an open end is None."""
    ranges: list[tuple[int, int | None]] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.fullmatch(r"(\d{1,9})(?:(-)(\d{1,9})?)?", part)
        if match is None:
            raise click.BadParameter(f"{part!r}; write pages as 1-3,7", param_hint="--pages")
        first = int(match[1])
        last = int(match[3]) if match[3] else (None if match[2] else first)
        if first < 1 or (last is not None and last < first):
            raise click.BadParameter(f"{part!r}: pages count from 1 up", param_hint="--pages")
        ranges.append((first, last))
    return ranges


def _refuse_overwriting(photos: Sequence[Path], *outputs: Path | None) -> None:
    """Make sure that nothing that is to be read gets overwritten."""
    inputs = {photo.resolve() for photo in photos}
    for output in outputs:
        if output is not None and output.resolve() in inputs:
            raise ConfigError(f"{plain(str(output))} is one of the inputs; write to another file")


@contextmanager
def _destination(output: Path | None) -> Iterator[Callable[[str], None]]:
    """Give a function that writes text; a file appears under its name when all is written."""
    if output is None:
        yield lambda text: click.echo(text, nl=False)
        return
    temporary = output.with_name(f".{output.name[:200]}.part")
    try:
        with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            yield lambda text: (file.write(text), None)[1]
        temporary.replace(output)
    except OSError as error:
        raise MediaError(f"{plain(str(output))} cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _write_text(
    write: Callable[[str], None], readings: Iterator[_Reading], *, several: bool
) -> None:
    first = True
    for reading in readings:
        if several or reading.number is not None:
            write(f"{'' if first else chr(10)}==> {reading.name} <==\n")
        first = False
        for line in reading.page.lines:
            write(plain(line.text) + "\n")


def _write_hocr(
    write: Callable[[str], None], readings: Iterator[_Reading], photos: Sequence[Path]
) -> None:
    from onlooker.text.formats import hocr

    title = safe_text(Path(photos[0].name)) if len(photos) == 1 else "onlooker read"
    pages = ((safe_text(r.path), (r.number or 1) - 1, r.page) for r in readings)
    for piece in hocr(pages, title):
        write(piece)


def _write_pdf(output: Path, readings: Iterator[_Reading]) -> None:
    from onlooker.text.formats import SearchablePdf

    with SearchablePdf(output) as pdf:
        for reading in readings:
            pdf.add_page(reading.pixels, reading.page, size_points=reading.size_points)


def _to_json(reading: _Reading) -> dict[str, Any]:
    from onlooker.text.formats import page_to_json

    values: dict[str, Any] = {"path": safe_text(reading.path)}
    if reading.number is not None and reading.size_points is not None:
        values["page"] = reading.number
        values["pixels_per_inch"] = round(
            POINTS_PER_INCH * reading.page.width / max(reading.size_points[0], 1.0), 2
        )
        values["text_layer"] = reading.has_text_layer
    return values | page_to_json(reading.page)


def _save_overlay(overlay: Path, number: int, reading: _Reading) -> None:
    from PIL import Image

    from onlooker.text.formats import draw_overlay

    target = overlay if number == 1 else overlay.with_stem(f"{overlay.stem}-{number}")
    try:
        Image.fromarray(draw_overlay(reading.pixels, reading.page)).save(target)
    except OSError as error:
        raise ConfigError(
            f"--overlay {plain(str(target))} cannot be written: {error.strerror or error}"
        ) from error


def _remark(reading: _Reading) -> None:
    """Say on standard error what the text alone does not tell."""
    if not reading.page.lines:
        click.echo(f"{reading.name}: no text found", err=True)
    if reading.page.unread:
        count = len(reading.page.unread)
        click.echo(
            f"{reading.name}: {count} place{'s' if count > 1 else ''} unread "
            "(another script, handwriting, small, no text)",
            err=True,
        )
    sys.stderr.flush()
