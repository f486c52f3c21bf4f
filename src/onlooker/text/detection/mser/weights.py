"""Trained weights of the verifier."""

from __future__ import annotations

from onlooker.hub import Weights

WEIGHTS: dict[str, Weights] = {
    "mser.synth1": Weights(
        name="mser.synth1",
        file="text_detection/mser.synth1.onnx",
        sha256="029f9675b39222d62b0c1152f2979a5f5bedd5a78ab202fa8c67636f231bcd57",
        licence="Apache-2.0",
        paper="Matas et al. 2002 (MSER); He et al. 2016 (residual blocks)",
        card="recipes/text.detection/mser/card.md",
        preprocessing={"input": "(N, 2, 32, 32): grey, standardised; logarithm of width / height"},
    ),
}
