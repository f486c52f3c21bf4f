"""Trained weights of the recogniser, and counts of its language model."""

from __future__ import annotations

from onlooker.hub import Weights

#: What doubtful words are weighed again with.
LANGUAGE_MODEL = "ngram.words1"
#: The recogniser with weights and activations of one bit.
ONE_BIT = "binary.synth1"

WEIGHTS: dict[str, Weights] = {
    "ctc.synth2": Weights(
        name="ctc.synth2",
        file="text_recognition/ctc.synth2.onnx",
        sha256="7a8e58a841b95e8b6bf3866d5f1ef9a33a4a2cae5f5aa690b472dfd2cc34ae37",
        licence="Apache-2.0",
        paper="Shi, Bai, Yao 2015 (CRNN); Du et al. 2022 (SVTR)",
        card="recipes/text.recognition/ctc/card.md",
        preprocessing={"height_px": 32, "width_step_px": 8, "channels": "grey, standardised"},
    ),
    "ctc.synth2-int8": Weights(
        name="ctc.synth2-int8",
        file="text_recognition/ctc.synth2-int8.onnx",
        sha256="d1ef336544dc84f444e651847bd5e08e1faaab56fab7605b022c99648ae66e7e",
        licence="Apache-2.0",
        paper="Shi, Bai, Yao 2015 (CRNN); Du et al. 2022 (SVTR)",
        card="recipes/text.recognition/ctc/card.md",
        preprocessing={"height_px": 32, "width_step_px": 8, "channels": "grey, standardised"},
    ),
    "crnn.synth1": Weights(
        name="crnn.synth1",
        file="text_recognition/crnn.synth1.onnx",
        sha256="a238ee6616c69c4c0180431c37712c908a0d13bdbbcbfcac8f809cbcb21d00b2",
        licence="Apache-2.0",
        paper="Shi, Bai, Yao 2015 (CRNN)",
        card="recipes/text.recognition/lstm/card.md",
        preprocessing={"height_px": 32, "width_step_px": 8, "channels": "grey, standardised"},
    ),
    ONE_BIT: Weights(
        name=ONE_BIT,
        file="text_recognition/binary.synth1.onb",
        sha256="ec9cb2bf2051d54e18468f33533d3a58492b59189863c2a07bd79cc9cf855690",
        licence="Apache-2.0",
        paper="Bethge et al. 2019 (ResNetE); Graves et al. 2006 (CTC)",
        card="recipes/text.recognition/binary/card.md",
        preprocessing={"height_px": 32, "width_step_px": 8, "channels": "grey, standardised"},
    ),
    "ngram.words1": Weights(
        name="ngram.words1",
        file="text_recognition/ngram.words1.npz",
        sha256="5d8c6ca200a4557878cd09012a259d5a98a9e34b819d48af1abac93801f775de",
        licence="CC-BY-SA-4.0",
        paper="Katz 1987; Chen, Goodman 1999; Stolcke 1998",
        card="recipes/text.recognition/words/card.md",
    ),
}
