"""The lecture: slides that build up, a speaker in the corner, a cut to a camera, speech."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from making.ink import fit, photograph
from making.slides import SIZE, SLIDES, draw_slide, draw_title
from making.sound import RATE_HZ, blocks, speak, srt

FPS = 25
INSET = (232, 174)
INSET_AT = (1022, 522)
CAMERA = -1


@dataclass(frozen=True)
class Beat:
    """A sentence and what is seen meanwhile.

    Attributes:
        slide: Index of the slide, 0 for the title, `CAMERA` for the camera.
        shown: How many of its lines are there.
        text: The sentence, as the subtitles show it.
        say: The sentence as the voice needs it, where that differs.
    """

    slide: int
    shown: int
    text: str
    say: str = ""


BEATS = (
    Beat(0, 0, "Welcome. This is Onlooker, a program that finds moments in your own recordings."),
    Beat(
        0,
        0,
        "In two minutes you will see what a moment is, how a computer learns to read, "
        "and why one bit can be enough.",
    ),
    Beat(1, 0, "First: what is a moment?"),
    Beat(1, 1, "A moment may be a line of text that stood on the screen."),
    Beat(1, 2, "It may be a sentence that somebody said."),
    Beat(1, 3, "Or it may be a title that a person gave to the file."),
    Beat(1, 3, "Each of them knows its time and its place."),
    Beat(
        2,
        0,
        "How does a text reader learn? From pictures that nobody had to label, "
        "because we draw them ourselves.",
    ),
    Beat(
        2,
        1,
        "Words are drawn in many fonts and colours, then bent, blurred and covered with noise.",
    ),
    Beat(2, 2, "The network guesses what each picture says, and the loss tells how wrong it was."),
    Beat(2, 3, "Gradient descent then moves every weight a small step downhill, again and again."),
    Beat(CAMERA, 0, "On a small machine that takes a night. Time for a coffee."),
    Beat(3, 0, "Now to binary networks, where every weight is plus one or minus one."),
    Beat(3, 1, "A weight then needs one bit instead of thirty-two."),
    Beat(
        3,
        2,
        "Multiplication becomes XNOR, a comparison of bits,",
        "Multiplication becomes X nor, a comparison of bits,",
    ),
    Beat(
        3,
        3,
        "and addition becomes popcount, the number of bits that are set.",
        "and addition becomes pop count, the number of bits that are set.",
    ),
    Beat(4, 0, "All this serves lecture search."),
    Beat(4, 1, "A slide is read once, on its fullest frame, and not once per second."),
    Beat(
        4,
        2,
        "You type a word, a phrase, or a part of a word, and even a typing error finds its way.",
    ),
    Beat(4, 3, "One click plays the lecture from that very second."),
    Beat(5, 1, "Try it yourself: install it,"),
    Beat(5, 2, "add a folder,"),
    Beat(5, 3, "and search for a thing you remember."),
    Beat(5, 3, "Nothing leaves your machine. Thank you for listening."),
)
# Before a sentence: a breath, and more where the slide changes.
BREATH_S, TURN_S, END_S = 0.45, 1.1, 2.5


def schedule() -> tuple[list[tuple[float, float, Beat]], NDArray[np.float32]]:
    """Speak all; return (start of the picture, end of the sentence, beat) and the sound."""
    parts: list[NDArray[np.float32]] = []
    timed = []
    now = 0
    for index, beat in enumerate(BEATS):
        turned = index > 0 and BEATS[index - 1].slide != beat.slide
        # Whole frames, so that pictures change exactly where the subtitles say.
        pause = round((TURN_S if turned else BREATH_S) * FPS) * (RATE_HZ // FPS)
        voice = speak(beat.say or beat.text)
        voice = np.concatenate([voice, np.zeros(-len(voice) % (RATE_HZ // FPS), np.float32)])
        parts += [np.zeros(pause, np.float32), voice]
        timed.append((now / RATE_HZ, (now + pause + len(voice)) / RATE_HZ, beat))
        now += pause + len(voice)
    parts.append(np.zeros(round(END_S * FPS) * (RATE_HZ // FPS), np.float32))
    return timed, np.concatenate(parts)


def cues(timed: list[tuple[float, float, Beat]]) -> list[tuple[float, float, str]]:
    """Return the subtitles: each from its first to its last sound."""
    found = []
    for index, (start_s, end_s, beat) in enumerate(timed):
        turned = index > 0 and timed[index - 1][2].slide != beat.slide
        found.append((start_s + (TURN_S if turned else BREATH_S), end_s, beat.text))
    return [(round(a * FPS) / FPS, b, text) for a, b, text in found]


def speaker(time_s: float, loud: float) -> Image.Image:
    """Draw the speaker in the corner: nods, blinks, and opens the mouth when it is loud."""
    scale = 3
    width, height = INSET[0] * scale, INSET[1] * scale
    picture = Image.new("RGB", (width, height), (62, 104, 112))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width * 0.3, height), fill=(74, 120, 126))
    draw.rectangle((width * 0.72, height * 0.1, width * 0.95, height * 0.62), fill=(168, 196, 196))
    x = width * (0.5 + 0.02 * np.sin(1.1 * time_s) + 0.01 * np.sin(2.7 * time_s))
    y = height * (0.45 + 0.015 * np.sin(1.9 * time_s) - 0.02 * loud)
    lean = width * 0.012 * np.sin(0.8 * time_s)
    draw.ellipse((x - 200 - lean, y + 110, x + 200 - lean, y + 560), fill=(38, 52, 92))
    draw.polygon([(x - 46, y + 118), (x + 46, y + 118), (x, y + 210)], fill=(236, 238, 240))
    draw.rectangle((x - 34, y + 70, x + 34, y + 130), fill=(206, 158, 126))
    draw.ellipse((x - 96, y - 122, x + 96, y + 110), fill=(222, 174, 142))
    draw.chord((x - 104, y - 150, x + 104, y + 60), 180, 360, fill=(70, 46, 34))
    draw.rectangle((x - 92, y - 48, x + 92, y - 30), fill=(70, 46, 34))
    blink = time_s % 3.7 < 0.14
    for side in (-40, 40):
        eye = 3 if blink else 11
        draw.ellipse((x + side - 10, y - 4 - eye, x + side + 10, y - 4 + eye), fill=(44, 34, 32))
    open_px = 5 + 26 * loud
    draw.ellipse((x - 30, y + 58 - open_px, x + 30, y + 58 + open_px), fill=(140, 62, 62))
    return picture.resize(INSET, Image.Resampling.LANCZOS)


def camera_shots(photo: Image.Image, frames: int) -> Iterator[NDArray[np.uint8]]:
    """Yield a slow camera move over a photo, with grain and a slight shake."""
    wide = fit(photo, (1600, 900))
    pixels = np.asarray(photograph(wide, 5, grain=0, blur=0))
    rng = np.random.default_rng(11)
    grain = [rng.normal(0, 3.0, (SIZE[1], SIZE[0], 1)).astype(np.float32) for _ in range(5)]
    for index in range(frames):
        along = index / max(1, frames - 1)
        zoom = 1.0 + 0.16 * along
        x = 160 * along + 3 * np.sin(index / 7)
        y = 60 + 40 * along + 2 * np.sin(index / 5)
        matrix = np.float32([[zoom, 0, -x], [0, zoom, -y]])
        frame = cv2.warpAffine(pixels, matrix, SIZE, flags=cv2.INTER_LINEAR).astype(np.float32)
        yield np.clip(frame + grain[index % 5], 0, 255).astype(np.uint8)


def frames_of(
    timed: list[tuple[float, float, Beat]], samples: NDArray[np.float32], photo: Image.Image
) -> Iterator[NDArray[np.uint8]]:
    """Yield all pictures of the lecture."""
    step = RATE_HZ // FPS
    power = np.sqrt((samples[: len(samples) // step * step].reshape(-1, step) ** 2).mean(axis=1))
    loud = np.clip(np.convolve(power, [0.25, 0.5, 0.25], "same") * 6, 0, 1)
    starts = [round(start_s * FPS) for start_s, _, _ in timed]
    ends = [*starts[1:], len(loud)]
    border = np.full((INSET[1] + 8, INSET[0] + 8, 3), 255, np.uint8)
    left, top = INSET_AT
    for first, last, (_, _, beat) in zip(starts, ends, timed, strict=True):
        if beat.slide == CAMERA:
            yield from camera_shots(photo, last - first)
            continue
        still = (
            draw_title()
            if beat.slide == 0
            else draw_slide(SLIDES[beat.slide - 1], beat.shown, beat.slide + 1)
        )
        pixels = np.array(still)
        pixels[top - 4 : top + INSET[1] + 4, left - 4 : left + INSET[0] + 4] = border
        for index in range(first, last):
            picture = speaker(index / FPS, float(loud[index]))
            pixels[top : top + INSET[1], left : left + INSET[0]] = np.asarray(picture)
            yield pixels


def write_lecture(path: Path, photo: Image.Image) -> None:
    """Write the lecture and its subtitles beside it."""
    timed, samples = schedule()
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(path), "w", options=options) as out:
        out.metadata["title"] = "Every moment, searchable: a lecture in two minutes"
        out.metadata["artist"] = "The Onlooker project"
        video = out.add_stream("libx264", rate=FPS)
        video.width, video.height = SIZE
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1  # the same bytes wherever it is made
        video.options = {"preset": "slow", "crf": "24", "tune": "animation", "flags": "+bitexact"}
        audio = out.add_stream("aac", rate=RATE_HZ, layout="mono")
        audio.bit_rate = 40000
        sound = blocks(samples)
        heard_s = 0.0
        for index, pixels in enumerate(frames_of(timed, samples, photo)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            out.mux(video.encode(frame))
            while heard_s <= index / FPS and (block := next(sound, None)) is not None:
                heard_s = float(block.pts * block.time_base)
                out.mux(audio.encode(block))
        for block in sound:
            out.mux(audio.encode(block))
        out.mux(audio.encode())
        out.mux(video.encode())
    path.with_suffix(".srt").write_text(srt(cues(timed)), encoding="utf-8")
