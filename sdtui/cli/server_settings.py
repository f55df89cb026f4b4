"""Settings and options of a server for the values of the options of `sdtui serve`."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdtui.cli.server_options import naming_option, options_from
from sdtui.core.enums import Policy
from sdtui.core.errors import SettingsError
from sdtui.core.settings import Settings, load_settings, parse_setting
from sdtui.core.text_files import UnreadableTextError, decode_text, split_lines
from sdtui.server.options import ServerOptions

_log = logging.getLogger(__name__)
KEY_VARIABLE = "SDTUI_API_KEY"


def server_settings(values: Mapping[str, Any]) -> Settings:
    """Return the settings with what the options change. Raises SettingsError."""
    settings = replace(load_settings(), connect="here")  # a server's backend is its own
    if (model := values["model"]) is not None:
        settings = replace(settings, model=model)
    if (gpus := values["gpus"]) is not None:
        with naming_option("--gpus"):
            settings = replace(settings, gpus=parse_setting("gpus", gpus))
    if (policy := values["policy"]) is not None:
        settings = replace(settings, policy=Policy(policy))
    return settings


def options_of_server(values: Mapping[str, Any]) -> ServerOptions:
    """Return the server's own options. Raises SettingsError."""
    return ServerOptions(
        api_key=_read_key(values["api_key_file"]),
        compatible_policy=Policy(values["policy"] or Policy.STRICT),
        **options_from(values),
    )


def _read_key(file: Path | None) -> str | None:
    """Return the API key: from the file if there is one, else from the variable, where an empty one
    means no key."""
    if file is None and not os.environ.get(KEY_VARIABLE):
        return None
    try:
        data = os.fsencode(os.environ[KEY_VARIABLE]) if file is None else file.read_bytes()
        if file is not None and os.name != "nt" and file.stat().st_mode & 0o077:
            _log.warning("%s can be read by others: chmod 600 %s", file, file)
        key = decode_text(data).strip()
    except (OSError, UnreadableTextError) as error:
        raise _no_key(file) from error
    if not key or len(split_lines(key)) > 1:
        raise _no_key(file)
    return key


def _no_key(file: Path | None) -> SettingsError:
    where = f"the variable {KEY_VARIABLE}" if file is None else str(file)
    return SettingsError(f"{where} holds no API key", "Write the key into it, on one line")
