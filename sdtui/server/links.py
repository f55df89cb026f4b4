"""Links to saved pictures that need no key: each is a secret of its own, and ends after a while."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

LIFETIME = 3600.0
"""Seconds."""
_MOST = 1000


class Links:
    """Made and looked up on the server's loop only."""

    def __init__(self) -> None:
        self._links: dict[str, tuple[float, Path]] = {}

    def make(self, picture: Path) -> str:
        """A new link's token."""
        token = secrets.token_urlsafe(24)
        self._links[token] = (time.monotonic() + LIFETIME, picture)
        for old in list(self._links)[:-_MOST]:
            del self._links[old]
        return token

    def find(self, token: str) -> Path | None:
        """The picture behind a link, unless there is none or its time is over."""
        end, picture = self._links.get(token, (0.0, Path()))
        return picture if time.monotonic() < end else None
