"""What to generate: one specification for word crops, lines, scenes and video.

A specification is a TOML file, or the defaults, with ``--set`` and ``--without`` on top. Everything
that is done to a picture is an *effect* with a name, a share (how often) and a strength (how much);
all of them stand in :data:`EFFECTS`, and each can be left out.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from onlooker.errors import ConfigError
from onlooker.training.recipe import build, load_recipe

#: What can be generated.
PRODUCTS = ("words", "lines", "scenes", "video")


@dataclass(frozen=True, slots=True)
class EffectKind:
    """One thing that is done to pictures.

    Attributes:
        group: Kind of effect; the ablation leaves out a group at a time.
        words: Default share among word and line crops; None: does not occur there.
        scenes: Default share among scenes (or blocks of text in them); None: does not occur there.
        text: What it does, and what strength 1 means.
    """

    group: str
    words: float | None
    scenes: float | None
    text: str


# Shares follow what photos of streets, born-digital pictures and slides show, judged by eye.
EFFECTS: dict[str, EffectKind] = {
    # name: (group, share in words, share in scenes, what it does; strength 1)
    "spacing": EffectKind("letters", 0.22, 0.16, "Letters apart, by up to 0.6 em."),
    "tight": EffectKind("letters", 0.08, None, "Letters closer, by up to 0.05 em."),
    "wobble": EffectKind("letters", 0.05, 0.06, "Letters off the line, as by hand; 0.05 em."),
    "condensed": EffectKind("letters", 0.40, 0.30, "Letters narrower or wider, by about 22 %."),
    "bold": EffectKind("letters", 0.26, 0.12, "Strokes thicker by 1 or 2 pixels."),
    "bend": EffectKind("curve", 0.09, None, "Baseline bent to an arc; about 0.07 widths."),
    "arc": EffectKind("curve", 0.03, 0.08, "Letters on an arc of a circle; about 0.35 radians."),
    "stacked": EffectKind("turn", 0.012, None, "Letters below each other, lying on their side."),
    "rotation": EffectKind("turn", 1.0, 1.0, "Turned by some degrees, rarely more."),
    "shear": EffectKind("perspective", 0.35, 0.45, "Slanted; about 0.15."),
    "perspective": EffectKind("perspective", 0.45, 0.45, "Corners moved; about 0.1 heights."),
    "neighbours": EffectKind("neighbours", 0.30, None, "Parts of other words around."),
    "rules": EffectKind("neighbours", 0.08, None, "Frames, underlines, edges of tables."),
    "clutter": EffectKind("neighbours", None, 0.60, "Fences, bricks, icons: what is no text."),
    "photos": EffectKind("grounds", 0.50, 0.75, "Grounds cut from photos."),
    "surfaces": EffectKind("grounds", 1.0, 1.0, "Grounds made: gradients, plaster, patterns."),
    "panels": EffectKind("grounds", None, 0.45, "A sign or label under the text."),
    "palette": EffectKind("colours", 0.15, 0.25, "Colours of ground and ink learned from photos."),
    "faint": EffectKind("colours", 0.14, 0.12, "Ink that stands out little."),
    "translucent": EffectKind("colours", 0.25, 0.20, "Ink that lets the ground through, to 40 %."),
    "worn": EffectKind("ink", 0.06, 0.06, "Holes rubbed into the ink."),
    "texture": EffectKind("ink", 0.20, 0.06, "Ink filled with a photo's or surface's grain."),
    "gradient": EffectKind("ink", 0.04, 0.12, "Ink of changing shade, or striped."),
    "outline": EffectKind("borders", 0.14, 0.10, "A border in another shade, moved at random."),
    "contour": EffectKind("borders", None, 0.08, "Letters drawn as contours alone."),
    "shadow": EffectKind("borders", 0.22, 0.14, "A cast shadow or raised edge."),
    "depth": EffectKind("borders", None, 0.08, "Letters with sides, as over shop doors."),
    "glow": EffectKind("borders", None, 0.05, "A glow around, as of neon."),
    "light": EffectKind("light", 0.30, 0.35, "Uneven light: lamps, edges of shadows."),
    "reflection": EffectKind("light", 0.03, 0.05, "A bright reflection, as on glass or metal."),
    "exposure": EffectKind("light", 1.0, 0.40, "Gain, offset, gamma; burnt out and sunk in."),
    "dim": EffectKind("light", None, 0.15, "Indoors, at night."),
    "occlusion": EffectKind("occlusion", 0.03, 0.05, "Something thin or small in front."),
    "focus": EffectKind("blur", 0.35, 0.50, "Out of focus."),
    "softness": EffectKind("blur", 0.25, None, "Blur of lens and sensor; about a pixel."),
    "motion": EffectKind("blur", 0.12, 0.12, "Shaken along a line."),
    "sharpened": EffectKind("blur", 0.15, 0.15, "Overshoot at edges, as cameras do."),
    "low_resolution": EffectKind("resolution", 0.30, None, "Seen 9 to 18 pixels high."),
    "noise": EffectKind("noise", 0.50, 0.35, "Noise of the sensor."),
    "jpeg": EffectKind("noise", 0.60, 0.50, "Compressed at a quality from 18 or 25 to 95."),
}


def nearest(name: str, known: Iterable[str]) -> str:
    """Write the hint that names the member of ``known`` nearest to ``name``."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.0)
    return f"; did you mean {near[0]!r}?" if near else ""


