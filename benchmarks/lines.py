"""Lines in German, French and English and formulas, drawn with faces that training never saw.

    python benchmarks/lines.py build/lines --bank build/fonts      # writes results/lines.json
    python benchmarks/lines.py build/lines --bank build/fonts --lines 50 --dry

Fetches faces of `@fontsource` (npm) and Noto Sans Math (Debian's fonts-noto-core), joins the parts
in which the web carries them (Latin, Greek) and the signs of mathematics that they lack, and leaves
out every family that the bank has, from which training draws. The lines come from word lists with
an own seed. Two looks: *plain*, as on slides, screens and pages (dark on light or light on dark,
12 to 30 pixels high, some blur, noise and JPEG), and *photo*, with the whole range of damage of
`WordSynthesizer`, which is what training draws and harder than most photos.

CER is edits over characters, spaces included.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import subprocess
import tarfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import cv2
import numpy as np
from fontTools import merge, subset
from fontTools.ttLib import TTFont
from fontTools.ttLib.scaleUpem import scale_upem

from onlooker.text.charset import CHARSET
from onlooker.text.recognition.metrics import recognition_metrics
from onlooker.text.recognition.predict import DECODINGS, TextRecognizer
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.corpus import Corpus, formula
from onlooker.text.synthesis.fonts import FontBank, inspect, save_index
from onlooker.text.synthesis.render import render_text
from onlooker.text.synthesis.words import WordSynthesizer

RESULTS = Path(__file__).resolve().parent / "results" / "lines.json"
PACKAGES = (
    "alegreya,archivo,cardo,commissioner,dm-sans,figtree,gelasio,literata,lora,newsreader,"
    "piazzolla,rubik,space-grotesk,work-sans"
)
PARTS = ("latin", "latin-ext", "greek")
UNITS_PER_EM = 1000
#: What drawing needs; the parts differ in the rest.
TABLES = {
    *("GlyphOrder", "cmap", "glyf", "head", "hhea", "hmtx", "loca", "maxp", "name", "OS/2", "post")
}
KINDS = ("de", "fr", "en", "formula")
SEED = 20_160_707


def fetch(folder: Path, packages: list[str]) -> list[Path]:
    """Download and join → font files, one a family and weight."""
    folder.mkdir(parents=True, exist_ok=True)
    math = fetch_math(folder)
    made = []
    for package in packages:
        archive = next(folder.glob(f"fontsource-{package}-[0-9]*.tgz"), None)
        if archive is None:
            subprocess.run(
                ["npm", "pack", "--silent", f"@fontsource/{package}"],
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            archive = next(folder.glob(f"fontsource-{package}-[0-9]*.tgz"))
        with tarfile.open(archive) as files:
            shutil.copyfileobj(
                files.extractfile("package/LICENSE"), (folder / f"{package}.LICENSE").open("wb")
            )
            for weight in (400, 700):
                parts = []
                for part in PARTS:
                    name = f"package/files/{package}-{part}-{weight}-normal.woff2"
                    if name in files.getnames():
                        parts.append(TTFont(io.BytesIO(files.extractfile(name).read())))
                if parts:
                    made.append(join(parts, math, folder / f"{package}-{weight}.ttf"))
    return made


def fetch_math(folder: Path) -> Path:
    target = folder / "NotoSansMath-Regular.ttf"
    if not target.exists():
        subprocess.run(["apt-get", "download", "fonts-noto-core"], cwd=folder, check=True)
        (deb,) = folder.glob("fonts-noto-core_*.deb")
        subprocess.run(["dpkg-deb", "-x", str(deb), str(folder / "noto")], check=True)
        deb.unlink()
        shutil.copy(next((folder / "noto").rglob(target.name)), target)
        shutil.rmtree(folder / "noto")
    return target


def join(parts: list[TTFont], math: Path, out: Path) -> Path:
    """Join parts of a face; signs that none has come from the face of mathematics."""
    have: set[int] = set()
    paths = []
    for number, part in enumerate([*parts, TTFont(math)]):
        wanted = {ord(c) for c in CHARSET} & set(part.getBestCmap()) - have
        if not wanted:
            continue
        options = subset.Options(layout_features=[], hinting=False, notdef_outline=True)
        chooser = subset.Subsetter(options)
        chooser.populate(unicodes=wanted)
        chooser.subset(part)
        scale_upem(part, UNITS_PER_EM)
        part.flavor = None
        for table in set(part.keys()) - TABLES:
            del part[table]
        have |= wanted
        path = out.with_suffix(f".{number}.ttf")
        part.save(path)
        paths.append(path)
    merged = merge.Merger().merge([str(path) for path in paths])
    for record in merged["name"].names:  # names of the first part, whatever it was cut down to
        if record.nameID in (1, 16):
            record.string = out.stem.rsplit("-", 1)[0]
    merged.save(out)
    for path in paths:
        path.unlink()
    return out


def unseen(folder: Path, packages: list[str], bank: FontBank) -> FontBank:
    """Return the bank of faces whose family the training's bank lacks."""
    index = folder / "fonts.json"
    if not index.exists():
        faces = inspect(fetch(folder, packages), per_family=2)
        save_index(folder, faces, [])
    found = FontBank.load(folder)
    known = {plain(face.family) for face in bank.faces}
    kept = tuple(face for face in found.faces if plain(face.family) not in known)
    left_out = sorted({face.family for face in found.faces if face not in kept})
    print(f"{len(kept)} faces: {', '.join(sorted({face.family for face in kept}))}")
    if left_out:
        print(f"left out, the bank has them: {', '.join(left_out)}")
    return replace(found, faces=kept)


