from __future__ import annotations

from pathlib import Path

import pytest

from onlooker.errors import ConfigError
from onlooker.metrics import EvaluationConfig, Report, harmonic_mean


def test_harmonic_mean():
    assert harmonic_mean(0.5, 1.0) == pytest.approx(2 / 3)
    assert harmonic_mean(0.0, 0.0) == 0.0


def test_a_split_is_refused_where_there_is_none():
    EvaluationConfig(data=Path("x")).refuse_split()
    with pytest.raises(ConfigError, match="no splits"):
        EvaluationConfig(data=Path("x"), split="dev").refuse_split()


def test_limit_must_be_positive():
    with pytest.raises(ConfigError, match="--limit"):
        EvaluationConfig(data=Path("x"), limit=0)


def test_report_as_json():
    report = Report(
        task="text.spotting",
        data="scenes",
        split=None,
        model_name="a+b",
        model_sha256="1+2",
        n=3,
        seconds=1.23456,
        metrics={"hmean": 0.5},
    )
    assert report.to_json() == {
        "task": "text.spotting",
        "data": "scenes",
        "split": None,
        "model": {"name": "a+b", "sha256": "1+2"},
        "n": 3,
        "seconds": 1.235,
        "metrics": {"hmean": 0.5},
    }
