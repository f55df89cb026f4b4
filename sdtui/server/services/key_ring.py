"""The API keys of a server."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from sdtui.core.errors import SettingsError
from sdtui.core.text import shortened
from sdtui.core.text_files import UnreadableTextError, decode_text
from sdtui.requests.validation import explain
from sdtui.server.services.callers import Caller, Limits, Permission

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
"""Never that of an address, which callers without named keys have."""
_LEAST, _MOST = 8, 1000
_KEY = r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$"
_SECRETS = {
    "key": f"must be a text of {_LEAST} to {_MOST} characters, without spaces around them and"
    " without control characters",
    "key_sha256": "must be 64 hexadecimal digits",
}
"""What is said of a wrong value, which is never shown."""
_MOST_BYTES = 2**20


class _KeyEntry(Limits):
    """A key in the file."""

    key: str | None = Field(None, min_length=_LEAST, max_length=_MOST, pattern=_KEY)
    key_sha256: str | None = Field(None, pattern="^[0-9A-Fa-f]{64}$")
    """Of the key, in place of itself."""
    admin: bool = False
    may: tuple[Annotated[Permission, Field(strict=False)], ...] = Field((), strict=False)

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the key."""
        return bytes.fromhex(self.key_sha256) if self.key_sha256 else digest_of(self.key or "")


class KeyRing:
    """The single key of the options, which may do everything, and the named ones of a file."""

    def __init__(self, api_key: str | None, file: Path | None) -> None:
        """Raises SettingsError if the file can't be used."""
        self._file = file
        self._named = {} if file is None else read_keys(file)
        self._single = None if api_key is None else self._apart(digest_of(api_key), self._named)

    @property
    def is_empty(self) -> bool:
        """True if the server needs no key."""
        return self._single is None and self._file is None

    @property
    def named(self) -> tuple[Caller, ...]:
        """The callers of the file."""
        return tuple(self._named.values())

    def replace_single(self, api_key: str) -> None:
        """Take another key in place of the single one, if there is one. Raises SettingsError, and
        nothing changes then."""
        if self._single is not None:
            self._single = self._apart(digest_of(api_key), self._named)

    def reload(self) -> None:
        """Read the file anew. Raises SettingsError, and nothing changes then."""
        if self._file is not None:
            named = read_keys(self._file)
            if self._single is not None:
                self._apart(self._single, named)
            self._named = named

    def _apart(self, single: bytes, named: Mapping[bytes, Caller]) -> bytes:
        """Return the SHA-256 of the single key. Raises SettingsError if a named one is the same:
        its limits wouldn't count."""
        if single in named:
            raise SettingsError(
                f"{self._file}: [{named[single].name}] has the same key as --api-key-file or "
                "SDTUI_API_KEY, which may do everything",
                "Change one",
            )
        return single

    def find(self, sent: Iterable[bytes], address: str) -> Caller | None:
        """Return who sends one of these keys from an address; None if none of them is right."""
        found: Caller | None = None
        known = {**self._named}
        if self._single is not None:
            known[self._single] = Caller(address, key=self._single)
        for key in sent:
            digest = hashlib.sha256(key).digest()
            for each, caller in known.items():  # all, so that the time says nothing
                if hmac.compare_digest(digest, each):
                    found = found or caller
        return found

    def has(self, caller: Caller) -> bool:
        """True if a caller's key still counts, with the same limits."""
        if not caller.owner:
            return caller.key == (self._single or b"")
        return self._named.get(caller.key) == caller


def digest_of(key: str) -> bytes:
    """Return the SHA-256 of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def read_keys(file: Path) -> Mapping[bytes, Caller]:
    """Return the callers in a file by the SHA-256 of their keys. Raises SettingsError."""
    found: dict[bytes, Caller] = {}
    for name, entry in _entries(file):
        if entry.digest in found:
            other = found[entry.digest].name
            raise SettingsError(f"{file}: {other} and {name} have the same key", "Change one")
        limits = Limits(**{each: getattr(entry, each) for each in Limits.model_fields})
        may = frozenset(entry.may)
        found[entry.digest] = Caller(name, name, entry.admin, may, limits, entry.digest)
    if not found:
        raise SettingsError(f"{file} has no keys", 'Write [NAME] and key = "..." into it')
    return found


def _entries(file: Path) -> Iterator[tuple[str, _KeyEntry]]:
    try:
        tables = tomllib.loads(_text_of(file))
    except (OSError, UnreadableTextError) as error:
        raise SettingsError(f"{file} can't be read: {error}", "Check --keys-file") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is no TOML: {error}", "Correct it") from error
    for name, table in tables.items():
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f'{file}: "{shortened(name)}" can\'t be the name of a key',
                "Take small letters, digits, - and _, a letter first",
            )
        yield name, _entry(file, name, table)


def _entry(file: Path, name: str, table: Any) -> _KeyEntry:
    where = f"{file}: [{name}]"
    if not isinstance(table, dict):  # perhaps a key, which isn't shown
        raise SettingsError(f"{file}: {name} must be a table", 'Write [NAME] and key = "..." there')
    try:
        entry = _KeyEntry.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "it"
        reason = explain(first["type"], first["msg"], first.get("input"))
        if field in _SECRETS:
            reason = _SECRETS[field]
        elif first["type"] == "tuple_type":
            reason = 'must be a list, as in ["a", "b"]'
        elif first["type"] == "extra_forbidden":
            reason = f"isn't known; there are {', '.join(_KeyEntry.model_fields)}"
        raise SettingsError(f"{where} {field} {reason}", "Correct it") from error
    if (entry.key is None) == (entry.key_sha256 is None):
        raise SettingsError(f"{where} needs key or key_sha256, one of both", "Add or remove one")
    return entry


def _text_of(file: Path) -> str:
    """Read a file of keys, which nobody else may write. Raises OSError, UnreadableTextError and
    SettingsError."""
    with file.open("rb") as opened:
        mode = os.fstat(opened.fileno()).st_mode
        data = opened.read(_MOST_BYTES)
    if os.name != "nt" and mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SettingsError(f"{file} can be written by others", f"chmod 600 {file}")
    if os.name != "nt" and mode & stat.S_IRWXO:
        _log.warning("%s can be read by others: chmod 600 %s", file, file)
    return decode_text(data)
