"""Trained weights of the character classifier."""

from __future__ import annotations

from onlooker.hub import Weights

WEIGHTS: dict[str, Weights] = {
    "cnn.synth1": Weights(
        name="cnn.synth1",
        file="text_characters/cnn.synth1.onnx",
        sha256="fa4585d42ab3e8bdbd88f45a6d5e7a92146907bf53cc60a59651e44b144ce3f4",
        licence="Apache-2.0",
        paper="He et al. 2016 (residual blocks); Jaderberg et al. 2014 (62 classes)",
        card="recipes/text.characters/cnn/card.md",
        preprocessing={"input": "(N, 2, 32, 32): grey, standardised; logarithm of width / height"},
    ),
}
