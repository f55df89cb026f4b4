"""Find what completes a transformer file: the folder of a model with the configs, the tokenizers
and the scheduler, and the text encoders and VAE, there or as single files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdtui.core.errors import ModelError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.models.catalog import find_model, models_in, snapshots
from sdtui.models.component_files import (
    CONFIGS,
    UNUSED,
    component_config,
    components_in,
    components_with_weights,
    index_file,
    lacks_weights,
    read_json,
)
from sdtui.models.part_files import (
    PartFile,
    found_part_files,
    named_part_files,
    unusable_files,
)
from sdtui.models.part_kinds import TEXT_ENCODER, VAE
from sdtui.models.transformer_file import TransformerFile
from sdtui.models.transformer_kinds import UNET

_BUNDLED = ("sd1", "sdxl")
"""Configs that are part of sdtui."""
_FOR_PICTURES = ("Edit", "Layered")
"""In the names of pipelines whose text encoders see pictures."""
_MOST_NAMED = 4
"""Files that a message names."""


@dataclass(frozen=True)
class Base:
    """What completes a transformer file."""

    folder: Path
    parts: Mapping[str, PartFile] = field(default_factory=dict)
    """The components that come from files of their own."""
    lacking: tuple[str, ...] = ()
    """Those whose weights aren't there."""


_EDIT_PLUS = ("2509", "2511", "plus")
"""Words in the names of Qwen-Image-Edit's versions that have a pipeline of their own."""


def find_base(file: TransformerFile, settings: Settings) -> Base:
    """Return what completes a transformer file: the first of the `base_models` of the settings that
    fits, else what is on this machine. Single files are used for what a folder lacks, and where
    `base_models` names them.

    Raises UnsupportedModelError, which names what to fetch.
    """
    words = file.path.stem.lower()
    named = list(named_part_files(settings))
    incomplete: list[Base] = []
    found: list[PartFile] | None = None
    for candidates in (_named(settings), _found(settings), _bundled()):
        bases = [each for folder in candidates if (each := _base(file, folder, named))]
        complete = [each for each in bases if not each.lacking]
        if not complete and bases:
            if found is None:
                found = list(found_part_files(settings))
            bases = [_completed(each, found) for each in bases]
            complete = [each for each in bases if not each.lacking]
        if complete:
            return max(complete, key=lambda base: _likeness(words, base.folder))
        incomplete += bases
    found = [*named, *(list(found_part_files(settings)) if found is None else found)]
    raise _missing(file, settings, incomplete, found)


def _named(settings: Settings) -> Iterator[Path]:
    cached = dict(snapshots())
    for each in settings.base_models:
        if not each.is_file():
            folder = cached.get(str(each))
            yield folder or find_model(str(each), settings.model_folders).path or each


def _found(settings: Settings) -> Iterator[Path]:
    yield from (folder for _, folder in snapshots())
    for source in models_in(settings.model_folders):
        if source.path is not None and source.path.is_dir():
            yield source.path


def _bundled() -> Iterator[Path]:
    yield from (CONFIGS / name for name in _BUNDLED)


def _base(file: TransformerFile, folder: Path, named: Sequence[PartFile]) -> Base | None:
    """Return a folder as the base of a transformer file, with the parts in files that the settings
    name; None if its transformer is of another kind or size, or the folder is damaged."""
    component = file.kind.component
    try:
        index = read_json(index_file(folder))
        if index.get("_class_name") not in file.kind.pipelines:
            return None
        components = components_in(index)
        config = component_config(folder, component)
        others = [name for name in components if name not in (component, *UNUSED)]
        parts = _parts(folder, others, named)
        lacking = tuple(
            name for name in others if name not in parts and lacks_weights(folder / name)
        )
        components_with_weights(folder, components, without=(component, *parts, *lacking))
    except ModelError:
        return None
    fits = bool(config) and all(
        bool(config.get(key)) is value if isinstance(value, bool) else config.get(key) == value
        for key, value in file.values.items()
    )
    return Base(folder, parts, lacking) if fits else None


