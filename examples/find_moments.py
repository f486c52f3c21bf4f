"""Index a folder and find moments in it.

python examples/find_moments.py FOLDER "gradient descent"
"""

from __future__ import annotations

import sys
import tempfile

from onlooker.library import Library


def main(folder: str, query: str) -> None:
    with tempfile.TemporaryDirectory() as place, Library.open(place) as library:
        summary = library.add(folder, on_event=lambda event: print(event.kind, event.path))
        print(f"{summary.moments} moments in {summary.seconds:.1f} s")
        for hit in library.search(query).hits:
            moment = hit.moment.moment
            where = f"{moment.start_s:.1f} s" if moment.start_s is not None else moment.page or ""
            print(f"{hit.score:.2f}  {hit.media.title}  {where}  {hit.snippet.text}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
