"""The tags in a prompt."""

from __future__ import annotations

from sdtui.core.enums import PromptSyntax
from sdtui.core.prompt_syntax.comments import strip_comments
from sdtui.core.prompt_tags import TaggedText, take_tags


def read_tags(text: str, syntax: PromptSyntax) -> TaggedText:
    """Return a prompt without comments and tags, and its tags; a plain prompt has none of them."""
    return TaggedText(text) if syntax is PromptSyntax.PLAIN else take_tags(strip_comments(text))
