"""Find and verify the weights of networks.

The only module that may open a network connection. The weights shipped today all lie inside the
package, so nothing here does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from onlooker.errors import WeightsError

PACKAGE_WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One file of trained weights, described.

    Attributes:
        name: ``architecture.tag``.
        file: Path below ``onlooker/weights``.
        sha256: Hash of the file, hexadecimal.
        licence: SPDX identifier.
        paper: What the architecture follows.
        card: Path of the model card in the repository.
        preprocessing: What the network expects, as plain values.
        metrics: Figures of the card, by name.
    """

    name: str
    file: str
    sha256: str
    licence: str
    paper: str = ""
    card: str = ""
    preprocessing: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def choose(table: Mapping[str, Weights], name: str) -> Weights:
    """Return the entry of that name.

    Raises:
        WeightsError: Unknown name; the closest ones are listed.
    """
    if name in table:
        return table[name]
    if not table:
        raise WeightsError(f"no weights named {name!r}: none are shipped; give a file of your own")
    near = get_close_matches(name, table, n=3, cutoff=0.0)
    raise WeightsError(f"no weights named {name!r}; there are: {', '.join(near)}")


@cache
def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve(weights: Weights) -> Path:
    """Return the verified local file of some weights.

    Raises:
        WeightsError: The file is absent or its hash is not the published one.
    """
    path = PACKAGE_WEIGHTS / weights.file
    if not path.is_file():
        raise WeightsError(
            f"weights {weights.name!r} are missing: expected {path}; reinstall onlooker"
        )
    found = sha256_of(path)
    if found != weights.sha256:
        raise WeightsError(
            f"weights {weights.name!r} are damaged: {path} has SHA-256 {found}, "
            f"expected {weights.sha256}; reinstall onlooker"
        )
    return path
