"""Onlooker: every moment of your videos, lectures, photos and documents, searchable.

This module holds the version only, so that ``import onlooker`` loads nothing heavy. The public
names live in their rooms: ``onlooker.library.Library``, ``onlooker.text.TextReader``.
"""

__version__ = "0.1.0"
