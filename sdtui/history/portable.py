"""Models in what leaves this machine inside pictures: named without their folders, and found here
again by their hash."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from sdtui.core.paths import expanded, is_file
from sdtui.core.picture_entries import ControlEntry, IPAdapterEntry, PictureEntry
from sdtui.core.prompt_tags import parse_lora
from sdtui.models import find_hashed
from sdtui.requests.record import GenerationRecord, ModelRecord
from sdtui.requests.sections.adapters import Adapters
from sdtui.requests.sections.control import Control
from sdtui.requests.sections.hires import Hires
from sdtui.requests.sections.refiner import Refiner
from sdtui.requests.sections.upscale import Upscale

_HUB_CACHE = re.compile(r"(?:^|/)models--([\w.-]+?)--([\w.-]+)(?:/|$)")
_PATH_STARTS = ("~", "./", "../", ".\\", "..\\")
_CHECKPOINT = ".safetensors"
_INDEX = "model_index.json"
_MIN_HASH = 8  # hexadecimal digits


def portable_name(model: str) -> str:
    """The name of a model without the folders of this machine. Checkpoints lose their suffix, as
    in A1111; hub ids and the names of models in model folders stay."""
    cached = hub_id_in(model)
    if cached is not None:
        return cached
    name = model
    if model in (".", "..") or model.startswith(_PATH_STARTS):
        name = Path(os.path.abspath(expanded(model))).name  # noqa: PTH100  # without links
    elif (
        PurePosixPath(model).is_absolute()
        or PureWindowsPath(model).is_absolute()
        or is_file(Path(model) / _INDEX)
    ):
        name = PureWindowsPath(model).name
    if name.lower().endswith(_CHECKPOINT):
        name = PureWindowsPath(name).name[: -len(_CHECKPOINT)]
    return name or model


def hub_id_in(path: str) -> str | None:
    """The hub id of a path in the hub's cache; None for other paths."""
    found = _HUB_CACHE.search(path.replace("\\", "/"))
    return found and f"{found[1]}/{found[2]}"


def portable(record: GenerationRecord) -> GenerationRecord:
    """A copy of a record that names its model without folders."""
    changes: dict[str, object] = {
        "request": replace(
            record.request,
            model=portable_name(record.request.model),
            adapters=_portable_adapters(record.request.adapters),
            control=_portable_control(record.request.control),
            upscale=_portable_upscale(record.request.upscale),
            hires=_portable_hires(record.request.hires),
            refiner=_portable_refiner(record.request.refiner),
        )
    }
    if record.model is not None:
        changes["model"] = _portable_model(record.model)
    changes["other_models"] = tuple(map(_portable_model, record.other_models))
    return record.model_copy(update=changes)


def _portable_model(model: ModelRecord) -> ModelRecord:
    names = {"name": portable_name(model.name), "source": portable_name(model.source)}
    return model.model_copy(update=names)


def _portable_adapters(adapters: Adapters) -> Adapters:
    uses = map(parse_lora, adapters.loras)
    named = tuple(str(replace(use, name=portable_name(use.name))) for use in uses)
    return replace(adapters, loras=named)


def _portable_control(control: Control) -> Control:
    def named(kind: type[PictureEntry], texts: tuple[str, ...]) -> tuple[str, ...]:
        entries = map(kind.parse, texts)
        return tuple(str(replace(each, name=portable_name(each.name))) for each in entries)

    return replace(
        control,
        controls=named(ControlEntry, control.controls),
        ip_adapters=named(IPAdapterEntry, control.ip_adapters),
    )


def _portable_upscale(upscale: Upscale) -> Upscale:
    first, second = upscale.upscaler, upscale.second
    return replace(
        upscale,
        upscaler=None if first is None else portable_name(first),
        second=None if second is None else portable_name(second),
    )


def _portable_hires(hires: Hires | None) -> Hires | None:
    if hires is None:
        return None
    model, upscaler = hires.model, hires.upscaler
    return replace(
        hires,
        model=model and portable_name(model),
        upscaler=upscaler and portable_name(upscaler),
    )


def _portable_refiner(refiner: Refiner | None) -> Refiner | None:
    return refiner and replace(refiner, model=portable_name(refiner.model))


def localized(record: GenerationRecord) -> GenerationRecord:
    """A copy of a record with the paths of its models on this machine, if they are here."""
    request, model = record.request, record.model
    paths = {each.name: _local(each) for each in record.other_models}
    others = tuple(paths.values())
    if model is not None:
        paths[model.name] = local = _local(model)
        request, model = replace(request, model=local.name), local
    hires, refiner = request.hires, request.refiner
    if hires is not None and hires.model in paths:
        hires = replace(hires, model=paths[hires.model].name)
    if refiner is not None and refiner.model in paths:
        refiner = replace(refiner, model=paths[refiner.model].name)
    changes = {
        "request": replace(request, hires=hires, refiner=refiner),
        "model": model,
        "other_models": others,
    }
    return record.model_copy(update=changes)


def _local(model: ModelRecord) -> ModelRecord:
    path = local_model(model.name, model.hash or "")
    return model if path == model.name else model.model_copy(update={"name": path, "source": path})


def local_model(name: str, start_of_hash: str) -> str:
    """The path of a model on this machine by its name and the start of its hash (hexadecimal); the
    name itself if no such model was used here."""
    found = find_hashed(name, start_of_hash) if len(start_of_hash) >= _MIN_HASH else None
    return name if found is None else str(found)
