"""How things move and fade in clips: functions of time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Place = Callable[[float], tuple[float, float]]
Path = Callable[[float], tuple[float, float, float, float]]


def still(_time_s: float) -> float:
    """Be fully there at any time."""
    return 1.0


def fading(start_s: float, end_s: float, in_s: float, out_s: float) -> Callable[[float], float]:
    """Return an opacity: half at ``start_s`` and at ``end_s``, with ramps of the given lengths."""

    def opacity(time_s: float) -> float:
        rise = (time_s - start_s) / in_s + 0.5 if in_s > 0 else float(time_s >= start_s - 1e-6)
        fall = (end_s - time_s) / out_s + 0.5 if out_s > 0 else float(time_s < end_s - 1e-6)
        return float(np.clip(min(rise, fall), 0.0, 1.0))

    return opacity


def standing(x: float, y: float) -> Place:
    """Return a place that does not move."""
    return lambda _time_s: (x, y)


def gliding(
    x: float, y: float, from_x: float, from_y: float, start_s: float, takes_s: float
) -> Place:
    """Return a place that is reached from another one, slower towards the end."""

    def place(time_s: float) -> tuple[float, float]:
        rest = 1 - float(np.clip((time_s - start_s) / takes_s, 0, 1))
        return x + (from_x - x) * rest**2, y + (from_y - y) * rest**2

    return place


def drifting(x: float, y: float, speed: float, start_s: float) -> Place:
    """Return a place that moves sideways at an even speed, through ``x`` a second after."""
    return lambda time_s: (x + speed * (time_s - start_s - 1), y)


def drifting_up(x: float, y: float, pace: float) -> Place:
    """Return a place that moves up at an even pace, in pixels a second."""
    return lambda time_s: (x, y - pace * time_s)


def sweep(
    rng: np.random.Generator,
    length_s: float,
    wide: int,
    high: int,
    view_w: float,
    view_h: float,
    zoom: float,
    height: int,
) -> Path:
    """Draw the path of a hand-held camera: it rests, drifts, sweeps on, and shakes."""
    room_x, room_y = max(0.0, wide - view_w), max(0.0, high - view_h)
    stops = int(rng.integers(2, 5))
    x = np.linspace(0, 1, stops) if rng.random() < 0.5 else np.linspace(1, 0, stops)
    points = np.stack([view_w / 2 + x * room_x, view_h / 2 + rng.uniform(0.2, 0.8, stops) * room_y])
    # Each stop is held for a while; the sweep between takes the rest.
    holds = rng.uniform(0.25, 0.5, stops)
    knots, moments = [], []
    slot_s = length_s / stops
    for i in range(stops):
        begin = i * slot_s + slot_s * 0.5 * (1 - holds[i]) * (0 if i == 0 else 1)
        moments += [begin, min(begin + holds[i] * slot_s, length_s)]
        drift = rng.normal(0, 0.012, 2) * (view_w, view_h)
        knots += [points[:, i], points[:, i] + drift]
    times, places = np.asarray(moments), np.asarray(knots)
    shake = rng.uniform(0.0005, 0.003) * height
    rates = rng.uniform(0.7, 3.0, 4)
    phases = rng.uniform(0, 2 * np.pi, 4)
    breath = rng.uniform(0, 0.04)

    def path(time_s: float) -> tuple[float, float, float, float]:
        i = int(np.clip(np.searchsorted(times, time_s) - 1, 0, len(times) - 2))
        span = max(times[i + 1] - times[i], 1e-6)
        share = float(np.clip((time_s - times[i]) / span, 0, 1))
        share = share * share * (3 - 2 * share)
        x, y = (1 - share) * places[i] + share * places[i + 1]
        wave = np.sin(2 * np.pi * rates * time_s + phases)
        turn = 0.012 * wave[2] * min(1.0, shake / 2)
        return (
            float(x + shake * wave[0]),
            float(y + shake * wave[1]),
            float(zoom * (1 + breath * wave[3] * 0.5)),
            float(turn),
        )

    return path
