from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from onlooker.errors import ConfigError, WeightsError
from onlooker.metrics import EvaluationConfig
from onlooker.text.charset import NUM_CLASSES, encode
from onlooker.text.recognition.crops import resize_crop, standardize
from onlooker.text.recognition.predict import TextRecognizer, decode_greedy

DATA = Path(os.environ.get("ONLOOKER_DATA", Path(__file__).parents[4] / "shared" / "data"))


def logits_for(path: list[int], sure: float = 12.0) -> np.ndarray:
    logits = np.zeros((1, len(path), NUM_CLASSES), np.float32)
    logits[0, np.arange(len(path)), path] = sure
    return logits


def word(text: str, size: int = 28) -> np.ndarray:
    font = ImageFont.load_default(size)
    width = int(font.getlength(text)) + 16
    picture = Image.new("RGB", (width, size + 14), (250, 250, 245))
    ImageDraw.Draw(picture).text((8, 4), text, (20, 20, 60), font)
    return np.asarray(picture)


def test_greedy_decoding_merges_repeats_and_drops_blanks() -> None:
    o, k = encode("ok")
    (read,) = decode_greedy(logits_for([0, o, o, 0, o, k, 0, 0]))
    assert read.text == "ook"
    assert read.confidence == pytest.approx(1 / (1 + (NUM_CLASSES - 1) * np.exp(-12)), rel=1e-4)
    assert len(read.char_spans) == 3
    ends = [end for span in read.char_spans for end in span]
    assert ends == sorted(ends)
    assert ends[0] >= 0
    assert ends[-1] <= 1


def test_greedy_decoding_strips_outer_spaces_and_keeps_inner_ones() -> None:
    space, a, b = encode(" ab")
    (read,) = decode_greedy(logits_for([space, 0, a, 0, space, b, 0, space]))
    assert read.text == "a b"
    assert len(read.char_spans) == 3


def test_all_blank_reads_as_nothing() -> None:
    (read,) = decode_greedy(logits_for([0, 0, 0]))
    assert (read.text, read.confidence, read.char_spans) == ("", 0.0, ())


def test_long_crops_keep_their_shape_but_for_rounding() -> None:
    for height, width in ((10, 31), (64, 200)):
        resized = resize_crop(np.zeros((height, width, 3), np.uint8), 1600)
        assert resized.shape[0] == 32
        assert resized.shape[1] % 8 == 0
        assert abs(resized.shape[1] - 32 * width / height) <= 4
    assert resize_crop(np.zeros((8, 5000), np.uint8), 1600).shape == (32, 1600)


def test_standardizing_removes_light_and_contrast() -> None:
    picture = np.random.default_rng(0).integers(40, 80, (1, 32, 64), dtype=np.uint8)
    brighter = (picture * 2 + 30).astype(np.uint8)
    first, second = standardize(picture), standardize(brighter)
    assert abs(float(first.mean())) < 1e-4
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.999
    assert np.isfinite(standardize(np.full((1, 32, 16), 7, np.uint8))).all()


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(WeightsError, match=r"broken\.onnx"):
        TextRecognizer(path)
    with pytest.raises(WeightsError, match="no weights named"):
        TextRecognizer.load("ctc.nothing")


@pytest.fixture(scope="module")
def recognizer() -> TextRecognizer:
    return TextRecognizer.load(threads=1)


@pytest.mark.weights
def test_reads_plain_words_in_both_polarities(recognizer: TextRecognizer) -> None:
    words = ["Gradient", "EXIT", "lecture", "2026", "Hello"]
    crops = [word(text) for text in words]
    assert [one.text for one in recognizer(crops)] == words
    assert [one.text for one in recognizer([255 - crop for crop in crops])] == words


@pytest.mark.weights
def test_predictor_contract(recognizer: TextRecognizer) -> None:
    assert recognizer([]) == []
    crops = [word("Moment"), word("a longer line of text"), word("Moment", 90), word("x")[:, :, 0]]
    crops.append(np.zeros((0, 0, 3), np.uint8))
    together = recognizer(crops)
    assert len(together) == len(crops)
    alone = [recognizer([crop])[0] for crop in crops]
    assert [one.text for one in together] == [one.text for one in alone]
    assert recognizer(crops) == together
    assert together[-1].text == ""
    for one in together:
        assert 0 <= one.confidence <= 1
        assert len(one.char_spans) == len(one.text)


@pytest.mark.weights
def test_long_and_flat_crops_stay_within_bounds(recognizer: TextRecognizer) -> None:
    odd = [np.zeros((1, 4000, 3), np.uint8), np.full((4000, 1, 3), 9, np.uint8)]
    assert len(recognizer(odd)) == 2


