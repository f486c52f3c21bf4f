"""From a query to ranked moments.

Levels, each below the one before, and each asked only while the page is not full:

1. **exact**: moments that match the query as it stands, all its words in one moment; ``begin*``
   counts as ``prefix``.
2. **neighbours**: the words of an AND stand in moments beside each other: on one page, photo or
   stretch of video, or within 30 s of the same recording, as a title and its bullet or two
   successive subtitles.
3. **prefix and part**: words of the library that begin with, or contain, a word of the query.
4. **part**: the letters of the query in a row, where a reader or a code has set other spaces.
5. **near**: words of the library that a typing or reading error turns into a word of the query.

Words in quotes are taken as they are: they have no part and near words. A query that finds nothing
better than near words also gets a suggestion: the nearest spelling in the library, or those of its
words that are found by themselves. What is suggested finds something.

Ranking is BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009; k1 = 1.2,
b = 0.75, mean length 10 words) times the weight of the evidence. Candidates come from an index
that is ordered by evidence and length (see `onlooker.library.ranks`): for a word that stands in
half a million moments, the first 100 of each class of evidence are taken, and the first 100 of all
are scored by their text; they are the best ones by everything but how often the word stands in
them. Moments where the words of an AND stand side by side are taken first.
"""

from __future__ import annotations

from onlooker.library.search.levels import search
from onlooker.library.search.result import Hit, Match, SearchResult, Snippet

__all__ = ["Hit", "Match", "SearchResult", "Snippet", "search"]
