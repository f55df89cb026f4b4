"""`sdtui models`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import click

from sdtui.cli.connect import connect_option, connected_settings
from sdtui.core.text import counted, one_line, visible
from sdtui.core.units import data_size

if TYPE_CHECKING:
    from sdtui.jobs import Models
    from sdtui.models import ControlNet, InstalledFile, IPAdapter

_Entry = dict[str, object]


def _models(models: Models) -> Iterator[_Entry]:
    from sdtui.core.errors import ModelError
    from sdtui.models import memory_by_mode

    for source in models.installed():
        entry: dict[str, object] = {"name": source.name, "path": str(source.path)}
        try:
            described = models.describe(source)
            assert described is not None  # it is installed
            entry |= {
                "family": described.family,
                "family_name": described.family_name,
                "parameters": sum(described.parameters.values()),
                "denoiser_parameters": described.denoiser_parameters,
                "weight_format": described.weight_format or None,
                "memory": memory_by_mode(described),
                "width": described.native.width,
                "height": described.native.height,
            }
        except ModelError as error:
            entry["problem"] = str(error)
        yield entry


def _model_line(entry: _Entry) -> str:
    parameters, memory = entry["denoiser_parameters"], entry["memory"]
    assert isinstance(parameters, int)
    assert isinstance(memory, dict)
    count = f"{parameters / 1e6:8,.0f} M"
    least, most = data_size(min(memory.values())), data_size(max(memory.values()))
    size = f"{entry['width']}×{entry['height']}" if entry["width"] else ""
    about = f"{entry['family_name']!s:15} {count} {entry['weight_format'] or '':6}"
    return f"{about} {size:>9}  {least} to {most}"


def _embeddings(models: Models) -> Iterator[_Entry]:
    for each in models.embeddings():
        entry: _Entry = {"name": each.name, "path": str(each.path)}
        if each.embedding is None:
            entry["problem"] = each.problem
        else:
            entry |= {"vectors": each.embedding.vectors, "width": each.embedding.width}
        yield entry


def _embedding_line(entry: _Entry) -> str:
    vectors = entry["vectors"]
    assert isinstance(vectors, int)
    return f"{counted(vectors, 'vector'):>10}, {entry['width']} wide"


def _loras(models: Models) -> Iterator[_Entry]:
    from sdtui.models import family_name

    for each in models.loras():
        entry: _Entry = {"name": each.name, "path": str(each.path)}
        lora = each.lora
        if lora is None:
            entry["problem"] = each.problem
        else:
            entry |= {
                "alias": lora.alias,
                "kind": lora.kind,
                "rank": lora.rank,
                "family": family_name(lora.family) if lora.family else None,
                "base_model": lora.base_model or None,
                "trigger_words": list(lora.trigger_words),
                "autov2": lora.autov2,
                "autov3": lora.autov3,
                "preview": str(lora.preview) if lora.preview else None,
            }
        yield entry


def _lora_line(entry: _Entry) -> str:
    rank = f"rank {entry['rank']}" if entry["rank"] else ""
    words = entry["trigger_words"]
    assert isinstance(words, list)
    about = f"{entry['family'] or '?':10} {entry['kind']:5} {rank:9} {entry['autov2']}"
    return f"{about}  {one_line(', '.join(words))}"


def _vaes(models: Models) -> Iterator[_Entry]:
    return ({"name": each.path.name, "path": str(each.path)} for each in models.vaes())


def _controlnets(models: Models) -> Iterator[_Entry]:
    return (
        _denoiser_part(each, types=each.opened and each.opened.types)
        for each in models.controlnets()
    )


def _ip_adapters(models: Models) -> Iterator[_Entry]:
    return (_denoiser_part(each) for each in models.ip_adapters())


def _denoiser_part(file: InstalledFile[ControlNet | IPAdapter], **more: object) -> _Entry:
    from sdtui.models import family_name

    entry: _Entry = {"name": file.name, "path": str(file.path)}
    if file.opened is None:
        return entry | {"problem": file.problem}
    family = file.opened.family
    entry["family"] = family_name(family) if family else None
    return entry | more | {"parameters": file.opened.elements}


def _denoiser_part_line(entry: _Entry) -> str:
    parameters, types = entry["parameters"], entry.get("types", 1)
    assert isinstance(parameters, int)
    union = f"  {types} types" if types != 1 else ""
    return f"{entry['family'] or '?':8} {parameters / 1e6:8,.0f} M{union}"


def _upscalers(models: Models) -> Iterator[_Entry]:
    for each in models.upscalers():
        path = None if each.path is None else str(each.path)
        entry: _Entry = {"name": each.name, "path": path, "scale": each.scale}
        yield entry | ({"problem": each.problem} if each.problem else {})


def _upscaler_line(entry: _Entry) -> str:
    return f"{entry['scale']}×" if entry["scale"] else ""


_KINDS: Mapping[str, tuple[Callable[[Models], Iterator[_Entry]], Callable[[_Entry], str]]] = {
    "model": (_models, _model_line),
    "controlnet": (_controlnets, _denoiser_part_line),
    "ip_adapter": (_ip_adapters, _denoiser_part_line),
    "embedding": (_embeddings, _embedding_line),
    "lora": (_loras, _lora_line),
    "vae": (_vaes, lambda _: ""),
    "upscaler": (_upscalers, _upscaler_line),
}
"""What is listed by kind, and what is printed behind the name of what can be used."""


@click.command()
@connect_option
@click.option(
    "--kind",
    type=click.Choice(list(_KINDS)),
    default="model",
    show_default=True,
    help="What to list: models, or what goes with them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(kind: str, as_json: bool) -> None:
    """List the models that are on this machine: pocket, the hub's cache, your model folders."""
    from sdtui.cli.backend import open_models

    entries, about = _KINDS[kind]
    found = entries(open_models(connected_settings()))
    if as_json:
        click.echo(json.dumps(list(found), indent=2))
        return
    for entry in found:  # one after the other, since new files are hashed
        is_usable = "problem" not in entry
        text = visible(about(entry), keep="") if is_usable else one_line(str(entry["problem"]))
        click.echo(f"{one_line(str(entry['name'])):40}  {text}".rstrip())
