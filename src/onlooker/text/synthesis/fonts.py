"""Fonts for rendering: which faces there are, and which characters each can really draw.

A cmap entry proves little: fonts map letters to empty boxes, small capitals, music or Cherokee.
So every face is *drawn* once, and what it draws is compared with its own "missing" glyph, with its
other glyphs, and with the mean look of a letter over all faces. The outcome is kept in
``fonts.json`` beside the fonts (see ``recipes/text.synthesis/fetch_fonts.py``), so that loading
two thousand faces takes a tenth of a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from onlooker.errors import ConfigError
from onlooker.text.charset import CHARSET

INDEX_NAME = "fonts.json"
#: Pixels per em at which words are drawn, before they are brought to the size wanted: opening a
#: file takes as long as drawing a word, so that faces are best kept open at one size.
STANDARD_PX = 40
SUFFIXES = (".otf", ".ttf", ".ttc", ".pfb")
#: A face without one of these is of no use for signs or slides.
NEEDED = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?-:&"
LOWER = "abcdefghijklmnopqrstuvwxyz"
#: Larger files are mostly CJK or maths collections; they cost time to open and add few looks.
MAX_BYTES = 400_000
#: Letters whose lower case has another shape than the capital (c, o, s … have not).
#: Scripts that the reader cannot write, and characters to try faces with. Pictures of them teach it
#: to write nothing. Of Cyrillic only letters without a Latin or Greek twin.
SCRIPTS = {
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "armenian": "աբգդեզէըթժիլխծկհձղճմյնշչպջռստրցփք",
    "bengali": "অআইঈউঊএঐওঔকখগঘচছজঝটঠডঢণতথদধনপফবভম",
    "cyrillic": "БГДЖЗИЙЛПФЦЧШЩЪЫЭЮЯбвгджзийлптфцчшщъыэюя",
    "devanagari": "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह",
    "ethiopic": "ሀለሐመሠረሰሸቀበተቸነኘአከኸወዐዘየደጀገጠጨጰጸፀፈፐ",
    "georgian": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
    "han": "的一是不了人我在有他中大来上国到子和你地出道也得就那要下以生自去之家口日月水火山",
    "hangul": "가나다라마바사아자차카타파하국한글서울대민입출구금지주의안전문화시장역",
    "hebrew": "אבגדהוזחטיךכלםמןנסעףפץצקרשת",
    "kana": "あいうえおかきくけこさしすせそたちつてとなにぬねのはアウオカキクケコサシスセ",
    "tamil": "அஆஇஈஉஊஎஏஐஒஓகஙசஞடணதநபமயரலவழளறன",
    "telugu": "అఆఇఈఉఊఎఏఐఒఓకఖగఘచఛజటఠడఢణతథదధనపఫబభమయరలవ",
    "thai": "กขคฆงจฉชซญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮ",
}
MAX_SCRIPT_BYTES = 12_000_000
_CASE_TELLING = "abdefghijlmnqrt"
_SIDE_PX = 16  # glyphs are compared as 16 × 16 pictures
_DRAW_PX = 40
#: Share of letters and digits that must be nearer to the mean look of themselves than to that of
#: all but two others. Set by looking at the faces sorted by it: music, runes, Greek on Latin codes
#: lie below, blackletter and script above.
MIN_LEGIBILITY = 0.38
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" + LOWER
_SYMBOL_NAME = re.compile(
    r"dingbat|symbol|ornament|icon|awesome|emoji|music|chess|braille|barcode|cmex|cmsy|cmmi|"
    r"msam|msbm|astro|rune|runic|hierogl|cuneiform|cherok|wasy|bullets|arrow|pifont|moon|logo|"
    r"phonetic|tipa|sign|semaphor|skak|crosswd|smiley|fourier-?orn|marvo|circuit|dice|knot|math(?!pazo|ptm)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class FontFace:
    """One face of one font file.

    Attributes:
        path: The font file.
        index: Number of the face within a collection, else 0.
        family: Family name with weight words removed.
        style: Style name as the file gives it.
        characters: Members of the charset that the face draws rightly; always with the space.
        shaped: Whether letters join and change, as in Arabic: drawn with libraqm, where
            Pillow has it.
    """

    path: Path
    index: int
    family: str
    style: str
    characters: frozenset[str]
    shaped: bool = False

    def covers(self, text: str) -> bool:
        """Say whether every character of ``text`` can be drawn."""
        return self.characters.issuperset(text)

    def font(self, size_px: int) -> ImageFont.FreeTypeFont:
        """Open the face at ``size_px`` pixels per em.

        The last few are kept open, and 2,048 at the standard size (some 150 kB each).

        Raises:
            ConfigError: The file is gone or damaged.
        """
        find = _open_standard if size_px == STANDARD_PX else _open
        try:
            return find(str(self.path), self.index, size_px, self.shaped)
        except OSError as error:
            raise ConfigError(f"the font {self.path} cannot be opened: {error}") from None


def _load(path: str, index: int, size_px: int, shaped: bool) -> ImageFont.FreeTypeFont:
    joined = shaped and features.check("raqm")
    layout = ImageFont.Layout.RAQM if joined else ImageFont.Layout.BASIC
    return ImageFont.truetype(path, size_px, index=index, layout_engine=layout)


_open = lru_cache(maxsize=64)(_load)
_open_standard = lru_cache(maxsize=2048)(_load)


@dataclass
class FontBank:
    """The faces at hand; draws them at random, each family equally likely."""

    faces: list[FontFace]
    foreign: list[FontFace] = field(default_factory=list)
    broken: list[tuple[Path, str]] = field(default_factory=list)
    _families: list[list[FontFace]] = field(init=False, repr=False)
    _covering: dict[str, list[FontFace]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Group the faces by family."""
        if not self.faces:
            raise ConfigError("no usable font face; run recipes/text.synthesis/fetch_fonts.py")
        families: dict[str, list[FontFace]] = {}
        for face in self.faces:
            families.setdefault(face.family, []).append(face)
        self._families = list(families.values())

    @classmethod
    def load(cls, folder: str | Path, *, verify: bool = False) -> FontBank:
        """Load the faces of a folder from its index; without an index draw and judge them all.

        Args:
            folder: Holds fonts.
            verify: Open each file; what cannot be opened is left out and listed in ``broken``.

        Raises:
            ConfigError: The folder is not there, or holds no usable font, or its index is damaged.
        """
        root = Path(folder)
        if not root.is_dir():
            raise ConfigError(
                f"the folder of fonts {root} is not there; recipes/text.synthesis/fetch_fonts.py "
                "makes one"
            )
        index = root / INDEX_NAME
        broken: list[tuple[Path, str]] = []
        foreign: list[FontFace] = []
        if index.is_file():
            try:
                tables = json.loads(index.read_text(encoding="utf-8"))
                faces, foreign = (_faces(root, tables, kind) for kind in ("faces", "foreign"))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ConfigError(
                    f"{index} cannot be read ({error}); delete it, and the faces are judged anew"
                ) from None
            if verify:
                faces, foreign = (_openable(some, broken) for some in (faces, foreign))
        else:
            files = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES)
            faces = inspect(files, broken=broken)
        if not faces:
            told = f"; {len(broken)} files cannot be opened" if broken else ""
            raise ConfigError(
                f"{root} holds no usable font ({', '.join(SUFFIXES)}){told}; "
                "recipes/text.synthesis/fetch_fonts.py makes a folder of about 1,600 faces"
            )
        return cls(faces, foreign, broken)

    def pick(self, rng: np.random.Generator, text: str = "") -> FontFace:
        """Draw a face that covers ``text``.

        Raises:
            ConfigError: No face covers it.
        """
        for _ in range(24):
            family = self._families[int(rng.random() * len(self._families))]
            face = family[int(rng.random() * len(family))]
            if face.covers(text):
                return face
        rare = "".join(sorted({c for c in text if not (c.isascii() and c.isalnum())}))
        if rare not in self._covering:
            self._covering[rare] = [face for face in self.faces if face.covers(rare)]
        fitting = [face for face in self._covering[rare] if face.covers(text)]
        if not fitting:
            raise ConfigError(f"no font face of {len(self.faces)} can draw {text!r}")
        return fitting[int(rng.random() * len(fitting))]

    def fit(self, rng: np.random.Generator, face: FontFace, text: str) -> tuple[FontFace, str]:
        """Find what a text can be drawn with, so that no word loses a letter.

        Args:
            rng: Draws the other face.
            face: The face to draw with, if it can.
            text: A line.

        Returns:
            That face, or another that covers the text, and the text. Of a text that no face covers,
            the words that the wanted face does, perhaps none.
        """
        if face.covers(text):
            return face, text
        try:
            return self.pick(rng, text), text
        except ConfigError:
            return face, " ".join(word for word in text.split() if face.covers(word))

    def pick_foreign(self, rng: np.random.Generator) -> tuple[FontFace, str]:
        """Draw a face of a script outside the charset, and a word of one to seven of its letters.

        Raises:
            ConfigError: The folder was prepared without such faces.
        """
        if not self.foreign:
            raise ConfigError(
                "no faces of other scripts; run recipes/text.synthesis/fetch_fonts.py"
            )
        scripts = sorted({face.family for face in self.foreign})
        script = scripts[int(rng.random() * len(scripts))]
        faces = [face for face in self.foreign if face.family == script]
        face = faces[int(rng.random() * len(faces))]
        letters = sorted(face.characters)
        length = 2 + int(rng.random() * 6)
        return face, "".join(letters[int(rng.random() * len(letters))] for _ in range(length))


