"""Crops of words and lines → what they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onlooker.errors import ConfigError, WeightsError
from onlooker.hub import choose, resolve
from onlooker.records.text import RecognizedText
from onlooker.runtime.session import Calls, Network
from onlooker.text.charset import NUM_CLASSES
from onlooker.text.recognition.calibration import Calibration
from onlooker.text.recognition.crops import Crop, resize_crop, standardize
from onlooker.text.recognition.decoding import decode_greedy, log_softmax
from onlooker.text.recognition.drafts import Draft
from onlooker.text.recognition.language_model import LanguageModel
from onlooker.text.recognition.lexicon import Lexicon
from onlooker.text.recognition.packed import PackedRecognizer
from onlooker.text.recognition.rescoring import Ranked, Rescorer
from onlooker.text.recognition.spans import contrast, snap
from onlooker.text.recognition.weights import LANGUAGE_MODEL, WEIGHTS

#: Longer lines are squeezed: 1,600 pixels are some 130 letters, and cost 40 ms.
MAX_WIDTH_PX = 1600
#: Total width of crops that run at once: some 40 MB of activations.
BATCH_WIDTH_PX = 4096
#: Smaller batches would cost more for being many.
LEAST_WIDTH_PX = 384
#: Of files that the one-bit engine runs.
PACKED_SUFFIX = ".onb"
#: Crops whose logits are held at a time.
CHUNK = 256
#: How logits become text: the best class of each column, or doubtful words weighed again with a
#: language model: more words right and no fewer codes (recipes/text.recognition/words/card.md).
DECODINGS = ("greedy", "lm")
DECODING = "lm"


class TextRecognizer:
    """Reads crops; see :meth:`load`.

    Attributes:
        path: The network's file.

    Example:
        >>> recognizer = TextRecognizer.load()  # doctest: +SKIP
        >>> recognizer([crop])[0].text  # doctest: +SKIP
        'EXIT'
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        rescorer: Rescorer | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.path = path
        classes: int | str | None
        if path.suffix == PACKED_SUFFIX:
            packed = PackedRecognizer(path, threads)
            self._network: Calls = packed
            classes = packed.classes
        else:
            network = Network(path, threads, small=True)
            self._network = network
            classes = network.output_shapes[0][-1]
        if classes != NUM_CLASSES:
            raise WeightsError(
                f"{path} writes {classes} classes, but the charset has {NUM_CLASSES}; "
                "the network belongs to another version"
            )
        self._rescorer = rescorer
        self._calibration = calibration

    @classmethod
    def load(
        cls,
        name: str | Path = "ctc.synth2-int8",
        *,
        threads: int | None = None,
        decoding: str = DECODING,
        lexicon: Lexicon | None = None,
    ) -> TextRecognizer:
        """Load weights by name, or from a file of your own.

        Args:
            name: A key of ``WEIGHTS``, or the path of a file: ``.onnx``, or ``.onb`` (packed).
            threads: Threads that may be used; None: as many as Onlooker may use.
            decoding: ``lm`` weighs doubtful words again with a language model; ``greedy`` takes
                what the network writes.
            lexicon: Words that are expected; needs ``lm``.

        Raises:
            WeightsError: Unknown name; a file is missing or damaged, or no recogniser.
            ConfigError: Unknown decoding, or a lexicon without ``lm``.
        """
        if decoding not in DECODINGS:
            near = get_close_matches(decoding, DECODINGS, n=1, cutoff=0.0)
            raise ConfigError(f"no decoding named {decoding!r}; did you mean {near[0]!r}?")
        if lexicon is not None and decoding == "greedy":
            raise ConfigError("a lexicon needs the decoding 'lm'; 'greedy' weighs no words")
        rescorer = None
        if decoding == "lm":
            model = LanguageModel.load(choose(WEIGHTS, LANGUAGE_MODEL))
            rescorer = Rescorer(model, lexicon)
        path = Path(name)
        calibration = None
        if path.suffix in (PACKED_SUFFIX, ".onnx"):
            if not path.is_file():
                raise WeightsError(f"{path} is no file; expected a network, .onnx or .onb")
        else:
            weights = choose(WEIGHTS, str(name))
            path, calibration = resolve(weights), Calibration.load(weights, decoding)
        return cls(path, threads=threads, rescorer=rescorer, calibration=calibration)

    def __call__(self, crops: Sequence[Crop]) -> list[RecognizedText]:
        """Read crops.

        Args:
            crops: Each ``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8, upright text. A crop without
                any pixel reads as empty text with confidence 0.

        Returns:
            One record a crop, in their order.
        """
        return self.read_prepared(_prepared(crops))

    def draft(self, crops: Sequence[Crop]) -> list[Draft]:
        """Read crops without the language model; `Draft.weigh` does what calling would have done.

        Args:
            crops: As for reading.
        """
        return self._drafts(_prepared(crops))

    def read_prepared(self, pictures: Sequence[Crop | None]) -> list[RecognizedText]:
        """Read crops that have the network's size already, as those of training have.

        Args:
            pictures: Each ``(32, W)`` grey uint8, W a multiple of 8; None reads as nothing.
        """
        found: list[RecognizedText] = []
        for start in range(0, len(pictures), CHUNK):  # drafts hold what the network saw
            found += [one.weigh() for one in self._drafts(pictures[start : start + CHUNK])]
        return found

    def _drafts(self, pictures: Sequence[Crop | None]) -> list[Draft]:
        nothing = RecognizedText(text="", confidence=0.0, probability=0.0)
        found = [Draft(nothing, lambda: nothing)] * len(pictures)
        for indices, logits in self.logits_of(pictures):
            shown = [picture for i in indices if (picture := pictures[i]) is not None]
            borders = contrast(np.stack(shown))
            for index, row, edges, one in zip(
                indices, logits, borders, decode_greedy(logits), strict=True
            ):
                # A copy: one draft that is kept shall not keep what the whole batch saw.
                found[index] = Draft(one, partial(self._weighed, row.copy(), edges, one))
        return found

    def _weighed(
        self, logits: npt.NDArray[np.float32], edges: npt.NDArray[np.float32], one: RecognizedText
    ) -> RecognizedText:
        """Make the final reading of what the network writes."""
        if self._rescorer is not None:
            one = self._rescorer(logits, one)
        probability = None
        if self._calibration is not None:
            probability = self._calibration(one.confidence, len(one.text))
        return replace(one, char_spans=tuple(snap(one.char_spans, edges)), probability=probability)

    def n_best(self, crops: Sequence[Crop], count: int = 5) -> list[list[Ranked]]:
        """List what each crop may say, likeliest first.

        Args:
            crops: As for reading, each of one word.
            count: Texts listed for a crop at most.

        Raises:
            ConfigError: The recogniser was loaded with the decoding ``greedy``.
        """
        if self._rescorer is None:
            raise ConfigError("n_best needs a recogniser loaded with decoding='lm'")
        found: list[list[Ranked]] = [[] for _ in crops]
        for indices, logits in self.logits_of(_prepared(crops)):
            for index, row, one in zip(indices, logits, decode_greedy(logits), strict=True):
                found[index] = self._rescorer.rank(log_softmax(row), one.text)[:count]
        return found

    def distributions(self, crops: Sequence[Crop]) -> list[npt.NDArray[np.float32]]:
        """Say what the network sees along each crop, undecoded.

        Args:
            crops: As for reading.

        Returns:
            For each crop the logarithms of the probabilities of the classes of the charset in its
            columns, ``(T, classes)``, evenly spread from left to right; T is 0 for a crop without
            any pixel.
        """
        found = [np.zeros((0, NUM_CLASSES), np.float32)] * len(crops)
        for indices, logits in self.logits_of(_prepared(crops)):
            for index, row in zip(indices, log_softmax(logits), strict=True):
                found[index] = row
        return found

    def logits_of(
        self, pictures: Sequence[Crop | None]
    ) -> Iterator[tuple[list[int], npt.NDArray[np.float32]]]:
        """Run the network on batches of equal width → indices, logits ``(n, T, classes)``.

        Args:
            pictures: As for `read_prepared`; what is None is left out.
        """
        by_width: dict[int, list[int]] = {}
        for index, picture in enumerate(pictures):
            if picture is not None:
                by_width.setdefault(picture.shape[1], []).append(index)
        total = sum(width * len(group) for width, group in by_width.items())
        # Several batches for each thread, so that none waits long for another.
        at_once = min(BATCH_WIDTH_PX, max(LEAST_WIDTH_PX, total // (2 * self._network.calls)))
        parts: list[list[int]] = []
        for width, group in by_width.items():
            step = max(1, at_once // width)
            parts += [group[start : start + step] for start in range(0, len(group), step)]

        def batch(part: list[int]) -> npt.NDArray[np.float32]:
            shown = [picture for i in part if (picture := pictures[i]) is not None]
            return standardize(np.stack(shown))[:, None]

        outputs = self._network.each(batch(part) for part in parts)
        for part, (logits,) in zip(parts, outputs, strict=True):
            yield part, logits


def _prepared(crops: Sequence[Crop]) -> list[Crop | None]:
    """Bring crops to the network's size; those without a pixel become None."""
    return [resize_crop(crop, MAX_WIDTH_PX) if crop.size else None for crop in crops]
