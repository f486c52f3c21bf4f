"""Trained weights of classifiers: none is good enough to be shipped yet."""

from __future__ import annotations

from onlooker.hub import Weights

WEIGHTS: dict[str, Weights] = {}
