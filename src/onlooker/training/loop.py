"""The training loop: scheduled by the clock, averaged weights, checkpoints, resume.

A plain loop instead of Lightning: importing that takes five seconds, and on two processor cores
none of what it adds is used. The learning rate follows *time*, not steps: warm-up, then a cosine to
zero at the agreed end, so that a training on a shared machine ends annealed whatever its speed was.

References:
    Loshchilov & Hutter 2017, "SGDR" (cosine); Smith & Topin 2018, "Super-convergence" (one cycle);
    Polyak & Juditsky 1992 (averaging).
"""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from onlooker.errors import ConfigError, WeightsError
from onlooker.training.optimizer import OPTIMIZERS, Optimizer

Batch = TypeVar("Batch")

# oneDNN keeps 1,024 compiled kernels by default; crops of many widths need more, and compiling
# anew at every step made training five times slower. Read by oneDNN at its first use.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")

CHECKPOINT_NAME = "checkpoint.pt"
LOG_NAME = "log.jsonl"
AVERAGED_NAME = "averaged.pt"

SCHEDULES = ("cosine", "one-cycle")
# Share of a one-cycle training during which the rate rises, and the rate that it rises from.
_CYCLE_RISE = 0.3
_CYCLE_START = 0.04


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How to train.

    Attributes:
        out: Folder for the checkpoint, the averaged weights and the log; resumed from if it has a
            checkpoint.
        minutes: Length of the training by the clock, interruptions not counted.
        steps: Length in steps instead, so that trainings that are compared are alike however busy
            the machine is; 0: by the clock.
        optimizer: ``adamw`` or ``radam``, both with decoupled weight decay.
        betas: The optimizer's decay rates.
        schedule: ``cosine``, or ``one-cycle``: a linear rise through three tenths of the training,
            then the cosine.
        peak_lr: Learning rate after the warm-up.
        warmup_steps: Steps of linear warm-up (repeated, shorter, after a resume).
        weight_decay: On matrices and kernels only, or on what ``fit`` is told.
        ema_decay: Of the averaged weights, per step; 0: they are the latest.
        clip_norm: Largest norm of the gradient.
        checkpoint_every_s: Seconds between checkpoints.
        report_every_s: Seconds between reports.
        threads: PyTorch's threads.
        bfloat16: Compute matrix products in bfloat16 where the processor has AVX512-BF16 or AMX,
            which is 2.5 times as fast; where it has not, 15 times as slow, and float32 is used. The
            log says which.
        seed: Of the initial weights.
    """

    out: str
    minutes: float = 0.0
    steps: int = 0
    optimizer: str = "adamw"
    betas: tuple[float, float] = (0.9, 0.98)
    schedule: str = "cosine"
    peak_lr: float = 1e-3
    warmup_steps: int = 300
    weight_decay: float = 0.01
    ema_decay: float = 0.999
    clip_norm: float = 5.0
    checkpoint_every_s: float = 180.0
    report_every_s: float = 30.0
    threads: int = 2
    bfloat16: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.peak_lr <= 0:
            raise ConfigError(f"peak_lr must be positive, not {self.peak_lr}")
        if self.steps < 0 or self.minutes < 0:
            raise ConfigError(
                f"minutes and steps must not be negative: {self.minutes} and {self.steps}"
            )
        if self.optimizer not in OPTIMIZERS:
            raise ConfigError(f"optimizer {self.optimizer!r}; expected one of {OPTIMIZERS}")
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"schedule {self.schedule!r}; expected one of {SCHEDULES}")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay must lie in [0, 1), not {self.ema_decay}")


def learning_rate(config: LoopConfig, progress: float, step: int) -> float:
    """Compute the learning rate at ``progress`` in [0, 1] of the time and after ``step`` steps."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    progress = min(max(progress, 0.0), 1.0)
    if config.schedule == "one-cycle":
        if progress < _CYCLE_RISE:
            rise = _CYCLE_START + (1 - _CYCLE_START) * progress / _CYCLE_RISE
            return config.peak_lr * warm * rise
        progress = (progress - _CYCLE_RISE) / (1 - _CYCLE_RISE)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return config.peak_lr * warm * cosine


def computes_in_bfloat16(config: LoopConfig) -> bool:
    """Say whether matrix products are computed in bfloat16: asked for, and fast here."""
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return config.bfloat16 and bool(fast)


class Averaged:
    """Exponential moving average of a network's weights and running statistics."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards ``model``; faster during the first steps, when it has learnt nothing yet."""
        decay = min(self.decay, (1 + step) / (10 + step))
        ours, theirs = self.model.state_dict(), model.state_dict()
        floats = [name for name, value in ours.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [ours[name] for name in floats], [theirs[name] for name in floats], 1 - decay
        )
        for name, value in ours.items():
            if not value.is_floating_point():
                value.copy_(theirs[name])


