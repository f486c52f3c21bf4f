"""Trained weights of classifiers."""

from __future__ import annotations

from onlooker.hub import Weights

DEFAULT = "resnet-e-18.cifar10"

WEIGHTS: dict[str, Weights] = {}
