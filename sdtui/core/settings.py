"""Settings: defaults, then the config file, then environment variables `SDTUI_*`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, get_type_hints

from sdtui.core import paths
from sdtui.core import settings_parsing as read
from sdtui.core.enums import (
    POCKET,
    Colours,
    DType,
    DynamicPrompts,
    ImageProtocol,
    MemoryMode,
    Notify,
    Policy,
    PromptSyntax,
    Quantize,
    Speed,
)
from sdtui.core.errors import SettingsError
from sdtui.core.text import nearest
from sdtui.core.text_files import (
    SAVE_AS_UTF8,
    UnreadableTextError,
    decode_text,
    split_lines,
    syntax_problem,
)

ENVIRONMENT_PREFIX = "SDTUI_"
LAST_THEME = "auto"
"""The setting of the theme that leaves it to the app."""
ALL_GPUS = read.ALL_GPUS
"""The setting of all NVIDIA GPUs."""
FOLDER_LISTS = (
    "model_folders",
    "base_models",
    "lora_folders",
    "embedding_folders",
    "vae_folders",
    "text_encoder_folders",
    "wildcard_folders",
    "upscaler_folders",
    "controlnet_folders",
    "preprocessor_folders",
    "ip_adapter_folders",
    "clip_vision_folders",
)
"""Settings that are lists of folders."""
TABLES = ("keys", "server")
"""Settings that are tables."""

_HINT_FILE = "Correct the file or move it away"
_HINT_READABLE = "Make it readable, or name another file in SDTUI_CONFIG"

_HEADING = re.compile(r"\s*\[\s*([\w-]+)\s*\]")
_NAME = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([\w.-]+))\s*=""")
"""The heading of a table and a key in a TOML file."""


def _parsed_by(read: Callable[[object], object], about: str) -> Mapping[str, Any]:
    """Field metadata: the parser of the value, and a description of valid values."""
    return {"read": read, "about": about}