def _completed(base: Base, found: Sequence[PartFile]) -> Base:
    """Return a base with the files that have what it lacks."""
    more = _parts(base.folder, base.lacking, found)
    lacking = tuple(name for name in base.lacking if name not in more)
    return Base(base.folder, {**base.parts, **more}, lacking)


def _parts(folder: Path, names: Sequence[str], files: Sequence[PartFile]) -> Mapping[str, PartFile]:
    """Return the first of `files` that fits for each component that has one."""
    pipeline = str(read_json(index_file(folder)).get("_class_name"))
    sees = any(word in pipeline for word in _FOR_PICTURES)
    parts: dict[str, PartFile] = {}
    for name in names:
        config = component_config(folder, name)
        needs_vision = sees and "vision_config" in config
        for file in files:
            is_whole = file.sees_pictures or not needs_vision
            if is_whole and file.fits(config) and file.is_for_pipeline(pipeline):
                parts[name] = file
                break
    return parts


def _likeness(words: str, folder: Path) -> int:
    """Return how well the pipeline of a model fits the words in a file's name."""
    index = read_json(index_file(folder))
    name = str(index.get("_class_name")).lower()
    kinds = ("kontext", "edit", "layered", "anima")
    likeness = sum((word in words) == (word in name) for word in kinds)
    likeness += any(version in words for version in _EDIT_PLUS) == ("editplus" in name)
    is_distilled = index.get("is_distilled")
    if isinstance(is_distilled, bool):
        likeness += is_distilled != ("base" in words or "raw" in words)
    return likeness


def _missing(
    file: TransformerFile,
    settings: Settings,
    incomplete: Sequence[Base],
    found: Sequence[PartFile],
) -> UnsupportedModelError:
    hub_id = file.kind.hub_id(file.values, file.path.stem.lower())
    is_unet = file.kind.component == UNET
    what = "U-Net" if is_unet else "transformer"
    fetch_rest = f"sdtui fetch {hub_id}{'' if is_unet else ' --without-transformer'}"
    start = f"{file.path} holds the {what} of a {file.kind.name} model ({file.format}) and needs "
    if incomplete:
        base = min(incomplete, key=lambda each: len(each.lacking))
        names = " and ".join(_described(base.folder, name) for name in base.lacking)
        others = [f"{each.path.name} is {each.kind.name}" for each in found]
        there = _listed([*unusable_files(settings), *others])
        return UnsupportedModelError(
            f"{start}{names}, of which no file is there that fits{f' ({there})' if there else ''}",
            f"Put it where the manual says (sdtui docs models), or run: {fetch_rest}",
        )
    start += "the text encoders and the VAE of one"
    fitting = [each for each in found if each.kind.name in file.kind.encoders]
    if fitting:
        vaes = [each for each in found if each.kind.part == VAE]
        return UnsupportedModelError(
            f"{start}; single files are there ({_names([*fitting, *vaes])}), but not the configs "
            "and tokenizers that go with them",
            f"Run: sdtui fetch {hub_id} --without-weights",
        )
    there = _listed(unusable_files(settings))
    return UnsupportedModelError(
        f"{start}, which isn't on this machine{f' ({there})' if there else ''}",
        f"Run: {fetch_rest}",
    )


def _described(folder: Path, name: str) -> str:
    """Return what a component is, for a message."""
    config = component_config(folder, name)
    kind = config.get("model_type") or config.get("_class_name") or name
    inner = config.get("text_config")
    sizes = {**config, **(inner if isinstance(inner, dict) else {})}
    width = next((sizes[key] for key in ("d_model", "hidden_size") if key in sizes), None)
    part = TEXT_ENCODER if name.startswith("text_encoder") else name
    return f"the {part} {kind}{f' of width {width}' if width else ''}"


def _names(files: Sequence[PartFile]) -> str:
    return _listed([each.path.name for each in files])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (" …" if len(names) > _MOST_NAMED else "")
