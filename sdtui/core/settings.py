"""Settings: defaults, then the config file, then environment variables `SDTUI_*`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sdtui.core import paths
from sdtui.core import settings_parsing as read
from sdtui.core.enums import POCKET, DType, ImageProtocol, MemoryMode, Policy, Speed
from sdtui.core.errors import SettingsError
from sdtui.core.nearest import nearest

ENVIRONMENT_PREFIX = "SDTUI_"

_HINT_FILE = "Mend the file or move it away"

_HEADING = re.compile(r"\s*\[\s*([\w-]+)\s*\]")
_NAME = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([\w.-]+))\s*=""")
"""A table's heading and a key in a TOML file, as people write them."""


def _takes(read: Callable[[object], object], about: str) -> Mapping[str, Any]:
    """What reads a key's value, and what it takes."""
    return {"read": read, "about": about}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a person can set once for every run. Each key is also an environment variable:
    `SDTUI_` and the key in capitals; lists of folders are parted there by `os.pathsep`."""

    model: str = field(
        default=POCKET, metadata=_takes(read.text, "The model to use when none is named.")
    )
    pictures: Path = field(
        default_factory=paths.pictures_folder,
        metadata=_takes(read.folder, "The folder that pictures are saved in."),
    )
    model_folders: tuple[Path, ...] = field(
        default=(),
        metadata=_takes(
            read.folders, "Folders that hold models: diffusers folders and .safetensors files."
        ),
    )
    device: str = field(
        default="auto", metadata=_takes(read.device, "auto, cpu, mps, cuda or cuda:N.")
    )
    dtype: DType = field(
        default=DType.AUTO,
        metadata=_takes(read.one_of(DType), "auto, float32, float16 or bfloat16."),
    )
    memory_mode: MemoryMode = field(
        default=MemoryMode.AUTO,
        metadata=_takes(
            read.one_of(MemoryMode),
            "auto, full, model_offload, group_offload or sequential_offload.",
        ),
    )
    policy: Policy = field(
        default=Policy.KEEP, metadata=_takes(read.one_of(Policy), "keep, strict or tutorial.")
    )
    speed: Speed = field(
        default=Speed.QUALITY, metadata=_takes(read.one_of(Speed), "quality, fast or max.")
    )
    previews: bool = field(
        default=True,
        metadata=_takes(
            read.switch, "Whether a small picture is made at every step: true or false."
        ),
    )
    image_protocol: ImageProtocol = field(
        default=ImageProtocol.AUTO,
        metadata=_takes(
            read.one_of(ImageProtocol),
            "How the app draws finished pictures: auto, kitty, sixel or halfcell.",
        ),
    )
    keys: Mapping[str, str] = field(
        default_factory=dict,
        metadata=_takes(read.keys, "The app's keys by action, as `sdtui keys` lists them."),
    )

    def request_defaults(self) -> dict[str, Any]:
        """The fields of a GenerationRequest that the settings fill where a person leaves them
        open."""
        filled = ("model", "dtype", "memory_mode", "policy", "speed")
        return {name: getattr(self, name) for name in filled}


ABOUT_SETTINGS: Mapping[str, str] = {each.name: each.metadata["about"] for each in fields(Settings)}
"""Every key, and what it takes."""


def load_settings(
    file: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read the settings. A config file that isn't there is an empty one.

    Raises SettingsError that names the file or variable, the key, and the nearest valid key.
    """
    path = paths.config_file() if file is None else file
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = _read_file(path)
    for key in values:
        if key not in ABOUT_SETTINGS:
            raise _unknown_key(key, settings_origin(key, file=path, environment={}))
    for key in ABOUT_SETTINGS:
        name = ENVIRONMENT_PREFIX + key.upper()
        if name in variables:
            text = variables[name]
            listed = [part for part in text.split(os.pathsep) if part]
            values[key] = listed if key == "model_folders" else text
    for each in fields(Settings):
        if each.name in values:
            try:
                values[each.name] = each.metadata["read"](values[each.name])
            except read.WrongValueError as error:
                where = (each.name, *error.within)
                origin = settings_origin(*where, file=path, environment=variables)
                takes = ABOUT_SETTINGS[each.name].rstrip(".")
                problem = f"{origin}: {each.name}: {error}"
                raise SettingsError(problem, f"It takes: {takes}") from error
    return Settings(**values)


def settings_origin(
    *key: str, file: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Where a setting comes from: the environment variable, or the config file and its line, or
    "default". A key inside a table is given as both names: `"keys", "window.generate"`."""
    variables = os.environ if environment is None else environment
    name = ENVIRONMENT_PREFIX + key[0].upper()
    if name in variables:
        return f"the environment variable {name}"
    path = paths.config_file() if file is None else file
    try:
        line = _line_of(key, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return "default"
    return "default" if line is None else f"{path}, line {line}"


def _line_of(key: tuple[str, ...], text: str) -> int | None:
    """The line that sets a key, 1 for the first; of a key that is written inside its table's own
    line, that line."""
    found: tuple[str, ...]
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if heading := _HEADING.match(line):
            found = table = (heading[1],)
        elif name := _NAME.match(line):
            found = (*table, str(name[1] or name[2] or name[3]))
        else:
            continue
        if found == key:
            return number
    return _line_of(key[:-1], text) if len(key) > 1 else None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{path} can't be read: {error}"
        raise SettingsError(problem, _HINT_FILE) from error
    import tomllib  # most people have no config file, and the app waits for this

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}", _HINT_FILE) from error


def _unknown_key(key: str, origin: str) -> SettingsError:
    near = nearest(key, ABOUT_SETTINGS)
    hint = f'Did you mean "{near}"?' if near else '"sdtui docs configuration" lists the settings'
    return SettingsError(f'{origin}: there is no setting "{key}"', hint)
