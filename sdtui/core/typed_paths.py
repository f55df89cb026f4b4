"""Parse paths as people type them and as terminals paste dropped files.

Terminals quote a dropped file for a shell, or send a `file:` URL; several are on one line with
blanks between them, or on a line each. Nothing here reads the disk.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sdtui.core.paths import expanded

_WINDOWS = re.compile(r"/?[A-Za-z]:[\\/]|\\\\[^\\]|//wsl(\$|\.localhost)/", re.IGNORECASE)
_WSL = re.compile(r"(?:\\\\|//)wsl(?:\$|\.localhost)[\\/][^\\/]+(.*)", re.IGNORECASE | re.DOTALL)
_ESCAPED = re.compile(r"\\([^A-Za-z0-9])")
"""A character that a shell takes as it is; terminals escape no letters and digits."""
_ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_BEGINS_LIKE_A_PATH = re.compile(r"/|~|\./|\.\./|\$|file:", re.IGNORECASE)


class PathTextError(ValueError):
    """A text that names no path of this machine; the message, which follows the text, says why."""


def parse_typed_paths(text: str) -> list[Path]:
    """Return the paths in a typed or pasted text: mostly one, several if more were dropped.

    Raises PathTextError for paths of Windows and URLs of other machines and of the web.
    """
    return [_parse(name, quoted=quoted) for name, quoted in _names(text.strip())]


def parse_typed_path(text: str) -> Path:
    """Return the first path in a typed or pasted text. Raises PathTextError."""
    return parse_typed_paths(text)[0]


def parse_plain_path(text: str) -> Path:
    """Return the path in a text that a shell has unquoted, or that a config file holds. A `file:`
    URL and ~ are understood. Raises PathTextError."""
    return _parse(text, quoted=True)


def typed_text(path: Path) -> str:
    """Return a text that `parse_typed_path` reads as this path: the path itself, or quoted."""
    text = str(path)
    try:
        if parse_typed_paths(text) == [path]:
            return text
    except PathTextError:
        pass
    return shlex.quote(text)


def _names(text: str) -> Sequence[tuple[str, bool]]:
    """Return the names in a text without a shell's quoting, and True for those where a $ stands for
    itself."""
    if _WINDOWS.match(text.lstrip("'\"")):
        return [(text.strip("'\""), True)]
    try:
        words = shlex.split(text)
    except ValueError:  # a quote that isn't closed is part of the name
        words = []
    is_quoted = text[:1] in ("'", '"')
    if len(words) > 1 and all(map(_BEGINS_LIKE_A_PATH.match, words)):
        return [(word, is_quoted) for word in words]
    if len(words) == 1 and is_quoted:
        return [(words[0], text[0] == "'")]
    plain = _ESCAPED.sub(r"\1", text)
    return [(plain, plain != text and r"\$" in text)]


def _parse(name: str, *, quoted: bool) -> Path:
    if name.lower().startswith("file:"):
        return _from_url(name)
    if _WINDOWS.match(name):
        raise PathTextError(_about_windows(name))
    if _ADDRESS.match(name):
        raise PathTextError("is an address: save what is there to a file and give its path here")
    return expanded(name if quoted else os.path.expandvars(name))


def _from_url(url: str) -> Path:
    """Return the path of a `file:` URL (RFC 8089). Raises PathTextError."""
    try:
        parts = urlsplit(url.replace("?", "%3F").replace("#", "%23"))
    except ValueError as error:
        raise PathTextError("is no valid URL") from error
    if parts.netloc.lower() not in ("", "localhost", socket.gethostname().lower()):
        raise PathTextError(
            f"is on another machine, {parts.netloc}: copy it to this one and give its path here"
        )
    path = unquote(parts.path, errors="surrogateescape")
    if _WINDOWS.match(path):
        raise PathTextError(_about_windows(path))
    return Path(path)


def _about_windows(path: str) -> str:
    """Say what to write in place of a path of Windows."""
    of_wsl = _WSL.fullmatch(path)
    if of_wsl is not None:
        return f"is a path of Windows: write {of_wsl[1].replace(chr(92), '/') or '/'}"
    drive, colon, below = path.lstrip("/").partition(":")
    if colon:
        below = below.replace("\\", "/")
        return f"is a path of Windows: in WSL write /mnt/{drive.lower()}{below}"
    return "is a path of Windows: copy the file to this machine"
