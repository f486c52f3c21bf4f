"""Trained weights of the recogniser."""

from __future__ import annotations

from onlooker.hub import Weights

WEIGHTS: dict[str, Weights] = {
    "ctc.synth1": Weights(
        name="ctc.synth1",
        file="text_recognition/ctc.synth1.onnx",
        sha256="457d8ea1f1ee0f96576f2fb0507be0153c9cbadd850e38c55a119499ec2ed0a9",
        licence="Apache-2.0",
        paper="Shi, Bai, Yao 2015 (CRNN); Du et al. 2022 (SVTR)",
        card="recipes/text.recognition/ctc/card.md",
        preprocessing={"height_px": 32, "width_step_px": 8, "channels": "grey, standardised"},
    ),
}
