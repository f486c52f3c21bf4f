"""Fetch the fonts that word and scene pictures are rendered with, from Debian and npm packages.

Downloads texlive-fonts-extra and every small fonts-* package with ``apt-get download`` (nothing is
installed), unpacks them, draws and judges every face, copies the chosen ones and writes their index
and a manifest of licences. Some display faces, as on signs and posters, come from npm's @fontsource
packages with ``npm pack`` (left out where there is no npm). The fonts themselves are never part of
this project.

    python recipes/text.synthesis/fetch_fonts.py build/fonts
    python recipes/text.synthesis/fetch_fonts.py build/fonts --unpacked DIR   # skips the download

Some 500 MB are downloaded, some 200 MB are kept, in about three minutes.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

from onlooker.text.synthesis.fonts import SUFFIXES, FontFace, inspect, inspect_foreign, save_index

MAX_PACKAGE_BYTES = 6_000_000  # larger fonts-* packages are CJK or hold every weight of a family
#: Display faces of @fontsource, each under the SIL Open Font License or Apache-2.0.
DISPLAY = [
    "lobster",
    "pacifico",
    "bangers",
    "bebas-neue",
    "anton",
    "righteous",
    "permanent-marker",
    "fredoka",
    "shrikhand",
    "monoton",
    "bungee",
    "bungee-shade",
    "abril-fatface",
    "alfa-slab-one",
    "rubik-mono-one",
    "luckiest-guy",
    "press-start-2p",
    "special-elite",
    "creepster",
    "knewave",
    "sigmar-one",
    "titan-one",
    "black-ops-one",
    "audiowide",
    "orbitron",
    "russo-one",
    "staatliches",
    "passion-one",
    "chewy",
    "caveat-brush",
    "amatic-sc",
    "satisfy",
    "yellowtail",
    "kaushan-script",
    "cinzel-decorative",
    "ewert",
    "nosifer",
]
FONT_FOLDERS = ("opentype", "truetype", "type1")


def main() -> None:
    """Run the steps named above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--unpacked", type=Path, help="folder of packages already unpacked")
    parser.add_argument("--per-family", type=int, default=3)
    parser.add_argument("--no-npm", action="store_true", help="leave out npm's display faces")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    unpacked = options.unpacked or download(options.out / "packages")
    display = [] if options.no_npm else download_display(options.out / "packages" / "npm")
    files = display + sorted(
        path
        for path in unpacked.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and any(folder in path.parts for folder in FONT_FOLDERS)
    )
    faces = inspect(files, per_family=options.per_family)
    kept = [copy(face, options.out) for face in faces]
    foreign = [copy(face, options.out) for face in inspect_foreign(files)]
    save_index(options.out, kept, foreign)
    copyrights = licences(unpacked) + display_licences(options.out / "packages" / "npm")
    (options.out / "LICENCES.txt").write_text(copyrights, encoding="utf-8")
    families = len({face.family for face in kept})
    print(f"{len(files)} files: kept {len(kept)} faces of {families} families")
    print(f"and {len(foreign)} faces of {len({face.family for face in foreign})} other scripts")


def download(folder: Path) -> Path:
    """Download and unpack the packages → the folder they lie in."""
    folder.mkdir(parents=True, exist_ok=True)
    listing = subprocess.run(
        ["apt-cache", "show", *package_names()], check=True, capture_output=True, text=True
    ).stdout
    wanted = ["texlive-fonts-extra"]
    for entry in listing.split("\n\n"):
        name = re.search(r"^Package: (\S+)$", entry, re.MULTILINE)
        size = re.search(r"^Size: (\d+)$", entry, re.MULTILINE)
        if name and size and int(size[1]) <= MAX_PACKAGE_BYTES:
            wanted.append(name[1])
    subprocess.run(["apt-get", "download", *dict.fromkeys(wanted)], cwd=folder, check=True)
    unpacked = folder / "unpacked"
    for package in sorted(folder.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(unpacked)], check=True)
        package.unlink()
    return unpacked


def download_display(folder: Path) -> list[Path]:
    """Download npm's display faces as TrueType → their files; none where there is no npm."""
    from fontTools.ttLib import TTFont

    if not shutil.which("npm"):
        print("no npm: its display faces are left out")
        return []
    folder.mkdir(parents=True, exist_ok=True)
    for name in DISPLAY:
        target = folder / name
        if target.is_dir():
            continue
        command = ["npm", "pack", f"@fontsource/{name}", "--silent", "--pack-destination", "."]
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if packed.returncode:
            print(f"@fontsource/{name} cannot be fetched: {packed.stderr.strip()[:200]}")
            continue
        archive = folder / packed.stdout.strip().splitlines()[-1]
        part = folder / f"{name}.part"
        with tarfile.open(archive) as tar:
            tar.extractall(part, filter="data")
        # One file a script; Latin holds all of ASCII and the western accents.
        for web in sorted((part / "package" / "files").glob("*-latin-400-normal.woff2")):
            font = TTFont(web)
            font.flavor = None
            font.save(part / f"{web.stem}.ttf")
        part.rename(target)
        archive.unlink()
    return sorted(folder.glob("*/*.ttf"))


def display_licences(folder: Path) -> str:
    """Join the licences of npm's packages, each under its package's name."""
    parts = []
    for name in DISPLAY:
        path = folder / name / "package" / "LICENSE"
        if path.is_file():
            body = path.read_text(encoding="utf-8", errors="replace")
            parts.append(f"\n==== @fontsource/{name} (npm) ====\n{body}")
    return "".join(parts)


def package_names() -> list[str]:
    """List the names of all fonts-* packages that apt knows."""
    names = subprocess.run(
        ["apt-cache", "pkgnames", "fonts-"], check=True, capture_output=True, text=True
    ).stdout
    return sorted(names.split())


def copy(face: FontFace, out: Path) -> FontFace:
    """Copy a face's file under its family's name, so that equal file names do not collide."""
    target = out / "faces" / f"{face.family}-{face.path.name}"
    target.parent.mkdir(exist_ok=True)
    if not target.exists():
        shutil.copyfile(face.path, target)
    return replace(face, path=target)


def licences(unpacked: Path) -> str:
    """Join the copyright files of the packages, each under its package's name."""
    parts = []
    for path in sorted(unpacked.glob("usr/share/doc/*/copyright")):
        body = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        parts.append(f"==== {path.parent.name} ====\n{body}")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
