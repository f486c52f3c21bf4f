"""Text spotting, end to end: picture → words with their places; here its data and its measures.

The reader itself is `onlooker.text.TextReader`.
"""

from __future__ import annotations
