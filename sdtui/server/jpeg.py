"""The structure of JPEG files."""

from __future__ import annotations

import re
from collections.abc import Iterator

START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_FIRST_WITH_LENGTH = 0xC0
_START_OF_IMAGE = 0xD8
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
"""Not FF 00 and restart markers, which stand within compressed pixels."""


def markers(data: bytes) -> Iterator[int]:
    """Yield the code of each marker up to the end of the first picture, as a decoder meets them.

    What lies within segments (such as thumbnails) or behind the picture (such as the film of a
    "motion photo") isn't read. Source: ITU-T T.81, B.1.1.
    """
    position = 0
    while (match := _MARKER.search(data, position)) is not None:
        code = data[match.start() + 1]
        position = match.end()
        yield code
        if code == _END_OF_IMAGE:
            return
        if code >= _FIRST_WITH_LENGTH and code != _START_OF_IMAGE:
            position += int.from_bytes(data[position : position + 2], "big")
