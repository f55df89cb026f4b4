"""Sizes as people write them: "512x768"."""

from __future__ import annotations

import re

from sdtui.core.errors import InvalidRequestError, Problem

_SIZE = re.compile(r"(\d{1,5})\s*(?:[xX×*]|\s)\s*(\d{1,5})")


def parse_size(text: str) -> tuple[int, int]:
    """Return width and height from e.g. "512x768" or "512 768". Raises InvalidRequestError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise InvalidRequestError(
            [Problem("size", text, f'is width and height such as 512x768, not "{text}"')]
        )
    return int(found[1]), int(found[2])
