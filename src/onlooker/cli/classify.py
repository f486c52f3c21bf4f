"""``onlooker classify``: what a photo shows, by a network of ours or one of your own."""

from __future__ import annotations

import json
from pathlib import Path

import click

from onlooker.cli.options import json_option
from onlooker.cli.show import path_text, plain, safe_text
from onlooker.errors import MediaError


@click.command("classify", short_help="Tell what a photo shows.")
@click.argument(
    "photos", metavar="PHOTO...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--model",
    metavar="FILE|NAME",
    help="A network: a packed file (.onb), its float twin (.onnx), or a shipped one's name.  "
    "[default: one that knows the ten classes of CIFAR-10, to try it out]",
)
@click.option(
    "--top", type=click.IntRange(min=1), default=3, show_default=True, help="So many classes each."
)
@json_option
def command(photos: tuple[Path, ...], model: str | None, top: int, as_json: bool) -> None:
    """Tell which classes PHOTOs most probably show, best first.

    A network knows the classes that it was trained on, and answers with one of them whatever it is
    shown. A photo that cannot be read is reported and the others go on; the exit status is then 1.
    """
    from onlooker.classification import ImageClassifier
    from onlooker.classification.weights import DEFAULT
    from onlooker.media.image import read_image

    classifier = ImageClassifier.load(model or DEFAULT)
    failed = False
    for photo in photos:
        try:
            pixels, _ = read_image(photo)
        except MediaError as error:
            failed = True
            click.echo(f"error: {error}", err=True)
            if as_json:
                click.echo(json.dumps({"path": safe_text(photo), "error": str(error)}))
            continue
        (labels,) = classifier([pixels], top=top)
        if as_json:
            values = {
                "path": safe_text(photo),
                "model": classifier.name,
                "classes": [
                    {"name": label.name, "index": label.index, "confidence": label.confidence}
                    for label in labels
                ],
            }
            click.echo(json.dumps(values, ensure_ascii=False))
            continue
        if len(photos) > 1:
            click.echo(click.style(path_text(photo), bold=True))
        for label in labels:
            click.echo(f"  {label.confidence:6.1%}  {plain(label.name)}")
    if failed:
        raise click.exceptions.Exit(1)
