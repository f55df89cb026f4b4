"""Tags of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.history.search import folded_tag
from sdtui.history.sidecar import MAX_TAG

_TAG = re.compile(r"(?!-)[^\s\"\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def is_tag(tag: str) -> bool:
    """True if a tag is one word that isn't too long."""
    return len(tag) <= MAX_TAG and _TAG.fullmatch(tag) is not None


def parse_tags(tags: Iterable[str]) -> frozenset[str]:
    """Return tags as they are stored. Raises InvalidRequestError for one that is not one word."""
    folded = frozenset(folded_tag(tag.strip()) for tag in tags)
    for tag in folded:
        if not is_tag(tag):
            rule = f"must be one word of at most {MAX_TAG} letters that doesn't begin with -"
            raise InvalidRequestError([Problem("tag", tag, f'{rule}, not "{tag[:50]}"')])
    return folded
