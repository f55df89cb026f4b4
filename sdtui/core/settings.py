"""Settings: defaults, then the config file, then environment variables `SDTUI_*`."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sdtui.core import paths
from sdtui.core.errors import SettingsError
from sdtui.core.nearest import nearest
from sdtui.core.request import POCKET, DType, MemoryMode, Policy, Speed

ENVIRONMENT_PREFIX = "SDTUI_"

_HEADING = re.compile(r"\s*\[\s*([\w-]+)\s*\]")
_NAME = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([\w.-]+))\s*=""")
"""A table's heading and a key in a TOML file, as people write them."""


class Settings(BaseModel):
    """What a person can set once for every run. Each key is also an environment variable:
    `SDTUI_` and the key in capitals; lists of folders are parted there by `os.pathsep`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(POCKET, min_length=1, description="The model to use when none is named.")

    pictures: Path = Field(
        default_factory=paths.pictures_folder, description="The folder that pictures are saved in."
    )

    model_folders: tuple[Path, ...] = Field(
        (), description="Folders that hold models: diffusers folders and .safetensors files."
    )

    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="auto, cpu, mps, cuda or cuda:N.",
    )

    dtype: DType = Field(DType.AUTO, description="auto, float32, float16 or bfloat16.")

    memory_mode: MemoryMode = Field(
        MemoryMode.AUTO,
        description="auto, full, model_offload, group_offload or sequential_offload.",
    )

    policy: Policy = Field(Policy.KEEP, description="keep, strict or tutorial.")

    speed: Speed = Field(Speed.QUALITY, description="quality, fast or max.")

    previews: bool = Field(True, description="Whether a small picture is made at every step.")

    image_protocol: Literal["auto", "kitty", "sixel", "halfcell"] = Field(
        "auto", description="How the app draws finished pictures: auto, kitty, sixel or halfcell."
    )

    keys: Mapping[str, str] = Field(
        {}, description="The app's keys by action, as `sdtui keys` lists them."
    )

    def request_defaults(self) -> dict[str, Any]:
        """The fields of a GenerationRequest that the settings fill where a person leaves them
        open."""
        filled = ("model", "dtype", "memory_mode", "policy", "speed")
        return {name: getattr(self, name) for name in filled}

    @field_validator("pictures")
    @classmethod
    def _expand(cls, folder: Path) -> Path:
        return folder.expanduser()

    @field_validator("keys", mode="before")
    @classmethod
    def _names_with_dots(cls, keys: object) -> object:
        """Without quotes TOML takes `window.generate` for a table in a table."""
        if not isinstance(keys, Mapping):
            return keys
        flat: dict[str, object] = {}
        for name, value in keys.items():
            inner = value.items() if isinstance(value, Mapping) else None
            flat |= {name: value} if inner is None else {f"{name}.{k}": v for k, v in inner}
        return flat

    @field_validator("model_folders")
    @classmethod
    def _expand_all(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(folder.expanduser() for folder in folders)


def load_settings(
    file: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read the settings. A config file that isn't there is an empty one.

    Raises SettingsError that names the file or variable, the key, and the nearest valid key.
    """
    path = paths.config_file() if file is None else file
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = _read(path)
    for key in values:
        if key not in Settings.model_fields:
            raise _unknown_key(key, settings_origin(key, file=path, environment={}))
    for key in Settings.model_fields:
        name = ENVIRONMENT_PREFIX + key.upper()
        if name in variables:
            text = variables[name]
            values[key] = text.split(os.pathsep) if key == "model_folders" else text
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    key = str(first["loc"][0])
    origin = settings_origin(*map(str, first["loc"]), file=path, environment=variables)
    message = first["msg"][0].lower() + first["msg"][1:]
    raise SettingsError(f"{origin}: {key}: {message}", _help_for(key))


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


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        problem = f"{path} is not valid TOML: {error}"
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{path} can't be read: {error}"
    raise SettingsError(problem, "Mend the file or move it away")


def _unknown_key(key: str, origin: str) -> SettingsError:
    near = nearest(key, Settings.model_fields)
    mend = f'Did you mean "{near}"?' if near else "See the README's list of settings"
    return SettingsError(f'{origin}: there is no setting "{key}"', mend)


def _help_for(key: str) -> str:
    description = Settings.model_fields[key].description or ""
    return f"It takes: {description.rstrip('.')}"
