"""Write down what the shipped recogniser sees in rendered words, for a smaller one to learn from.

    python recipes/text.recognition/binary/teach.py build/words

Shards that have their lessons already are left out: it may run again as more are drawn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2

from onlooker.text.recognition.crops import to_training_width
from onlooker.text.recognition.lessons import lessons_of, lessons_path, save_lessons
from onlooker.text.recognition.predict import TextRecognizer
from onlooker.text.synthesis.shards import PATTERN, read_shard


def main() -> None:
    """Read the options and teach."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", type=Path, help="folder that draw_words.py wrote")
    parser.add_argument("--model", default="ctc.synth2-int8", help="the teacher")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    teacher = TextRecognizer.load(options.model, threads=options.threads, decoding="greedy")
    for shard in sorted(options.shards.glob(PATTERN)):
        path = lessons_path(shard)
        if not path.is_file():
            pictures = [to_training_width(crop.picture) for crop in read_shard(shard)]
            save_lessons(path, lessons_of(teacher, pictures))
            print(path.name, flush=True)


if __name__ == "__main__":
    main()
