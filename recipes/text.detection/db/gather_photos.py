r"""Gather pictures without text from Debian packages: the grounds of generated scenes.

    mkdir debs && cd debs && apt-get download gnome-backgrounds lomiri-wallpapers-16.04 \
        lomiri-wallpapers-20.04 mate-backgrounds plasma-workspace-wallpapers ukui-wallpapers \
        stellarium-data tuxpaint-stamps-default ufoai-textures
    for deb in *.deb; do dpkg -x "$deb" unpacked; done
    python recipes/text.detection/db/gather_photos.py --unpacked debs/unpacked --out PHOTOS

Four kinds: photos of wallpapers; textures of walls, doors, windows and floors; landscapes; and
*collages*, in which cut-out trees, animals, plants and things are strewn over the others, because
real scenes are cluttered and the former are not.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.uint8]

LONGEST_PX = 1400
TEXTURES = 420
COLLAGES = 260
#: Normal, gloss and roughness maps of the game; and folders of textures that are worth taking.
MAPS = ("_nm", "_sm", "_gm", "_rm")
FOLDERS = ("buildings", "nature", "material", "mattn", "misc", "furniture", "doors", "base")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--unpacked", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    listed = Path(__file__).with_name("left_out.txt").read_text(encoding="utf-8").splitlines()
    left_out = {line for line in listed if not line.startswith("#")}
    share = options.unpacked / "usr/share"
    options.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)

    kept = [
        *_distinct("photo", _files(share / "backgrounds", share / "wallpapers"), left_out),
        *_distinct("texture", _textures(share / "games/ufoai/base/0textures.pk3"), left_out),
        *_distinct("land", _landscapes(share / "stellarium", rng), left_out),
    ]
    textures = [i for i, (kind, _) in enumerate(kept) if kind == "texture"]
    dropped = set(rng.permutation(textures)[TEXTURES:].tolist())
    pictures = [picture for i, (_, picture) in enumerate(kept) if i not in dropped]
    stamps = [
        stamp
        for name, stamp in _files(share / "tuxpaint/stamps", mode="RGBA")
        if name not in left_out and min(stamp.shape[:2]) >= 60
    ]
    for number, picture in enumerate(pictures):
        _write(options.out / f"{number:04d}.jpg", picture)
    for number in range(COLLAGES):
        ground = pictures[int(rng.integers(len(pictures)))]
        _write(options.out / f"collage{number:04d}.jpg", _collage(rng, ground, stamps))
    print(f"{len(pictures)} pictures and {COLLAGES} collages in {options.out}")


def _files(*folders: Path, mode: str = "RGB") -> Iterator[tuple[str, Picture]]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            drawn = {"symbols", "roadsigns", "cartoon", "hanukkah", "money"} & set(path.parts)
            if (
                path.suffix.lower() in (".jpg", ".png", ".webp")
                and not path.is_symlink()
                and not drawn
            ):
                yield path.stem, np.asarray(Image.open(path).convert(mode))


def _textures(archive: Path) -> Iterator[tuple[str, Picture]]:
    with zipfile.ZipFile(archive) as file:
        for name in sorted(file.namelist()):
            path = Path(name)
            if path.parent.name.removeprefix("tex_") not in FOLDERS or path.stem.endswith(MAPS):
                continue
            if path.suffix.lower() in (".jpg", ".png", ".tga"):
                yield path.stem, np.asarray(Image.open(io.BytesIO(file.read(name))).convert("RGB"))


def _landscapes(folder: Path, rng: np.random.Generator) -> Iterator[tuple[str, Picture]]:
    """Put a sky of some colour behind each panorama, and cut long ones up."""
    for name, drawn in _files(folder / "landscapes", folder / "scenery3d/Sterngarten", mode="RGBA"):
        alpha = drawn[:, :, 3:] / 255
        rows = np.flatnonzero((alpha[:, :, 0] > 0.5).mean(axis=1) > 0.05)
        if len(rows) <= 100 or "igl" in name or "ocean" in name:
            continue
        picture = drawn[:, :, :3] * alpha + rng.uniform(120, 255, 3) * (1 - alpha)
        part = picture[max(0, rows[0] - 60) : rows[-1]].astype(np.uint8)
        step = part.shape[1] if part.shape[1] <= 2.5 * len(part) else int(1.6 * len(part))
        for left in range(0, part.shape[1] - step + 1, step):
            yield name, part[:, left : left + step]


def _distinct(
    kind: str, named: Iterator[tuple[str, Picture]], left_out: set[str]
) -> Iterator[tuple[str, Picture]]:
    """Leave out pictures of no use, and twins in other sizes."""
    seen: set[bytes] = set()
    for name, picture in named:
        thumb = cv2.resize(picture, (8, 8), interpolation=cv2.INTER_AREA) // 32
        usable = min(picture.shape[:2]) >= 128 and picture.std() >= 6
        if name not in left_out and usable and thumb.tobytes() not in seen:
            seen.add(thumb.tobytes())
            yield kind, picture


def _collage(rng: np.random.Generator, ground: Picture, stamps: list[Picture]) -> Picture:
    height, width = 760, 1000
    picture = cv2.resize(ground, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    for _ in range(int(rng.integers(8, 45))):
        stamp = stamps[int(rng.integers(len(stamps)))]
        wanted = float(np.exp(rng.uniform(np.log(18), np.log(420))))
        scale = min(1.5, wanted / stamp.shape[0])
        small = cv2.resize(stamp, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small = small[:, ::-1] if rng.random() < 0.5 else small
        small = np.rot90(small) if rng.random() < 0.2 else small
        h, w = small.shape[:2]
        x, y = int(rng.integers(-w // 2, width)), int(rng.integers(-h // 2, height))
        for copy in range(int(rng.integers(2, 7)) if rng.random() < 0.2 else 1):
            left = x + int(copy * w * 1.05)
            x0, y0, x1, y1 = max(0, left), max(0, y), min(width, left + w), min(height, y + h)
            if x1 <= x0 or y1 <= y0:
                continue
            part = small[y0 - y : y1 - y, x0 - left : x1 - left].astype(np.float32)
            alpha = part[:, :, 3:] / 255
            picture[y0:y1, x0:x1] += (part[:, :, :3] - picture[y0:y1, x0:x1]) * alpha
    return picture.astype(np.uint8)


def _write(path: Path, picture: Picture) -> None:
    scale = LONGEST_PX / max(picture.shape[:2])
    if scale < 1:
        picture = np.asarray(
            cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        )
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 91])


if __name__ == "__main__":
    main()
