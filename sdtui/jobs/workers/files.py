"""The model files that requests need, by the names under which each machine finds its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sdtui.core.errors import ModelError
from sdtui.core.paths import expanded
from sdtui.core.picture_entries import ControlEntry, IPAdapterEntry
from sdtui.core.settings import Settings
from sdtui.core.upscaler_names import built_in_name
from sdtui.jobs.prompts import PicturePrompts
from sdtui.jobs.request_checks import upscalers_of
from sdtui.models import (
    CONTROLNETS,
    IP_ADAPTERS,
    FileKind,
    SourceKind,
    embeddings_named_in,
    files_of_kind,
    find_lora,
    find_model,
    find_upscaler_file,
    find_vae,
    installed_models,
    names_of_kind,
    vae_files,
)
from sdtui.requests.lora_uses import all_lora_uses
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.vae import OWN_VAE

_MODEL = "model"
_KINDS = {
    FileKind.LORA: "LoRA",
    FileKind.EMBEDDING: "embedding",
    FileKind.VAE: "VAE",
    FileKind.UPSCALER: "upscaler",
    FileKind.CONTROLNET: "ControlNet",
    FileKind.IP_ADAPTER: "IP-Adapter",
}
"""Those that requests name."""
_BY_PLACE = (FileKind.LORA, FileKind.UPSCALER, FileKind.CONTROLNET, FileKind.IP_ADAPTER)
"""Those of them that are named by their path below a folder; others by the file alone."""


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_FINDERS: Mapping[FileKind, Callable[[str, Settings], _Named]] = {
    FileKind.LORA: find_lora,
    FileKind.VAE: find_vae,
    FileKind.UPSCALER: find_upscaler_file,
    FileKind.CONTROLNET: CONTROLNETS.find,
    FileKind.IP_ADAPTER: IP_ADAPTERS.find,
}


@dataclass(frozen=True)
class NamedFile:
    """A model, or another file, as a machine finds it in its folders."""

    kind: str
    """For people: "LoRA"."""
    name: str
    is_fetched: bool = field(default=False, compare=False)
    """True if it is fetched from the hub where it is missing."""

    def __str__(self) -> str:
        return f"the {self.kind} {self.name}"


Files = frozenset[NamedFile]


@dataclass(frozen=True)
class MachineFiles:
    """The files of a machine."""

    names: Files
    asked_at: float
    """When the machine was asked, in monotonic seconds."""


def files_here(settings: Settings) -> Files:
    """Return the files of this machine that requests may name."""
    found = {NamedFile(_MODEL, each.name) for each in installed_models(settings.model_folders)}
    found |= {_named(FileKind.VAE, each.path.name) for each in vae_files(settings)}
    found |= {
        _named(FileKind.EMBEDDING, each.path.stem)
        for each in names_of_kind(FileKind.EMBEDDING, settings)
    }
    for kind in _BY_PLACE:
        found |= {_named(kind, each.name) for each in names_of_kind(kind, settings)}
    return frozenset(found)


def _named(kind: FileKind, name: str) -> NamedFile:
    return NamedFile(_KINDS[kind], name)


def model_file(name: str, settings: Settings) -> Files:
    """Return the file of a model; none if it is named by its path, or isn't known."""
    try:
        source = find_model(name, settings.model_folders)
    except ModelError:
        return frozenset()
    if _is_path(source.name):
        return frozenset()
    return frozenset({NamedFile(_MODEL, source.name, source.kind is SourceKind.HUB)})


def files_of(
    request: GenerationRequest, prompts: Sequence[PicturePrompts], settings: Settings
) -> Files:
    """Return the files that a job needs, but those that are named by a path, which is the same
    everywhere. What isn't on this machine is left out: checks report it. Reads folders."""
    names = [request.model]
    if request.hires is not None and request.hires.model:
        names.append(request.hires.model)
    if request.refiner is not None:
        names.append(request.refiner.model)
    models = (model_file(name, settings) for name in dict.fromkeys(names))
    return frozenset().union(*models, _other_files(request, prompts, settings))


def _other_files(
    request: GenerationRequest, prompts: Sequence[PicturePrompts], settings: Settings
) -> Iterator[NamedFile]:
    """Yield the files that aren't models."""
    for kind, name in _other_names(request, prompts):
        if _is_path(name):
            continue
        try:
            yield _named(kind, _FINDERS[kind](name, settings).name)
        except ModelError:
            continue
    files = files_of_kind(FileKind.EMBEDDING, settings)
    names = (each.path.stem for each in files)
    for name in embeddings_named_in(_texts(request, prompts), names):
        yield _named(FileKind.EMBEDDING, name)


def _other_names(
    request: GenerationRequest, prompts: Sequence[PicturePrompts]
) -> Iterator[tuple[FileKind, str]]:
    """Yield what a request calls the files that aren't models or embeddings."""
    if request.vae.vae not in (None, OWN_VAE):
        yield FileKind.VAE, request.vae.vae
    for text in request.control.controls:
        yield FileKind.CONTROLNET, ControlEntry.parse(text).name
    for text in request.control.ip_adapters:
        yield FileKind.IP_ADAPTER, IPAdapterEntry.parse(text).name
    for name in upscalers_of(request):
        if built_in_name(name) is None:
            yield FileKind.UPSCALER, name
    requests = [request, *(request.changed(prompt=each.prompt) for each in prompts)]
    for name in dict.fromkeys(use.name for each in requests for use in all_lora_uses(each)):
        yield FileKind.LORA, name


def _texts(request: GenerationRequest, prompts: Iterable[PicturePrompts]) -> Iterator[str]:
    yield from (request.prompt, request.negative_prompt)
    if request.hires is not None:
        yield from (request.hires.prompt, request.hires.negative_prompt)
    for each in prompts:
        yield from (each.prompt, each.negative_prompt)


def _is_path(name: str) -> bool:
    return expanded(name).is_absolute() or name.startswith(("./", "../"))
