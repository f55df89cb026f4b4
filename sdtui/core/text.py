"""Make text safe to display in a terminal, and find similar names."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = {"\u200d"}  # zero width joiner: part of many emoji
_SIMILAR = {
    **dict.fromkeys("‐‑‒–—―−─━═╌┄", "-"),
    **dict.fromkeys("│┃║┆", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╠╣╦╩╬", "+"),
    **dict.fromkeys("‘’‚′", "'"),
    **dict.fromkeys("“”„″«»", '"'),
    **{"×": "x", "→": "->", "←": "<-", "★": "*", "•": "*", "·": "-", "≤": "<=", "≥": ">="},
    **{"⁄": "/", "€": "EUR", "ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O"},
    **{"ł": "l", "Ł": "L"},
}
"""What is written where an encoding lacks a character, besides what Unicode decomposes."""


def visible(text: str, *, keep: str = "\n\t") -> str:
    """Escape control and other invisible characters (`\\x1b`), except those in `keep`.

    The result can be sent to a terminal.
    """
    return "".join(
        character
        if character in keep
        or character in _JOINERS
        or unicodedata.category(character) not in _INVISIBLE
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def one_line(text: str) -> str:
    """`text` on one line, safe to display."""
    return visible(" ".join(text.split()), keep="")


def is_text(name: str) -> bool:
    """False for the name of a file that isn't UTF-8: JSON can't hold it, nor can a terminal."""
    return _fits(name, "utf-8", "strict")


def named_in_utf8(path: Path) -> Path:
    """Return a path whose name is UTF-8. Raises ValueError for others."""
    if not is_text(str(path)):
        raise ValueError("its name is no valid text (UTF-8): rename it")
    return path


def encodable(text: str, encoding: str) -> str:
    """`text` with every character that `encoding` lacks replaced by a similar one, or by "?". Bytes
    of file names, which are lone surrogates in Python's texts, stay."""
    if _fits(text, encoding):
        return text
    return "".join(each if _fits(each, encoding) else _similar(each, encoding) for each in text)


def _fits(text: str, encoding: str, errors: str = "surrogateescape") -> bool:
    try:
        text.encode(encoding, errors)
    except UnicodeEncodeError:
        return False
    return True


def _similar(character: str, encoding: str) -> str:
    if unicodedata.combining(character) or character in _JOINERS:
        return ""
    plain = "".join(
        _SIMILAR.get(each, each)
        for each in unicodedata.normalize("NFKD", character)
        if not unicodedata.combining(each)
    )
    return plain if _fits(plain, encoding) else "?"


def end_of(text: str, width: int) -> str:
    """The end of `text` in at most `width` characters, with an ellipsis if some are missing.

    The end of a path or model name is its most informative part.
    """
    return text if len(text) <= width else f"…{text[1 - width :]}"


def counted(count: int, name: str) -> str:
    """A number with the name of what was counted: "1 picture", "2,000 pictures"."""
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def shortened(text: str) -> str:
    """A value as messages quote it: at most 60 characters, with escapes."""
    return visible(text if len(text) <= 60 else f"{text[:57]}...", keep="")


def escape_same_width(text: str) -> str:
    """Replace each character that must not reach a terminal by one symbol.

    For editors, where the position of the cursor has to stay right.
    """
    return "".join(_symbol(character) for character in text)


def _symbol(character: str) -> str:
    if ord(character) < 32 and character != "\t":
        return chr(0x2400 + ord(character))
    return character if visible(character) == character else "�"


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most similar to `name`, ignoring case, or None if none is similar."""
    by_folded = {candidate.casefold(): candidate for candidate in valid}
    matches = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None
