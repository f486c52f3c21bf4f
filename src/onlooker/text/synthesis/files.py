"""Generated pictures as files, with their labels.

The layout is the one that ``onlooker evaluate`` reads: ``annotations.jsonl`` with a polygon for
each word and each of its characters; word crops also ``labels.tsv`` and ``chars.tsv``. A run that
was stopped goes on where it was: picture ``i`` depends on (seed, i) alone.
"""

from __future__ import annotations

import dataclasses
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.text.synthesis.corpus import read_words
from onlooker.text.synthesis.produce import CHUNK, Maker, chunks, draw_words, load_fonts, ordered
from onlooker.text.synthesis.shards import save_shard
from onlooker.text.synthesis.specification import PRODUCTS, Specification, nearest

SPECIFICATION_NAME = "specification.json"
ANNOTATIONS_NAME = "annotations.jsonl"
PER_SHARD = 2048
#: Quality at which scenes are kept; what compression does to them is in the picture already.
_SCENE_QUALITY = 95


@dataclass(frozen=True, kw_only=True)
class WriteConfig:
    """What to write where.

    Attributes:
        product: One of :data:`~onlooker.text.synthesis.specification.PRODUCTS` but video.
        out: The folder; a folder that was begun with the same specification is gone on with.
        count: Pictures in all.
        workers: Processes that draw.
        masks: Write the ink of each picture, ``masks/x.png``, too.
        shards: Write ``words-*.npz`` for training the recogniser instead of pictures.
    """

    product: str
    out: Path
    count: int
    workers: int = 1
    masks: bool = False
    shards: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        if self.product not in CHUNK:
            raise ConfigError(
                f"cannot write {self.product!r}: products are {', '.join(PRODUCTS)}"
                f"{nearest(self.product, PRODUCTS)}"
            )
        if self.count < 1 or self.workers < 1:
            raise ConfigError(
                f"count and workers must be at least 1, not {self.count} and {self.workers}"
            )
        if self.shards and (self.masks or self.product == "scenes"):
            raise ConfigError("shards hold word or line pictures alone: no scenes and no masks")
        if self.masks and self.product == "scenes":
            raise ConfigError("masks are written of word and line pictures alone")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run came to.

    Attributes:
        pictures: In the folder now.
        drawn: Of these, drawn by this run.
        seconds: Its wall time.
        faces: Font faces drawn with.
        families: Their families.
        broken_fonts: Files that cannot be used, each with the reason.
        refused_words: Own words that cannot be drawn, each with the reason.
    """

    pictures: int
    drawn: int
    seconds: float
    faces: int
    families: int
    broken_fonts: list[tuple[str, str]]
    refused_words: list[tuple[str, str]]

    def to_dict(self) -> dict[str, Any]:
        """List all values."""
        return dataclasses.asdict(self)


def write(
    specification: Specification,
    config: WriteConfig,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Summary:
    """Write pictures and labels; goes on where an earlier run of the same specification stopped.

    Args:
        specification: What to draw.
        config: What to write where.
        report: Told of pictures done, and in all.

    Raises:
        ConfigError: The folder cannot be written or holds something else, or there is no usable
            font, photo or word.
    """
    begun = time.monotonic()
    fonts = load_fonts(specification)
    # Says what is wrong with words and photos before the first worker starts.
    maker = Maker(config.product, specification, fonts) if config.workers == 1 else None
    refused = maker.refused if maker else []
    if maker is None and specification.text:
        refused = read_words(Path(specification.text), fonts.faces)[1]
    out = config.out
    try:
        out.mkdir(parents=True, exist_ok=True)
        _claim(specification, config)
        writer = _write_shards if config.shards else _write_pictures
        before, total = writer(specification, config, report, maker)
    except OSError as error:
        where = error.filename or out
        raise ConfigError(f"cannot write {where}: {error.strerror or error}") from None
    return Summary(
        pictures=total,
        drawn=total - before,
        seconds=round(time.monotonic() - begun, 3),
        faces=len(fonts.faces),
        families=len({face.family for face in fonts.faces}),
        broken_fonts=[(str(path), reason) for path, reason in fonts.broken],
        refused_words=refused,
    )


def _claim(specification: Specification, config: WriteConfig) -> None:
    """Put the specification into the folder, or compare with the one that lies there."""
    path = config.out / SPECIFICATION_NAME
    ours = {
        "product": config.product,
        "masks": config.masks,
        "shards": config.shards,
        "specification": specification.to_dict(),
    }
    if not path.is_file():
        if any(config.out.iterdir()):
            raise ConfigError(
                f"{config.out} holds other files; choose a folder that is empty or new"
            )
        _replace(path, json.dumps(ours, ensure_ascii=False, indent=2).encode() + b"\n")
        return
    try:
        theirs = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is damaged ({error}); choose another folder") from None
    if theirs != ours:
        names = list(_differing(theirs, ours))
        raise ConfigError(
            f"{config.out} was begun with another specification ({', '.join(names[:4])}); "
            "choose another folder, or the same options to go on"
        )


def _differing(one: Any, two: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(one, dict) and isinstance(two, dict):
        for key in sorted({*one, *two}):
            yield from _differing(one.get(key), two.get(key), f"{prefix}{key}.")
    elif one != two:
        yield prefix.rstrip(".").removeprefix("specification.")


def _write_pictures(
    specification: Specification,
    config: WriteConfig,
    report: Callable[[int, int], None],
    maker: Maker | None,
) -> tuple[int, int]:
    """Write pictures and annotations → how many there were before, and how many there are."""
    out = config.out
    for name in ("images", "masks") if config.masks else ("images",):
        (out / name).mkdir(exist_ok=True)
    path = out / ANNOTATIONS_NAME
    before = done = _whole_lines(path)
    report(done, max(done, config.count))
    work = _write_scenes if config.product == "scenes" else _write_words
    ranges = chunks(done, config.count, CHUNK[config.product])
    with path.open("a", encoding="utf-8", newline="\n") as file:
        for rows in ordered(
            specification, config.product, work, ranges, config.workers, (out, config.masks), maker
        ):
            # After the pictures themselves, and whole chunks in order: a row has its picture.
            file.write("".join(row + "\n" for row in rows))
            file.flush()
            done += len(rows)
            report(done, config.count)
    if config.product != "scenes":
        _write_tables(out)
    return before, done


def _whole_lines(path: Path) -> int:
    """Count the lines of a file, cutting off the half line that a killed run may have left."""
    if not path.is_file():
        return 0
    with path.open("rb+") as file:
        content = file.read()
        end = content.rfind(b"\n") + 1
        file.truncate(end)
    return content.count(b"\n")


def _write_words(maker: Maker, first: int, last: int, out: Path, masks: bool) -> list[str]:
    rows = []
    for number in range(first, last):
        drawn = maker.word(number, whole=True)
        name = f"{number:06d}.png"
        _save(out / "images" / name, drawn.picture)
        if masks:
            _save(out / "masks" / name, _mask_of(drawn.mask, drawn.picture))
        words = []
        if drawn.text and drawn.polygon is not None:
            words = [_word(drawn.text, drawn.polygon, drawn.characters, ignore=False)]
        rows.append(_row(name, words, text=drawn.text))
    return rows


def _write_scenes(maker: Maker, first: int, last: int, out: Path, masks: bool) -> list[str]:
    rows = []
    for number in range(first, last):
        drawn = maker.scene(number)
        name = f"{number:06d}.jpg"
        _save(out / "images" / name, drawn.picture)
        words = [
            _word(text, polygon, characters, ignore=bool(ignore))
            for text, polygon, characters, ignore in zip(
                drawn.texts, drawn.polygons, drawn.characters, drawn.ignored, strict=True
            )
        ]
        rows.append(_row(name, words))
    return rows


def _word(
    text: str,
    polygon: npt.NDArray[np.float32],
    characters: npt.NDArray[np.float32] | None,
    *,
    ignore: bool,
) -> dict[str, Any]:
    word = {"polygon": _points(polygon), "text": text, "ignore": ignore}
    if characters is not None:
        word["characters"] = [
            {"polygon": _points(corners), "text": character}
            for character, corners in zip(text, characters, strict=True)
            if character != " "
        ]
    return word


def _points(polygon: npt.NDArray[np.float32]) -> list[list[float]]:
    return [[round(float(x), 1), round(float(y), 1)] for x, y in polygon]


def _row(name: str, words: Sequence[dict[str, Any]], **more: Any) -> str:
    row = {"image": f"images/{name}", **more, "words": words}
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _mask_of(
    mask: npt.NDArray[np.uint8] | None, picture: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Return the ink's mask; a picture without text has an empty one."""
    return np.zeros(picture.shape[:2], np.uint8) if mask is None else mask