def fit(
    model: nn.Module,
    batches: Iterator[Batch],
    loss_of: Callable[[nn.Module, Batch], Tensor],
    config: LoopConfig,
    *,
    size_of: Callable[[Batch], int] = lambda batch: 1,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    validate_every_s: float = 600.0,
    decayed: Callable[[nn.Parameter], bool] = lambda parameter: parameter.ndim > 1,
    on_step: Callable[[int, float], None] = lambda step, progress: None,
    first_step: int = 0,
) -> nn.Module:
    """Train ``model`` until its time is over.

    Args:
        model: The network, on the processor.
        batches: Endless batches.
        loss_of: Computes the mean loss of a batch; runs under autocast if asked for.
        config: See :class:`LoopConfig`.
        size_of: Counts the examples of a batch, for the log.
        validate: Measures the averaged network; what it returns is logged.
        validate_every_s: Seconds between validations; each also writes a checkpoint.
        decayed: Says whether a parameter has weight decay.
        on_step: Called before a batch is taken, with the number of steps done and the share of the
            training that is done.
        first_step: Steps that the given weights have been trained already, if there is no
            checkpoint; for trainings that are measured in steps.

    Returns:
        The averaged network, in evaluation mode.

    Raises:
        ConfigError: The length of the training is not given.
    """
    if not (config.steps or config.minutes):
        raise ConfigError("how long to train? minutes or steps must be above 0")
    torch.set_num_threads(config.threads)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    model.train()
    optimizer = Optimizer(model, config.optimizer, config.betas, config.weight_decay, decayed)
    averaged = Averaged(model, config.ema_decay)
    bfloat16 = computes_in_bfloat16(config)
    step, seen, trained_s = first_step, 0, 0.0
    if (out / CHECKPOINT_NAME).is_file():
        state = torch.load(out / CHECKPOINT_NAME, weights_only=True)
        model.load_state_dict(state["model"])
        averaged.model.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        step, seen, trained_s = state["step"], state["seen"], state["trained_s"]
    resumed_at = step

    def average() -> nn.Module:
        if not config.ema_decay:
            averaged.update(model, step)  # a copy: not worth its time at every step
        return averaged.model

    def save() -> None:
        state = {
            "model": model.state_dict(),
            "averaged": average().state_dict(),
            "optimizer": optimizer.state_dict(),
            "config": json.dumps(asdict(config)),
            "step": step,
            "seen": seen,
            "trained_s": trained_s,
        }
        _save(state, out / CHECKPOINT_NAME)
        _save(averaged.model.state_dict(), out / AVERAGED_NAME)

    losses: list[float] = []
    skipped = 0
    last = reported = validated = saved = time.monotonic()
    while True:
        if config.steps:
            progress = step / config.steps
        else:
            progress = trained_s / (60 * config.minutes)
        if progress >= 1:
            break
        # After a resume the optimizer's statistics are there; a few gentle steps are enough.
        warm_step = step if resumed_at == 0 else (step - resumed_at) * 5
        rate = learning_rate(config, progress, warm_step)
        on_step(step, progress)
        batch = next(batches)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = loss_of(model, batch)
        optimizer.clear()
        loss.backward()
        norm = optimizer.clip(config.clip_norm)
        if torch.isfinite(norm):
            optimizer.step(rate)
            if config.ema_decay:
                averaged.update(model, step)
            losses.append(float(loss.detach()))
        else:
            skipped += 1
        step += 1
        seen += size_of(batch)
        now = time.monotonic()
        trained_s += now - last
        last = now
        if now - reported >= config.report_every_s:
            row: dict[str, Any] = {
                "step": step,
                "seen": seen,
                "minutes": round(trained_s / 60, 2),
                "loss": round(sum(losses) / max(1, len(losses)), 4),
                "lr": round(rate, 7),
                "skipped": skipped,
                "bfloat16": bfloat16,
            }
            losses.clear()
            reported = now
            if validate is not None and now - validated >= validate_every_s:
                row |= validate(average())
                validated = last = time.monotonic()
                reported = last
            _log(out, row)
        if now - saved >= config.checkpoint_every_s:
            save()
            saved = time.monotonic()
    save()
    if validate is not None:
        _log(out, {"step": step, "seen": seen, **validate(averaged.model)})
    return averaged.model


def load_averaged(model: nn.Module, run: Path) -> nn.Module:
    """Fill ``model`` with the averaged weights of a training folder, also while it is training.

    Raises:
        WeightsError: The folder holds no averaged weights.
    """
    weights = run / AVERAGED_NAME
    if not weights.is_file():
        raise WeightsError(f"no {AVERAGED_NAME} in {run}; train first, or wait for a checkpoint")
    model.load_state_dict(torch.load(weights, weights_only=True))
    return model


def _log(out: Path, row: dict[str, Any]) -> None:
    line = json.dumps(row)
    print(line, flush=True)
    with (out / LOG_NAME).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def _save(state: Any, path: Path) -> None:
    """Write beside, then rename: a killed run never leaves half a checkpoint."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)  # noqa: PTH105
