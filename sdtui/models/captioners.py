"""Models of transformers that say what is in a picture: those that are on this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdtui.core.errors import (
    ModelDamagedError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from sdtui.core.paths import expanded, is_file, is_folder
from sdtui.core.settings import Settings
from sdtui.core.text import nearest, shortened
from sdtui.models.catalog import repositories
from sdtui.models.component_files import index_file, read_json, weight_files
from sdtui.models.folder_search import named, paths_below

_log = logging.getLogger(__name__)
_CONFIG = "config.json"
_CHATS = frozenset(
    [
        *("gemma3", "idefics3", "internvl", "llava", "llava_next", "llava_onevision", "mistral3"),
        *("mllama", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "smolvlm"),
    ]
)
"""Types of models that are asked in a chat. Their processors have its template."""


class CaptionerKind(StrEnum):
    """How a captioner is called."""

    BLIP = "BLIP"
    """Goes on with the prompt."""
    BLIP_2 = "BLIP-2"
    """Goes on with the prompt, which isn't in the answer."""
    FLORENCE_2 = "Florence-2"
    """Its prompts are tasks such as <CAPTION>."""
    CHAT = "chat"
    """Answers a question."""


_KINDS = {
    "blip": CaptionerKind.BLIP,
    "blip-2": CaptionerKind.BLIP_2,
    "florence2": CaptionerKind.FLORENCE_2,
    **dict.fromkeys(_CHATS, CaptionerKind.CHAT),
}
"""By the `model_type` of config.json."""


@dataclass(frozen=True)
class InstalledCaptioner:
    """A captioner on this machine."""

    name: str
    """Its path below a model folder, or its hub id."""
    path: Path
    """Its folder."""
    kind: CaptionerKind


def installed_captioners(settings: Settings) -> list[InstalledCaptioner]:
    """Return all captioners in `model_folders` and in the hub's cache."""
    found: dict[Path, InstalledCaptioner] = {}
    for name, path in _named_folders(settings.model_folders):
        kind = _kind_of(path)
        if kind is not None:
            found.setdefault(path.resolve(), InstalledCaptioner(name, path, kind))
    return list(found.values())


def find_captioner(name: str, settings: Settings) -> InstalledCaptioner:
    """Find a captioner by its path, name or hub id; by "", that of the settings, or the only one
    there is. Nothing is downloaded.

    Raises ModelNotFoundError, UnsupportedModelError for a model of another kind, and
    UnsafeModelError for one without .safetensors files.
    """
    name = name.strip() or settings.captioner
    path = expanded(name)
    is_path = path.is_absolute() or name.startswith(("./", "../"))
    installed = [] if is_path else installed_captioners(settings)
    if not name and len(installed) == 1:
        return _checked(installed[0])
    found = named(name, installed, lambda each: each.name)
    if found is not None:
        return _checked(found)
    if name and is_folder(path):
        return _checked(_at_path(name, path))
    names = [each.name for each in installed]
    near = nearest(name, names)
    hint = f'Did you mean "{near}"?' if near else f"There are: {', '.join(names)}"
    if not names:
        hint = (
            "Put the folder of a BLIP or Florence-2 model into one of the setting model_folders,"
            " or give its path"
        )
    what = f'there is no captioner "{shortened(name)}"' if name else "no captioner is chosen"
    raise ModelNotFoundError(what, hint)


def _named_folders(model_folders: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the folders of models of transformers, with their names."""
    for folder in model_folders:
        for path in paths_below(folder, _has_config, lambda each: not is_file(index_file(each))):
            yield path.relative_to(folder).as_posix(), path
    yield from (each for each in repositories() if _has_config(each[1]))


def _has_config(path: Path) -> bool:
    return is_file(path / _CONFIG)


def _kind_of(folder: Path) -> CaptionerKind | None:
    """Return None for a folder of another kind, or with a config that can't be read."""
    try:
        return _KINDS.get(str(read_json(folder / _CONFIG).get("model_type")))
    except ModelDamagedError as error:
        _log.info("%s is no captioner: %s", folder, error)
        return None


def _at_path(name: str, path: Path) -> InstalledCaptioner:
    kind = _kind_of(path)
    if kind is None:
        raise UnsupportedModelError(
            f"{path} is no captioner that can be used",
            "Use a BLIP, BLIP-2 or Florence-2 model, or one with a chat template, as a folder",
        )
    return InstalledCaptioner(name, path, kind)


def _checked(captioner: InstalledCaptioner) -> InstalledCaptioner:
    if not weight_files(captioner.path):
        raise UnsafeModelError(
            f"{captioner.path} has no .safetensors file", "Get it: other files could run code"
        )
    return captioner
