"""The compiled engine: where its library is, and what it was told about C's types.

A plain shared library, built when Onlooker is installed with a C++17 compiler at hand. Without one
everything still works, by NumPy.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path

from onlooker.errors import ConfigError

#: Of ``native/include/onlooker.h``: what this file was written for.
INTERFACE = 1
NAME = "_onlooker.so"


class ModelFacts(ctypes.Structure):
    """``onlooker_model_facts``."""

    _fields_ = (
        ("input_channels", ctypes.c_int32),
        ("input_height", ctypes.c_int32),
        ("input_width", ctypes.c_int32),
        ("result_channels", ctypes.c_int32),
        ("nodes", ctypes.c_int32),
        ("weight_bytes", ctypes.c_int64),
        ("prepared_bytes", ctypes.c_int64),
        ("kernels", ctypes.c_char_p),
        ("metadata", ctypes.c_void_p),
        ("metadata_length", ctypes.c_size_t),
    )


class SessionFacts(ctypes.Structure):
    """``onlooker_session_facts``."""

    _fields_ = (
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("result_height", ctypes.c_int32),
        ("result_width", ctypes.c_int32),
        ("result_channels", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        ("arena_bytes", ctypes.c_int64),
        ("largest_bytes", ctypes.c_int64),
    )


class NodeFacts(ctypes.Structure):
    """``onlooker_node_facts``."""

    _fields_ = (
        ("operation", ctypes.c_char_p),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("input_channels", ctypes.c_int32),
        ("groups", ctypes.c_int32),
        ("kernel_height", ctypes.c_int32),
        ("kernel_width", ctypes.c_int32),
        ("outlets", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        ("products", ctypes.c_int64),
    )


def library_path() -> Path | None:
    """Return where the library is, or None.

    The environment variable ``ONLOOKER_ENGINE`` names another one, to try a build of your own.
    """
    chosen = os.environ.get("ONLOOKER_ENGINE")
    if chosen:
        return Path(chosen)
    # An editable installation has two folders: the sources, and what was built of them.
    import onlooker.binary

    for folder in onlooker.binary.__path__:
        path = Path(folder) / NAME
        if path.is_file():
            return path
    return None


@cache
def _opened() -> ctypes.CDLL | str:
    path = library_path()
    if path is None:
        return (
            f"{NAME} was not built: no C++ compiler was found when Onlooker was installed; "
            "install one, then reinstall Onlooker"
        )
    try:
        library = ctypes.CDLL(str(path))
        found = library.onlooker_interface()
    except (OSError, AttributeError) as error:
        return f"{path} cannot be loaded: {error}"
    if found != INTERFACE:
        return f"{path} has interface {found}, expected {INTERFACE}: reinstall Onlooker"
    _declare(library)
    return library


def library() -> ctypes.CDLL | None:
    """Return the library, its functions of ``onlooker.h`` declared, or None where it is absent."""
    opened = _opened()
    return None if isinstance(opened, str) else opened


def why_absent() -> str:
    """Return why there is no library, or an empty string."""
    opened = _opened()
    return opened if isinstance(opened, str) else ""


def kernels_chosen() -> str:
    """Return what computes where no kernels are named: kernels, or ``numpy``.

    Raises:
        ConfigError: ``ONLOOKER_CPU`` names kernels that there are not, or not on this machine.
    """
    opened = library()
    if opened is None or os.environ.get("ONLOOKER_CPU") == "numpy":
        return "numpy"
    name: bytes | None = opened.onlooker_kernels_chosen()
    if name is None:
        raise ConfigError(last_error(opened))
    return name.decode()


def last_error(library: ctypes.CDLL) -> str:
    """Return what went wrong last in this thread."""
    message: bytes = library.onlooker_error()
    return message.decode("utf-8", "replace")


def _declare(library: ctypes.CDLL) -> None:
    pointer, text, number, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
    functions = {
        "onlooker_error": (text, []),
        "onlooker_kernels_chosen": (text, []),
        "onlooker_kernels_name": (text, [size]),
        "onlooker_open": (pointer, [text, text]),
        "onlooker_open_buffer": (pointer, [text, size, text]),
        "onlooker_close": (None, [pointer]),
        "onlooker_model_ask": (None, [pointer, ctypes.POINTER(ModelFacts)]),
        "onlooker_node_name": (text, [pointer, number]),
        "onlooker_session_new": (pointer, [pointer, number, number, number]),
        "onlooker_session_free": (None, [pointer]),
        "onlooker_session_ask": (None, [pointer, ctypes.POINTER(SessionFacts)]),
        "onlooker_run": (number, [pointer, number, pointer, pointer, size, pointer]),
        "onlooker_profile": (ctypes.POINTER(ctypes.c_int64), [pointer]),
        "onlooker_node_ask": (number, [pointer, number, ctypes.POINTER(NodeFacts)]),
        "onlooker_matrix_new": (pointer, [pointer, number, number, text]),
        "onlooker_matrix_free": (None, [pointer]),
        "onlooker_matrix_pack": (number, [pointer, pointer, size, pointer]),
        "onlooker_matrix_multiply": (number, [pointer, pointer, size, number, pointer]),
    }
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
