"""Find out which tool made a picture, and read its settings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdtui.core.enums import UNKNOWN_MODEL
from sdtui.core.errors import HistoryError, ImageError
from sdtui.core.fields import Field
from sdtui.core.paths import is_file
from sdtui.core.text import one_line
from sdtui.history.exif import USER_COMMENT
from sdtui.history.image_metadata import Texts, read_texts
from sdtui.history.importers.a1111 import a1111
from sdtui.history.importers.alpha_channel import hidden_text
from sdtui.history.importers.comfyui import comfyui, invokeai_graph
from sdtui.history.importers.json_settings import (
    INVOKEAI_KEYS,
    invokeai,
    json_object,
    novelai,
    other_json,
    swarmui,
)
from sdtui.history.importers.request_mapping import (
    OWN,
    ImportedSettings,
    ToolSettings,
    to_request_values,
    validation_problem,
)
from sdtui.history.importers.text_files import sidecar_texts
from sdtui.history.infotext import INFOTEXT_KEYWORD, format_infotext, own_record
from sdtui.history.names import sidecar_path
from sdtui.history.portable import local_model
from sdtui.history.sidecar import read_record
from sdtui.history.writing import hash_file
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import REQUEST_FIELDS

_USUAL_PICTURES = frozenset(("init_image", "upscale_image"))
"""The fields of the pictures of entries that name none."""

_EXTRAS = "extras"
"""The keyword under which A1111 says how a picture was upscaled."""


def read_picture_settings(path: Path) -> ImportedSettings:
    """Read the settings of a PNG, JPEG or WebP picture.

    Raises ImageError if the file can't be read or has no settings.
    """
    texts = read_texts(path)
    record = _sidecar_record(path) or own_record(texts)
    if record is not None:
        return from_record(record)
    found = next(filter(None, map(_read_tool_settings, _all_texts(path, texts))), None)
    if found is None:
        raise _unreadable(path, texts.texts)
    settings = to_request_values(_with_size(found, texts))
    return replace(settings, values=_with_local_models(settings.values, found.model_hashes))


def read_infotext(text: str, *, input_images: Collection[str] = ()) -> ImportedSettings:
    """Read the settings of an infotext without a picture. `input_images` are the fields whose
    pictures come from elsewhere.

    Raises ImageError if it has none.
    """
    found = a1111(text)
    if found is None:
        raise ImageError(
            "the infotext has no settings: A1111's text ends with a line such as"
            ' "Steps: 20, Sampler: Euler, CFG scale: 7"',
            "Give the settings by hand",
        )
    return to_request_values(found, input_images=input_images)


def as_infotext(settings: ImportedSettings) -> str:
    """The infotext of settings that a picture states, whichever tool wrote them."""
    values = {**settings.values, **settings.stated}
    more: dict[str, object] = {"Model": values.get("model")}
    if values.get("width") and values.get("height"):
        more["Size"] = f"{values['width']}x{values['height']}"
    return format_infotext(values, more)


def from_record(record: GenerationRecord) -> ImportedSettings:
    """The settings that a record says were used, with open values filled in."""
    values = {name: value for name, value in record.values().items() if value is not None}
    not_carried = []
    for name, unknown in (("prompt", ""), ("model", UNKNOWN_MODEL)):
        if values[name] == unknown:
            del values[name]
    lost = {name: each for name, each in record.request.input_images().items() if not is_file(each)}
    for name, path in lost.items():
        field = REQUEST_FIELDS[name.partition(".")[0]]
        if not field.is_list:
            values.pop(field.name, None)
        not_carried.append(f"{field.spec.label} {path}: the file no longer exists")
    for field in REQUEST_FIELDS.values():
        if field.name not in values:
            continue
        if field.spec.entries is not None:
            values[field.name] = _with_pictures(field, values[field.name], lost)
        elif field.is_file and field.is_list:
            files = enumerate(values[field.name])
            values[field.name] = tuple(
                each for number, each in files if f"{field.name}.{number}" not in lost
            )
    for name in REQUEST_FIELDS.orphans(values):
        del values[name]
    for name in list(values):  # a picture of another tool may be beyond the limits of a request
        problem = validation_problem(name, values[name])
        if problem is not None:
            del values[name]
            not_carried.append(f"{REQUEST_FIELDS[name].spec.label} {problem}")
    return ImportedSettings(
        values,
        OWN,
        tuple(not_carried),
        templates=_templates(record),
        lora_hashes=record.lora_hashes,
    )


def _with_pictures(
    field: Field, entries: Sequence[str], lost: Mapping[str, Path]
) -> tuple[str, ...]:
    """Return the entries whose pictures aren't lost, nor the init image that they take."""
    assert field.spec.entries is not None
    parse = field.spec.entries.parse
    return tuple(
        each
        for number, each in enumerate(entries)
        if f"{field.name}.{number}" not in lost
        and (parse(each).image or not lost.keys() & _USUAL_PICTURES)
    )