def plain(family: str) -> str:
    return "".join(c for c in family.lower() if c.isalnum())


class Kind(Corpus):
    """Draws lines of one kind alone."""

    def __init__(self, kind: str) -> None:
        super().__init__({"en" if kind == "formula" else kind: 1.0})
        self.kind = kind
        self.within = False

    def line(self, rng: np.random.Generator) -> str:
        while True:
            self.within = True
            text = formula(rng) if self.kind == "formula" else super().line(rng)
            self.within = False
            text = text[:40].strip()
            # The corpus strews formulas and codes among its lines; they are measured apart.
            letters = sum(c.isalpha() for c in text)
            if self.kind == "formula" or (" " in text and letters > 0.6 * len(text)):
                return text

    def word(self, rng: np.random.Generator) -> str:
        """Draw a line where a word is asked for, and words for the line."""
        return super().word(rng) if self.within else self.line(rng)


def draw_plain(text: str, fonts: FontBank, rng: np.random.Generator) -> np.ndarray:
    """Draw a line as slides and pages have it."""
    mask = render_text(text, fonts.pick(rng, text), 40, rng).mask.astype(np.float32) / 255
    above, below, left, right = (int(v) for v in rng.uniform(0.05, 0.3, 4) * 32)
    mask = np.pad(mask, ((above, below), (left, right)))
    paper, ink = rng.uniform(200, 255), rng.uniform(0, 90)
    if rng.random() < 0.35:
        paper, ink = ink, paper
    picture = paper + (ink - paper) * mask
    size = float(rng.uniform(12, 30)) / mask.shape[0]
    picture = cv2.resize(picture, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.8))
    picture = picture + rng.normal(0, rng.uniform(0, 6), picture.shape)
    pixels = np.clip(picture, 0, 255).astype(np.uint8)
    quality = int(rng.uniform(40, 95))
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def measure(options: argparse.Namespace) -> dict[str, object]:
    bank = FontBank.load(options.bank)
    fonts = unseen(options.out, options.packages.split(","), bank)
    readers = {d: TextRecognizer.load(decoding=d, threads=options.threads) for d in DECODINGS}
    figures: dict[str, object] = {}
    for number, kind in enumerate(KINDS):
        corpus = Kind(kind)
        drawer = WordSynthesizer(fonts, corpus, BackgroundBank.load(options.backgrounds))
        for look in ("plain", "photo"):
            rng = np.random.default_rng((SEED, number, look == "photo"))
            crops: list[np.ndarray] = []
            texts: list[str] = []
            skipped = 0
            while len(texts) < options.lines:
                if look == "plain":
                    text = corpus.line(rng)
                    if not any(face.covers(text) for face in fonts.faces):
                        skipped += 1
                        continue
                    crops.append(draw_plain(text, fonts, rng))
                else:
                    drawn = drawer.draw(rng)
                    if not drawn.text:
                        continue
                    text = drawn.text
                    crops.append(drawn.picture)
                texts.append(text)
            if options.save:
                save(options.out / "pictures", f"{kind}-{look}", crops, texts)
            for decoding, reader in readers.items():
                if look == "plain":
                    read = reader(crops)
                else:
                    read = reader.read_prepared(crops)
                pairs = [(one.text, text) for one, text in zip(read, texts, strict=True)]
                metrics = recognition_metrics(pairs)
                figures[f"{kind}/{look}/{decoding}"] = {
                    "cer": metrics["cer"],
                    "exact": metrics["word_accuracy"],
                    "n": len(pairs),
                }
                print(
                    f"{kind:>8} {look:>6} {decoding:>7}: CER {metrics['cer']:.4f}, exact "
                    f"{metrics['word_accuracy']:.4f}, n {len(pairs)}, no face for {skipped}",
                    flush=True,
                )
    return {
        "date": date.today().isoformat(),
        "command": f"python benchmarks/lines.py OUT --bank BANK --lines {options.lines}",
        "seed": SEED,
        "families": sorted({face.family for face in fonts.faces}),
        "characters_not_drawable": "".join(
            c for c in CHARSET if not any(face.covers(c) for face in fonts.faces)
        ),
        "figures": figures,
    }


def save(folder: Path, name: str, crops: list[np.ndarray], texts: list[str]) -> None:
    """Write crops and labels as ``onlooker evaluate text.recognition`` takes them."""
    images = folder / name / "images"
    images.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (crop, text) in enumerate(zip(crops, texts, strict=True)):
        cv2.imwrite(str(images / f"{number:04d}.png"), crop)
        rows.append(f"images/{number:04d}.png\t{text}\n")
    (folder / name / "labels.tsv").write_text("".join(rows), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="folder of the faces")
    parser.add_argument("--bank", type=Path, required=True, help="faces that training draws from")
    parser.add_argument("--backgrounds", type=Path, help="photos without text")
    parser.add_argument("--packages", default=PACKAGES, help="names under @fontsource")
    parser.add_argument("--lines", type=int, default=300, help="of each kind and look")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", action="store_true", help="keep pictures and labels")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    results = measure(options)
    if not options.dry:
        RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
