"""Every error that Onlooker raises on purpose.

A message says what failed, the offending value or path, what was expected and what to do next.
The command line prints it without a traceback and exits with 1.
"""

from __future__ import annotations


class OnlookerError(Exception):
    """Base of all errors raised on purpose."""


class MediaError(OnlookerError):
    """A media file is missing, unreadable, corrupt, of another kind, or too large."""


class WeightsError(OnlookerError):
    """Weights of a network are missing, corrupt, or not the ones that were asked for."""


class ConfigError(OnlookerError):
    """A configuration, recipe or option has an unknown key or a wrong value."""


class StoreError(OnlookerError):
    """A library folder is missing, corrupt, locked, newer than this program, or full."""


class QueryError(OnlookerError):
    """A search query cannot be understood."""


class MissingExtraError(OnlookerError):
    """A part of Onlooker needs packages that are installed by an extra.

    Args:
        feature: What was asked for, as a noun ("training", "HEIC photos").
        extra: Name of the extra in ``pyproject.toml``.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the extra {extra!r}: install it with  pip install 'onlooker[{extra}]'"
        )
