"""Opening media files: regular files only, and errors that name the file and the reason."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from onlooker.errors import MediaError

PathLike = str | bytes | os.PathLike[str]


def as_path(path: PathLike) -> Path:
    """Return a `Path`; bytes that are no UTF-8 are kept as surrogates, as `os.fsdecode` does."""
    return Path(os.fsdecode(path))


def shown(path: PathLike) -> str:
    r"""Return a path as it can be printed anywhere: on one line, and always encodable.

    Line breaks, control characters and bytes that are no UTF-8 become escapes.

    Example:
        >>> shown(b"talk\n\xff.mp4")
        'talk\\n\\xff.mp4'
    """
    parts = []
    for char in os.fsdecode(path):
        if char.isprintable():
            parts.append(char)
        elif "\udc80" <= char <= "\udcff":  # a byte kept by surrogateescape
            parts.append(f"\\x{ord(char) - 0xDC00:02x}")
        else:
            parts.append(char.encode("unicode_escape", "backslashreplace").decode("ascii"))
    return "".join(parts)


def reason(error: BaseException) -> str:
    """Say an operating system's error in words."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file: it was moved or deleted, or its drive is not attached"
    if isinstance(error, PermissionError):
        return "permission denied: let this user read it, or exclude it"
    if isinstance(error, IsADirectoryError):
        return "it is a folder, and a file was expected"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) or type(error).__name__


def open_file(path: PathLike) -> BinaryIO:
    """Open a regular, non-empty file for reading.

    Raises:
        MediaError: It is missing, unreadable, empty, or no regular file (a pipe or a device would
            block or never end).
    """
    name = as_path(path)
    # O_NONBLOCK: opening a named pipe without a writer would wait for ever.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(name, flags)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise MediaError(f"cannot open {shown(name)}: {reason(error)}") from error
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise MediaError(f"cannot open {shown(name)}: {reason(IsADirectoryError())}")
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(f"cannot open {shown(name)}: it is a pipe, socket or device, no file")
        if status.st_size == 0:
            raise MediaError(f"cannot read {shown(name)}: the file is empty (0 bytes)")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: PathLike, limit: int) -> bytes:
    """Read a whole file of at most ``limit`` bytes.

    Raises:
        MediaError: It cannot be opened or read, is empty, or is larger.
    """
    with open_file(path) as file:
        try:
            data = file.read(limit + 1)
        except OSError as error:
            raise MediaError(f"cannot read {shown(path)}: {reason(error)}") from error
    if len(data) > limit:
        raise MediaError(
            f"cannot read {shown(path)}: it is larger than the {limit:,} bytes that such a file"
            " may have"
        )
    return data
