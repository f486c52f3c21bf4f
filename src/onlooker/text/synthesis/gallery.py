"""A page that shows what is generated: effects at growing strength, words, lines, scenes, clips.

The same word, face and seed in every row, so that the effect alone is seen.
"""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.corpus import OwnWords
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.produce import Maker, load_fonts
from onlooker.text.synthesis.specification import EFFECTS, Chances, Specification, WordsConfig
from onlooker.text.synthesis.video import KINDS, Clip, ClipSynthesizer
from onlooker.text.synthesis.video.files import photo_source
from onlooker.text.synthesis.words import WordSynthesizer

Picture = npt.NDArray[np.uint8]

STRENGTHS = (0.5, 1.0, 1.5, 2.0)
WORD = "Moment"
_SAMPLES = 40
_TRIALS = 6
_SCENES = 4
_HEIGHT_PX = 52
#: Kinder to the eye at this width than at the scenes' own.
_SCENE_WIDTH_PX = 560
_CLIP_SECONDS = 6.0
_CLIP_TRIALS = 3
_FRAMES = 4
_FRAME_WIDTH_PX = 560
_CLIPS = {
    "slides": "Slides whose lines appear one by one, fade or fly in; cuts and dissolves.",
    "inset": "Slides with a moving picture in a corner.",
    "captions": "A film with captions that come and go, name plates, a ticker.",
    "credits": "Lines that scroll up.",
    "pan": "A camera that rests and sweeps over signs; the sweeps are blurred.",
    "cuts": "Short shots: title cards, films, slides.",
}
_WORD, _UNREAD, _CHARACTER = (40, 190, 90), (230, 60, 60), (70, 150, 255)

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>What the generator draws</title><style>
:root {{ color-scheme: light dark;
  --ink: #1d2330; --soft: #5d6675; --line: #dfe3ea; --bg: #fbfbfc }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e8ebf1; --soft: #9aa4b5; --line: #2c3442; --bg: #12161d }} }}
body {{ margin: 0 auto; max-width: 74rem; padding: 2.5rem 1.25rem 5rem; background: var(--bg);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif }}
h1 {{ font-size: 2rem; margin: 0 0 .25rem }} h2 {{ margin: 3rem 0 .75rem; font-size: 1.3rem }}
p {{ color: var(--soft); max-width: 46rem; margin: 0 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th {{ text-align: left; font-weight: 600; vertical-align: middle }}
tbody th {{ min-width: 13rem }}
td, th {{ padding: .45rem .75rem .45rem 0; border-top: 1px solid var(--line) }}
thead th {{ color: var(--soft); font-weight: 400; font-size: .85rem; border: 0 }}
small {{ display: block; font-weight: 400; color: var(--soft); max-width: 17rem }}
img {{ border-radius: 3px; display: block; max-width: 100% }}
.words {{ display: flex; flex-wrap: wrap; gap: .6rem }}
figure {{ margin: 0 }} figcaption {{ color: var(--soft); font-size: .8rem }}
.frames {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr));
  gap: .6rem; margin: .25rem 0 1.25rem }}
h3 {{ font-size: 1rem; margin: 0 }} h3 small {{ display: inline; font-size: .85rem }}
.scenes {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr));
  gap: 1rem }}
