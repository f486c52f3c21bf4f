"""Trained weights of the rectifier."""

from __future__ import annotations

from onlooker.hub import Weights

WEIGHTS: dict[str, Weights] = {
    "outline.synth1": Weights(
        name="outline.synth1",
        file="text_rectification/outline.synth1.onnx",
        sha256="c024cb6af0db3ef14f0cd010dfe71bc219f47ceee2ede8f3ac200c58a20e2ab0",
        licence="Apache-2.0",
        paper="Jaderberg et al. 2015 (spatial transformer); Shi et al. 2016 (RARE)",
        card="recipes/text.rectification/outline/card.md",
        preprocessing={
            "input": "(N, 2, 64, 64): grey, squashed and standardised; log(width / height)",
            "output": "(N, 5) logits of directions and of no word; (N, 4, 20) outlines",
        },
    ),
}
