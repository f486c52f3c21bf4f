"""The packed file: one network ready to run, as docs/reference/packed-format.md describes it.

``tables`` is what a file holds, ``file`` reads and writes it, ``checks`` says what fits together,
``layouts`` is how weights and flips lie in blobs, ``metadata`` what the file says about itself;
``builder`` puts the tables together.
"""

from onlooker.binary.format.file import from_bytes, read, to_bytes, write
from onlooker.binary.format.tables import (
    Activation,
    Node,
    Operation,
    Outlet,
    OutletKind,
    PackedFile,
    Tensor,
    TensorKind,
)

__all__ = [
    "Activation",
    "Node",
    "Operation",
    "Outlet",
    "OutletKind",
    "PackedFile",
    "Tensor",
    "TensorKind",
    "from_bytes",
    "read",
    "to_bytes",
    "write",
]
