"""Links to saved pictures that need no key: each is a secret of its own, and ends after a while."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from sdtui.jobs import PictureId

LIFETIME = 3600.0
"""Seconds."""
_MOST = 1000


@dataclass(frozen=True)
class Linked:
    """What a link leads to."""

    picture: PictureId
    quality: int | None
    """In percent, if the picture is to be made smaller than it was saved."""


class Links:
    """Made and looked up on the server's loop only."""

    def __init__(self) -> None:
        self._links: dict[str, tuple[float, Linked]] = {}

    def make(self, picture: PictureId, quality: int | None = None) -> str:
        """A new link's token."""
        token = secrets.token_urlsafe(24)
        self._links[token] = (time.monotonic() + LIFETIME, Linked(picture, quality))
        for old in list(self._links)[:-_MOST]:
            del self._links[old]
        return token

    def find(self, token: str) -> Linked | None:
        """What is behind a link, unless there is none or its time is over."""
        end, linked = self._links.get(token, (0.0, None))
        return linked if time.monotonic() < end else None
