"""Slim checkpoints: weights to go on from later, without the optimizer's state, small files.

Latent weights of binary layers are 8-bit integers with a scale for each filter, so rounded that no
weight changes its sign: the network computes the same. Other matrices and kernels are float16, what
remains (batch norms, biases) is float32, since running variances exceed float16.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onlooker.errors import WeightsError

_FACTS = "facts"
_SCALE = "scale of "
_LEVELS = 128


def save_slim(
    state: Mapping[str, Tensor], path: Path, latent: Collection[str], facts: Mapping[str, Any]
) -> None:
    """Write a slim checkpoint.

    Args:
        state: Of ``state_dict()``.
        path: File to write, ``.npz``.
        latent: Names of the latent weights of binary layers.
        facts: What else to keep; becomes JSON.
    """
    arrays: dict[str, NDArray[Any]] = {_FACTS: np.array(json.dumps(dict(facts)))}
    for name, value in state.items():
        array = value.detach().cpu().numpy()
        if name in latent:
            arrays[name], arrays[_SCALE + name] = _round(array)
        elif array.ndim > 1 and array.dtype == np.float32:
            arrays[name] = array.astype(np.float16)
        else:
            arrays[name] = array
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **arrays)


def load_slim(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a slim checkpoint.

    Returns:
        The state, in float32, and the facts.

    Raises:
        WeightsError: The file is missing or is no slim checkpoint.
    """
    state: dict[str, Tensor] = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(str(arrays.pop(_FACTS)))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} is no slim checkpoint: {error}") from None
    for name, array in arrays.items():
        if name.startswith(_SCALE):
            continue
        if _SCALE + name in arrays:
            scale = arrays[_SCALE + name]
            array = (array.astype(np.float32) + np.float32(0.5)) * scale
        elif array.dtype == np.float16:
            array = array.astype(np.float32)
        state[name] = torch.from_numpy(np.array(array))
    return state, facts


def _round(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round to (q + 1/2) · scale, q from −128 to 127: q is negative just where the weight is."""
    largest = np.abs(weights).reshape(len(weights), -1).max(axis=1)
    scale = np.maximum(largest / _LEVELS, np.finfo(np.float32).tiny).astype(np.float32)
    scale = scale.reshape(-1, *[1] * (weights.ndim - 1))
    return np.clip(np.floor(weights / scale), -_LEVELS, _LEVELS - 1).astype(np.int8), scale