@dataclass(frozen=True, kw_only=True)
class EffectSetting:
    """How often and how much.

    Attributes:
        share: Of the pictures that get it, in [0, 1]; None: the default of :data:`EFFECTS`.
        strength: Factor on its size; 0 does nothing, 1 is the default.
    """

    share: float | None = None
    strength: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.share is not None and not 0 <= self.share <= 1:
            raise ConfigError(f"the share of an effect must lie in [0, 1], not {self.share}")
        if not 0 <= self.strength <= 5:
            raise ConfigError(f"the strength of an effect must lie in [0, 5], not {self.strength}")


@dataclass(frozen=True, kw_only=True)
class WordsConfig:
    """Word and line crops.

    Attributes:
        lines: Share of lines of several words.
        clean: Share of small clean text, as on slides and screens; of lines it is half.
        nothing: Share of pictures without text, with an empty label: what a detector mistakes.
        foreign: Share of words in other scripts, with an empty label.
        colour: Written out in colour at the size seen, rather than grey and 32 pixels high.
    """

    lines: float = 0.12
    clean: float = 0.10
    nothing: float = 0.04
    foreign: float = 0.04
    colour: bool = True

    def __post_init__(self) -> None:
        """Check the shares."""
        _check_shares("words", lines=self.lines, clean=self.clean)
        _check_shares("words", nothing=self.nothing, foreign=self.foreign)
        if self.nothing + self.foreign >= 1:
            raise ConfigError("words.nothing and words.foreign leave no room for words")


@dataclass(frozen=True, kw_only=True)
class ScenesConfig:
    """Scenes.

    Attributes:
        height: Pixels.
        width: Pixels.
        pages: Share of slides, documents, tables, code, charts; the rest is like photos.
        empty: Share of the photo-like ones without any text.
    """

    height: int = 720
    width: int = 960
    pages: float = 0.38
    empty: float = 0.16

    def __post_init__(self) -> None:
        """Check size and shares."""
        if not (64 <= self.height <= 8192 and 64 <= self.width <= 8192):
            raise ConfigError(
                f"scenes.height and scenes.width must lie in [64, 8192], not "
                f"{self.height} and {self.width}"
            )
        _check_shares("scenes", pages=self.pages, empty=self.empty)


def _check_shares(table: str, **shares: float) -> None:
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ConfigError(f"{table}.{name} must lie in [0, 1], not {share}")


