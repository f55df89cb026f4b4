"""Comments: from `#` to the end of the line."""

from __future__ import annotations

import re

_WHOLE_LINE = re.compile(r"(?:^|\n)#[^\n]*(?:\n|$)")
_REST_OF_LINE = re.compile(r"#[^\n]*(?:\n|$)")


def strip_comments(text: str) -> str:
    """Return a prompt without its comments; a text that is nothing else becomes empty.

    Source: `strip_comments` in A1111's modules/processing_scripts/comments.py.
    """
    if "#" not in text:
        return text
    stripped = _REST_OF_LINE.sub("\n", _WHOLE_LINE.sub("\n", text))
    return stripped if stripped.strip() else ""
