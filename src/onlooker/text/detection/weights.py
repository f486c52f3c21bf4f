"""Trained weights of the detector."""

from __future__ import annotations

from onlooker.hub import Weights

WEIGHTS: dict[str, Weights] = {
    "db.synth1": Weights(
        name="db.synth1",
        file="text_detection/db.synth1.onnx",
        sha256="f65e0cc9b2bdd046a6cd96652265a968bdcd3b34ee4982c4b400ca8240b2e9e1",
        licence="Apache-2.0",
        paper="Liao et al. 2020, Real-time scene text detection with differentiable binarization",
        card="recipes/text.detection/db/card.md",
        preprocessing={
            "input": "(N, 3, H, W) float32 RGB in [0, 255]",
            "multiple_px": 32,
            "output": "(N, 1, H/2, W/2) probability of word cores",
        },
        metrics={
            "icdar2003_scenes_dev hmean": 0.724,
            "icdar2015_scenes_dev hmean": 0.439,
        },
    ),
}
