"""Trained weights of the detector."""

from __future__ import annotations

from onlooker.hub import Weights

WEIGHTS: dict[str, Weights] = {
    "db.synth3": Weights(
        name="db.synth3",
        file="text_detection/db.synth3.onnx",
        sha256="cbe1511e734a949caf87c89b44befa4902c4000dc1847cbd883d5c18facc170a",
        licence="Apache-2.0",
        paper="Liao et al. 2020, Real-time scene text detection with differentiable binarization",
        card="recipes/text.detection/db/card.md",
        preprocessing={
            "input": "(N, 3, H, W) float32 RGB in [0, 255]",
            "multiple_px": 32,
            "output": "(N, 1, H/2, W/2) probability of word cores",
        },
    ),
    "db.synth3-int8": Weights(
        name="db.synth3-int8",
        file="text_detection/db.synth3-int8.onnx",
        sha256="48678efb6551c28de9abb70cfe4e53b778e27bb56013d34b409a6ff4512ded32",
        licence="Apache-2.0",
        paper="Liao et al. 2020, Real-time scene text detection with differentiable binarization",
        card="recipes/text.detection/db/card.md",
        preprocessing={
            "input": "(N, 3, H, W) float32 RGB in [0, 255]",
            "multiple_px": 32,
            "output": "(N, 1, H/2, W/2) probability of word cores",
        },
    ),
}
