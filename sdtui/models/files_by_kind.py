"""Find LoRAs, embeddings, VAEs, ControlNets and the like: in the folders of the settings, and where
A1111 and ComfyUI keep them beside a model folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdtui import pocket
from sdtui.core.paths import is_file, is_folder, loras_folder
from sdtui.core.settings import Settings
from sdtui.models.checkpoint_file import PICKLES
from sdtui.models.folder_search import paths_below
from sdtui.models.gguf_header import GGUF


class FileKind(StrEnum):
    """What a file holds that isn't a whole model."""

    LORA = "lora"
    EMBEDDING = "embedding"
    VAE = "vae"
    TEXT_ENCODER = "text_encoder"
    WILDCARD = "wildcard"
    UPSCALER = "upscaler"
    CONTROLNET = "controlnet"
    PREPROCESSOR = "preprocessor"
    IP_ADAPTER = "ip_adapter"
    CLIP_VISION = "clip_vision"


@dataclass(frozen=True)
class _Layout:
    suffixes: tuple[str, ...]
    places: tuple[str, ...]
    """Folders below the root of another front end, in lower case; `*` is any name."""
    name: re.Pattern[str] | None = None
    """What their names have in folders that hold files of other kinds, too."""
    has_folders: bool = False
    """True if a folder with a config.json is one, too."""


_LAYOUTS = {
    # A1111 and Forge (modules/shared_cmd_options.py and extensions), ComfyUI (folder_paths.py).
    FileKind.LORA: _Layout(
        (".safetensors", *PICKLES), ("models/lora", "models/lycoris", "models/loras")
    ),
    FileKind.EMBEDDING: _Layout((".safetensors", *PICKLES), ("embeddings", "models/embeddings")),
    FileKind.VAE: _Layout((".safetensors", *PICKLES), ("models/vae",)),
    FileKind.TEXT_ENCODER: _Layout(
        (".safetensors", GGUF), ("models/text_encoders", "models/clip", "models/text_encoder")
    ),
    FileKind.WILDCARD: _Layout(
        (".txt", ".yaml", ".yml", ".json"),
        ("extensions/*/wildcards", "custom_nodes/*/wildcards", "wildcards", "models/wildcards"),
    ),
    FileKind.UPSCALER: _Layout(
        (".safetensors", *PICKLES),
        (
            *("models/esrgan", "models/realesrgan", "models/swinir", "models/dat", "models/hat"),
            *("models/scunet", "models/upscale_models"),
        ),
    ),
    FileKind.CONTROLNET: _Layout(
        (".safetensors", *PICKLES),
        ("models/controlnet", "extensions/sd-webui-controlnet/models"),
        has_folders=True,
    ),
    FileKind.IP_ADAPTER: _Layout(
        (".safetensors", *PICKLES),
        (
            *("models/ipadapter", "models/ip-adapter", "models/controlnet"),
            "extensions/sd-webui-controlnet/models",
        ),
        name=re.compile("ip.?adapter", re.IGNORECASE),
    ),
    FileKind.CLIP_VISION: _Layout((".safetensors",), ("models/clip_vision",), has_folders=True),
    FileKind.PREPROCESSOR: _Layout((), ("models/controlnetpreprocessor",), has_folders=True),
}
_CONFIG = "config.json"
"""In the folder of a model of diffusers or transformers."""
_BUNDLED = {FileKind.CONTROLNET: (pocket.CONTROLNETS_FOLDER,)}
"""Folders of the package itself, which come last."""
_MODEL_FOLDERS = ("stable-diffusion", "checkpoints")
"""The folders of checkpoints in A1111 and in ComfyUI, in lower case."""


@dataclass(frozen=True)
class FoundFile:
    """A file and its name: the path below its folder, without the suffix."""

    name: str
    path: Path


def files_of_kind(kind: FileKind, settings: Settings) -> list[FoundFile]:
    """Return all files of a kind, each once. Pickle files, which can't be used, are among them, so
    that users see why."""
    found: dict[Path, FoundFile] = {}
    for file in names_of_kind(kind, settings):
        found.setdefault(file.path.resolve(), file)
    return list(found.values())


def names_of_kind(kind: FileKind, settings: Settings) -> Iterator[FoundFile]:
    """Yield all files of a kind, under each name that links give them."""
    layout = _LAYOUTS[kind]

    def is_one(path: Path) -> bool:
        if path.suffix.lower() in layout.suffixes and is_file(path):
            return True
        return layout.has_folders and is_file(path / _CONFIG)

    own: Sequence[Path] = getattr(settings, f"{kind}_folders")
    for folder in folders_of_kind(kind, settings):
        for path in paths_below(folder, is_one):
            if layout.name is not None and folder not in own and not layout.name.search(path.name):
                continue
            place = path.relative_to(folder)
            name = (place if is_folder(path) else place.with_suffix("")).as_posix()
            yield FoundFile(name, path)


def folders_of_kind(kind: FileKind, settings: Settings) -> tuple[Path, ...]:
    """Return the folders in which files of a kind are searched: those of the settings first, those
    beside models, and the package's own last."""
    own: Sequence[Path] = getattr(settings, f"{kind}_folders")
    others = (
        folder
        for root in front_end_roots(settings.model_folders)
        for place in _LAYOUTS[kind].places
        for folder in _matching(root, place.split("/"))
    )
    trained = (loras_folder(),) if kind is FileKind.LORA else ()
    return tuple(dict.fromkeys([*own, *others, *trained, *_BUNDLED.get(kind, ())]))


def front_end_roots(model_folders: Iterable[Path]) -> tuple[Path, ...]:
    """Return the folders that may be the root of A1111 or ComfyUI: model folders themselves, and
    what is above them if they are called as theirs (`models`, `models/checkpoints` …)."""
    roots = []
    for folder in model_folders:
        root = folder
        if root.name.casefold() in _MODEL_FOLDERS:
            root = root.parent
        if root.name.casefold() == "models":
            root = root.parent
        roots.append(root)
    return tuple(dict.fromkeys(roots))


def _matching(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Yield the folders below `folder` on a path whose case doesn't matter."""
    if not parts:
        yield folder
        return
    try:
        entries = sorted(folder.iterdir()) if is_folder(folder) else []
    except OSError:
        return
    for entry in entries:
        if parts[0] in ("*", entry.name.casefold()) and is_folder(entry):
            yield from _matching(entry, parts[1:])
