"""From a specification to pictures, streamed into a training without files.

Picture ``i`` is drawn from (seed, i) alone: any number of workers gives the same pictures in
the same order, and a run that was stopped goes on where it was.

    for picture in stream_words(load_specification(Path("synth.toml")), workers=2): ...

``files.py`` writes them out.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from onlooker.errors import ConfigError
from onlooker.text.synthesis.backgrounds import BackgroundBank
from onlooker.text.synthesis.corpus import Corpus, OwnWords, read_words
from onlooker.text.synthesis.fonts import FontBank
from onlooker.text.synthesis.scenes import PhotoPool, Scene, SceneSynthesizer
from onlooker.text.synthesis.specification import Chances, Specification
from onlooker.text.synthesis.words import WordPicture, WordSynthesizer

#: Pictures that a worker draws at a time: some tenths of a second of work.
CHUNK = {"words": 64, "lines": 64, "scenes": 2}


class Maker:
    """Draws picture ``i`` of a product.

    Args:
        product: ``"words"``, ``"lines"`` or ``"scenes"``.
        specification: What to draw.
        fonts: Loaded already; None: loaded from the specification's folder.
        grounds: Photos for word pictures, loaded already; None: the same.

    Raises:
        ConfigError: No usable font, photo or word.
        MissingExtraError: wordfreq is not installed, and there are no own words.
    """

    def __init__(
        self,
        product: str,
        specification: Specification,
        fonts: FontBank | None = None,
        grounds: BackgroundBank | None = None,
    ) -> None:
        cv2.setNumThreads(1)  # the pictures are small: threads would only get in each other's way
        self.product = product
        self.specification = spec = specification
        self.fonts = fonts or load_fonts(spec)
        self.refused: list[tuple[str, str]] = []
        self.corpus = Corpus() if not spec.text else self._own_words(Path(spec.text))
        if spec.backgrounds and not Path(spec.backgrounds).is_dir():
            raise ConfigError(f"the folder of backgrounds {spec.backgrounds} is not there")
        self._scenes: SceneSynthesizer | None = None
        self._words: WordSynthesizer | None = None
        if product == "scenes":
            photos = PhotoPool.load(spec.backgrounds) if spec.backgrounds else None
            self._scenes = SceneSynthesizer(
                self.fonts,
                self.corpus,
                photos,
                page_share=spec.scenes.pages,
                empty_share=spec.scenes.empty,
                chances=Chances("scenes", spec.effects),
            )
        else:
            config = spec.words
            if product == "lines":
                config = dataclasses.replace(config, lines=1.0)
            self._words = WordSynthesizer(
                self.fonts,
                self.corpus,
                grounds or BackgroundBank.load(spec.backgrounds or None, samples=False),
                config=config,
                chances=Chances("words", spec.effects),
            )

    def _own_words(self, path: Path) -> Corpus:
        words, self.refused = read_words(path, self.fonts.faces)
        return OwnWords(words)

    def _rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng((self.specification.seed, number))

    def word(self, number: int, *, whole: bool = False) -> WordPicture:
        """Draw a word or line picture.

        Args:
            number: Which.
            whole: As seen, in colour if the specification says so, with mask and character
                polygons; else grey and 32 pixels high, as the recogniser trains on.
        """
        assert self._words is not None
        colour = whole and self.specification.words.colour
        return self._words.draw(self._rng(number), whole=whole, colour=colour)

    def scene(self, number: int) -> Scene:
        """Draw a scene."""
        assert self._scenes is not None
        size = self.specification.scenes
        return self._scenes.draw(self._rng(number), size.height, size.width)


def load_fonts(specification: Specification) -> FontBank:
    """Load the fonts; those that cannot be opened are left out and listed in ``broken``.

    Raises:
        ConfigError: No folder is named, it is not there, or holds no usable font.
    """
    if not specification.fonts:
        raise ConfigError(
            "no folder of fonts: name one with --fonts; recipes/text.synthesis/fetch_fonts.py "
            "makes one of about 1,600 faces"
        )
    return FontBank.load(specification.fonts, verify=True)


# Streams ------------------------------------------------------------------------------------------


def stream_words(
    specification: Specification,
    *,
    product: str = "words",
    start: int = 0,
    count: int | None = None,
    workers: int = 1,
) -> Iterator[WordPicture]:
    """Draw word pictures for training, grey and 32 pixels high, without files.

    Args:
        specification: What to draw.
        product: ``"words"`` or ``"lines"``.
        start: Number of the first picture.
        count: How many; None: endless.
        workers: Processes; 1: drawn in this one. A script that asks for more must be importable
            (``if __name__ == "__main__":``), as always with processes.
    """
    yield from _stream(specification, product, draw_words, start, count, workers)


def stream_scenes(
    specification: Specification, *, start: int = 0, count: int | None = None, workers: int = 1
) -> Iterator[Scene]:
    """Draw scenes for training, without files; see :func:`stream_words`."""
    yield from _stream(specification, "scenes", _draw_scenes, start, count, workers)


def draw_words(maker: Maker, first: int, last: int) -> list[WordPicture]:
    """Draw a range of word pictures, grey and 32 pixels high."""
    return [maker.word(i) for i in range(first, last)]


def _draw_scenes(maker: Maker, first: int, last: int) -> list[Scene]:
    return [maker.scene(i) for i in range(first, last)]


def _stream(
    specification: Specification,
    product: str,
    work: Callable[[Maker, int, int], list[Any]],
    start: int,
    count: int | None,
    workers: int,
) -> Iterator[Any]:
    end = None if count is None else start + count
    ranges = chunks(start, end, CHUNK[product])
    for items in ordered(specification, product, work, ranges, workers):
        yield from items


def chunks(start: int, end: int | None, size: int) -> Iterator[tuple[int, int]]:
    """Cut the numbers into ranges that end at multiples of ``size``."""
    first = start
    while end is None or first < end:
        last = (first // size + 1) * size
        last = last if end is None else min(last, end)
        yield first, last
        first = last


# Workers ------------------------------------------------------------------------------------------

_maker: Maker | None = None  # of a worker process


def _begin(product: str, specification: Specification, parent: int) -> None:
    global _maker
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    _maker = Maker(product, specification)


def _leave_with(parent: int) -> None:
    """End a worker whose parent was killed: it would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _work(work: Callable[..., Any], first: int, last: int, arguments: tuple[Any, ...]) -> Any:
    assert _maker is not None
    return work(_maker, first, last, *arguments)


def ordered(
    specification: Specification,
    product: str,
    work: Callable[..., Any],
    ranges: Iterator[tuple[int, int]],
    workers: int,
    arguments: tuple[Any, ...] = (),
    maker: Maker | None = None,
) -> Iterator[Any]:
    """Yield ``work(maker, first, last, *arguments)`` of each chunk, in order."""
    if workers == 1:
        maker = maker or Maker(product, specification)
        for first, last in ranges:
            yield work(maker, first, last, *arguments)
        return
    pool = ProcessPoolExecutor(
        workers,
        # Forked children would inherit the threads of OpenCV and of a progress bar half-way.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(product, specification, os.getpid()),
    )
    try:
        waiting: deque[Future[Any]] = deque()
        for first, last in ranges:
            waiting.append(pool.submit(_work, work, first, last, arguments))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise ConfigError(
            "a worker ended before its work was done, perhaps for lack of memory; "
            "run the same command again with fewer --workers: it goes on where it was"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