def _folders_of(what: str) -> Any:
    """Return the field of a list of folders that are searched besides those beside the models."""
    about = f"Folders that hold {what}, besides those beside your models."
    return field(default=(), metadata=_parsed_by(read.folders, about))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings for all runs.

    Each key is also an environment variable: `SDTUI_` and the key in capitals, with lists of
    folders separated by `os.pathsep`.
    """

    model: str = field(
        default=POCKET, metadata=_parsed_by(read.text, "The model to use when none is named.")
    )
    pictures: Path = field(
        default_factory=paths.pictures_folder,
        metadata=_parsed_by(read.folder, "The folder for pictures."),
    )
    model_folders: tuple[Path, ...] = field(
        default=(),
        metadata=_parsed_by(
            read.folders, "Folders that hold models: diffusers folders and .safetensors files."
        ),
    )
    base_models: tuple[Path, ...] = field(
        default=(),
        metadata=_parsed_by(
            read.folders,
            "Folders or hub ids of models whose text encoders and VAE complete transformer files,"
            " or files of these parts, before others that fit.",
        ),
    )
    lora_folders: tuple[Path, ...] = _folders_of("LoRAs")
    embedding_folders: tuple[Path, ...] = _folders_of("embeddings")
    vae_folders: tuple[Path, ...] = _folders_of("VAEs")
    text_encoder_folders: tuple[Path, ...] = _folders_of("text encoders of transformer files")
    wildcard_folders: tuple[Path, ...] = _folders_of("wildcards")
    upscaler_folders: tuple[Path, ...] = _folders_of("upscalers")
    controlnet_folders: tuple[Path, ...] = _folders_of("ControlNets")
    ip_adapter_folders: tuple[Path, ...] = _folders_of("IP-Adapters")
    clip_vision_folders: tuple[Path, ...] = _folders_of("image encoders of IP-Adapters")
    preprocessor_folders: tuple[Path, ...] = _folders_of("models that make control maps")
    captioner: str = field(
        default="",
        metadata=_parsed_by(
            read.text,
            "The model that writes captions: a folder, a name in model_folders or a hub id;"
            " by default the only one there is.",
        ),
    )
    styles_file: Path | None = field(
        default=None,
        metadata=_parsed_by(
            read.file, "The file of styles in A1111's format; by default styles.csv beside this."
        ),
    )
    tag_file: Path | None = field(
        default=None,
        metadata=_parsed_by(
            read.file, "A list of tags that the app completes, in the format of a1111-tagcomplete."
        ),
    )
    dynamic_prompts: DynamicPrompts = field(
        default=DynamicPrompts.RANDOM,
        metadata=_parsed_by(
            read.one_of(DynamicPrompts),
            "What becomes of {a|b} and __wildcards__ in prompts: random, combinatorial or off.",
        ),
    )
    device: str = field(
        default="auto", metadata=_parsed_by(read.device, "auto, cpu, mps, cuda or cuda:N.")
    )
    gpus: tuple[str, ...] = field(
        default=(),
        metadata=_parsed_by(
            read.gpus,
            "Devices that make pictures at the same time: all, or some as in 0,2 or cpu,cpu;"
            " by default the device above.",
        ),
    )
    dtype: DType = field(
        default=DType.AUTO,
        metadata=_parsed_by(read.one_of(DType), "auto, float32, float16 or bfloat16."),
    )
    memory_mode: MemoryMode = field(
        default=MemoryMode.AUTO,
        metadata=_parsed_by(
            read.one_of(MemoryMode),
            "auto, full, model_offload, group_offload, sequential_offload or parts.",
        ),
    )
    quantize: Quantize = field(
        default=Quantize.NONE,
        metadata=_parsed_by(read.one_of(Quantize), "none, fp8, int8 or nf4."),
    )
    policy: Policy = field(
        default=Policy.KEEP, metadata=_parsed_by(read.one_of(Policy), "keep, strict or tutorial.")
    )
    speed: Speed = field(
        default=Speed.QUALITY, metadata=_parsed_by(read.one_of(Speed), "quality, fast or max.")
    )
    prompt_syntax: PromptSyntax = field(
        default=PromptSyntax.A1111,
        metadata=_parsed_by(read.one_of(PromptSyntax), "What prompts mean: a1111 or plain."),
    )
    previews: bool = field(
        default=True,
        metadata=_parsed_by(
            read.switch, "Whether a small picture is made at every step: true or false."
        ),
    )
    image_protocol: ImageProtocol = field(
        default=ImageProtocol.AUTO,
        metadata=_parsed_by(
            read.one_of(ImageProtocol),
            "How the app draws finished pictures: auto, kitty, iterm, sixel or halfcell.",
        ),
    )
    colours: Colours = field(
        default=Colours.AUTO,
        metadata=_parsed_by(
            read.one_of(Colours), "How many colours the app uses: auto, 24bit, 256 or 16."
        ),
    )
    theme: str = field(
        default=LAST_THEME,
        metadata=_parsed_by(read.text, "The app's theme; auto is the one that was chosen last."),
    )
    notify: Notify = field(
        default=Notify.AUTO,
        metadata=_parsed_by(
            read.one_of(Notify), "How the app says that a job is done: auto, bell or off."
        ),
    )
    viewer: str = field(
        default="",
        metadata=_parsed_by(
            read.text, "The command that opens a picture, by default $VIEWER or the desktop's own."
        ),
    )
    connect: str = field(
        default="here",
        metadata=_parsed_by(
            read.place,
            "Where the engine is: here, daemon, ssh://HOST, http://HOST:PORT, unix:PATH.",
        ),
    )
    daemon_unload_minutes: float = field(
        default=15.0,
        metadata=_parsed_by(
            read.amount,
            "Minutes without a job after which the daemon unloads a model; never if 0.",
        ),
    )
    daemon_end_hours: float = field(
        default=8.0,
        metadata=_parsed_by(
            read.amount, "Hours without job and client after which the daemon ends; never if 0."
        ),
    )
    keys: Mapping[str, str] = field(
        default_factory=dict,
        metadata=_parsed_by(read.keys, "The app's keys by action, as `sdtui keys` lists them."),
    )
    server: Mapping[str, object] = field(
        default_factory=dict,
        metadata=_parsed_by(read.table, "Options of `sdtui serve`, by the names of its flags."),
    )

    def request_defaults(self) -> dict[str, Any]:
        """The fields of a GenerationRequest that the settings fill if they are left open."""
        filled = (
            *("model", "dtype", "memory_mode", "quantize", "policy", "speed"),
            *("prompt_syntax", "dynamic_prompts"),
        )
        return {name: getattr(self, name) for name in filled}


def setting_choices(key: str) -> tuple[str, ...]:
    """Return all values of a setting as texts; () if there is no list of them."""
    kind = get_type_hints(Settings)[key]
    if kind is bool:
        return ("true", "false")
    is_enum = isinstance(kind, type) and issubclass(kind, StrEnum)
    return tuple(str(each) for each in kind) if is_enum else ()


def setting_from_text(key: str, text: str) -> str | bool | list[str]:
    """Return the value that stands in the config file for a typed text; folders are separated by
    `os.pathsep`. Raises SettingsError."""
    value: str | bool | list[str] = text.strip()
    if key in FOLDER_LISTS:
        value = _folder_list(text)
    parsed = parse_setting(key, value)
    return parsed if isinstance(parsed, bool) else value


def parse_setting(key: str, value: object) -> Any:
    """Return a setting as `Settings` has it, for a value as it stands in the config file. Raises
    SettingsError."""
    (parse,) = (each.metadata["read"] for each in fields(Settings) if each.name == key)
    try:
        return parse(value)
    except read.WrongValueError as error:
        takes = ABOUT_SETTINGS[key].rstrip(".")
        raise SettingsError(f"{key}: {error}", f"It takes: {takes}") from error


def _folder_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(os.pathsep) if part.strip()]


ABOUT_SETTINGS: Mapping[str, str] = {each.name: each.metadata["about"] for each in fields(Settings)}
"""The description of every setting, by key."""


def load_settings(
    file: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read the settings from the config file, which may be missing, and the environment.

    Raises SettingsError with the file or variable, the key, and the nearest valid key.
    """
    path = paths.config_file() if file is None else file
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = read_toml(path, _HINT_READABLE)
    for key in values:
        if key not in ABOUT_SETTINGS:
            raise _unknown_key(key, settings_origin(key, file=path, environment={}))
    for key in ABOUT_SETTINGS:
        name = ENVIRONMENT_PREFIX + key.upper()
        if name in variables:
            text = variables[name]
            values[key] = _folder_list(text) if key in FOLDER_LISTS else text
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
    """The origin of a setting: environment variable, config file and line, or "default".

    A key in a table is given by both names: `"keys", "window.generate"`.
    """
    variables = os.environ if environment is None else environment
    name = ENVIRONMENT_PREFIX + key[0].upper()
    if name in variables:
        return f"the environment variable {name}"
    path = paths.config_file() if file is None else file
    try:
        line = _line_of(key, decode_text(path.read_bytes()))
    except (OSError, UnreadableTextError):
        return "default"
    return "default" if line is None else f"{path}, line {line}"