@pytest.mark.weights
def test_evaluation_runs_through_the_predictor(tmp_path: Path) -> None:
    from onlooker.text.recognition.evaluate import evaluate

    (tmp_path / "images").mkdir()
    labels = []
    for text in ("Gradient", "EXIT", "lecture"):
        cv2.imwrite(str(tmp_path / "images" / f"{text}.png"), word(text)[:, :, ::-1])
        labels.append(f"images/{text}.png\t{text}\n")
    (tmp_path / "labels.tsv").write_text("".join(labels), encoding="utf-8")
    report = evaluate(EvaluationConfig(data=tmp_path))
    assert report.n == 3
    assert report.metrics["word_accuracy"] == 1.0
    assert report.metrics["cer"] == 0.0


@pytest.mark.weights
def test_words_of_scenes_are_cut_out_and_measured(tmp_path: Path) -> None:
    from onlooker.text.recognition.evaluate import evaluate

    scene = np.full((200, 300, 3), 250, np.uint8)
    exit_sign, turned = word("EXIT"), cv2.rotate(word("lecture"), cv2.ROTATE_90_CLOCKWISE)
    scene[20 : 20 + exit_sign.shape[0], 30 : 30 + exit_sign.shape[1]] = exit_sign
    scene[50 : 50 + turned.shape[0], 200 : 200 + turned.shape[1]] = turned
    cv2.imwrite(str(tmp_path / "a.png"), scene[:, :, ::-1])
    height, width = exit_sign.shape[:2]
    box = [[30, 20], [30 + width, 20], [30 + width, 20 + height], [30, 20 + height]]
    top, left, bottom, right = 50, 200, 50 + turned.shape[0], 200 + turned.shape[1]
    # Begins where the word begins: at its own top left.
    runs_down = [[right, top], [right, bottom], [left, bottom], [left, top]]
    words = [
        {"polygon": box, "text": "EXIT", "ignore": False},
        {"polygon": runs_down, "text": "lecture", "ignore": False},
        {"polygon": box, "text": "東京", "ignore": False},
        {"polygon": box, "text": "###", "ignore": True},
    ]
    (tmp_path / "annotations.jsonl").write_text(json.dumps({"image": "a.png", "words": words}))
    for decoding in ("lm", "greedy"):
        report = evaluate(EvaluationConfig(data=tmp_path, decoding=decoding))
        assert report.n == 3
        assert report.metrics["word_accuracy"] == pytest.approx(2 / 3)
        assert report.metrics["labels_outside_charset"] == 1
        assert ("ngram" in report.model_name) == (decoding == "lm")
    (tmp_path / "lexicon.txt").write_text("EXIT\n")
    with pytest.raises(ConfigError, match="needs the decoding 'lm'"):
        evaluate(
            EvaluationConfig(data=tmp_path, decoding="greedy", lexicon=tmp_path / "lexicon.txt")
        )


@pytest.mark.weights
@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "least"), [("iiit5k_words_dev", 0.75), ("icdar2015_words_dev", 0.45)]
)
def test_reads_real_scene_words(name: str, least: float) -> None:
    from onlooker.text.recognition.evaluate import evaluate

    folder = DATA / "text" / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; set ONLOOKER_DATA")
    report = evaluate(EvaluationConfig(data=folder, limit=500))
    accuracy = report.metrics["word_accuracy_alnum_lower"]
    assert accuracy is not None
    assert accuracy >= least - 0.05  # 500 of 2,000 words: two standard deviations


@pytest.mark.weights
def test_distributions_run_along_the_crop(recognizer: TextRecognizer) -> None:
    seen, nothing = recognizer.distributions([word("EXIT"), np.zeros((0, 3, 3), np.uint8)])
    assert np.exp(seen).sum(axis=1) == pytest.approx(np.ones(len(seen)), abs=1e-4)
    assert nothing.shape == (0, seen.shape[1])


@pytest.mark.weights
def test_drafts_once_weighed_are_readings_on_one_thread_or_two(recognizer: TextRecognizer) -> None:
    noise = np.random.default_rng(0)
    crops = [np.zeros((0, 9, 3), np.uint8)]
    for text in ["Street", "No. 17", "Öffnung", "l0Il", "a"] * 12:
        shaken = word(text).astype(np.float64) + noise.normal(0, 60, word(text).shape)
        crops.append(cv2.GaussianBlur(shaken.clip(0, 255).astype(np.uint8), (0, 0), 1.2))
    wanted = recognizer(crops)
    for count in (1, 2):
        drafts = TextRecognizer.load(threads=count).draft(crops)
        weighed = [draft.weigh() for draft in drafts]
        assert [one.text for one in weighed] == [one.text for one in wanted]
        np.testing.assert_allclose(
            [one.confidence for one in weighed], [one.confidence for one in wanted], atol=1e-4
        )
    assert any(a.reading.text != b.text for a, b in zip(drafts, wanted, strict=True))
    assert [one.weigh() for one in drafts] == weighed  # as often as one likes