def _faces(root: Path, tables: dict[str, Any], kind: str) -> list[FontFace]:
    return [
        FontFace(
            path=root / row["path"],
            index=row["index"],
            family=row["family"],
            style=row["style"],
            characters=frozenset(row["characters"]),
            shaped=kind == "foreign",
        )
        for row in tables.get(kind, [])
    ]


def _openable(faces: list[FontFace], broken: list[tuple[Path, str]]) -> list[FontFace]:
    """Keep the faces whose files can be opened; name the others in ``broken``."""
    good = []
    for face in faces:
        try:
            ImageFont.truetype(str(face.path), STANDARD_PX, index=face.index)
            good.append(face)
        except OSError as error:
            broken.append((face.path, str(error)))
    return good


def save_index(
    folder: str | Path, faces: Iterable[FontFace], foreign: Iterable[FontFace] = ()
) -> None:
    """Write the index that :meth:`FontBank.load` reads."""
    root = Path(folder)
    tables = {"faces": _rows(root, faces), "foreign": _rows(root, foreign)}
    text = json.dumps(tables, ensure_ascii=False)
    (root / INDEX_NAME).write_text(text, encoding="utf-8")


def _rows(root: Path, faces: Iterable[FontFace]) -> list[dict[str, object]]:
    return [
        {
            "path": str(face.path.relative_to(root)),
            "index": face.index,
            "family": face.family,
            "style": face.style,
            "characters": "".join(sorted(face.characters)),
        }
        for face in faces
    ]


