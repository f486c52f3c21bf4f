"""Trained weights of classifiers."""

from __future__ import annotations

from onlooker.hub import Weights

DEFAULT = "resnet-e-18.cifar10"

WEIGHTS: dict[str, Weights] = {
    DEFAULT: Weights(
        name=DEFAULT,
        file="classification/resnet-e-18.cifar10.onb",
        sha256="05f45ff7747b3ba405d1ed92388157aad68543cb14a2f9cf5bf790b71d0adb96",
        licence="Apache-2.0",
        paper="Bethge et al. 2019 (ResNetE)",
        card="recipes/classification/resnet-e-18/card.md",
        preprocessing={"height_px": 32, "width_px": 32, "channels": "RGB, bytes"},
    ),
    "binary-densenet-26.cifar10": Weights(
        name="binary-densenet-26.cifar10",
        file="classification/binary-densenet-26.cifar10.onb",
        sha256="e2a20975ce4352126b613506843bafe32cbab15828c151f21772a8e0f3350098",
        licence="Apache-2.0",
        paper="Bethge et al. 2019 (BinaryDenseNet)",
        card="recipes/classification/binary-densenet-26/card.md",
        preprocessing={"height_px": 32, "width_px": 32, "channels": "RGB, bytes"},
    ),
}
