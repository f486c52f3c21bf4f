"""Trained weights of the recogniser."""

from __future__ import annotations

from onlooker.hub import Weights

WEIGHTS: dict[str, Weights] = {
    "ctc.synth1": Weights(
        name="ctc.synth1",
        file="text_recognition/ctc.synth1.onnx",
        sha256="66f340cf903feb8a471e9243f05092c87b421c6475a45a76313e85f53ba70820",
        licence="Apache-2.0",
        paper="Shi, Bai, Yao 2015 (CRNN); Du et al. 2022 (SVTR)",
        card="recipes/text.recognition/ctc/card.md",
        preprocessing={"height_px": 32, "width_step_px": 8, "channels": "grey, standardised"},
    ),
}