def inspect(
    files: Iterable[Path],
    *,
    per_family: int = 3,
    broken: list[tuple[Path, str]] | None = None,
) -> list[FontFace]:
    """Draw every face of ``files`` and keep those that can be read.

    One face a PostScript-like name (family and style), at most ``per_family`` a family, upright
    and plain styles first. Only the first face of a collection is looked at. Files that cannot be
    opened are added to ``broken`` with the reason.
    """
    named: dict[tuple[str, str], tuple[Path, str]] = {}
    for path in files:
        if path.stat().st_size > MAX_BYTES or _SYMBOL_NAME.search(path.name):
            continue
        try:
            family, style = ImageFont.truetype(str(path), 20).getname()
        except OSError as error:
            if broken is not None:
                broken.append((path, str(error)))
            continue
        full = f"{family or path.stem} {style or ''}"
        if _SYMBOL_NAME.search(full):
            continue
        key = (_stem(full), _style_key(full))
        # A Type 1 file is the last choice: the same face as OpenType has more characters.
        if key not in named or named[key][0].suffix.lower() == ".pfb" != path.suffix.lower():
            named[key] = (path, style or "Regular")

    judged: list[tuple[FontFace, np.ndarray]] = []
    for (family, _), (path, style) in sorted(named.items()):
        drawn = _judge(path)
        if drawn is not None:
            characters, looks = drawn
            face = FontFace(path=path, index=0, family=family, style=style, characters=characters)
            judged.append((face, looks))
    if not judged:
        return []

    mean = np.nanmedian(np.stack([looks for _, looks in judged]), axis=0)  # (letters, 256)
    mean -= mean.mean(axis=-1, keepdims=True)
    mean /= np.linalg.norm(mean, axis=-1, keepdims=True) + 1e-6
    legible = [_legibility(looks, mean) for _, looks in judged]

    kept: dict[str, list[FontFace]] = {}
    for (face, _), score in zip(judged, legible, strict=True):
        if score >= MIN_LEGIBILITY:
            kept.setdefault(face.family, []).append(face)
    chosen: list[FontFace] = []
    for faces in kept.values():
        chosen += sorted(faces, key=lambda f: (len(f.style), f.style))[:per_family]
    return chosen


