"""The nouns: frozen dataclasses that flow between the rooms. No files, no networks."""

from onlooker.records.geometry import Box, Point, Polygon, bounding_box
from onlooker.records.moment import EVIDENCE_KINDS, EvidenceKind, Moment
from onlooker.records.source import MEDIA_KINDS, Description, MediaFacts, MediaKind, Producer
from onlooker.records.speech import SpeechCue, SpokenWord
from onlooker.records.text import DetectedText, Page, RecognizedText, TextLine, TextWord
from onlooker.records.time import clock
from onlooker.records.track import TextTrack
from onlooker.records.visual import BuildStep, ClassLabel, StableSpan, View

__all__ = [
    "EVIDENCE_KINDS",
    "MEDIA_KINDS",
    "Box",
    "BuildStep",
    "ClassLabel",
    "Description",
    "DetectedText",
    "EvidenceKind",
    "MediaFacts",
    "MediaKind",
    "Moment",
    "Page",
    "Point",
    "Polygon",
    "Producer",
    "RecognizedText",
    "SpeechCue",
    "SpokenWord",
    "StableSpan",
    "TextLine",
    "TextTrack",
    "TextWord",
    "View",
    "bounding_box",
    "clock",
]
