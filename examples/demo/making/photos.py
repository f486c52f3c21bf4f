"""Photos by others, under free licences, made smaller."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import skimage
from PIL import Image, ImageOps

MOST_PX = 1200


@dataclass(frozen=True)
class Photo:
    """A photo and where it comes from.

    Attributes:
        file: Its name in the package.
        package: ``scikit-image`` or the Debian package.
        creator: Who took it.
        licence: SPDX identifier, or what its source says.
        title: What it shows.
        place: Latitude and longitude, where its source says where it was taken.
    """

    file: str
    package: str
    creator: str
    licence: str
    title: str
    place: tuple[float, float] | None = None


LOMIRI = "lomiri-wallpapers-16.04"
PHOTOS = {
    "autumn hills": Photo(
        "aitzgorri_by_Aitzol_Berasategi.jpg",
        LOMIRI,
        "Aitzol Berasategi",
        "CC-BY-4.0",
        "Autumn below Aitzgorri",
    ),
    "mountain path": Photo(
        "picosdeeuropa_by_Aitzol_Berasategi.jpg",
        LOMIRI,
        "Aitzol Berasategi",
        "CC-BY-4.0",
        "Path in the Picos de Europa",
    ),
    "forest stream": Photo(
        "life_by_Aitzol_Berasategi.jpg",
        LOMIRI,
        "Aitzol Berasategi",
        "CC-BY-4.0",
        "Stream in a forest",
    ),
    "two dogs": Photo(
        "friends_by_Aitzol_Berasategi.jpg",
        LOMIRI,
        "Aitzol Berasategi",
        "CC-BY-4.0",
        "Two dogs at a window",
    ),
    "dandelions": Photo(
        "seeding_by_Clements_Engelhardt.jpg",
        LOMIRI,
        "Clemens Engelhardt",
        "CC0-1.0",
        "Dandelions in the evening",
    ),
    "fig": Photo(
        "Picture_0B_by_freespace.jpg",
        LOMIRI,
        'Trevor "Freespace"',
        "CC-BY-4.0",
        "A fig in a red bowl",
    ),
    "wine bar": Photo(
        "Wine_by_Jakkub_Mede.jpg", LOMIRI, "Jakub Mede", "CC-BY-4.0", "Wine and a drum"
    ),
    "chelsea": Photo(
        "chelsea.png", "scikit-image", "Stefan van der Walt", "CC0-1.0", "Chelsea the cat"
    ),
    "coffee": Photo(
        "coffee.png",
        "scikit-image",
        "Rachel Michetti",
        "CC0-1.0",
        "A cup of coffee at Pikolo Espresso Bar",
    ),
    "falcon 9": Photo(
        "rocket.jpg",
        "scikit-image",
        "SpaceX",
        "public domain",
        "Falcon 9 with DSCOVR at Launch Complex 40",
        (28.5619, -80.5774),
    ),
}


class Collection:
    """The photos, read from where the packages put them.

    Args:
        wallpapers: Folder of the Debian package's pictures.
    """

    def __init__(self, wallpapers: Path) -> None:
        self._wallpapers = wallpapers
        self._kept: dict[str, Image.Image] = {}

    def __call__(self, name: str) -> Image.Image:
        """Return a photo, upright, at most `MOST_PX` long."""
        if name not in self._kept:
            self._kept[name] = self._read(PHOTOS[name])
        return self._kept[name]

    def _read(self, photo: Photo) -> Image.Image:
        folder = (
            Path(skimage.__file__).parent / "data"
            if photo.package == "scikit-image"
            else self._wallpapers
        )
        if not (folder / photo.file).is_file():
            raise SystemExit(
                f"{photo.file} not found in {folder}: install {photo.package}, "
                "or say --wallpapers FOLDER"
            )
        with Image.open(folder / photo.file) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
        upright.thumbnail((MOST_PX, MOST_PX), Image.Resampling.LANCZOS)
        return upright


def save_photo(
    path: Path,
    picture: Image.Image,
    *,
    taken: str = "",
    place: tuple[float, float] | None = None,
    creator: str = "",
    quality: int = 84,
) -> None:
    """Save a JPEG with what is known about it."""
    exif = Image.Exif()
    if creator:
        exif[0x013B] = creator.encode("ascii", "replace").decode()
    if taken:
        exif[0x0132] = taken
        exif.get_ifd(0x8769)[0x9003] = taken
    if place:
        gps = exif.get_ifd(0x8825)
        for at, degrees, names in ((1, place[0], "NS"), (3, place[1], "EW")):
            minutes, seconds = divmod(round(abs(degrees) * 36000), 600)
            gps[at] = names[degrees < 0]
            gps[at + 1] = (float(minutes // 60), float(minutes % 60), seconds / 10)
    picture.save(path, quality=quality, exif=exif, optimize=True)
