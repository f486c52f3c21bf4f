from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from onlooker.errors import ConfigError  # noqa: E402
from onlooker.training.loop import (  # noqa: E402
    LoopConfig,
    computes_in_bfloat16,
    fit,
    learning_rate,
)


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


def test_one_cycle_rises_through_three_tenths(tmp_path: Path) -> None:
    plan = config(tmp_path, peak_lr=1.0, schedule="one-cycle")
    found = [learning_rate(plan, progress, 100) for progress in (0.0, 0.15, 0.3, 0.65, 1.0)]
    assert found == pytest.approx([0.04, 0.52, 1.0, 0.5, 0.0])


@pytest.mark.parametrize("optimizer", ["adamw", "radam"])
def test_weights_decay_where_they_are_told_to(tmp_path: Path, optimizer: str) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 1))
    before = [layer.weight.detach().clone() for layer in model]
    seen: list[tuple[int, float]] = []
    plan = config(
        tmp_path,
        minutes=0.0,
        steps=9,
        optimizer=optimizer,
        weight_decay=0.5,
        peak_lr=0.1,
        warmup_steps=1,
    )
    fit(
        model,
        (torch.zeros(4, 3) for _ in itertools.count()),
        lambda model, batch: 0.0 * model(batch).sum(),
        plan,
        decayed=lambda parameter: parameter is model[0].weight,
        on_step=lambda step, progress: seen.append((step, progress)),
        first_step=5,
    )
    rates = [learning_rate(plan, step / 9, step) for step in range(5, 9)]
    left = math.prod(1 - 0.5 * rate for rate in rates)
    torch.testing.assert_close(model[0].weight, left * before[0])
    assert torch.equal(model[1].weight, before[1])
    assert seen == [(step, step / 9) for step in range(5, 9)]


def test_bfloat16_is_taken_only_where_it_is_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    for fast in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda fast=fast: fast)
        assert computes_in_bfloat16(config(tmp_path, bfloat16=True)) == fast
        assert not computes_in_bfloat16(config(tmp_path, bfloat16=False))


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
        config(tmp_path, minutes=-1.0)
    with pytest.raises(ConfigError, match="how long"):
        fit(torch.nn.Linear(3, 1), iter([]), loss_of, config(tmp_path, minutes=0.0))
    with pytest.raises(ConfigError, match="steps"):
        config(tmp_path, steps=-1)
    with pytest.raises(ConfigError, match="radam"):
        config(tmp_path, optimizer="adam")
    with pytest.raises(ConfigError, match="one-cycle"):
        config(tmp_path, schedule="cycle")
    with pytest.raises(ConfigError, match="ema_decay"):
        config(tmp_path, ema_decay=1.0)
