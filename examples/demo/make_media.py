"""Make the media of the demonstration: ``python examples/demo/make_media.py``.

Everything in ``media/`` comes from here, and the same files come out each time on the same
versions of its tools. It needs what the packages of Debian 12 bring (``espeak-ng``,
``fonts-urw-base35``, ``fonts-dejavu-core``, ``lomiri-wallpapers-16.04``), and scikit-image,
OpenCV, Pillow and PyAV.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from making.documents import HEIGHT, WIDTH, pdf, scan, slide_pages
from making.lecture import write_lecture
from making.photos import PHOTOS, Collection, save_photo
from making.signs import SIGNS
from making.sound import RATE_HZ, speak, vtt, write_opus
from making.terminal import write_terminal

HERE = Path(__file__).parent
PROJECT = "The Onlooker project"
MADE = (
    "2026:11:24 12:00:00"  # when the signs were first drawn: the only capture times that are true
)
VOICES = {"Q": ("en-us+f3", 158, 52), "A": ("en-gb-scotland", 150, 40)}
INTERVIEW = (
    ("Q", "What is special about a binary network?"),
    (
        "A",
        "Its weights are single bits, so a whole layer fits into the cache of a small processor.",
    ),
    ("Q", "Does it not lose accuracy?"),
    ("A", "It does lose some. Dense shortcuts and careful training win most of it back."),
    ("Q", "And what do you use it for?"),
    ("A", "For looking at pictures on machines without a graphics card."),
)
SIGN_TITLES = {
    "cafe-sign": "Sign of a café",
    "street-sign": "Street sign in the hills",
    "departures": "Departures in a station",
    "lost-cat-poster": "Poster of a lost cat",
    "trail-signs": "Signs on a mountain path",
    "library-banner": "Banner of a library",
    "chalk-menu": "Menu in chalk",
}


def make_interview(path: Path) -> None:
    """Write the interview and its transcript."""
    parts, cues, at = [np.zeros(RATE_HZ // 2, np.float32)], [], RATE_HZ // 2
    for who, text in INTERVIEW:
        voice, speed, pitch = VOICES[who]
        said = speak(text, voice, speed, pitch)
        cues.append((at / RATE_HZ, (at + len(said)) / RATE_HZ, f"<v {who}>{text}"))
        parts += [said, np.zeros(RATE_HZ // 2, np.float32)]
        at += len(said) + RATE_HZ // 2
    write_opus(path, np.concatenate(parts), {"title": "Why one bit?", "artist": PROJECT})
    path.with_suffix(".vtt").write_text(vtt(cues), encoding="utf-8")


def main() -> None:
    """Make all files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wallpapers", type=Path, default=Path("/usr/share/backgrounds"))
    parser.add_argument("--out", type=Path, default=HERE / "media")
    options = parser.parse_args()
    photos = Collection(options.wallpapers)
    rows: list[tuple[str, str, str, str, str, str, str]] = []
    for folder in ("photos", "signs", "lecture", "talks", "documents"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)

    for name, photo in PHOTOS.items():
        file = f"photos/{name.replace(' ', '-')}.jpg"
        save_photo(options.out / file, photos(name), place=photo.place, creator=photo.creator)
        rows.append((file, photo.title, photo.creator, "", "", "", photo.licence))
    for name, draw in SIGNS.items():
        file = f"signs/{name}.jpg"
        save_photo(options.out / file, draw(photos), taken=MADE)
        # Signs that carry somebody's photo carry its licence too.
        rights = (
            "CC0-1.0" if name in ("departures", "cafe-sign", "lost-cat-poster") else "CC-BY-4.0"
        )
        rows.append((file, SIGN_TITLES[name], PROJECT, "Signs of a town", "2026-11-24", "", rights))

    write_lecture(options.out / "lecture/every-moment.mp4", photos("coffee"))
    rows.append(
        (
            "lecture/every-moment.mp4",
            "Every moment, searchable",
            PROJECT,
            "Onlooker in two minutes",
            "2026-11-24",
            "en",
            "CC0-1.0",
        )
    )
    write_terminal(options.out / "lecture/first-session.mkv")
    make_interview(options.out / "talks/why-one-bit.opus")
    rows.append(
        (
            "talks/why-one-bit.opus",
            "Why one bit?",
            PROJECT,
            "Conversations",
            "2026-11-24",
            "en",
            "CC0-1.0",
        )
    )

    handout = pdf(slide_pages(), "Every moment, searchable", PROJECT, (WIDTH, HEIGHT))
    (options.out / "documents/handout.pdf").write_bytes(handout)
    (options.out / "documents/minutes-scanned.pdf").write_bytes(pdf([scan()], "", "", (595, 842)))

    with (options.out / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "title", "creator", "series", "date", "language", "rights"))
        writer.writerows(rows)
    total = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