def _templates(record: GenerationRecord) -> dict[str, Any]:
    request = record.request
    if not (record.prompt_template or record.negative_prompt_template):
        return {}
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "styles": request.templates.styles,
    }


def _sidecar_record(path: Path) -> GenerationRecord | None:
    """Return the record in the JSON next to a picture; None if its hash is that of another file."""
    sidecar = sidecar_path(path)
    if not sidecar.is_file():
        return None
    try:
        record = read_record(sidecar)
        belongs = len(record.images) == 1 and record.images[0].sha256 == hash_file(path)
    except (HistoryError, OSError):
        return None
    return record if belongs else None


def _all_texts(path: Path, texts: Texts) -> Iterator[Mapping[str, str]]:
    """The texts in the metadata of a picture, in its pixels, and in the files beside it."""
    yield texts.texts
    hidden = hidden_text(path)
    if hidden is not None:
        yield {INFOTEXT_KEYWORD: hidden}
    yield from sidecar_texts(path)


def _read_tool_settings(texts: Mapping[str, str]) -> ToolSettings | None:
    """The settings of the first reader that finds any; None if none does."""
    return next((found for found in _attempts(texts) if found is not None), None)


def _attempts(texts: Mapping[str, str]) -> Iterator[ToolSettings | None]:
    """Try all readers, those of the most certain marks first. What a reader refuses is offered to
    the next."""
    first = {key: texts[key] for key in (INFOTEXT_KEYWORD, USER_COMMENT, "prompt") if key in texts}
    if INFOTEXT_KEYWORD in texts and _EXTRAS in texts:
        first[INFOTEXT_KEYWORD] = f"{texts[INFOTEXT_KEYWORD].rstrip()}, {texts[_EXTRAS]}"
        texts = {key: text for key, text in texts.items() if key not in (*first, _EXTRAS)}
    objects: dict[str, dict[str, Any]] = {}
    plain: list[str] = []
    for keyword, text in {**first, **texts}.items():
        found = json_object(text)
        if found is None:
            plain.append(text)
        else:
            objects[keyword] = found
    yield invokeai(texts)
    yield novelai(texts)
    others = [fields for keyword, fields in objects.items() if keyword not in INVOKEAI_KEYS]
    yield from map(a1111, plain)
    for reader in (novelai, swarmui, comfyui, invokeai_graph, other_json):
        yield from map(reader, others)
    yield other_json({key: text for key, text in texts.items() if key not in objects})


def _unreadable(path: Path, texts: Mapping[str, str]) -> ImageError:
    if texts:
        what = ", ".join(list(texts)[:5])
        return ImageError(
            f"{path} has no readable settings: no known tool writes these ({one_line(what)})",
            "Choose another picture, or give the settings by hand",
        )
    return ImageError(
        f"{path} has no readable settings",
        "Choose a picture of a tool that writes its settings into it",
    )


def _with_size(tool: ToolSettings, texts: Texts) -> ToolSettings:
    """Fill in the size from the file header if the tool gives none."""
    size = tool.values.get("width"), tool.values.get("height")
    if texts.size is None or None not in size:
        return tool
    width, height = texts.size
    return tool.with_values(width=width, height=height)


def _with_local_models(values: Mapping[str, Any], hashes: Mapping[str, str]) -> dict[str, Any]:
    """Fill in the paths of models that were used on this machine."""
    local = {name: local_model(values[name], hashes[name]) for name in hashes if name in values}
    return {**values, **local}
