from __future__ import annotations

import pytest

from onlooker.errors import ConfigError
from onlooker.text.recognition.metrics import recognition_metrics


def test_measures_on_a_case_worked_out_by_hand() -> None:
    pairs = [
        ("EXIT", "EXIT"),  # right in all
        ("exit", "EXIT"),  # right only when lower-cased; 4 edits
        ("Cafe", "Café!"),  # wrong: é is a letter; 2 edits
        ("its", "it's"),  # right without signs; 1 edit
        ("", "--"),  # nothing to judge without signs; 2 edits
    ]
    measured = recognition_metrics(pairs)
    assert measured["word_accuracy"] == pytest.approx(1 / 5)
    assert measured["word_accuracy_alnum"] == pytest.approx(2 / 4)
    assert measured["word_accuracy_alnum_lower"] == pytest.approx(3 / 4)
    assert measured["cer"] == pytest.approx((0 + 4 + 2 + 1 + 2) / (4 + 4 + 5 + 4 + 2))


def test_labels_without_letters_leave_two_measures_open() -> None:
    measured = recognition_metrics([("-", "-")])
    assert measured["word_accuracy"] == 1.0
    assert measured["word_accuracy_alnum"] is None
    assert measured["word_accuracy_alnum_lower"] is None


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no crop"):
        recognition_metrics([])
