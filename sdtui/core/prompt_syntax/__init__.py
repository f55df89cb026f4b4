"""A1111's prompt language, parsed without any library. Nothing here raises for a text: what isn't
syntax is literal."""

from __future__ import annotations

from sdtui.core.prompt_syntax.attention import Group, Weighted, parse_attention
from sdtui.core.prompt_syntax.chunks import (
    Chunk,
    Insertion,
    Match,
    finder,
    split_chunks,
)
from sdtui.core.prompt_syntax.comments import strip_comments
from sdtui.core.prompt_syntax.composition import Part, split_parts
from sdtui.core.prompt_syntax.prompt import ParsedPart, parse_prompt
from sdtui.core.prompt_syntax.schedule import Stretch, parse_schedule

__all__ = [
    "Chunk",
    "Group",
    "Insertion",
    "Match",
    "ParsedPart",
    "Part",
    "Stretch",
    "Weighted",
    "finder",
    "parse_attention",
    "parse_prompt",
    "parse_schedule",
    "split_chunks",
    "split_parts",
    "strip_comments",
]
