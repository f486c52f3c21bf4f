"""Measures that two tasks or more share, in NumPy: regions, calibration, the report of a run."""

from onlooker.metrics.calibration import expected_calibration_error
from onlooker.metrics.matching import covered, intersection_area, iou, match_regions, polygon_area
from onlooker.metrics.report import EvaluationConfig, Report, harmonic_mean

__all__ = [
    "EvaluationConfig",
    "Report",
    "covered",
    "expected_calibration_error",
    "harmonic_mean",
    "intersection_area",
    "iou",
    "match_regions",
    "polygon_area",
]
