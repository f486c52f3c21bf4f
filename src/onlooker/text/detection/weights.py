"""Trained weights of the detector."""

from __future__ import annotations

from onlooker.hub import Weights

WEIGHTS: dict[str, Weights] = {
    "db.synth2": Weights(
        name="db.synth2",
        file="text_detection/db.synth2.onnx",
        sha256="32263cd2924db703c3d1a8a90ff1290c3f5f13e0ce57a3079c361d9387432738",
        licence="Apache-2.0",
        paper="Liao et al. 2020, Real-time scene text detection with differentiable binarization",
        card="recipes/text.detection/db/card.md",
        preprocessing={
            "input": "(N, 3, H, W) float32 RGB in [0, 255]",
            "multiple_px": 32,
            "output": "(N, 1, H/2, W/2) probability of word cores",
        },
        metrics={
            "icdar2003_scenes_dev hmean": 0.794,
            "icdar2015_scenes_dev hmean": 0.617,
        },
    ),
}