def _save(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    pixels = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    options = [cv2.IMWRITE_JPEG_QUALITY, _SCENE_QUALITY] if path.suffix == ".jpg" else []
    _, data = cv2.imencode(path.suffix, pixels, options)
    path.write_bytes(data.tobytes())


def _write_tables(out: Path) -> None:
    """Write ``labels.tsv`` and ``chars.tsv`` from the annotations."""
    labels, characters = [], []
    with (out / ANNOTATIONS_NAME).open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            labels.append(f"{row['image']}\t{row['text']}\n")
            name = row["image"].removeprefix("images/")
            for word in row["words"]:
                for one in word.get("characters", ()):
                    xs, ys = zip(*one["polygon"], strict=True)
                    x0, y0 = max(0, int(min(xs))), max(0, int(min(ys)))
                    x1, y1 = int(np.ceil(max(xs))), int(np.ceil(max(ys)))
                    if x0 < x1 and y0 < y1:
                        corners = f"{x0},{y0},{x1},{y1}"
                        characters.append(f"{name}\t{corners}\t{one['text']}\n")
    _replace(out / "chars.tsv", "".join(characters).encode())
    _replace(out / "labels.tsv", "".join(labels).encode())


def _replace(path: Path, content: bytes) -> None:
    """Write beside, then rename: a killed run never leaves half a file."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def _write_shards(
    specification: Specification,
    config: WriteConfig,
    report: Callable[[int, int], None],
    maker: Maker | None,
) -> tuple[int, int]:
    """Write shards of :data:`PER_SHARD` pictures → how many were there before, and are there."""
    ranges = list(chunks(0, config.count, PER_SHARD))
    missing = [(a, b) for a, b in ranges if _shard_length(config.out, a) < b - a]
    before = done = config.count - sum(b - a for a, b in missing)
    report(done, config.count)
    for written in ordered(
        specification,
        config.product,
        _write_shard,
        iter(missing),
        config.workers,
        (config.out,),
        maker,
    ):
        done += written
        report(done, config.count)
    return before, done


def _shard_path(out: Path, first: int) -> Path:
    return out / f"words-{first // PER_SHARD:05d}.npz"


def _shard_length(out: Path, first: int) -> int:
    """Count the pictures of a shard; the last one of an earlier run may be short."""
    path = _shard_path(out, first)
    if not path.is_file():
        return 0
    try:
        with np.load(path) as shard:
            return len(shard["widths"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return 0


def _write_shard(maker: Maker, first: int, last: int, out: Path) -> int:
    save_shard(_shard_path(out, first), draw_words(maker, first, last))
    return last - first