def inspect_foreign(files: Iterable[Path], *, per_script: int = 8) -> list[FontFace]:
    """Find faces of scripts outside the charset; their ``family`` is the script's name."""
    found: dict[str, list[FontFace]] = {script: [] for script in SCRIPTS}
    seen: set[str] = set()
    for path in files:
        if path.stat().st_size > MAX_SCRIPT_BYTES or path.suffix.lower() == ".pfb":
            continue
        try:
            font = ImageFont.truetype(str(path), _DRAW_PX, layout_engine=ImageFont.Layout.BASIC)
        except OSError:
            continue
        name = " ".join(part or "" for part in font.getname())
        if name in seen or _SYMBOL_NAME.search(name):
            continue
        seen.add(name)
        box = _glyph(font, "\ufffe")
        missing = box.tobytes() if box is not None else b""
        for script, letters in SCRIPTS.items():
            if len(found[script]) >= per_script:
                continue
            drawn = {}
            for letter in letters:
                glyph = _glyph(font, letter)
                if glyph is None or not glyph.any() or glyph.tobytes() == missing:
                    break
                drawn[glyph.tobytes()] = letter
            if len(drawn) >= 0.9 * len(letters):
                characters = frozenset(letters)
                found[script].append(
                    FontFace(
                        path=path,
                        index=0,
                        family=script,
                        style=name,
                        characters=characters,
                        shaped=True,
                    )
                )
    return [face for faces in found.values() for face in faces]


def _legibility(looks: np.ndarray, mean: np.ndarray) -> float:
    """Compute the share of letters whose own mean look is among the three nearest."""
    have = ~np.isnan(looks[:, 0])
    near = looks[have] @ mean.T  # (letters drawn, letters)
    own = near[np.arange(len(near)), np.flatnonzero(have)]
    better = (near > own[:, None] + 1e-6).sum(axis=1)
    scores = better < 3
    upper = np.flatnonzero(have) < 36
    shares = [scores[part].mean() for part in (upper, ~upper) if part.any()]
    return float(min(shares))


