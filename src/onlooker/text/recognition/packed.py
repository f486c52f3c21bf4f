"""A one-bit recogniser in a packed file, run by the project's own engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onlooker import runtime
from onlooker.binary.engine import PackedModel
from onlooker.errors import WeightsError
from onlooker.runtime.session import Calls


class PackedRecognizer(Calls):
    """Crops ``(N, 1, 32, W)`` float32 → logits ``(N, W / 4, classes)``, as ``session.Network``.

    One call a thread runs at once. The file's weights are shared by all of them and by crops of all
    widths; what a call needs beside them is planned when a width first comes, and kept for the
    widths that came last.

    Args:
        path: A file ending in ``.onb``.
        threads: Threads it may use; None: as many as Onlooker may use.

    Attributes:
        classes: How many a column tells apart.

    Raises:
        WeightsError: The file is missing or damaged, or takes something else than grey crops.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        super().__init__(threads or runtime.threads())
        self._model = PackedModel.load(path, threads=1)
        if self._model.channels != 1:
            raise WeightsError(
                f"{path} takes pictures of {self._model.channels} channels; a recogniser takes grey"
            )
        self.classes = self._model.result_channels

    def _run(self, inputs: npt.NDArray[np.generic]) -> list[npt.NDArray[Any]]:
        maps = self._model(inputs)  # (N, classes, 1, W / 4)
        if maps.ndim != 4 or maps.shape[2] != 1:
            raise WeightsError(
                f"{self._model.path} makes {maps.shape[1:]} of crops {inputs.shape[1:]}; a "
                "recogniser makes one row of columns"
            )
        return [maps[:, :, 0].transpose(0, 2, 1)]
