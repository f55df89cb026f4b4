"""Text that people write: prompts, JSON, config files, YAML. It may have a byte order mark, be in
UTF-16 as PowerShell writes it, and have line ends of any system."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

_BOM = "\ufeff"
_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LINE_END = re.compile(r"\r\n|\n|\r")

SAVE_AS_UTF8 = "Save it as UTF-8"
"""The hint that goes with an UnreadableTextError."""


class UnreadableTextError(ValueError):
    """A text in another encoding; the message names the line and what is wrong there."""


def decode_text(data: bytes, *, errors: str = "strict") -> str:
    """Return the text of a file without its byte order mark. UTF-8 is assumed where there is none.

    Raises UnreadableTextError, also for UTF-16 without a mark, unless `errors` is "replace".
    """
    encoding = next((name for mark, name in _ENCODINGS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding, errors)
    except UnicodeDecodeError as error:
        line = len(split_lines(data[: error.start].decode(encoding, "replace")))
        wrong = f"byte 0x{data[error.start]:02x}" if error.start < len(data) else "its end"
        message = f"line {line} is not {encoding.upper()} ({wrong})"
        raise UnreadableTextError(message) from error
    if "\0" in text and errors == "strict":
        line = len(split_lines(text[: text.index("\0")]))
        raise UnreadableTextError(f"line {line} is not UTF-8 (zero byte, as in UTF-16)")
    return text.lstrip(_BOM)


def syntax_problem(error: ValueError | RecursionError) -> str:
    """Say what is wrong with JSON or TOML, given the error of its parser."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if type(error) is ValueError:  # of int(), about Python's settings
        return "a number has too many digits"
    return str(error)


def has_mark(file: Path) -> bool:
    """True if a file begins with a byte order mark. Raises OSError."""
    with file.open("rb") as opened:
        start = opened.read(4)
    return start.startswith((codecs.BOM_UTF8, *(mark for mark, _ in _ENCODINGS)))


def split_lines(text: str) -> list[str]:
    """Return the lines of a text, without marks of files that were joined. Unlike str.splitlines,
    only \\n, \\r\\n and \\r end a line: U+2028 or U+0085 may be part of a prompt.

    A text that ends with a line end has an empty last line.
    """
    return [line.lstrip(_BOM) for line in _LINE_END.split(text)]
