"""Clips as files: ``clips/00000.mp4`` … and ``tracks.json``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from onlooker.errors import ConfigError
from onlooker.media.recording import VideoWriter
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.corpus import Corpus
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.scenes import PhotoPool
from onlooker.text.synthesis.video.clips import KINDS, ClipSynthesizer, PhotoSource
from onlooker.text.synthesis.video.stage import Clip
from onlooker.text.video.datasets import TrueClip, write_tracks

_KEY_EVERY_S = 4.0
CRF = (18, 30)
"""From nearly clean to plainly compressed: what recordings of lectures have."""


@dataclass(frozen=True, kw_only=True)
class ClipsConfig:
    """What clips to write.

    Attributes:
        out: Folder; made where it is missing.
        fonts: Folder of font faces.
        photos: Folder of pictures without text; None: made surfaces.
        clips: How many.
        seed: Clip i of a seed is the same whatever else is written.
        kinds: Which kinds, in turn.
        width: Width of the frames.
        height: Height of the frames.
        rate_hz: Frames a second.
        seconds: Length of a clip on average.
        languages: Share of each language among the words; None: the corpus's own.

    Raises:
        ConfigError: No clip is wanted, or a kind is unknown.
    """

    out: Path
    fonts: Path
    photos: Path | None = None
    clips: int = 60
    seed: int = 7
    kinds: tuple[str, ...] = KINDS
    width: int = 1280
    height: int = 720
    rate_hz: float = 25.0
    seconds: float = 8.0
    languages: tuple[tuple[str, float], ...] | None = None

    def __post_init__(self) -> None:
        if self.clips < 1:
            raise ConfigError(f"the number of clips must be 1 or more: {self.clips}")
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise ConfigError(
                f"unknown kinds of clips {', '.join(unknown) or '(none given)'}; "
                f"there are {', '.join(KINDS)}"
            )


def write_clips(
    config: ClipsConfig, on_clip: Callable[[int, TrueClip], None] | None = None
) -> Path:
    """Write clips and their truth.

    Args:
        config: What to write.
        on_clip: Called after each clip with its number and truth.

    Returns:
        The path of ``tracks.json``, which appears last.

    Raises:
        ConfigError: Fonts or photos are missing, the folder holds clips already, or it cannot be
            written.
        MissingExtraError: The frequency lists of words are not installed.
    """
    folder = config.out / "clips"
    if (config.out / "tracks.json").exists():
        raise ConfigError(f"{config.out} holds clips already; name another folder")
    synthesizer = ClipSynthesizer(
        FontBank.load(config.fonts),
        Corpus(dict(config.languages) if config.languages else None),
        photo_source(config.photos),
        width=config.width,
        height=config.height,
        rate_hz=config.rate_hz,
        seconds=config.seconds,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        truths = []
        for number in range(config.clips):
            rng = np.random.default_rng((config.seed, number))
            clip = synthesizer.draw(rng, config.kinds[number % len(config.kinds)])
            path = folder / f"{number:05d}.mp4"
            write_clip(path, clip, crf=int(rng.integers(CRF[0], CRF[1] + 1)))
            truth = truth_of(clip, path)
            truths.append(truth)
            if on_clip is not None:
                on_clip(number, truth)
        facts = {"seed": config.seed, "rate_hz": config.rate_hz}
        return write_tracks(config.out, truths, facts)
    except OSError as error:
        raise ConfigError(f"{config.out} cannot be written: {error}") from error


class Wishes(Protocol):
    """What a specification says of clips (`onlooker.text.synthesis.specification`)."""

    @property
    def fonts(self) -> str:
        """Folder of fonts."""

    @property
    def backgrounds(self) -> str:
        """Folder of photos without text; empty: made surfaces."""

    @property
    def seed(self) -> int:
        """Of all chance."""


def write_video(
    specification: Wishes, out: Path, count: int, tell: Callable[[int, int], None]
) -> dict[str, Any]:
    """Write clips as ``onlooker synth video`` is asked to.

    Args:
        specification: Fonts, photos and seed.
        out: The folder.
        count: How many clips.
        tell: Called after each with how many are done, and how many there will be.

    Returns:
        ``pictures`` (clips in the folder), ``drawn``, ``seconds``, ``faces``, ``families`` and
        ``tracks``.

    Raises:
        ConfigError: As `write_clips`; or no fonts are named.
    """
    if not specification.fonts:
        raise ConfigError("clips need fonts: name a folder with --fonts")
    begun = time.perf_counter()
    photos = Path(specification.backgrounds) if specification.backgrounds else None
    config = ClipsConfig(
        out=out,
        fonts=Path(specification.fonts),
        photos=photos,
        clips=count,
        seed=specification.seed,
    )
    tracks = 0

    def on_clip(number: int, truth: TrueClip) -> None:
        nonlocal tracks
        tracks += len(truth.tracks)
        tell(number + 1, count)

    write_clips(config, on_clip)
    faces = FontBank.load(config.fonts).faces
    return {
        "pictures": count,
        "drawn": count,
        "tracks": tracks,
        "seconds": time.perf_counter() - begun,
        "faces": len(faces),
        "families": len({face.family for face in faces}),
    }


def photo_source(folder: Path | None) -> PhotoSource:
    """Return what draws grounds: photos of a folder, or made surfaces.

    Raises:
        ConfigError: The folder is not there or holds no picture.
    """
    if folder is None:
        return BackgroundBank([]).patch
    if not folder.is_dir():
        raise ConfigError(f"the folder of backgrounds {folder} is not there")
    return PhotoPool.load(folder).draw


def truth_of(clip: Clip, video: Path) -> TrueClip:
    """Return the truth of a clip that was written to a file."""
    return TrueClip(
        video=video,
        kind=clip.kind,
        width=clip.width,
        height=clip.height,
        duration_s=clip.duration_s,
        tracks=tuple(replace(track) for track in clip.tracks),
    )


def write_clip(path: Path, clip: Clip, *, crf: int = 23) -> None:
    """Write the frames of a clip as H.264 in MP4; the file appears when it is whole.

    Args:
        path: The file.
        clip: The clip.
        crf: x264's constant rate factor: 18 is nearly clean, 30 plainly compressed.
    """
    options = {"preset": "veryfast", "crf": str(crf), "g": str(round(_KEY_EVERY_S * clip.rate_hz))}
    with VideoWriter(path, rate_hz=clip.rate_hz, options=options) as video:
        for frame in clip.frames():
            video.add(frame.picture, frame.time_s)
