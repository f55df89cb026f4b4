"""Find the model that has the other parts for a transformer file: text encoders, VAE, tokenizers
and scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdtui.core.errors import ModelError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.models.catalog import find_model, models_in, snapshots
from sdtui.models.component_files import (
    component_config,
    components_in,
    components_with_weights,
    read_json,
)
from sdtui.models.files_by_kind import front_end_roots
from sdtui.models.folder_search import paths_below
from sdtui.models.transformer_file import TRANSFORMER, TransformerFile

_LOOSE = ("text_encoders", "clip", "vae")
"""ComfyUI's folders of the other parts, below its `models`."""


def find_base(file: TransformerFile, settings: Settings) -> Path:
    """Return the folder of the model whose other parts belong to a transformer file: the first of
    the `base_models` of the settings that fits, else one on this machine.

    Raises UnsupportedModelError, which names what to fetch.
    """
    words = file.path.stem.lower()
    for candidates in (_named(settings), _found(settings)):
        fitting = [folder for folder in candidates if _fits(file, folder)]
        if fitting:
            return max(fitting, key=lambda folder: _likeness(words, folder))
    raise _missing(file, settings)


def _named(settings: Settings) -> Iterator[Path]:
    cached = dict(snapshots())
    for each in settings.base_models:
        folder = cached.get(str(each))
        yield folder or find_model(str(each), settings.model_folders).path or each


def _found(settings: Settings) -> Iterator[Path]:
    yield from (folder for _, folder in snapshots())
    for source in models_in(settings.model_folders):
        if source.path is not None and source.path.is_dir():
            yield source.path


def _fits(file: TransformerFile, folder: Path) -> bool:
    """True if a model has a transformer of the same kind and size, and all other parts."""
    try:
        index = read_json(folder / "model_index.json")
        if index.get("_class_name") not in file.kind.pipelines:
            return False
        config = component_config(folder, TRANSFORMER)
        components_with_weights(folder, components_in(index), without=(TRANSFORMER,))
    except ModelError:
        return False
    return bool(config) and all(
        bool(config.get(key)) is value if isinstance(value, bool) else config.get(key) == value
        for key, value in file.values.items()
    )


def _likeness(words: str, folder: Path) -> int:
    """Return how well the pipeline of a model fits the words in a file's name."""
    index = read_json(folder / "model_index.json")
    name = str(index.get("_class_name")).lower()
    likeness = sum((word in words) == (word in name) for word in ("kontext", "edit", "layered"))
    is_distilled = index.get("is_distilled")
    if isinstance(is_distilled, bool):
        likeness += is_distilled != ("base" in words or "raw" in words)
    return likeness


def _missing(file: TransformerFile, settings: Settings) -> UnsupportedModelError:
    hub_id = file.kind.hub_id(file.values, file.path.stem.lower())
    loose = _loose_files(settings)
    also = ""
    if loose:
        names = ", ".join(loose[:4]) + (" …" if len(loose) > 4 else "")
        also = f"; single files ({names}) can't take their place"
    return UnsupportedModelError(
        f"{file.path} holds the transformer of a {file.kind.name} model ({file.format}) and needs "
        f"the text encoders and the VAE of one, which isn't on this machine{also}",
        f"Run: sdtui fetch {hub_id} --without-transformer",
    )


def _loose_files(settings: Settings) -> list[str]:
    """Return the names of single files with other parts, where ComfyUI keeps them."""
    return [
        path.name
        for root in front_end_roots(settings.model_folders)
        for folder in _LOOSE
        for path in paths_below(
            root / "models" / folder, lambda path: path.suffix in (".safetensors", ".gguf")
        )
    ]
