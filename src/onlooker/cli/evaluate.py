"""``onlooker evaluate``: measure a shipped network on a folder of labelled data."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onlooker.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from onlooker.metrics import EvaluationConfig, Report

TASKS: dict[str, tuple[str, str]] = {
    "text.recognition": ("onlooker.text.recognition.evaluate", "evaluate"),
    "text.characters": ("onlooker.text.characters.evaluate", "evaluate"),
    "text.detection": ("onlooker.text.detection.evaluate", "evaluate"),
    "text.spotting": ("onlooker.text.spotting.evaluate", "evaluate"),
    "text.video": ("onlooker.text.video.evaluate", "evaluate"),
    "classification": ("onlooker.classification.evaluate", "evaluate"),
}
"""Task → where its ``evaluate(config) -> Report`` lives; loaded when it is asked for."""


@click.command("evaluate", short_help="Measure a network on a data set.")
@click.argument("task", type=click.Choice(tuple(TASKS)), metavar="TASK")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder with labels.tsv (words), chars.tsv (characters), annotations.jsonl (scenes) or "
    "SPLIT.zip and SPLIT_labels.tsv (classification).",
)
@click.option("--split", help="Part of the folder, for folders that have parts.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many samples.")
@click.option("--decoding", help="Of text.recognition: lm (its default) or greedy.")
@click.option(
    "--lexicon",
    type=click.Path(path_type=Path),
    help="Of text.recognition: a file of words that are expected, one a line.",
)
@click.option("--detector", help="Of text.detection and text.spotting: db (the default) or mser.")
@click.option(
    "--turned",
    help="Of text.recognition and text.spotting: turn crops or pictures first, by degrees (90) or "
    "by 'any' angle.",
)
@click.option(
    "--model",
    metavar="FILE|NAME",
    help="Of classification and text.recognition: another network.",
)
@json_option
def command(
    task: str,
    data: Path,
    split: str | None,
    limit: int | None,
    decoding: str | None,
    lexicon: Path | None,
    detector: str | None,
    turned: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Measure the shipped network of TASK on labelled data.

    \b
    TASK is one of
      text.recognition   word crops, or the words of pictures → their text
      text.characters    single characters cut from word crops
      text.detection     pictures → places of words
      text.spotting      pictures → words, found and read
      text.video         clips → lines followed over frames
      classification     pictures → what they show
    """  # noqa: D301 (click wants the character itself)
    from onlooker.metrics import EvaluationConfig

    if task != "text.recognition" and (decoding or lexicon):
        raise click.UsageError("--decoding and --lexicon are for text.recognition")
    if task not in ("text.recognition", "text.spotting") and turned:
        raise click.UsageError("--turned is for text.recognition and text.spotting")
    if task not in ("text.detection", "text.spotting") and detector:
        raise click.UsageError("--detector is for text.detection and text.spotting")
    if task not in ("classification", "text.recognition") and model:
        raise click.UsageError("--model is for classification and text.recognition")
    config = EvaluationConfig(
        data=data,
        split=split,
        limit=limit,
        decoding=decoding,
        lexicon=lexicon,
        detector=detector,
        turned=turned,
        model=model,
    )
    module, name = TASKS[task]
    evaluate: Callable[[EvaluationConfig], Report] = getattr(importlib.import_module(module), name)
    report = evaluate(config)
    if as_json:
        click.echo(json.dumps(report.to_json(), ensure_ascii=False))
        return
    click.echo(f"{report.task} on {report.data}{f', {report.split}' if report.split else ''}")
    click.echo(f"{report.model_name}, n = {report.n}, {report.seconds:.1f} s")
    width = max(len(metric) for metric in report.metrics)
    for metric, value in report.metrics.items():
        click.echo(f"  {metric:<{width}}  {'not measured' if value is None else f'{value:.4f}'}")
