"""Find out which tool made a picture, and read its settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from sdtui.core.errors import HistoryError, ImageError
from sdtui.history.image_metadata import Texts, read_texts
from sdtui.history.importers import formats
from sdtui.history.importers.comfyui import comfyui
from sdtui.history.importers.request_mapping import (
    ImportedSettings,
    ToolSettings,
    to_request_values,
)
from sdtui.history.infotext import INFOTEXT_KEYWORD, own_record
from sdtui.history.names import sidecar_path
from sdtui.history.sidecar import read_record
from sdtui.history.writing import hash_file
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import REQUEST_FIELDS


def read_picture_settings(path: Path) -> ImportedSettings:
    """Read the settings of a PNG, JPEG or WebP picture.

    Raises ImageError if the file can't be read or has no settings.
    """
    texts = read_texts(path)
    record = _sidecar_record(path) or own_record(texts)
    if record is not None:
        return from_record(record)
    return to_request_values(_with_size(_read_tool_settings(path, texts.texts), texts))


def read_infotext(text: str, *, input_images: Collection[str] = ()) -> ImportedSettings:
    """Read the settings of an infotext without a picture. `input_images` are the fields whose
    pictures come from elsewhere.

    Raises ImageError if it has none.
    """
    return to_request_values(formats.a1111(Path("infotext"), text), input_images=input_images)


def from_record(record: GenerationRecord) -> ImportedSettings:
    """The settings that a record says were used, with open values filled in."""
    values = {name: value for name, value in record.values().items() if value is not None}
    not_carried = []
    for name, path in record.request.input_images().items():
        if not path.is_file():
            field = REQUEST_FIELDS[name.partition(".")[0]]
            values.pop(field.name, None)
            not_carried.append(f"{field.spec.label} {path}: the file no longer exists")
    for name in REQUEST_FIELDS.orphans(values):
        del values[name]
    return ImportedSettings(values, formats.NATIVE, tuple(not_carried))


def _sidecar_record(path: Path) -> GenerationRecord | None:
    """The record in the JSON beside a picture; None if its hash is that of another file."""
    sidecar = sidecar_path(path)
    if not sidecar.is_file():
        return None
    try:
        record = read_record(sidecar)
        belongs = len(record.images) == 1 and record.images[0].sha256 == hash_file(path)
    except (HistoryError, OSError):
        return None
    return record if belongs else None


def _read_tool_settings(path: Path, texts: Mapping[str, str]) -> ToolSettings:
    parameters = texts.get(INFOTEXT_KEYWORD) or texts.get("UserComment")
    if any(key in texts for key in formats.INVOKEAI_KEYS):
        return formats.invokeai(path, texts)
    if "Comment" in texts and "Source" in texts:
        return formats.novelai(path, texts)
    if parameters and parameters.lstrip().startswith("{"):
        return formats.from_json_text(path, parameters)
    if parameters:
        return formats.a1111(path, parameters)
    for text in (texts.get("prompt"), *texts.values()):
        if text is not None and text.removeprefix("prompt:").lstrip().startswith("{"):
            return comfyui(path, text.removeprefix("prompt:"))
    raise ImageError(
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
