"""What an evaluation is asked for, and what it reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onlooker.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """What to evaluate on.

    Attributes:
        data: Folder in one of the layouts that ``docs/reference/data.md`` describes.
        split: Name of a part of the folder; None for a folder without parts.
        limit: Use only the first so many samples, for a quick look; None for all.
        decoding: Of tasks that offer several ways to decode: which; None for their default.
        lexicon: Of tasks that take a list of expected words: its file.
        detector: Of tasks that find words: how; None for the shipped way.
        turned: Of tasks that read crops or scenes: by how many degrees they are turned clockwise
            first, or ``any``: each by an angle of its own; None for as they are.
        model: Of tasks with several networks: a name, or a file; None for the shipped one.

    Raises:
        ConfigError: ``limit`` is below 1, or ``turned`` no angle.
    """

    data: Path
    split: str | None = None
    limit: int | None = None
    decoding: str | None = None
    lexicon: Path | None = None
    detector: str | None = None
    turned: str | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit must be 1 or more, got {self.limit}")
        if self.turned not in (None, "any"):
            try:
                known = math.isfinite(float(self.turned))
            except ValueError:
                known = False
            if not known:
                raise ConfigError(f"--turned takes degrees or 'any', not {self.turned!r}")

    def refuse_split(self) -> None:
        """Make sure that no split is asked for, for layouts that have none.

        Raises:
            ConfigError: A split is asked for.
        """
        if self.split is not None:
            raise ConfigError(
                f"--split {self.split!r}: the folder {self.data} has no splits; "
                "leave the option out"
            )


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came out of an evaluation.

    Attributes:
        task: Name of the task (``text.spotting``).
        data: The folder, as it was named by the caller.
        split: The split, or None.
        model_name: Names of the weights that ran, joined by ``+``.
        model_sha256: Their SHA-256 in the same order, joined by ``+``.
        n: Samples (pictures, words, characters) that were measured.
        seconds: Wall time of the run, loading of the model left out.
        metrics: Measures by the names of ``docs/reference/data.md``; None: could not be measured.
    """

    task: str
    data: str
    split: str | None
    model_name: str
    model_sha256: str
    n: int
    seconds: float
    metrics: Mapping[str, float | None]

    def to_json(self) -> dict[str, object]:
        """Return the plain object that ``onlooker evaluate --json`` prints."""
        return {
            "task": self.task,
            "data": self.data,
            "split": self.split,
            "model": {"name": self.model_name, "sha256": self.model_sha256},
            "n": self.n,
            "seconds": round(self.seconds, 3),
            "metrics": dict(self.metrics),
        }


def harmonic_mean(precision: float, recall: float) -> float:
    """Return ``2 P R / (P + R)`` (hmean, F1); 0 where both are 0."""
    total = precision + recall
    return 2.0 * precision * recall / total if total > 0 else 0.0
