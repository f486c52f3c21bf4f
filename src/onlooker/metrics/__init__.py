"""Measures that two tasks or more share, in NumPy: matching of regions, and the report of a run."""

from onlooker.metrics.matching import covered, intersection_area, iou, match_regions, polygon_area
from onlooker.metrics.report import EvaluationConfig, Report, harmonic_mean

__all__ = [
    "EvaluationConfig",
    "Report",
    "covered",
    "harmonic_mean",
    "intersection_area",
    "iou",
    "match_regions",
    "polygon_area",
]