def _line_of(key: tuple[str, ...], text: str) -> int | None:
    """The number of the line (from 1) that sets a key, or its table if it is written inline."""
    current: tuple[str, ...]
    table: tuple[str, ...] = ()
    for number, line in enumerate(split_lines(text), 1):
        if heading := _HEADING.match(line):
            current = table = (heading[1],)
        elif name := _NAME.match(line):
            current = (*table, str(name[1] or name[2] or name[3]))
        else:
            continue
        if current == key:
            return number
    return _line_of(key[:-1], text) if len(key) > 1 else None


def read_toml(path: Path, readable: str) -> dict[str, Any]:
    """Return what a TOML file holds; nothing if there is none. `readable` is the hint for a file
    that can't be read. Raises SettingsError."""
    try:
        text = decode_text(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):  # XDG_CONFIG_HOME=/dev/null is no config
        return {}
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}", readable) from error
    except UnreadableTextError as error:
        raise SettingsError(f"{path} can't be read: {error}", SAVE_AS_UTF8) from error
    import tomllib  # most users have no config file, and importing it delays the window

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        problem = syntax_problem(error)
        raise SettingsError(f"{path} is not valid TOML: {problem}", _HINT_FILE) from error


def _unknown_key(key: str, origin: str) -> SettingsError:
    near = nearest(key, ABOUT_SETTINGS)
    hint = f'Did you mean "{near}"?' if near else '"sdtui docs configuration" lists the settings'
    return SettingsError(f'{origin}: there is no setting "{key}"', hint)
