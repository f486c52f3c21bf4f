"""Trained network → packed file.

    network ──trace──▶ graph ──plan──▶ nodes ──pack──▶ packed file

``conversion`` leads through all of it. ``trace`` walks the network, with ``layers`` and
``functions`` for what it meets; ``graph`` is what comes out; ``plan`` says which operations one
node computes; ``pack`` writes the tables. ``fold`` makes thresholds of batch norm and sign,
``calibrate`` watches what float layers see, ``rounding`` brings their weights to seven bits.
"""

from onlooker.binary.converter.calibrate import Calibration
from onlooker.binary.converter.conversion import FLOAT_LAYERS, convert

__all__ = ["FLOAT_LAYERS", "Calibration", "convert"]