.table {{ overflow-x: auto }}
</style></head><body>
<h1>What the generator draws</h1>
<p>Seed {seed}, {faces} font faces of {families} families. Made by
<code>onlooker synth gallery</code>; every picture here comes from its seed and number alone.</p>
<h2>Every effect by itself</h2>
<p>One word, one face, one seed; the effect's strength grows from left to right. The shares say how
many word crops and how many scenes get it by default.</p>
<div class="table"><table><thead><tr><th>effect</th>{strengths}</tr></thead>
<tbody>{rows}</tbody></table></div>
<h2>Words</h2><p>All effects with their default shares; what a picture says stands below it.</p>
<div class="words">{words}</div>
<h2>Lines</h2><div class="words">{lines}</div>
<h2>Scenes</h2><p>Outlines of words in green, of those nobody could read in red, of characters in
blue.</p><div class="scenes">{scenes}</div>
<h2>Clips</h2><p>Frames of a clip of each kind: outlines of the words that stand there at that
moment in green; in red those of lines too small, too short-lived or too blurred to read.</p>
{clips}
</body></html>
"""


def write_gallery(specification: Specification, out: Path) -> Path:
    """Write the page, one file that holds its pictures.

    Args:
        specification: What to draw with.
        out: The page; ``.html`` is added where it lacks a suffix.

    Returns:
        The page's path.

    Raises:
        ConfigError: It cannot be written, or fonts or photos are missing.
    """
    page = out if out.suffix else out.with_suffix(".html")
    try:  # before the work, so that it is not in vain
        page.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write {page}: {error.strerror}") from None
    fonts = load_fonts(specification)
    grounds = BackgroundBank.load(specification.backgrounds or None, samples=False)
    samples = {
        product: _samples(Maker(product, specification, fonts, grounds), count)
        for product, count in (("words", _SAMPLES), ("lines", _SAMPLES // 3))
    }
    scenes = Maker("scenes", specification, fonts)
    text = _PAGE.format(
        seed=specification.seed,
        faces=len(fonts.faces),
        families=len({face.family for face in fonts.faces}),
        strengths="".join(f"<th>strength {strength:g}</th>" for strength in STRENGTHS),
        rows="".join(_rows(specification, fonts, grounds)),
        words=samples["words"],
        lines=samples["lines"],
        scenes=_scenes(scenes),
        clips=_clips(scenes),
    )
    try:
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {page}: {error.strerror}") from None
    return page


def _rows(specification: Specification, fonts: FontBank, grounds: BackgroundBank) -> list[str]:
    """Draw one row of the table for each effect of word crops."""
    legible = [face for face in fonts.faces if face.covers(WORD)]
    if not legible:
        raise ConfigError(f"no font draws {WORD!r}")
    bold = [face for face in legible if face.style.lower() in ("bold", "regular", "medium")]
    face = (bold or legible)[specification.seed % len(bold or legible)]
    bank, corpus = FontBank([face]), OwnWords([WORD])
    config = WordsConfig(lines=0.0, clean=0.0, nothing=0.0, foreign=0.0)
    rows = []
    for name, kind in EFFECTS.items():
        if kind.words is None:
            continue
        _, *shown = _showing(
            [
                WordSynthesizer(
                    bank, corpus, grounds, config=config, chances=Chances("words", chosen.effects)
                )
                for chosen in (
                    specification.only([]),
                    *(specification.only([name], strength) for strength in STRENGTHS),
                )
            ],
            specification.seed,
        )
        cells = [_image(picture, name) for picture in shown]
        shares = ", ".join(
            f"{share:.0%} of {product}"
            for product, share in (("words", kind.words), ("scenes", kind.scenes))
            if share is not None
        )
        about = f"<small>{html.escape(kind.text)}</small><small>{shares}</small>"
        row = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f"<tr><th>{name.replace('_', ' ')}{about}</th>{row}</tr>")
    return rows


def _showing(makers: list[WordSynthesizer], seed: int) -> list[Picture]:
    """Draw with each maker from one seed: of some, the one that shows the effect best."""
    best: list[Picture] = []
    most = -1.0
    for trial in range(_TRIALS):
        drawn = [
            maker.draw(np.random.default_rng((seed, trial)), whole=True, colour=True).picture
            for maker in makers
        ]
        plain, middle = drawn[0], drawn[1 + len(STRENGTHS) // 2]
        size = (middle.shape[1], middle.shape[0])
        same = np.asarray(cv2.resize(plain, size), np.float32)
        change = float(np.abs(same - middle).mean()) / (float(same.std()) + 8)
        if change > most:
            best, most = drawn, change
    return best


def _samples(maker: Maker, count: int) -> str:
    figures = []
    for number in range(count):
        drawn = maker.word(number, whole=True)
        says = html.escape(drawn.text) or "(nothing)"
        picture = _image(drawn.picture, drawn.text)
        figures.append(f"<figure>{picture}<figcaption>{says}</figcaption></figure>")
    return "".join(figures)


def _scenes(maker: Maker) -> str:
    figures = []
    for number in range(_SCENES):
        scene = maker.scene(number)
        scale = _SCENE_WIDTH_PX / scene.picture.shape[1]
        size = (_SCENE_WIDTH_PX, round(scene.picture.shape[0] * scale))
        shown = np.asarray(cv2.resize(scene.picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        for corners in scene.characters:
            for corner in corners:
                _outline(shown, corner * scale, _CHARACTER)
        for outline, ignored in zip(scene.polygons, scene.ignored, strict=True):
            _outline(shown, outline * scale, _UNREAD if ignored else _WORD)
        figures.append(f"<figure>{_encoded(shown, '.jpg', 'a scene', '')}</figure>")
    return "".join(figures)


def _clips(maker: Maker) -> str:
    """Draw a row of frames of a clip of each kind: of some, the one in which most appears."""
    spec = maker.specification
    photos = photo_source(Path(spec.backgrounds) if spec.backgrounds else None)
    clips = ClipSynthesizer(maker.fonts, maker.corpus, photos, seconds=_CLIP_SECONDS)
    parts = []
    for number, kind in enumerate(KINDS):
        drawn = [
            clips.draw(np.random.default_rng((spec.seed, number, trial)), kind)
            for trial in range(_CLIP_TRIALS)
        ]
        clip = max(drawn, key=lambda one: len({track.start_s for track in one.tracks}))
        title = f"<h3>{kind} <small>{html.escape(_CLIPS[kind])}</small></h3>"
        parts.append(f'{title}<div class="frames">{_frames(clip)}</div>')
    return "".join(parts)


def _frames(clip: Clip) -> str:
    """Draw evenly spread frames with the truth around each word."""
    scale = _FRAME_WIDTH_PX / clip.width
    figures = []
    for place in range(_FRAMES):
        frame = clip.frame(int((place + 0.5) / _FRAMES * clip.count))
        size = (_FRAME_WIDTH_PX, round(clip.height * scale))
        shown = np.asarray(cv2.resize(frame.picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        there = [track for track in clip.tracks if track.shown(frame.time_s + 1e-6)]
        for track in there:
            for polygon in track.polygons_at(frame.time_s):
                _outline(shown, polygon * scale, _UNREAD if track.ignore else _WORD)
        says = "; ".join(track.text for track in there) or "no text"
        caption = f"<figcaption>{frame.time_s:.1f} s</figcaption>"
        figures.append(f"<figure>{_encoded(shown, '.jpg', says, '')}{caption}</figure>")
    return "".join(figures)


def _outline(
    picture: Picture, points: npt.NDArray[np.floating[Any]], color: tuple[int, int, int]
) -> None:
    cv2.polylines(picture, [np.rint(points).astype(np.int32)], True, color, 1, cv2.LINE_AA)


def _image(picture: Picture, says: str) -> str:
    """Show a crop at one height, as large pixels where it is small."""
    return _encoded(picture, ".png", says, f' height="{_HEIGHT_PX}"')


def _encoded(picture: Picture, suffix: str, says: str, more: str) -> str:
    kind = "jpeg" if suffix == ".jpg" else "png"
    _, data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    body = base64.b64encode(data.tobytes()).decode()
    alt = html.escape(says, quote=True)
    return f'<img alt="{alt}"{more} src="data:image/{kind};base64,{body}">'
