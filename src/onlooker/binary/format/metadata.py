"""What a packed file says about itself: JSON, of which a few keys are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from onlooker.binary.format.tables import MAX_INPUT_PX
from onlooker.errors import WeightsError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Described:
    """The keys that are read.

    Attributes:
        classes: Names of the result's channels; may be empty.
        height, width: Of the pictures of the training in pixels, or 0: not said.
        mean, std: (channels,) of pictures in [0, 1]: what is taken off, and divided by.
    """

    classes: tuple[str, ...]
    height: int
    width: int
    mean: Floats
    std: Floats


def to_json(metadata: Mapping[str, Any], name: str) -> bytes:
    """Return metadata as they stand in the file.

    Raises:
        WeightsError: JSON cannot hold them.
    """
    try:
        return json.dumps(
            dict(metadata), ensure_ascii=False, sort_keys=True, allow_nan=False
        ).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise WeightsError(f"{name}: JSON cannot hold its metadata: {error}") from error


def from_json(text: bytes, name: str) -> dict[str, Any]:
    """Return the metadata of a file.

    Raises:
        WeightsError: They are no JSON object.
    """
    try:
        metadata = json.loads(text or b"{}")
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{name}: its metadata is not JSON: {error}") from error
    if not isinstance(metadata, dict):
        raise WeightsError(f"{name}: its metadata is no JSON object")
    return metadata


def described(metadata: Mapping[str, Any], channels: int, name: str) -> Described:
    """Read the keys of metadata that say how pictures are prepared, and what the result means.

    Args:
        metadata: Of a network.
        channels: Of its input.
        name: What to call it in errors.

    Raises:
        WeightsError: A key is there and has no such value as docs/reference/packed-format.md says.
    """
    said = metadata.get("input", {})
    classes = metadata.get("classes") or []
    if not isinstance(said, Mapping) or not isinstance(classes, list | tuple):
        raise WeightsError(f"{name}: `input` or `classes` of its metadata is damaged")
    height, width = (said.get(key) or 0 for key in ("height", "width"))
    if not all(isinstance(size, int) and 0 <= size <= MAX_INPUT_PX for size in (height, width)):
        raise WeightsError(f"{name}: its metadata has an input of {[height, width]} pixels")
    mean = _per_channel(said.get("mean", 0.0), "mean", channels, name)
    std = _per_channel(said.get("std", 1.0), "std", channels, name)
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and std.all()):
        raise WeightsError(f"{name}: mean or std of its metadata is not a number, or zero")
    return Described(
        classes=tuple(map(str, classes)), height=height, width=width, mean=mean, std=std
    )


def _per_channel(said: Any, key: str, channels: int, name: str) -> Floats:
    try:
        with np.errstate(over="ignore"):
            return np.broadcast_to(np.asarray(said, np.float32), (channels,))
    except (ValueError, TypeError, OverflowError) as error:
        raise WeightsError(
            f"{name}: {key} of its metadata is {said!r}, expected {channels} numbers"
        ) from error
