from __future__ import annotations

import pytest

from onlooker.errors import ConfigError
from onlooker.metrics import expected_calibration_error


def test_calibration_error_worked_out_by_hand() -> None:
    # Four at 0.75 of which half are right, one at 1.0 that is right: 4 × 0.25 / 5.
    probabilities = [0.75, 0.75, 0.75, 0.75, 1.0]
    right = [True, True, False, False, True]
    assert expected_calibration_error(probabilities, right) == pytest.approx(0.2)
    with pytest.raises(ConfigError, match="1 probabilities for 2"):
        expected_calibration_error([0.5], [True, False])
    with pytest.raises(ConfigError, match="0 probabilities"):
        expected_calibration_error([], [])
