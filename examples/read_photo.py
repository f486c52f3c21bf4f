"""Print the text in a photo, a line with its place and confidence.

python examples/read_photo.py PHOTO
"""

from __future__ import annotations

import sys

from onlooker.media.image import read_image
from onlooker.text import TextReader


def main(path: str) -> None:
    picture, _scale = read_image(path)
    for line in TextReader.load()(picture).lines:
        left, top, right, bottom = (round(value) for value in line.box)
        print(f"{line.confidence:.2f}  ({left},{top})-({right},{bottom})  {line.text}")


if __name__ == "__main__":
    main(sys.argv[1])
