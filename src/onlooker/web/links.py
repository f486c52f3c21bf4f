"""Addresses of the pages, made in one place so that the base path is never forgotten."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def seconds(value: float) -> str:
    """Return a time for a link: at most two decimals, no trailing zeros."""
    return f"{max(0.0, value):.2f}".rstrip("0").rstrip(".")


class Links:
    """Addresses under one base path."""

    def __init__(self, base: str, versions: dict[str, str]) -> None:
        self.base = base
        self._versions = versions

    def home(self, **params: object) -> str:
        """The search page, with what it should search."""
        return f"{self.base}/{query(**params)}"

    def media(
        self,
        public_id: str,
        *,
        t: float | None = None,
        page: int | None = None,
        q: str = "",
    ) -> str:
        """A medium, at a time or page: the stable link to a moment."""
        return f"{self.base}/m/{quote(public_id, safe='')}" + query(
            t=None if t is None else seconds(t), page=page, q=q
        )

    def part(self, public_id: str, what: str, **params: object) -> str:
        """Something of a medium: ``file``, ``thumb/3``, ``page/2``, ``frame`` …."""
        return f"{self.base}/m/{quote(public_id, safe='')}/{what}{query(**params)}"

    def status(self) -> str:
        """The page on what has been looked at."""
        return f"{self.base}/status"

    def api(self, what: str = "", **params: object) -> str:
        """The API."""
        return f"{self.base}/api{'/' + what if what else ''}{query(**params)}"

    def static(self, name: str) -> str:
        """A style sheet, script or icon, with its version so that it can be cached for good."""
        return f"{self.base}/static/{name}?v={self._versions[name]}"


def query(**params: object) -> str:
    """Return a query string (with its question mark) of what is neither None nor empty."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        key = name.rstrip("_")
        if isinstance(value, (list, tuple)):
            pairs.extend((key, str(item)) for item in value)
        elif value is not None and value != "":
            pairs.append((key, str(value)))
    return f"?{urlencode(pairs)}" if pairs else ""
