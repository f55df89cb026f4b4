"""Settings: defaults, then the config file, then environment variables `SDTUI_*`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sdtui.core import paths
from sdtui.core.errors import SettingsError
from sdtui.core.nearest import nearest
from sdtui.core.request import DType, MemoryMode, Policy, Speed

ENVIRONMENT_PREFIX = "SDTUI_"


class Settings(BaseModel):
    """What a person can set once for every run. Each key is also an environment variable:
    `SDTUI_` and the key in capitals; lists of folders are parted there by `os.pathsep`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    model: str = Field("pocket", min_length=1)
    """The model to use when none is named."""

    pictures: Path = Field(default_factory=paths.pictures_folder)
    """The folder that pictures are saved in."""

    model_folders: tuple[Path, ...] = ()
    """Folders that hold models: diffusers folders and .safetensors files."""

    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """auto, cpu, mps, cuda or cuda:N."""

    dtype: DType = DType.AUTO
    """auto, float32, float16 or bfloat16."""

    memory_mode: MemoryMode = MemoryMode.AUTO
    """auto, full, model_offload, group_offload or sequential_offload."""

    policy: Policy = Policy.KEEP
    """keep, strict or tutorial."""

    speed: Speed = Speed.QUALITY
    """quality, fast or max."""

    previews: bool = True
    """Whether a small picture is made at every step."""

    image_protocol: Literal["auto", "kitty", "sixel", "halfcell"] = "auto"
    """How the app draws finished pictures: auto, kitty, sixel or halfcell."""

    keys: Mapping[str, str] = {}
    """The app's keys by action, as `sdtui keys` lists them."""

    def request_defaults(self) -> dict[str, Any]:
        """The fields of a GenerationRequest that the settings fill where a person leaves them
        open."""
        filled = ("model", "dtype", "memory_mode", "policy", "speed")
        return {name: getattr(self, name) for name in filled}

    @field_validator("pictures")
    @classmethod
    def _expand(cls, folder: Path) -> Path:
        return folder.expanduser()

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
    from_file = _read(path)
    for key in from_file:
        if key not in Settings.model_fields:
            raise _unknown_key(key, str(path))
    origins = {key: str(path) for key in from_file}
    values: dict[str, Any] = dict(from_file)
    for key in Settings.model_fields:
        name = ENVIRONMENT_PREFIX + key.upper()
        if name in variables:
            text = variables[name]
            values[key] = text.split(os.pathsep) if key == "model_folders" else text
            origins[key] = f"the environment variable {name}"
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    key = str(first["loc"][0])
    message = first["msg"][0].lower() + first["msg"][1:]
    raise SettingsError(f"{origins[key]}: {key}: {message}", _help_for(key))


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
