"""The API keys of servers."""

from __future__ import annotations

import os

from sdtui.core import paths
from sdtui.core.errors import SettingsError
from sdtui.core.settings import read_toml

KEY_VARIABLE = "SDTUI_API_KEY"
_NAME = "keys.toml"


def key_of(host: str) -> str | None:
    """Return the API key for a server: of the variable, else of the file of keys by host. None if
    there is none. Raises SettingsError, also if others can read the file."""
    if key := os.environ.get(KEY_VARIABLE):
        return key
    file = paths.config_folder() / _NAME
    keys = read_toml(file, "Make it readable for you alone")
    if keys and os.name != "nt" and file.stat().st_mode & 0o077:
        raise SettingsError(f"{file} can be read by others", f"chmod 600 {file}")
    name, _, _ = host.partition(":") if host.count(":") == 1 else (host, "", "")
    key = keys.get(host, keys.get(name))
    if key is not None and not isinstance(key, str):
        raise SettingsError(f"{file}: the key of {host} must be a text", "Write it in quotes")
    return key
