from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from onlooker.errors import ConfigError  # noqa: E402
from onlooker.training.loop import LoopConfig, fit, learning_rate  # noqa: E402


def config(out: Path, **changes: object) -> LoopConfig:
    values: dict[str, object] = {
        "out": str(out),
        "minutes": 0.02,
        "peak_lr": 0.05,
        "warmup_steps": 5,
        "threads": 1,
        "bfloat16": False,
        "ema_decay": 0.9,
        "report_every_s": 0.3,
        "checkpoint_every_s": 0.3,
    }
    return LoopConfig(**(values | changes))  # type: ignore[arg-type]


def loss_of(model: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
    return ((model(batch) - batch.sum(1, keepdim=True)) ** 2).mean()


def test_the_rate_warms_up_and_ends_at_zero(tmp_path: Path) -> None:
    plan = config(tmp_path, peak_lr=1.0, warmup_steps=10)
    assert learning_rate(plan, 0.0, 0) == pytest.approx(0.1)
    assert learning_rate(plan, 0.5, 100) == pytest.approx(0.5)
    assert learning_rate(plan, 1.0, 100) == pytest.approx(0.0)


def test_training_learns_logs_and_resumes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    batches = (torch.randn(16, 3) for _ in itertools.count())
    model = torch.nn.Linear(3, 1)
    before = float(loss_of(model, torch.eye(3)).detach())
    averaged = fit(model, batches, loss_of, config(tmp_path), size_of=len)
    assert float(loss_of(averaged, torch.eye(3)).detach()) < before / 10
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["seen"] == 16 * rows[-1]["step"]

    # Its time is over: a second call trains nothing and gives the same weights back.
    fresh = torch.nn.Linear(3, 1)
    again = fit(fresh, batches, loss_of, config(tmp_path), size_of=len)
    assert torch.equal(again.weight, averaged.weight)


def test_steps_instead_of_the_clock_give_the_same_weights(tmp_path: Path) -> None:
    ends = []
    for name in ("one", "other"):
        torch.manual_seed(0)
        batches = (torch.randn(16, 3) for _ in itertools.count())
        plan = config(tmp_path / name, minutes=0.0, steps=30)
        ends.append(fit(torch.nn.Linear(3, 1), batches, loss_of, plan, size_of=len))
        state = torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        assert (state["step"], state["seen"]) == (30, 480)
    assert torch.equal(ends[0].weight, ends[1].weight)


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="minutes"):
        config(tmp_path, minutes=0.0)
    with pytest.raises(ConfigError, match="steps"):
        config(tmp_path, steps=-1)
    with pytest.raises(ConfigError, match="ema_decay"):
        config(tmp_path, ema_decay=1.0)
