"""Trained weights of the detector."""

from __future__ import annotations

from onlooker.hub import Weights

WEIGHTS: dict[str, Weights] = {
    "db.synth2": Weights(
        name="db.synth2",
        file="text_detection/db.synth2.onnx",
        sha256="237f121cb5866356ee938f4c0fa7ad332d4ea81680ad4fb326d3ead12bf8c2bc",
        licence="Apache-2.0",
        paper="Liao et al. 2020, Real-time scene text detection with differentiable binarization",
        card="recipes/text.detection/db/card.md",
        preprocessing={
            "input": "(N, 3, H, W) float32 RGB in [0, 255]",
            "multiple_px": 32,
            "output": "(N, 1, H/2, W/2) probability of word cores",
        },
        metrics={
            "icdar2003_scenes_dev hmean": 0.750,
            "icdar2015_scenes_dev hmean": 0.601,
        },
    ),
}
