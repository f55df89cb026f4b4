"""Where a backend is, as it is written after `--connect`.

Without what connects to it, which takes longer to import than the window may wait.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sdtui.core import paths
from sdtui.core.errors import SettingsError
from sdtui.core.text import shortened

HERE = "here"
"""This process."""
DAEMON = "daemon"
"""The daemon of this user, which is started if need be."""
_UNIX = "unix:"
_SCHEMES = ("http", "https", "ssh")
_FORMS = "here, daemon, ssh://[USER@]HOST, http(s)://HOST[:PORT][/PREFIX] or unix:PATH"
_HOST_NAME = re.compile(r"([\w-]+@)?[\w-]+(\.[\w-]+)*(:\d{1,5})?", re.ASCII)


@dataclass(frozen=True)
class Place:
    """Where a backend is."""

    kind: Literal["here", "daemon", "unix", "http", "https", "ssh"]
    host: str = ""
    port: int | None = None
    user: str = ""
    path: str = ""
    """Of the socket, the prefix of a server's URL, or the program on the other side of ssh."""


def parse_place(text: str) -> Place:
    """Return the place that a text names. Raises SettingsError."""
    if text in ("", HERE):
        return Place("here")
    if text == DAEMON:
        return Place("daemon")
    if text.startswith(_UNIX) and len(text) > len(_UNIX):
        return Place("unix", path=str(paths.expanded(Path(text.removeprefix(_UNIX))).absolute()))
    return _parse_url(text)


def _parse_url(text: str) -> Place:
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:  # such as a port that is no number
        raise _wrong(text) from error
    host, user = parts.hostname or "", unquote(parts.username or "")
    if parts.scheme not in _SCHEMES or not host or parts.query or parts.fragment or port == 0:
        raise _wrong(text)
    if parts.password or (user and parts.scheme != "ssh"):
        raise SettingsError(
            "a password or key doesn't belong in an address, which others may see",
            "Write a server's key into keys.toml beside config.toml",
        )
    path = unquote(parts.path).rstrip("/")
    if parts.scheme != "ssh":
        kind: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
        return Place(kind, host, port, path=path)
    # ssh takes what begins with a dash for an option, one of which runs a command.
    if host.startswith("-") or user.startswith("-"):
        raise _wrong(text)
    # With its capitals, which urlsplit lowers: it may be a name in the configuration of ssh.
    _, _, authority = parts.netloc.rpartition("@")
    start = authority.lower().index(host)
    return Place("ssh", authority[start : start + len(host)], port, user, path)


def _wrong(text: str) -> SettingsError:
    hint = f"Give {_FORMS}"
    if _HOST_NAME.fullmatch(text):
        hint = f"Give its kind too: ssh://{text} or http://{text}"
    return SettingsError(f'"{shortened(text)}" is no place to connect to', hint)