def _stem(full_name: str) -> str:
    """Strip weight, width and slope words, digits of size, and spaces from a name."""
    words = (
        r"regular|roman|book|medium|bold|semi|demi|extra|ultra|light|thin|black|heavy|italic|"
        r"oblique|condensed|cond|narrow|slanted|upright|normal|display|text|caption|poster|hairline"
    )
    bare = re.sub(rf"(?:{words})", "", full_name.lower())
    return re.sub(r"[^a-z]+", "", bare) or full_name.lower()


def _style_key(full_name: str) -> str:
    name = full_name.lower()
    weights = ("thin", "hairline", "light", "medium", "semi", "demi", "bold", "black", "heavy")
    slopes = ("italic", "oblique", "slanted", "cond", "narrow", "caps", "display")
    return "+".join(word for word in weights + slopes if word in name)


def _glyph(font: ImageFont.FreeTypeFont, character: str) -> np.ndarray | None:
    """Draw one character on a fixed canvas → (80, 80) uint8; None if FreeType fails."""
    canvas = Image.new("L", (2 * _DRAW_PX, 2 * _DRAW_PX))
    try:
        ImageDraw.Draw(canvas).text((_DRAW_PX // 2, _DRAW_PX // 2), character, 255, font)
    except (OSError, ValueError):
        return None
    return np.asarray(canvas)


def _look(glyph: np.ndarray) -> np.ndarray:
    """Crop a glyph to its ink and bring it to 16 × 16, zero mean, unit length → (256,)."""
    rows, columns = np.flatnonzero(glyph.max(1)), np.flatnonzero(glyph.max(0))
    ink = Image.fromarray(glyph[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    small = np.asarray(ink.resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX), np.float32).ravel()
    small = small - small.mean()
    return np.asarray(small / (np.linalg.norm(small) + 1e-6), np.float32)


def _judge(path: Path) -> tuple[frozenset[str], np.ndarray] | None:
    """Find what a face draws → (characters, looks (62, 256)), or None if it is of no use."""
    try:
        font = ImageFont.truetype(str(path), _DRAW_PX, layout_engine=ImageFont.Layout.BASIC)
        missing = {
            glyph.tobytes()
            for glyph in (_glyph(font, c) for c in "\ue123\u0e5b\ufffe")
            if glyph is not None
        }
    except OSError:
        return None
    glyphs: dict[str, np.ndarray] = {}
    for character in CHARSET[1:]:
        glyph = _glyph(font, character)
        if glyph is None:
            if character in NEEDED:
                return None
            continue
        edge = glyph[0].any() or glyph[-1].any()
        empty = not (glyph > 100).any()
        if empty or edge or glyph.tobytes() in missing:
            if character in NEEDED:
                return None
            continue
        glyphs[character] = glyph
    space = _glyph(font, " ")
    if space is None or space.any():
        return None
    needed = {glyphs[c].tobytes() for c in NEEDED}
    if len(needed) < len(NEEDED) - 1:  # O may equal 0
        return None
    # Small capitals, or capitals twice: such a face never shows lower case.
    if all(c in glyphs for c in LOWER):
        alike = np.mean([_look(glyphs[c]) @ _look(glyphs[c.upper()]) for c in _CASE_TELLING])
        if alike > 0.72:
            for c in list(glyphs):
                if c.islower() and c.upper() in glyphs:
                    del glyphs[c]
            glyphs = {c: g for c, g in glyphs.items() if not c.islower()}
    # Accented letters that look exactly like the bare ones, and other doubles beyond ASCII.
    seen: dict[bytes, str] = {}
    characters = {" "}
    for character, glyph in glyphs.items():
        data = glyph.tobytes()
        if data in seen and not character.isascii():
            continue
        seen.setdefault(data, character)
        characters.add(character)
    nothing = np.full(_SIDE_PX**2, np.nan, np.float32)
    looks = [_look(glyphs[c]) if c in characters else nothing for c in _LETTERS]
    return frozenset(characters), np.stack(looks)