@dataclass(frozen=True, kw_only=True)
class Specification:
    """All of it; picture ``i`` is drawn from (``seed``, ``i``) and this alone.

    Attributes:
        fonts: Folder of fonts, at best with the index of ``fetch_fonts.py``.
        backgrounds: Folder of photos without text; empty: made surfaces alone.
        text: File with words of one's own, one a line; empty: lists of frequent words, names,
            numbers, codes, formulas.
        seed: Of all chance.
        words: Table ``[words]``.
        scenes: Table ``[scenes]``.
        effects: Tables ``[effects.NAME]``, see :data:`EFFECTS`.
    """

    fonts: str = ""
    backgrounds: str = ""
    text: str = ""
    seed: int = 0
    words: WordsConfig = field(default_factory=WordsConfig)
    scenes: ScenesConfig = field(default_factory=ScenesConfig)
    effects: dict[str, EffectSetting] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the effects' names; read their tables if they are still plain."""
        settings = {}
        for name, value in self.effects.items():
            if name not in EFFECTS:
                raise ConfigError(f"unknown effect {name!r}{nearest(name, EFFECTS)}")
            if isinstance(value, dict):
                value = build(EffectSetting, value, f"effects.{name}")
            elif not isinstance(value, EffectSetting):
                raise ConfigError(
                    f"effects.{name} must be a table with share and strength, not {value!r}"
                )
            settings[name] = value
        object.__setattr__(self, "effects", settings)
        if self.seed < 0:
            raise ConfigError(f"seed must be 0 or more, not {self.seed}")

    def without(self, names: Iterable[str]) -> Specification:
        """Leave out effects, by name or by group.

        Raises:
            ConfigError: A name is neither an effect nor a group.
        """
        groups = {kind.group for kind in EFFECTS.values()}
        effects = dict(self.effects)
        for name in names:
            members = [e for e, kind in EFFECTS.items() if name in (e, kind.group)]
            if not members:
                known = [*EFFECTS, *groups]
                raise ConfigError(
                    f"cannot leave out {name!r}: no such effect{nearest(name, known)}"
                )
            effects |= {member: EffectSetting(share=0.0) for member in members}
        return dataclasses.replace(self, effects=effects)

    def only(self, names: Iterable[str], strength: float = 1.0) -> Specification:
        """Leave out all effects but these, which every picture gets.

        Raises:
            ConfigError: A name is no effect.
        """
        effects = {name: EffectSetting(share=0.0) for name in EFFECTS}
        for name in names:
            if name not in EFFECTS:
                raise ConfigError(f"unknown effect {name!r}{nearest(name, EFFECTS)}")
            effects[name] = EffectSetting(share=1.0, strength=strength)
        return dataclasses.replace(self, effects=effects)

    def to_dict(self) -> dict[str, Any]:
        """List all values, as kept beside what was generated."""
        values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return values


def load_specification(
    path: Path | None = None, overrides: Iterable[str] = (), without: Iterable[str] = ()
) -> Specification:
    """Read a specification.

    Args:
        path: A TOML file; None: the defaults.
        overrides: ``key=value`` strings, as ``effects.shadow.share=0.5``.
        without: Effects or groups of effects to leave out.

    Raises:
        ConfigError: The file is missing or no TOML, or a key is unknown (the nearest is named) or
            has a wrong type or value.
    """
    return load_recipe(Specification, path, list(overrides)).without(without)


class Chances:
    """Decides which effects a picture gets, and how strong.

    Args:
        product: ``"words"`` or ``"scenes"``.
        settings: Deviations from the defaults.

    Example:
        >>> chances = Chances("words", {"shadow": EffectSetting(share=1.0)})
        >>> chances.on(np.random.default_rng(1), "shadow")
        True
    """

    def __init__(self, product: str, settings: Mapping[str, EffectSetting] | None = None) -> None:
        self.share: dict[str, float] = {}
        self.strength: dict[str, float] = {}
        for name, kind in EFFECTS.items():
            setting = (settings or {}).get(name, EffectSetting())
            default = kind.words if product == "words" else kind.scenes
            share = setting.share if setting.share is not None else default
            self.share[name] = 0.0 if default is None or share is None else share
            self.strength[name] = setting.strength

    def on(self, rng: np.random.Generator, name: str) -> bool:
        """Draw whether this picture gets the effect; takes one number from ``rng`` in any case."""
        return bool(rng.random() < self.share[name])


def read_specification(path: Path) -> Specification:
    """Read the specification that lies beside what was generated (JSON).

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return build(Specification, json.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
