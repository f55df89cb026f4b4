"""Making text from people, files and programs safe to show in a terminal."""

from __future__ import annotations

import unicodedata

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = {"\u200d"}  # zero width joiner: part of many emoji


def visible(text: str, *, keep: str = "\n\t") -> str:
    """`text` with control and other invisible characters shown as escapes (`\\x1b`), except
    those in `keep`. What comes out can be sent to a terminal."""
    return "".join(
        character
        if character in keep
        or character in _JOINERS
        or unicodedata.category(character) not in _INVISIBLE
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def one_line(text: str) -> str:
    """`text` on one line, safe to show."""
    return visible(" ".join(text.split()), keep="")


def end_of(text: str, width: int) -> str:
    """`text`, or where it has more than `width` letters, dots and its end: of a path or a model's
    name that tells most."""
    return text if len(text) <= width else f"…{text[1 - width :]}"


def shortened(text: str) -> str:
    """A value as a message quotes it: at most 60 of its characters, ending in dots if some are
    missing, and what is invisible as escapes."""
    return visible(text if len(text) <= 60 else f"{text[:57]}...", keep="")
