"""Clips with known text, and typed transcripts: readers of the two layouts, and their records.

A folder with ``tracks.json`` holds clips whose text is known exactly: every line, when it is to be
seen, and where at each moment. A folder with ``transcripts.jsonl`` holds recordings of which people
typed what stands there at a few moments. Both are described in ``docs/reference/data.md``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError

Floats = npt.NDArray[np.float64]

TRACKS_NAME = "tracks.json"
TRANSCRIPTS_NAME = "transcripts.jsonl"
LAYOUT_VERSION = 1
_ROUND_PX = 2


@dataclass(frozen=True, slots=True, eq=False)
class TrueTrack:
    """A line of text in a clip, from when it is seen to when it is gone.

    Attributes:
        id: Number within the clip.
        words: What it says, word by word.
        start_s: Time of the first frame that shows it: at half of its opacity or more, and with
            half of its area inside the picture or more. Less than half a second without that, as
            at the edge of a shaking picture, does not end it.
        end_s: Time of the first frame that does not show it any more.
        ignore: Whether nobody could be asked to read it: too short, too small, no letter or digit.
        times_s: ``(k,)``, rising: moments at which the places are given. Between two of them places
            move evenly; before the first and after the last they stand still.
        polygons: ``(k, n, 4, 2)``: corners (x, y) of the n words, clockwise from the top left, in
            pixels of the frame.
    """

    id: int
    words: tuple[str, ...]
    start_s: float
    end_s: float
    ignore: bool
    times_s: Floats
    polygons: Floats

    @property
    def text(self) -> str:
        """The words, joined by single spaces."""
        return " ".join(self.words)

    def polygons_at(self, time_s: float) -> Floats:
        """Return where the words stand at a moment → ``(n, 4, 2)``."""
        after = int(np.searchsorted(self.times_s, time_s))
        if after in (0, len(self.times_s)):
            edge: Floats = self.polygons[min(after, len(self.times_s) - 1)]
            return edge
        before_s, after_s = self.times_s[after - 1], self.times_s[after]
        share = (time_s - before_s) / (after_s - before_s)
        return np.asarray((1 - share) * self.polygons[after - 1] + share * self.polygons[after])

    def shown(self, time_s: float) -> bool:
        """Say whether it is seen at a moment."""
        return self.start_s <= time_s < self.end_s


@dataclass(frozen=True, slots=True)
class TrueClip:
    """A clip and its text.

    Attributes:
        video: The file.
        kind: What sort of clip it is (``slides``, ``pan`` …).
        width: Width of its frames in pixels.
        height: Height of its frames in pixels.
        duration_s: Its length.
        tracks: Its lines of text, by their start.
    """

    video: Path
    kind: str
    width: int
    height: int
    duration_s: float
    tracks: tuple[TrueTrack, ...]

    def to_json(self, root: Path) -> dict[str, Any]:
        """Return the object that ``tracks.json`` holds for the clip.

        Args:
            root: The folder that the file's name is written relative to.
        """
        return {
            "video": self.video.relative_to(root).as_posix(),
            "kind": self.kind,
            "width": self.width,
            "height": self.height,
            "duration_s": round(self.duration_s, 4),
            "tracks": [
                {
                    "id": track.id,
                    "words": list(track.words),
                    "start_s": round(track.start_s, 4),
                    "end_s": round(track.end_s, 4),
                    "ignore": track.ignore,
                    "times_s": np.round(track.times_s, 4).tolist(),
                    "polygons": np.round(track.polygons, _ROUND_PX).tolist(),
                }
                for track in self.tracks
            ],
        }


@dataclass(frozen=True, slots=True)
class Transcript:
    """What people typed of a recording.

    Attributes:
        video: The file.
        time_s: At which moment.
        lines: The lines that stand there; there may be more.
    """

    video: Path
    time_s: float
    lines: tuple[str, ...]


def write_tracks(folder: Path, clips: Sequence[TrueClip], facts: dict[str, Any]) -> Path:
    """Write ``tracks.json``, one clip a line; it appears when it is whole.

    Args:
        folder: Where the clips lie.
        clips: The clips.
        facts: How they were made (seed, fonts …), for people.
    """
    path = folder / TRACKS_NAME
    head = json.dumps({"version": LAYOUT_VERSION, **facts}, ensure_ascii=False)[:-1]
    rows = ",\n".join(json.dumps(clip.to_json(folder), ensure_ascii=False) for clip in clips)
    temporary = path.with_name(f".{TRACKS_NAME}.part")
    temporary.write_text(f'{head}, "clips": [\n{rows}\n]}}\n', encoding="utf-8")
    temporary.replace(path)
    return path


def read_clips(folder: Path) -> list[TrueClip]:
    """Read the clips of a folder with ``tracks.json``.

    Raises:
        ConfigError: The file is missing or malformed, or a clip is missing.
    """
    path = folder / TRACKS_NAME
    data = _load(path)
    if not isinstance(data, dict) or data.get("version") != LAYOUT_VERSION:
        raise ConfigError(
            f"{path} is not of version {LAYOUT_VERSION} of its layout; "
            "make the clips again with  onlooker synth video"
        )
    clips = []
    for number, row in enumerate(data.get("clips", [])):
        try:
            clip = _clip(folder, row)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{path}: clip {number} is malformed: {error!r}") from error
        _require(clip.video, path)
        clips.append(clip)
    if not clips:
        raise ConfigError(f"{path} lists no clip")
    return clips


def read_transcripts(folder: Path) -> list[Transcript]:
    """Read what was typed of the recordings of a folder with ``transcripts.jsonl``.

    Raises:
        ConfigError: The file is missing or malformed, or a recording is missing.
    """
    path = folder / TRANSCRIPTS_NAME
    found = []
    for number, text in enumerate(_text(path).splitlines(), 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
            lines = tuple(str(line) for line in row["lines"])
            one = Transcript(folder / row["video"], float(row["time_s"]), lines)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{path}, line {number}: expected "
                f'{{"video": …, "time_s": …, "lines": […]}}: {error!r}'
            ) from error
        _require(one.video, path)
        found.append(one)
    if not found:
        raise ConfigError(f"{path} is empty")
    return found


def _clip(folder: Path, row: dict[str, Any]) -> TrueClip:
    tracks = []
    for one in row["tracks"]:
        times = np.asarray(one["times_s"], np.float64)
        words = tuple(str(word) for word in one["words"])
        polygons = np.asarray(one["polygons"], np.float64)
        if not len(times) or polygons.shape != (len(times), len(words), 4, 2):
            raise ValueError(
                f"track {one['id']}: {len(times)} times and {len(words)} words, but polygons "
                f"{polygons.shape}"
            )
        tracks.append(
            TrueTrack(
                id=int(one["id"]),
                words=words,
                start_s=float(one["start_s"]),
                end_s=float(one["end_s"]),
                ignore=bool(one["ignore"]),
                times_s=times,
                polygons=polygons,
            )
        )
    return TrueClip(
        video=folder / row["video"],
        kind=str(row["kind"]),
        width=int(row["width"]),
        height=int(row["height"]),
        duration_s=float(row["duration_s"]),
        tracks=tuple(tracks),
    )


def _load(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _require(video: Path, listed_in: Path) -> None:
    if not video.is_file():
        raise ConfigError(f"{listed_in} names {video.name}, which is not there")
