"""What can be set about the server."""

from __future__ import annotations

import re
from dataclasses import dataclass

from onlooker.errors import ConfigError

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
"""Names under which the own machine is reached; always allowed."""

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:]+")
_BASE_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Settings of the server.

    Attributes:
        read_only: Nothing can be changed, and no path of the file system is shown.
        allowed_hosts: Further names (without port) that may stand in the ``Host`` header; any
            other is refused, so that a foreign page can't reach the library by DNS rebinding.
        base_path: Prefix under which a reverse proxy shows the pages (``/find``); whether the
            proxy strips it or not makes no difference.
        cache_mb: Bound of the cache of converted video and pictures, in megabytes.
        convert_height: Largest height in pixels of converted video.
        max_url_bytes: Longer targets are refused with 414.
        max_header_bytes: Larger headers are refused with 431.
        max_body_bytes: Larger bodies are refused with 413.

    Raises:
        ConfigError: A value makes no sense.
    """

    read_only: bool = False
    allowed_hosts: tuple[str, ...] = ()
    base_path: str = ""
    cache_mb: int = 2048
    convert_height: int = 720
    max_url_bytes: int = 8192
    max_header_bytes: int = 16384
    max_body_bytes: int = 65536

    def __post_init__(self) -> None:
        base = self.base_path.rstrip("/")
        if base and not _BASE_PATH.fullmatch(base):
            raise ConfigError(
                f"the base path {self.base_path!r} is not usable: expected something like "
                "'/find', made of letters, digits, '-', '_', '.' and '~'"
            )
        object.__setattr__(self, "base_path", base)
        hosts = tuple(host.strip().strip("[]").rstrip(".").lower() for host in self.allowed_hosts)
        for given, host in zip(self.allowed_hosts, hosts, strict=True):
            if not _HOST.fullmatch(host):
                raise ConfigError(
                    f"the host name {given!r} is not usable: expected a name without scheme, "
                    "port and path, as 'media.example.org'"
                )
        object.__setattr__(self, "allowed_hosts", hosts)
        for name in ("cache_mb", "convert_height", "max_url_bytes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def hosts(self) -> frozenset[str]:
        """All names that may stand in the ``Host`` header, lower case, without port."""
        return frozenset((*LOCAL_HOSTS, *self.allowed_hosts))
